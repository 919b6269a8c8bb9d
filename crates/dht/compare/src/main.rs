//! Figures of three DHTs, measured in one run on one machine: lookups a second, announces at once, queries answered a second,
//! memory for each stored peer and each node.

use std::{
    net::{SocketAddr, UdpSocket},
    str::FromStr,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use torrent_dht::{
    Announce, AnnouncePort, Completeness, Config, Dht, Family, Id, Limits, Node, Role, Testnet,
    krpc::{Body, Decoder, Message, Method, Query, Want},
};
use torrent_types::InfoHash;

const NODES: usize = 100;
const LOOKUPS: u32 = 400;

fn hash(n: u32) -> InfoHash {
    let mut bytes = [0; 20];
    let mut state = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for byte in &mut bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    InfoHash::new(bytes)
}

const OURS: Announce = Announce { port: AnnouncePort::Explicit(7000), completeness: Completeness::Leech };

/// Resident memory, in bytes.
fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

#[tokio::main]
async fn main() {
    let argument = std::env::args().nth(1);
    let all = argument.is_none();
    let is = |name: &str| all || argument.as_deref() == Some(name);
    if is("memory") {
        memory_of_peers();
        memory_of_nodes().await;
    }
    if is("announces") {
        announces().await;
    }
    if is("lookups") {
        lookups().await;
    }
    if is("server") {
        server().await;
    }
}

fn memory_of_peers() {
    let mut now = Instant::now();
    let limits = Limits { stored_hashes: 1_000_000, ..Limits::unpaced() };
    let mut node = Node::new(now, [1; 32], Config { limits, ..Config::new(Family::V4) });
    for (hashes, peers) in [(2_000u32, 1u32), (100_000, 1), (200, 500)] {
        let before = (memory(), node.stats(now).stored_peers);
        for n in 0..hashes {
            for peer in 0..peers {
                let from = SocketAddr::from(([10, (peer >> 8) as u8, peer as u8, 1], 5000));
                let info_hash = Id::from(hash(n + hashes * 7));
                let token = {
                    let method = Method::GetPeers { info_hash, want: Want::Same, noseed: false, scrape: false };
                    let answer = ask(&mut node, now, from, method);
                    let mut decoder = Decoder::default();
                    match decoder.decode(&answer).map(|message| message.body) {
                        Ok(Body::Response(response)) => response.token.unwrap_or_default().to_vec(),
                        _ => Vec::new(),
                    }
                };
                let port = AnnouncePort::Implied;
                ask(&mut node, now, from, Method::AnnouncePeer { info_hash, port, seed: false, token: &token });
            }
            now += Duration::from_millis(1);
        }
        let stored = node.stats(now).stored_peers - before.1;
        println!("{hashes} torrents of {peers} peers: {stored} peers, {} bytes a peer", (memory() - before.0) / stored.max(1));
    }
}

fn ask(node: &mut Node, now: Instant, from: SocketAddr, method: Method<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    Message::new(b"aaaa", Body::Query(Query { id: Id::new([9; 20]), role: Role::ReadOnly, method })).encode(&mut payload);
    node.handle_datagram(now, from, &payload);
    node.poll_transmit().map(|datagram| datagram.payload).unwrap_or_default()
}

async fn memory_of_nodes() {
    let before = memory();
    let started = Instant::now();
    let testnet = Dht::testnet(300).await.unwrap();
    println!(
        "a network of 300 of our nodes: ready after {:.1} s, {} kB a node, {} threads",
        started.elapsed().as_secs_f64(),
        (memory() - before) / 300 / 1000,
        std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0)
    );
    drop(testnet);
    let before = memory();
    let started = Instant::now();
    let theirs = mainline::Testnet::builder(50).build().unwrap();
    println!(
        "a network of 50 mainline nodes: ready after {:.1} s, {} kB a node, {} threads",
        started.elapsed().as_secs_f64(),
        (memory() - before) / 50 / 1000,
        std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0)
    );
    drop(theirs);
}

