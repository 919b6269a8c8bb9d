//! MSE over any tokio stream: drives the handshakes of [`mse`](crate::mse) to their end, and a stream that encrypts and
//! decrypts. Never: dialling, listening, or a decision of the policy.

use std::{
    error, fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, timeout_at},
};
use torrent_types::InfoHash;

use super::stream::now;
use crate::mse::{
    Ciphers, Error, Established, Initiator, Method, Obfuscation, Responder, SkeyHash, detect as detect_bytes,
};

/// How much is read at once during a handshake: more than both of its messages.
const READ_LENGTH: usize = 2 * 1024;

/// How much is encrypted ahead of what the stream below has taken.
const OUTBOX_LENGTH: usize = 16 * 1024;

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer hung up, as many do that know no MSE.
    Closed,
    /// The handshake failed, or took too long.
    Handshake(Error),
    /// The stream below failed.
    Io(io::Error),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer closed the connection during the handshake"),
            Self::Handshake(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Handshake(error) => error.source(),
            Self::Io(error) => error.source(),
            Self::Closed => None,
        }
    }
}

impl From<Error> for HandshakeError {
    fn from(error: Error) -> Self {
        Self::Handshake(error)
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One role of the handshake, as [`converse`] drives it.
trait Machine {
    fn handle_bytes(&mut self, received: &[u8]) -> Result<usize, Error>;
    fn poll_event(&mut self) -> Option<Established>;
    fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool;
    fn poll_timeout(&self) -> Option<std::time::Instant>;
    fn handle_timeout(&mut self) -> Result<(), Error>;
}

impl Machine for Initiator {
    fn handle_bytes(&mut self, received: &[u8]) -> Result<usize, Error> {
        self.handle_bytes(now().into(), received)
    }

    fn poll_event(&mut self) -> Option<Established> {
        self.poll_event()
    }

    fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        self.poll_transmit(out)
    }

    fn poll_timeout(&self) -> Option<std::time::Instant> {
        self.poll_timeout()
    }

    fn handle_timeout(&mut self) -> Result<(), Error> {
        self.handle_timeout(now().into())
    }
}

/// A responder and what it looks torrents up in.
struct Answering<F>(Responder, F);

impl<F: Fn(&SkeyHash) -> Option<InfoHash>> Machine for Answering<F> {
    fn handle_bytes(&mut self, received: &[u8]) -> Result<usize, Error> {
        self.0.handle_bytes(now().into(), received, &self.1)
    }

    fn poll_event(&mut self) -> Option<Established> {
        self.0.poll_event()
    }

    fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        self.0.poll_transmit(out)
    }

    fn poll_timeout(&self) -> Option<std::time::Instant> {
        self.0.poll_timeout()
    }

    fn handle_timeout(&mut self) -> Result<(), Error> {
        self.0.handle_timeout(now().into())
    }
}

/// Connects: carries `handshake` to its end over `stream`.
///
/// # Errors
///
/// The stream is dropped; see [`Policy::attempts`](crate::mse::Policy::attempts) for what to try next.
pub async fn connect<S>(stream: S, handshake: Initiator) -> Result<MseStream<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (_, stream) = converse(stream, Vec::new(), handshake).await?;
    Ok(stream)
}

/// Accepts: carries `handshake` to its end over `stream`. `received` are the bytes that [`detect`] has read already;
/// `lookup` is for [`Responder::handle_bytes`].
///
/// # Errors
///
/// The stream is dropped.
pub async fn accept<S>(
    stream: S,
    received: Vec<u8>,
    handshake: Responder,
    lookup: impl Fn(&SkeyHash) -> Option<InfoHash>,
) -> Result<(InfoHash, MseStream<S>), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    converse(stream, received, Answering(handshake, lookup)).await
}

/// Reads the first bytes of an incoming connection, up to where it is clear how it begins. Hand them to [`accept`], or to
/// [`MseStream::plain`].
///
/// # Errors
///
/// [`HandshakeError::Closed`], [`HandshakeError::Io`], or [`Error::TimedOut`] when `deadline` has passed.
pub async fn detect<S>(stream: &mut S, deadline: Instant) -> Result<(Obfuscation, Vec<u8>), HandshakeError>
where
    S: AsyncRead + Unpin,
{
    let read = async {
        let mut received = Vec::with_capacity(READ_LENGTH);
        loop {
            if stream.read_buf(&mut received).await? == 0 {
                return Err(HandshakeError::Closed);
            }
            if let Some(obfuscation) = detect_bytes(&received) {
                return Ok((obfuscation, received));
            }
        }
    };
    timeout_at(deadline, read).await.map_err(|_| Error::TimedOut)?
}

