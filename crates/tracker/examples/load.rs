//! How many announces a second does a tracker answer, and how much memory does a peer take?
//!
//! ```text
//! load serve ADDRESS                     our server, until killed
//! load hashes                            the info hashes that are asked about, for a tracker with a whitelist
//! load udp ADDRESS [SECONDS]             64 questions on their way at any time
//! load http ADDRESS [SECONDS]            8 connections, kept open
//! load pipelined ADDRESS [SECONDS]       8 connections, 16 requests on each at a time
//! load close ADDRESS [SECONDS]           8 threads, a connection for every request
//! load fill ADDRESS [PEERS]              that many different peers announce once, over UDP
//! load memory [PEERS] [SWARMS]           peers put into the store of our server
//! ```
//!
//! `beside-opentracker` does all of it. The load is the same for every tracker: 100 torrents, ports at random, 50 peers wanted.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a tool: what fails ends it, and it measures time")]

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    process, thread,
    time::{Duration, Instant},
};

use torrent_tracker::{
    AnnounceRequest, TrackerUrl,
    http::announce_target,
    server::{Announcement, Peers, Server, ServerConfig, Swarms},
};
use torrent_types::InfoHash;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let number = |at: usize, default: u64| words.get(at).map_or(default, |text| text.parse().unwrap());
    match words[..] {
        ["serve", address] => serve(address),
        ["hashes"] => (0..TORRENTS).for_each(|n| println!("{}", hash(n))),
        ["fill", address, ..] => fill(address.parse().unwrap(), number(2, 1_000_000)),
        ["memory", ..] => memory(number(1, 1_000_000), number(2, 1)),
        [mode, address, ..] => {
            let (address, time) = (address.parse().unwrap(), Duration::from_secs(number(2, 5)));
            let work: fn(SocketAddr, Instant, u64) -> u64 = match mode {
                "udp" => udp,
                "http" => |a, e, s| http(a, e, s, 1),
                "pipelined" => |a, e, s| http(a, e, s, 16),
                "close" => close,
                _ => usage(),
            };
            let (threads, start) = (if mode == "udp" { 2 } else { 8 }, Instant::now());
            let workers: Vec<_> =
                (0..threads).map(|seed| thread::spawn(move || work(address, start + time, seed + 1))).collect();
            let answered: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
            println!("{mode}: {:.0} announces/s", answered as f64 / start.elapsed().as_secs_f64());
        }
        _ => usage(),
    }
}

const TORRENTS: u64 = 100;

fn usage() -> ! {
    eprintln!(
        "usage: load serve|udp|http|pipelined|close ADDRESS [SECONDS], load fill ADDRESS [PEERS], \
         load memory [PEERS] [SWARMS], load hashes"
    );
    process::exit(2)
}

fn hash(number: u64) -> InfoHash {
    let mut bytes = [b'h'; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn serve(address: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::bind(address).await.unwrap();
        println!("{}", server.local_addr());
        std::future::pending::<()>().await;
    });
}

/// xorshift: making the load has to be cheap.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn announce(state: &mut u64) -> AnnounceRequest {
    peer(next(state))
}

/// Numbers below six millions are different peers.
fn peer(luck: u64) -> AnnounceRequest {
    let port = u16::try_from(luck % 60_000).unwrap() + 1024;
    let mut request = AnnounceRequest::new(hash(luck / 60_000 % TORRENTS), [b'p'; 20].into(), port);
    (request.left, request.num_want) = (Some(luck >> 60), Some(50));
    request
}

/// A socket that has a connection id, and an announce to fill in.
fn connect_udp(address: SocketAddr) -> (UdpSocket, Vec<u8>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut buffer = [0; 2048];
    let mut packet = vec![0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0, 0, 0, 1];
    socket.send(&packet).unwrap();
    socket.recv(&mut buffer).unwrap();
    packet[..8].copy_from_slice(&buffer[8..16]);
    packet[11] = 1;
    packet.resize(98, 0);
    packet[95] = 50;
    (socket, packet)
}

fn fill_in(packet: &mut [u8], request: &AnnounceRequest) {
    packet[16..36].copy_from_slice(request.info_hash.as_bytes());
    packet[71] = u8::try_from(request.left.unwrap_or_default()).unwrap();
    packet[96..].copy_from_slice(&request.port.to_be_bytes());
}