async fn join(testnet: &Testnet) -> Dht {
    let dht = testnet.join().bind("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    dht.ready().await.unwrap();
    dht
}

async fn mainline_on(testnet: &Testnet) -> mainline::async_dht::AsyncDht {
    let routers: Vec<String> = testnet.routers().iter().map(ToString::to_string).collect();
    let mut builder = mainline::Dht::builder();
    builder.bootstrap(&routers).bind_address([127, 0, 0, 1].into()).port(0);
    let dht = builder.build().unwrap().as_async();
    dht.bootstrapped().await;
    dht
}

async fn announces() {
    let testnet = Dht::testnet(NODES).await.unwrap();
    let dht = join(&testnet).await;
    let started = Instant::now();
    let running: Vec<_> = (0..1000).map(|n| dht.announce(hash(n), OURS)).collect();
    let mut good = 0;
    for announce in running {
        good += u32::from(announce.finish().await.is_ok_and(|report| report.stored > 0));
    }
    println!("1,000 announces at once, {NODES} nodes: ours {good} in {:.1} s", started.elapsed().as_secs_f64());

    let mainline = mainline_on(&testnet).await;
    let started = Instant::now();
    let running = (0..1000).map(|n| {
        let id = mainline::Id::from_bytes(hash(5000 + n).as_bytes()).unwrap();
        mainline.announce_peer(id, Some(7000))
    });
    let results = tokio::time::timeout(Duration::from_secs(120), futures::future::join_all(running)).await;
    let good = results.map_or(0, |results| results.iter().filter(|result| result.is_ok()).count());
    println!("1,000 announces at once, {NODES} nodes: mainline {good} in {:.1} s", started.elapsed().as_secs_f64());
}

/// Until the first peer is there.
async fn lookups() {
    let testnet = Dht::testnet(NODES).await.unwrap();
    let announcer = join(&testnet).await;
    for n in 0..LOOKUPS {
        announcer.announce(hash(n), OURS).finish().await.unwrap();
    }
    let ours = join(&testnet).await;
    let mainline = mainline_on(&testnet).await;
    let config = librqbit_dht::DhtConfig {
        bootstrap_addrs: Some(testnet.routers().iter().map(ToString::to_string).collect()),
        listen_addr: Some("127.0.0.1:0".parse().unwrap()),
        ..Default::default()
    };
    let rqbit = librqbit_dht::DhtBuilder::with_config(config).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for at_once in [1, 4, 16, 64] {
        let run = |n: u32| {
            let ours = ours.clone();
            async move { ours.get_peers(hash(n)).next().await.is_some() }
        };
        report("ours", at_once, run).await;
        let run = |n: u32| {
            let mainline = mainline.clone();
            async move {
                let id = mainline::Id::from_bytes(hash(n).as_bytes()).unwrap();
                mainline.get_peers(id).next().await.is_some()
            }
        };
        report("mainline", at_once, run).await;
        let run = |n: u32| {
            let rqbit = rqbit.clone();
            async move {
                let id = librqbit_core::hash_id::Id20::from_str(&hash(n).to_string()).unwrap();
                let mut peers = rqbit.get_peers(id, None);
                tokio::time::timeout(Duration::from_secs(5), peers.next()).await.is_ok_and(|peer| peer.is_some())
            }
        };
        report("librqbit-dht", at_once, run).await;
    }
    // Whole lookups of ours, to the last of the closest nodes.
    for at_once in [1, 16, 64] {
        let run = |n: u32| {
            let ours = ours.clone();
            async move { ours.get_peers(hash(n)).finish().await.is_ok_and(|report| report.peers > 0) }
        };
        report("ours, whole lookups", at_once, run).await;
    }
}

async fn report<F: Future<Output = bool>>(name: &str, at_once: usize, run: impl Fn(u32) -> F) {
    let started = Instant::now();
    let work = stream::iter(0..LOOKUPS).map(run).buffer_unordered(at_once);
    let work = work.fold((0u32, 0u32), |(all, found), good| async move { (all + 1, found + u32::from(good)) });
    let Ok((all, found)) = tokio::time::timeout(Duration::from_secs(60), work).await else {
        return println!("{name}, {at_once} at once: not done within 60 s");
    };
    println!("{name}, {at_once} at once: {:.0} lookups/s, found {found} of {all}", f64::from(all) / started.elapsed().as_secs_f64());
}

/// Queries from one socket, as many on their way as it takes to keep the node busy.
async fn server() {
    let testnet = Dht::testnet(30).await.unwrap();
    let ours = testnet.nodes()[5].local_addrs()[0];
    let theirs = mainline::Testnet::builder(30).build().unwrap();
    let info = theirs.nodes[5].clone().as_async().info().await;
    for (name, address) in [("ours", ours), ("mainline", info.local_addr().into())] {
        for (query, method) in [
            ("ping", Method::Ping),
            ("find_node", Method::FindNode { target: Id::from(hash(5)), want: Want::Same }),
            ("get_peers", Method::GetPeers { info_hash: Id::from(hash(5)), want: Want::Same, noseed: false, scrape: false }),
        ] {
            let rate = tokio::task::spawn_blocking(move || blast(address, method)).await.unwrap();
            println!("{name}: {rate:.0} {query} answers/s");
        }
    }
}

fn blast(to: SocketAddr, method: Method<'static>) -> f64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut payload = Vec::new();
    Message::new(b"aaaa", Body::Query(Query { id: Id::new([9; 20]), role: Role::ReadOnly, method })).encode(&mut payload);
    let (started, mut answers, mut buffer) = (Instant::now(), 0u32, [0; 2048]);
    let mut on_their_way = 0;
    while started.elapsed() < Duration::from_secs(3) {
        while on_their_way < 64 {
            let _ = socket.send(&payload);
            on_their_way += 1;
        }
        match socket.recv(&mut buffer) {
            Ok(_) => {
                answers += 1;
                on_their_way -= 1;
            }
            // Some were lost.
            Err(_) => on_their_way = 0,
        }
    }
    f64::from(answers) / started.elapsed().as_secs_f64()
}
