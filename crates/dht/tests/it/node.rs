//! One node, datagram by datagram.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_bencode::{Encoder, RawValue, Value};
use torrent_dht::{
    AnnouncePort, Config, Event, Family, Id, Item, KeyPair, Limits, Node, Policy, Role, Salt, Search, Verdict,
    krpc::{Body, Decoder, Message, Method, Put, Query, Response, Want, code},
};

use crate::network::Network;

struct Lab {
    node: Node,
    now: Instant,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const STRANGER: &str = "8.8.4.4:4000";

impl Lab {
    fn new() -> Self {
        Self::with(Config::new(Family::V4))
    }

    fn with(config: Config) -> Self {
        let now = torrent_sim::start();
        Self { node: Node::new(now, [5; 32], config), now }
    }

    /// What comes back for a datagram.
    fn send(&mut self, from: &str, payload: &[u8]) -> Vec<Vec<u8>> {
        self.node.handle_datagram(self.now, address(from), payload);
        let mut answers = Vec::new();
        while let Some(datagram) = self.node.poll_transmit() {
            let pings =
                datagram.payload.windows(3).any(|window| window == b"1:q") && datagram.payload.ends_with(b"1:y1:qe");
            if !pings {
                assert_eq!(datagram.to, address(from));
                answers.push(datagram.payload);
            }
        }
        answers
    }

    fn query(&mut self, from: &str, method: Method<'_>) -> Value {
        let mut payload = Vec::new();
        let query = Query { id: Id::new([9; 20]), role: Role::ReadOnly, method };
        Message::new(b"tr", Body::Query(query)).encode(&mut payload);
        let answers = self.send(from, &payload);
        assert_eq!(answers.len(), 1);
        Value::decode(&answers[0]).unwrap()
    }

    fn token(&mut self, from: &str, info_hash: Id) -> Vec<u8> {
        let method = Method::GetPeers { info_hash, want: Want::Same, noseed: false, scrape: false };
        self.query(from, method).find("r").unwrap().find("token").unwrap().as_bytes().unwrap().to_vec()
    }

