//! What one datagram costs. `cargo bench -p torrent-dht`.

use std::{net::SocketAddr, time::Instant};

use divan::{Bencher, black_box};
use torrent_dht::{
    Config, Contact, Family, Id, Limits, Node, NodeSnapshot, Role,
    krpc::{Body, Decoder, Message, Method, Query, Response, Want},
};

fn main() {
    divan::main();
}

fn id(n: u32) -> Id {
    let mut bytes = [0; 20];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (n.wrapping_mul(2_654_435_761).rotate_left(index as u32 * 3) >> 11) as u8;
    }
    Id::new(bytes)
}

fn packet(method: Method<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    Message::new(b"aaaa", Body::Query(Query { id: id(77), role: Role::ReadOnly, method })).encode(&mut out);
    out
}

fn methods() -> Vec<(&'static str, Method<'static>)> {
    vec![
        ("ping", Method::Ping),
        ("find_node", Method::FindNode { target: id(5), want: Want::Same }),
        ("get_peers", Method::GetPeers { info_hash: id(5), want: Want::Same, noseed: false, scrape: false }),
    ]
}

/// A node whose table has some hundred nodes that have answered.
#[expect(clippy::disallowed_methods, reason = "a bench has to begin at some time")]
fn node() -> (Node, Instant) {
    let now = Instant::now();
    let contacts: Vec<Contact> = (0..600u32)
        .map(|n| Contact { id: id(n), address: SocketAddr::from(([127, 0, (n >> 8) as u8, n as u8], 6881)) })
        .collect();
    let snapshot = NodeSnapshot { family: Family::V4, id: id(9999), contacts };
    let config = Config { snapshot: Some(snapshot), limits: Limits::unpaced(), ..Config::new(Family::V4) };
    let mut node = Node::new(now, [1; 32], config);
    let mut time = now;
    for _ in 0..400 {
        while let Some(datagram) = node.poll_transmit() {
            let SocketAddr::V4(to) = datagram.to else { continue };
            let [_, _, high, low] = to.ip().octets();
            let mut decoder = Decoder::default();
            let Ok(message) = decoder.decode(&datagram.payload) else { continue };
            let response = Response { id: id(u32::from(high) << 8 | u32::from(low)), ..Response::default() };
            let mut answer = Vec::new();
            Message::new(message.transaction, Body::Response(response)).encode(&mut answer);
            node.handle_datagram(time, datagram.to, &answer);
        }
        let Some(at) = node.poll_timeout() else { break };
        time = time.max(at);
        node.handle_timeout(time);
        while node.poll_event().is_some() {}
    }
    (node, time)
}

#[divan::bench(args = ["ping", "find_node", "get_peers"])]
fn decode(bencher: Bencher<'_, '_>, name: &str) {
    let packet = methods().into_iter().find(|(other, _)| *other == name).map(|(_, method)| packet(method));
    let packet = packet.unwrap_or_default();
    let mut decoder = Decoder::default();
    bencher.bench_local(|| black_box(decoder.decode(black_box(&packet)).is_ok()));
}

#[divan::bench(args = ["ping", "find_node", "get_peers"])]
fn answer(bencher: Bencher<'_, '_>, name: &str) {
    let packet = methods().into_iter().find(|(other, _)| *other == name).map(|(_, method)| packet(method));
    let packet = packet.unwrap_or_default();
    let (mut node, now) = node();
    let from = SocketAddr::from(([127, 9, 9, 9], 5000));
    bencher.bench_local(|| {
        node.handle_datagram(now, from, black_box(&packet));
        black_box(node.poll_transmit()).map(|datagram| datagram.payload.len())
    });
}

#[divan::bench]
fn closest(bencher: Bencher<'_, '_>) {
    let (node, _) = node();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        black_box(node.closest(&id(n), 8).len())
    });
}
