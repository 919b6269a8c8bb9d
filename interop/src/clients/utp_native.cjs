// libutp, by npm's utp-native, for the interop suite.
// usage: utp_native.cjs serve|dial HOST PORT MIB    the caller sends MIB and then receives as much; both check it
const utp = require('utp-native')
const [role, host, port, mib] = process.argv.slice(2)
const total = Number(mib) * 1048576
const PERIOD = 8191
const one = Buffer.alloc(PERIOD)
for (let n = 0; n < PERIOD; n++) one[n] = (Math.imul(n, 2654435761 | 0) >>> 13) & 0xff
const block = Buffer.concat(Array(32).fill(one))

function send (stream, done) {
  let left = total
  function more () {
    while (left > 0) {
      const count = Math.min(left, block.length)
      left -= count
      if (!stream.write(block.subarray(0, count))) return stream.once('drain', more)
    }
    done()
  }
  more()
}

function receive (stream, done) {
  let got = 0
  stream.on('data', data => {
    const at = got % PERIOD
    for (let from = 0, place = at; from < data.length;) {
      const count = Math.min(data.length - from, block.length - place)
      if (data.compare(block, place, place + count, from, from + count) !== 0) {
        console.error('the stream is damaged at', got)
        process.exit(2)
      }
      from += count
      place = at + from >= block.length ? (at + from) % PERIOD : at + from
    }
    got += data.length
    if (got === total) done()
  })
  stream.on('end', () => {
    if (got < total) {
      console.error('the stream ends after', got)
      process.exit(3)
    }
  })
}

function end (stream) {
  console.log('done')
  stream.end()
  setTimeout(() => process.exit(0), 500)
}

if (role === 'serve') {
  const server = utp.createServer(stream => {
    receive(stream, () => send(stream, () => stream.on('end', () => end(stream))))
    stream.on('error', error => { console.error(error.message); process.exit(0) })
  })
  server.listen(Number(port), host)
} else {
  const stream = utp.connect(Number(port), host)
  stream.on('error', error => { console.error(error.message); process.exit(4) })
  receive(stream, () => end(stream))
  send(stream, () => {})
}