/// Writes and reads at the same time: both sides may have more padding to send than the pipe between them holds.
async fn converse<S>(
    stream: S,
    mut received: Vec<u8>,
    mut machine: impl Machine,
) -> Result<(InfoHash, MseStream<S>), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = MseStream::plain(stream, Vec::new());
    let mut chunk = [0; READ_LENGTH];
    loop {
        // Once it is over there is no deadline any more, but what it has to send may not fit into the pipe.
        let deadline = machine.poll_timeout().map_or_else(now, Instant::from_std);
        let used = machine.handle_bytes(&received)?;
        machine.poll_transmit(&mut stream.outbox.bytes);
        if let Some(mut done) = machine.poll_event() {
            timeout_at(deadline, stream.flush()).await.map_err(|_| Error::TimedOut)??;
            received.drain(..used);
            done.ciphers.decrypt(&mut received);
            stream.ciphers = done.ciphers;
            stream.unread.bytes = received;
            return Ok((done.info_hash, stream));
        }
        let mut buffer = ReadBuf::new(&mut chunk);
        let exchange = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = Pin::new(&mut stream).poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            Pin::new(&mut stream.stream).poll_read(cx, &mut buffer)
        });
        if let Ok(read) = timeout_at(deadline, exchange).await {
            read?;
            received = buffer.filled().to_vec();
            if received.is_empty() {
                return Err(HandshakeError::Closed);
            }
        } else {
            machine.handle_timeout()?;
            received.clear();
        }
    }
}

/// A stream that decrypts what is read and encrypts what is written, or neither if plaintext was agreed on.
///
/// Reading works in the reader's buffer. Writing copies, 16 KiB at most, as the writer's bytes are not ours to change;
/// a caller that owns its buffers takes the stream apart with [`Self::into_parts`] and encrypts in place.
#[derive(Debug)]
pub struct MseStream<S> {
    stream: S,
    ciphers: Ciphers,
    /// Payload that came with the handshake, decrypted.
    unread: Remainder,
    /// Encrypted, but not yet taken by the stream below.
    outbox: Remainder,
}

/// Bytes of which some are done with.
#[derive(Debug, Default)]
struct Remainder {
    bytes: Vec<u8>,
    done: usize,
}

impl<S> MseStream<S> {
    /// A connection without MSE, as the same type. `unread` are the bytes that [`detect`] has read.
    pub fn plain(stream: S, unread: Vec<u8>) -> Self {
        Self::new(stream, Ciphers::plain(), unread)
    }

    fn new(stream: S, ciphers: Ciphers, unread: Vec<u8>) -> Self {
        Self { stream, ciphers, unread: Remainder { bytes: unread, done: 0 }, outbox: Remainder::default() }
    }

    /// What was agreed on.
    pub const fn method(&self) -> Method {
        self.ciphers.method()
    }

    /// The stream below.
    pub const fn as_inner(&self) -> &S {
        &self.stream
    }

    /// The stream below, the ciphers, and the payload that has been received and decrypted but not read.
    /// Flush before, if anything has been written.
    pub fn into_parts(self) -> (S, Ciphers, Vec<u8>) {
        let Remainder { mut bytes, done } = self.unread;
        bytes.drain(..done);
        (self.stream, self.ciphers, bytes)
    }
}