    fn announce(&mut self, from: &str, info_hash: Id, token: &[u8]) -> Value {
        self.query(from, Method::AnnouncePeer { info_hash, port: AnnouncePort::Explicit(7), seed: false, token })
    }
}

fn error_code(answer: &Value) -> Option<i64> {
    answer.find("e")?.as_list()?.first()?.as_int()
}

#[test]
fn crafted_packets_break_nothing_and_are_answered_by_the_book() {
    let id = "2:id20:abcdefghij0123456789";
    let ping = |t: &str| format!("d1:ad{id}e1:q4:ping1:t{}:{t}1:y1:qe", t.len());
    let cases: Vec<(&str, Vec<u8>, Option<i64>)> = vec![
        ("no arguments", b"d1:q4:ping1:t2:aa1:y1:qe".to_vec(), Some(code::PROTOCOL)),
        ("arguments that are a list", b"d1:ale1:q4:ping1:t2:aa1:y1:qe".to_vec(), Some(code::PROTOCOL)),
        ("a method that is a number", format!("d1:ad{id}e1:qi5e1:t2:aa1:y1:qe").into(), Some(code::PROTOCOL)),
        (
            "an id of 19 bytes",
            b"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe".to_vec(),
            Some(code::PROTOCOL),
        ),
        ("no target", format!("d1:ad{id}e1:q9:find_node1:t2:aa1:y1:qe").into(), Some(code::PROTOCOL)),
        ("an unknown method", format!("d1:ad{id}e1:q4:vote1:t2:aa1:y1:qe").into(), Some(code::METHOD_UNKNOWN)),
        (
            "an unknown method with a target",
            format!("d1:ad{id}6:target20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe").into(),
            Some(0),
        ),
        (
            "announce without a token",
            format!("d1:ad{id}9:info_hash20:abcdefghij01234567894:porti1ee1:q13:announce_peer1:t2:aa1:y1:qe").into(),
            Some(code::PROTOCOL),
        ),
        (
            "announce with port 0",
            format!("d1:ad{id}9:info_hash20:abcdefghij01234567894:porti0e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe")
                .into(),
            Some(code::PROTOCOL),
        ),
        ("put without a value", format!("d1:ad{id}5:token1:xe1:q3:put1:t2:aa1:y1:qe").into(), Some(code::PROTOCOL)),
        ("t of 0 bytes", ping("").into(), Some(0)),
        ("t of 1 byte", ping("a").into(), Some(0)),
        ("t of 2 bytes", ping("aa").into(), Some(0)),
        ("t of 4 bytes", ping("aaaa").into(), Some(0)),
        ("t of 32 bytes", ping(&"a".repeat(32)).into(), Some(0)),
        ("t of 33 bytes", ping(&"a".repeat(33)).into(), None),
        ("t that is a number", format!("d1:ad{id}e1:q4:ping1:ti7e1:y1:qe").into(), None),
        ("no t", format!("d1:ad{id}e1:q4:ping1:y1:qe").into(), None),
        ("no y", format!("d1:ad{id}e1:q4:ping1:t2:aae").into(), None),
        ("unsorted keys", format!("d1:y1:q1:t2:aa1:q4:ping1:ad{id}ee").into(), Some(0)),
        ("bytes behind the message", format!("{}xyz", ping("aa")).into(), Some(0)),
        ("v of 1,000 bytes", format!("d1:ad{id}e1:q4:ping1:t2:aa1:v1000:{}1:y1:qe", "x".repeat(1000)).into(), Some(0)),
        ("nested lists", [b"d1:a".to_vec(), vec![b'l'; 1500]].concat(), None),
        (
            "nested lists, closed",
            [b"d1:a".to_vec(), vec![b'l'; 700], vec![b'e'; 700], b"1:q4:ping1:t2:aa1:y1:qe".to_vec()].concat(),
            None,
        ),
        ("nested dictionaries", b"d1:a".repeat(400), None),
        ("a length beyond the end", b"d1:t9999999999:aa".to_vec(), None),
        ("a length beyond everything", b"d1:t99999999999999999999999999:aa".to_vec(), None),
        ("nothing", Vec::new(), None),
        ("an empty dictionary", b"de".to_vec(), None),
        ("a response to nothing", format!("d1:rd{id}e1:t2:aa1:y1:re").into(), None),
        ("an error to nothing", b"d1:eli201e3:abce1:t4:aaaa1:y1:ee".to_vec(), None),
        ("a response without an id", b"d1:rde1:t4:aaaa1:y1:re".to_vec(), None),
        ("4,097 bytes", vec![b'd'; 4097], None),
    ];
    let mut lab = Lab::new();
    for (name, packet, expected) in &cases {
        lab.now += Duration::from_secs(1);
        let answers = lab.send(STRANGER, packet);
        let code = answers.first().map(|answer| {
            let answer = Value::decode(answer).unwrap_or_else(|error| panic!("{name}: {error}"));
            error_code(&answer).unwrap_or(0)
        });
        assert_eq!(code, *expected, "{name}");
        assert!(answers.len() <= 1, "{name}");
    }
    // Every beginning of every packet, and every byte turned over.
    for (_, packet, _) in cases.iter().filter(|(_, packet, _)| packet.len() < 400) {
        for end in 0..packet.len() {
            let _ = lab.send(STRANGER, &packet[..end]);
            let mut other = packet.clone();
            other[end] ^= 0x15;
            let _ = lab.send(STRANGER, &other);
        }
    }
}

#[test]
fn huge_lists_of_peers_and_nodes_are_cut_to_what_one_answer_may_bring() {
    let mut lab = Lab::new();
    let node = address("8.8.8.8:8888");
    lab.node.handle_node(lab.now, node);
    let search = Search::GetPeers { info_hash: Id::new([1; 20]), announce: None, scrape: false };
    let lookup = lab.node.handle_search(lab.now, search).unwrap();
    let mut asked = 0;
    while let Some(datagram) = lab.node.poll_transmit() {
        asked += 1;
        let mut decoder = Decoder::default();
        let message = decoder.decode(&datagram.payload).unwrap();
        // 4,096 bytes: as many peers as they hold, then as many nodes.
        let values = (0..500u32).map(|n| SocketAddr::from(((0x0900_0000 + n).to_be_bytes(), 6881))).collect();
        let response = Response { id: Id::new([2; 20]), values, ..Response::default() };
        let mut payload = Vec::new();
        Message::new(message.transaction, Body::Response(response)).encode(&mut payload);
        assert!(payload.len() <= 4096);
        lab.node.handle_datagram(lab.now, node, &payload);
    }
    assert!(asked > 0);
    let mut peers = 0;
    while let Some(event) = lab.node.poll_event() {
        match event {
            Event::Peers { lookup: of, peers: found } if of == lookup => peers += found.len(),
            Event::Finished { outcome, .. } => assert_eq!(outcome.peers, 500),
            _ => {}
        }
    }
    assert_eq!(peers, 500);
}

#[test]
fn answers_come_from_the_node_that_was_asked_with_the_id_that_was_asked_for() {
    let mut lab = Lab::new();
    let node = address("8.8.8.8:8888");
    lab.node.handle_node(lab.now, node);
    let datagram = lab.node.poll_transmit().unwrap();
    let mut decoder = Decoder::default();
    let transaction = decoder.decode(&datagram.payload).unwrap().transaction.to_vec();
    assert_eq!(transaction.len(), 4, "some nodes answer no other");
    let answer = |transaction: &[u8]| {
        let mut payload = Vec::new();
        let response = Response { id: Id::new([2; 20]), ..Response::default() };
        Message::new(transaction, Body::Response(response)).encode(&mut payload);
        payload
    };
    lab.node.handle_datagram(lab.now, address("8.8.8.9:8888"), &answer(&transaction));
    lab.node.handle_datagram(lab.now, node, &answer(b"1234"));
    lab.node.handle_datagram(lab.now, node, &answer(b""));
    assert_eq!(lab.node.stats(lab.now).unsolicited, 3);
    assert_eq!(lab.node.stats(lab.now).good_nodes, 0);
    lab.node.handle_datagram(lab.now, node, &answer(&transaction));
    assert_eq!(lab.node.stats(lab.now).good_nodes, 1);
    // A second time is once too often.
    lab.node.handle_datagram(lab.now, node, &answer(&transaction));
    assert_eq!(lab.node.stats(lab.now).unsolicited, 4);
}

#[test]
fn a_forger_of_tokens_gets_nothing_stored() {
    let mut lab = Lab::with(Config { limits: Limits::unpaced(), ..Config::new(Family::V4) });
    let hash = Id::new([7; 20]);
    // It has a token for each of many addresses of its own, and from many moments.
    let mut tokens = Vec::new();
    for n in 1..=250 {
        tokens.push(lab.token(&format!("9.9.9.{n}:5000"), hash));
    }
    let victim = "8.8.4.4:4000";
    let mut forged: Vec<Vec<u8>> = tokens.clone();
    for pair in tokens.windows(3) {
        let xor = |a: &[u8], b: &[u8]| -> Vec<u8> { a.iter().zip(b).map(|(a, b)| a ^ b).collect() };
        forged.push(xor(&pair[0], &pair[1]));
        forged.push(xor(&xor(&pair[0], &pair[1]), &pair[2]));
    }
    forged.push(Vec::new());
    forged.push(vec![0; 8]);
    forged.push(vec![0; 20]);
    for token in &forged {
        assert_eq!(error_code(&lab.announce(victim, hash, token)), Some(code::PROTOCOL));
        let value = RawValue::new(b"5:hello").unwrap();
        let put = Put { token, value, signed: None, cas: None };
        assert_eq!(error_code(&lab.query(victim, Method::Put(put))), Some(code::PROTOCOL));
    }
    let stats = lab.node.stats(lab.now);
    assert_eq!((stats.stored_peers, stats.stored_items), (0, 0));
    assert_eq!(stats.bad_tokens, 2 * forged.len() as u64);
    // Its own, for itself, is good, and not half an hour later.
    assert_eq!(error_code(&lab.announce("9.9.9.1:5000", hash, &tokens[0])), None);
    assert_eq!(lab.node.stats(lab.now).stored_peers, 1);
    lab.now += Duration::from_secs(1800);
    assert_eq!(error_code(&lab.announce("9.9.9.2:5000", hash, &tokens[1])), Some(code::PROTOCOL));
}

#[test]
fn peers_are_stored_told_counted_sampled_and_forgotten() {
    let mut lab = Lab::new();
    let hash = Id::new([7; 20]);
    for (n, seed) in [(1, false), (2, true)] {
        let from = format!("9.9.{n}.9:5000");
        let token = lab.token(&from, hash);
        let port = if n == 1 { AnnouncePort::Implied } else { AnnouncePort::Explicit(7000) };
        lab.query(&from, Method::AnnouncePeer { info_hash: hash, port, seed, token: &token });
    }
    let get = Method::GetPeers { info_hash: hash, want: Want::Same, noseed: false, scrape: true };
    let answer = lab.query(STRANGER, get.clone());
    let r = answer.find("r").unwrap();
    let mut values: Vec<&[u8]> =
        r.find("values").unwrap().as_list().unwrap().iter().map(|v| v.as_bytes().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, [b"\x09\x09\x01\x09\x13\x88", b"\x09\x09\x02\x09\x1b\x58"]);
    let bits = |key: &str| r.find(key).unwrap().as_bytes().unwrap().iter().map(|byte| byte.count_ones()).sum::<u32>();
    assert_eq!((bits("BFsd"), bits("BFpe")), (2, 2));
    assert_eq!(answer.find("ip").unwrap().as_bytes(), Some(&b"\x08\x08\x04\x04\x0f\xa0"[..]));

    let sample = lab.query(STRANGER, Method::SampleInfohashes { target: hash, want: Want::Same });
    let r = sample.find("r").unwrap();
    assert_eq!(r.find("samples").unwrap().as_bytes(), Some(&hash.as_bytes()[..]));
    assert_eq!(r.find("num").unwrap().as_int(), Some(1));
    assert!(r.find("interval").unwrap().as_int().unwrap() > 0);

    lab.now += Duration::from_secs(31 * 60);
    assert_eq!(lab.query(STRANGER, get).find("r").unwrap().find("values"), None);
}

#[test]
fn an_answer_is_never_longer_than_a_datagram_may_be() {
    let mut network = Network::new(3, 0.0);
    network.grow(60);
    network.world.run_for(Duration::from_secs(60));
    let id = network.random_node();
    let to = network.world.address(id);
    let hash = *network.honest(id).node.id();
    for n in 0..300u32 {
        let from = SocketAddr::from(((0x0500_0000 + (n << 8)).to_be_bytes(), 5000));
        network.act(id, |node, now| {
            let ask = |node: &mut Node, method| {
                let mut payload = Vec::new();
                let query = Query { id: Id::new([9; 20]), role: Role::ReadOnly, method };
                Message::new(b"tr", Body::Query(query)).encode(&mut payload);
                node.handle_datagram(now, from, &payload);
                let mut last = Vec::new();
                while let Some(datagram) = node.poll_transmit() {
                    assert!(datagram.payload.len() <= 1024, "{} bytes", datagram.payload.len());
                    last = datagram.payload;
                }
                last
            };
            let answer =
                ask(node, Method::GetPeers { info_hash: hash, want: Want::Both, noseed: false, scrape: n % 2 == 0 });
            let answer = Value::decode(&answer).unwrap();
            let token = answer.find("r").unwrap().find("token").unwrap().as_bytes().unwrap().to_vec();
            ask(
                node,
                Method::AnnouncePeer { info_hash: hash, port: AnnouncePort::Implied, seed: n % 3 == 0, token: &token },
            );
        });
    }
    assert!(network.honest(id).node.stats(network.world.now()).stored_peers >= 290, "{to}");
}

#[test]
fn nothing_is_amplified() {
    let mut lab = Lab::new();
    // What is not understood is answered with a few bytes more than it has at most.
    for packet in [&b"d1:t2:aa1:y1:qe"[..], b"d1:q1:x1:t2:aa1:y1:qe", b"d1:t0:1:y1:qe"] {
        for answer in lab.send(STRANGER, packet) {
            assert!(answer.len() <= packet.len() + 12);
        }
    }
    // Ten thousand queries in ten seconds, in the name of one victim: what it gets is bounded.
    let mut payload = Vec::new();
    let query = Query {
        id: Id::new([9; 20]),
        role: Role::ReadOnly,
        method: Method::GetPeers { info_hash: Id::new([1; 20]), want: Want::Both, noseed: false, scrape: true },
    };
    Message::new(b"tr", Body::Query(query)).encode(&mut payload);
    let (mut sent, mut received) = (0, 0);
    for _ in 0..10_000 {
        lab.now += Duration::from_millis(1);
        received += lab.send(STRANGER, &payload).iter().map(Vec::len).sum::<usize>();
        sent += payload.len();
    }
    assert!(received <= 2048 * 20 && received < sent / 10, "{received} bytes for {sent}");
    assert!(lab.node.stats(lab.now).rate_limited > 9000);
}

#[test]
fn read_only_nodes_answer_nothing_and_are_told_to_nobody() {
    let mut quiet = Lab::with(Config { role: Role::ReadOnly, ..Config::new(Family::V4) });
    let mut payload = Vec::new();
    let query = Query { id: Id::new([9; 20]), role: Role::Server, method: Method::Ping };
    Message::new(b"tr", Body::Query(query)).encode(&mut payload);
    assert!(quiet.send(STRANGER, &payload).is_empty());
    quiet.node.handle_node(quiet.now, address("8.8.8.8:8888"));
    let sent = quiet.node.poll_transmit().unwrap().payload;
    assert!(sent.windows(7).any(|window| window == b"2:roi1e"));
    // One that asks and is read-only is not asked back; one that is not, is.
    let mut lab = Lab::new();
    lab.node.handle_datagram(lab.now, address(STRANGER), &sent);
    assert_eq!(lab.node.stats(lab.now).nodes, 0);
    lab.node.handle_datagram(lab.now, address(STRANGER), &payload);
    assert_eq!(lab.node.stats(lab.now).nodes, 1);
    assert_eq!(lab.node.stats(lab.now).good_nodes, 0, "it has not answered yet");
}

#[test]
fn items_are_stored_found_and_compared() {
    let mut network = Network::new(11, 0.0);
    network.grow(60);
    network.world.run_for(Duration::from_secs(30));
    let (a, b) = (network.alive[3], network.alive[40]);
    let value = RawValue::new(b"d2:ihi7e4:listli1ei2eee").unwrap().to_buf();
    let item = Item::immutable(value.clone()).unwrap();
    let lookup = network.search(a, Search::Put { item: item.clone(), cas: None });
    assert!(network.outcome(a, lookup).stored >= 6);
    let get = Search::Get { target: item.target(), salt: Salt::default(), seq: None };
    let lookup = network.search(b, get);
    assert_eq!(network.outcome(b, lookup).item, Some(item));

    let pair = KeyPair::from_seed([3; 32]);
    let salt = Salt::new(*b"salt").unwrap();
    let put = |network: &mut Network, by, seq, cas| {
        let number = Encoder::to_vec(&seq);
        let value = RawValue::new(&number).unwrap().to_buf();
        let item = pair.sign(value, seq, salt.clone()).unwrap();
        let lookup = network.search(by, Search::Put { item: Item::Mutable(item), cas });
        network.outcome(by, lookup)
    };
    assert!(put(&mut network, a, 1i64, None).stored >= 6);
    assert!(put(&mut network, b, 2, Some(1)).stored >= 6);
    let refused = put(&mut network, a, 3, Some(1));
    assert_eq!((refused.stored, refused.refused.map(|(code, _)| code)), (0, Some(code::CAS_MISMATCH)));
    let refused = put(&mut network, a, 1, None);
    assert_eq!((refused.stored, refused.refused.map(|(code, _)| code)), (0, Some(code::SEQ_TOO_LOW)));
    let get = Search::Get { target: pair.public().target(&salt), salt, seq: None };
    let lookup = network.search(b, get);
    assert_eq!(network.outcome(b, lookup).item.and_then(|item| item.seq()), Some(2));
}

#[test]
fn the_external_address_is_learned_by_vote_and_the_id_follows() {
    let mut network = Network::new(5, 0.0);
    network.grow(40);
    let addresses: Vec<SocketAddr> = (1..=4).map(|n| SocketAddr::from(([77, 1, n, 1], 6881))).collect();
    for address in addresses {
        let id = network.join_as(address, Config::new(Family::V4));
        network.world.run_for(Duration::from_secs(60));
        let honest = network.honest(id);
        assert_eq!(honest.node.external(), Some(address.ip()));
        assert!(honest.node.id().is_bound_to(address.ip()));
        assert!(honest.events.contains(&Event::ExternalAddress(address.ip())));
        assert!(honest.node.stats(torrent_sim::start()).good_nodes > 8, "its table outlived the change");
    }
}

#[test]
fn ipv6_networks_work_as_ipv4_ones_do() {
    let mut network = Network::v6(9);
    network.grow(60);
    network.world.run_for(Duration::from_secs(30));
    let hash = network.random_id();
    let (a, b) = (network.alive[5], network.alive[50]);
    let lookup = network.announce(a, hash);
    assert_eq!(network.outcome(a, lookup).stored, 8);
    let lookup = network.get_peers(b, hash);
    network.outcome(b, lookup);
    let peer = network.peer(a);
    assert_eq!(network.honest(b).found[&lookup], [peer]);
}

#[test]
fn a_saved_state_finds_peers_within_seconds_without_routers() {
    let mut network = Network::new(13, 0.01);
    network.grow(150);
    network.world.run_for(Duration::from_secs(300));
    let hash = network.random_id();
    let a = network.alive[5];
    let lookup = network.announce(a, hash);
    network.outcome(a, lookup);
    let peer = network.peer(a);
    let old = network.alive.swap_remove(70);
    let address = network.world.address(old);
    let snapshot = network.honest(old).node.snapshot();
    network.world.remove(old);
    // A third of what it knew is gone when it comes back.
    for _ in 0..50 {
        let gone = network.alive.swap_remove(network.alive.len() - 1);
        network.world.remove(gone);
    }
    network.world.run_for(Duration::from_secs(3600));
    let alive = std::mem::take(&mut network.alive);
    let id = network.join_as(address, Config { snapshot: Some(snapshot.clone()), ..Config::new(Family::V4) });
    network.alive.extend(alive);
    assert_eq!(*network.honest(id).node.id(), snapshot.id);
    let lookup = network.announce(network.alive[7], hash);
    let seven = network.alive[7];
    network.outcome(seven, lookup);
    let other = network.peer(seven);
    let before = network.world.elapsed();
    let lookup = network.get_peers(id, hash);
    network.outcome(id, lookup);
    assert!(network.world.elapsed() - before < Duration::from_secs(8));
    let found = &network.honest(id).found[&lookup];
    assert!(found.contains(&other) && !found.contains(&peer), "{found:?}");
}

#[test]
fn a_policy_sees_queries_refuses_and_blocks() {
    #[derive(Debug, Default)]
    struct Choosy(usize);
    impl Policy for Choosy {
        fn on_query(&mut self, _from: SocketAddr, query: &Query<'_>) -> Verdict {
            self.0 += 1;
            match query.method {
                Method::Ping => Verdict::Ignore,
                Method::GetPeers { .. } => Verdict::REFUSE,
                _ => Verdict::Answer,
            }
        }
        fn may_contact(&mut self, address: SocketAddr) -> bool {
            address.port() != 666
        }
    }
    let mut lab = Lab::with(Config { policy: Box::new(Choosy::default()), ..Config::new(Family::V4) });
    let mut ask = |from: &str, method| {
        let mut payload = Vec::new();
        let query = Query { id: Id::new([9; 20]), role: Role::ReadOnly, method };
        Message::new(b"tr", Body::Query(query)).encode(&mut payload);
        lab.send(from, &payload).pop().map(|answer| error_code(&Value::decode(&answer).unwrap()))
    };
    let get_peers = Method::GetPeers { info_hash: Id::new([1; 20]), want: Want::Same, noseed: false, scrape: false };
    assert_eq!(ask(STRANGER, Method::Ping), None);
    assert_eq!(ask(STRANGER, get_peers), Some(Some(code::SERVER)));
    assert_eq!(ask(STRANGER, Method::FindNode { target: Id::new([1; 20]), want: Want::Same }), Some(None));
    assert_eq!(ask("8.8.4.4:666", Method::FindNode { target: Id::new([1; 20]), want: Want::Same }), None);
    lab.node.handle_node(lab.now, address("9.9.9.9:666"));
    assert!(lab.node.poll_transmit().is_none());
}

#[test]
fn an_idle_node_without_a_way_in_plans_nothing() {
    let lab = Lab::new();
    assert_eq!(lab.node.poll_timeout(), None);
}

#[test]
fn a_lookup_without_nodes_ends_and_one_whose_routers_are_still_to_come_waits() {
    let search = || Search::FindNode { target: Id::new([1; 20]) };
    let mut lab = Lab::new();
    lab.node.handle_search(lab.now, search()).unwrap();
    assert!(matches!(lab.node.poll_event(), Some(Event::Finished { outcome, .. }) if outcome.answers == 0));
    let mut lab = Lab::with(Config { routers: None, ..Config::new(Family::V4) });
    lab.node.handle_search(lab.now, search()).unwrap();
    assert_eq!(lab.node.poll_event(), None);
    lab.node.handle_routers(lab.now, Vec::new());
    assert!(matches!(lab.node.poll_event(), Some(Event::Finished { .. })));
}

#[test]
fn a_cancelled_lookup_sends_nothing_more() {
    let mut network = Network::new(21, 0.0);
    network.grow(50);
    network.world.run_for(Duration::from_secs(30));
    let (id, hash) = (network.alive[4], network.random_id());
    let before = network.honest(id).node.stats(network.world.now()).queries_out;
    let lookup = network.get_peers(id, hash);
    network.act(id, |node, now| node.handle_cancel(now, lookup));
    network.world.run_for(Duration::from_secs(3));
    let sent = network.honest(id).node.stats(network.world.now()).queries_out - before;
    assert!(sent <= 4 + 6, "the four that were under way, and upkeep: {sent}");
    assert!(!network.honest(id).finished.contains_key(&lookup));
}