fn udp(address: SocketAddr, end: Instant, mut state: u64) -> u64 {
    let (socket, mut packet) = connect_udp(address);
    let mut ask = || {
        fill_in(&mut packet, &announce(&mut state));
        let _ = socket.send(&packet);
    };
    let (mut buffer, mut answered) = ([0; 2048], 0);
    (0..32).for_each(|_| ask());
    while Instant::now() < end {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                assert!(length >= 20 && buffer[3] == 1, "not an answer: {:?}", &buffer[..length]);
                answered += 1;
                ask();
            }
            // Lost on the way: fill up again.
            Err(_) => (0..32).for_each(|_| ask()),
        }
    }
    answered
}

fn fill(address: SocketAddr, peers: u64) {
    let (mut socket, mut packet) = connect_udp(address);
    let mut buffer = [0; 2048];
    let numbers: Vec<_> = (0..u32::try_from(peers).unwrap()).collect();
    for (turn, chunk) in numbers.chunks(32).enumerate() {
        if turn % 100_000 == 99_999 {
            // Connection ids age.
            (socket, packet) = connect_udp(address);
        }
        let mut open: Vec<_> = chunk.to_vec();
        while !open.is_empty() {
            for &number in &open {
                fill_in(&mut packet, &peer(number.into()));
                packet[12..16].copy_from_slice(&number.to_be_bytes());
                let _ = socket.send(&packet);
            }
            while !open.is_empty() && socket.recv(&mut buffer).is_ok() {
                open.retain(|number| number.to_be_bytes() != buffer[4..8]);
            }
        }
    }
}

fn request(url: &TrackerUrl, state: &mut u64, headers: &str, out: &mut String) {
    let target = announce_target(url, &announce(state)).unwrap();
    write!(out, "GET {target} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", url.authority()).unwrap();
}

fn http(address: SocketAddr, end: Instant, mut state: u64, depth: usize) -> u64 {
    let url: TrackerUrl = format!("http://{address}/announce").parse().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut out, mut input, mut answered) = (String::new(), Vec::new(), 0);
    while Instant::now() < end {
        out.clear();
        (0..depth).for_each(|_| request(&url, &mut state, "", &mut out));
        stream.write_all(out.as_bytes()).unwrap();
        let mut open = depth;
        while open > 0 {
            let mut chunk = [0; 65536];
            let length = stream.read(&mut chunk).unwrap();
            assert!(length > 0, "the tracker does not keep connections");
            input.extend_from_slice(&chunk[..length]);
            while let Some(length) = answer_length(&input) {
                input.drain(..length);
                open -= 1;
                answered += 1;
            }
        }
    }
    answered
}

fn answer_length(input: &[u8]) -> Option<usize> {
    let head = input.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&input[..head]).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let (_, rest) = text.split_once("Content-Length: ").unwrap();
    let length = head + rest.split_once('\r').unwrap().0.parse::<usize>().unwrap();
    (input.len() >= length).then_some(length)
}

fn close(address: SocketAddr, end: Instant, mut state: u64) -> u64 {
    let url: TrackerUrl = format!("http://{address}/announce").parse().unwrap();
    let (mut out, mut input, mut answered) = (String::new(), Vec::new(), 0);
    while Instant::now() < end {
        out.clear();
        input.clear();
        request(&url, &mut state, "Connection: close\r\n", &mut out);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(out.as_bytes()).unwrap();
        if stream.read_to_end(&mut input).is_ok() && input.windows(8).any(|window| window == b"interval") {
            answered += 1;
        }
    }
    answered
}

fn memory(peers: u64, torrents: u64) {
    let now = Instant::now();
    let mut config = ServerConfig::default();
    (config.max_peers, config.max_swarms) = (usize::MAX, usize::MAX);
    let before = resident();
    let mut swarms = Swarms::new(config, now, [7; 32]);
    let mut found = Peers::default();
    let start = Instant::now();
    for number in 0..peers {
        let [.., a, b, c, d] = number.to_be_bytes();
        let mut who = Announcement::new(hash(number % torrents), SocketAddr::from(([a, b, c, d], 6881)), 1);
        who.num_want = Some(50);
        found.clear();
        swarms.announce(now, &who, &mut found).unwrap();
    }
    let time = start.elapsed();
    let bytes = resident().saturating_sub(before);
    println!(
        "{peers} peers in {torrents} swarms: {:.1} bytes a peer, {:.0} announces/s in one thread without a network",
        bytes as f64 / peers as f64,
        peers as f64 / time.as_secs_f64()
    );
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