impl Remainder {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.done..).unwrap_or_default()
    }

    /// Frees the memory with the last byte.
    fn consume(&mut self, count: usize) {
        self.done = self.done.saturating_add(count);
        if self.done >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

impl<S: AsyncWrite + Unpin> MseStream<S> {
    fn poll_outbox(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.as_slice().is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, self.outbox.as_slice()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.outbox.consume(count),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MseStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let unread = this.unread.as_slice();
        if let Some(part) = unread.get(..unread.len().min(buf.remaining())).filter(|part| !part.is_empty()) {
            buf.put_slice(part);
            let count = part.len();
            this.unread.consume(count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.ciphers.decrypt(buf.filled_mut().get_mut(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MseStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_outbox(cx))?;
        if this.ciphers.method() == Method::Plaintext {
            return Pin::new(&mut this.stream).poll_write(cx, buf);
        }
        let part = buf.get(..buf.len().min(OUTBOX_LENGTH)).unwrap_or_default();
        let mut bytes = part.to_vec();
        this.ciphers.encrypt(&mut bytes);
        this.outbox = Remainder { bytes, done: 0 };
        // The bytes are taken whether the stream below has room or not; its error would come up again at the next call.
        let _: Poll<io::Result<()>> = this.poll_outbox(cx);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outbox(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outbox(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{DuplexStream, duplex};

    use super::*;
    use crate::mse::{Methods, SkeyIndex};

    const TORRENT: InfoHash = InfoHash::new([7; 20]);

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn initiator(methods: Methods) -> Initiator {
        Initiator::new(now().into(), TORRENT, methods, &[1; 32], b"hello").unwrap()
    }

    async fn pair(ours: Methods, theirs: Methods, buffer: usize) -> [MseStream<DuplexStream>; 2] {
        let (a, mut b) = duplex(buffer);
        let skeys: SkeyIndex = [TORRENT].into_iter().collect();
        let accepted = async {
            let (obfuscation, received) = detect(&mut b, deadline()).await?;
            assert_eq!(obfuscation, Obfuscation::Mse);
            let responder = Responder::new(now().into(), theirs, &[2; 32]);
            accept(b, received, responder, |skey| skeys.lookup(skey)).await
        };
        let (a, b) = tokio::join!(connect(a, initiator(ours)), accepted);
        let (info_hash, b) = b.unwrap();
        assert_eq!(info_hash, TORRENT);
        [a.unwrap(), b]
    }

    #[tokio::test]
    async fn payload_passes_in_both_directions_through_a_narrow_pipe() {
        for methods in [Methods::Plaintext, Methods::Rc4] {
            let [mut a, mut b] = pair(methods, methods, 100).await;
            let sent: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
            let (mut to_a, mut to_b) = (vec![0; sent.len()], vec![0; sent.len() + 5]);
            let (mut a_read, mut a_write) = tokio::io::split(&mut a);
            let (mut b_read, mut b_write) = tokio::io::split(&mut b);
            tokio::try_join!(
                async { a_write.write_all(&sent).await.and(a_write.flush().await) },
                async { b_write.write_all(&sent).await.and(b_write.flush().await) },
                a_read.read_exact(&mut to_a),
                b_read.read_exact(&mut to_b),
            )
            .unwrap();
            assert_eq!((&to_b[..5], &to_b[5..], &to_a), (&b"hello"[..], &sent[..], &sent), "{methods:?}");
        }
    }

    #[tokio::test]
    async fn a_stream_comes_apart_into_what_the_fast_path_needs() {
        let [mut a, b] = pair(Methods::Rc4, Methods::Rc4, 4096).await;
        let (mut stream, mut ciphers, mut payload) = b.into_parts();
        a.write_all(b" world").await.unwrap();
        let mut more = [0; 6];
        while payload.len() < 5 {
            payload.push(stream.read_u8().await.unwrap());
        }
        stream.read_exact(&mut more).await.unwrap();
        ciphers.decrypt(&mut more);
        assert_eq!((&payload[..], &more), (&b"hello"[..], b" world"));
    }

    #[tokio::test]
    async fn plain_connections_are_detected_and_pass_unchanged() {
        let (mut a, mut b) = duplex(4096);
        a.write_all(b"\x13BitTorrent protocol and more").await.unwrap();
        let (obfuscation, received) = detect(&mut b, deadline()).await.unwrap();
        assert_eq!(obfuscation, Obfuscation::Plain);
        let mut bytes = [0; 29];
        MseStream::plain(b, received).read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"\x13BitTorrent protocol and more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_left_at_the_deadline_and_a_closed_one_at_once() {
        let (a, b) = duplex(4096);
        let start = now();
        let outcome = connect(a, initiator(Methods::Rc4)).await;
        assert!(matches!(outcome, Err(HandshakeError::Handshake(Error::TimedOut))));
        assert_eq!(start.elapsed(), Initiator::TIMEOUT);
        drop(b);
        let (a, b) = duplex(4096);
        drop(b);
        let error = connect(a, initiator(Methods::Rc4)).await.unwrap_err();
        assert!(matches!(error, HandshakeError::Io(_) | HandshakeError::Closed), "{error:?}");
    }

    #[tokio::test]
    async fn both_sides_learn_why_they_cannot_agree() {
        let (a, b) = duplex(4096);
        let lookup = |_: &SkeyHash| Some(TORRENT);
        let responder = Responder::new(now().into(), Methods::Rc4, &[2; 32]);
        let (a, b) = tokio::join!(connect(a, initiator(Methods::Plaintext)), accept(b, Vec::new(), responder, lookup),);
        assert!(matches!(a.unwrap_err(), HandshakeError::Closed));
        assert!(matches!(b.unwrap_err(), HandshakeError::Handshake(Error::NoCommonMethod { provided: 1 })));
    }
}
