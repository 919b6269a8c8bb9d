//! The store of a tracker, and the bytes that it answers, without a socket.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_tracker::{
    Event,
    server::{Announcement, Full, HttpTracker, MAX_HEAD, Peers, ServerConfig, Shards, Swarms, UdpTracker},
    udp::{Response, decode_response},
};

fn clock() -> Instant {
    torrent_sim::start()
}

/// A new torrent with one peer.
fn torrent(number: u32, ip: [u8; 4]) -> Announcement {
    let mut hash = [0; 20];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    Announcement::new(hash.into(), SocketAddr::from((ip, 6881)), 0)
}

#[test]
fn one_address_cannot_fill_the_tracker_and_this_host_may() {
    let now = clock();
    let mut config = ServerConfig::default();
    config.max_peers_per_address = 100;
    let mut swarms = Swarms::new(config, now, [1; 32]);
    let mut peers = Peers::default();
    let mut announce = |number, ip| swarms.announce(now, &torrent(number, ip), &mut peers);
    assert!((0..100).all(|number| announce(number, [203, 0, 113, 9]).is_ok()));
    assert_eq!(announce(100, [203, 0, 113, 9]), Err(Full::Address));
    // What it has stays, others are let in, and nothing that it leaves behind counts.
    assert!(announce(99, [203, 0, 113, 9]).is_ok());
    assert!((0..50).all(|number| announce(1000 + number, [203, 0, 113, 10]).is_ok()));
    let mut stopped = torrent(7, [203, 0, 113, 9]);
    stopped.event = Some(Event::Stopped);
    swarms.announce(now, &stopped, &mut peers).unwrap();
    assert!(swarms.announce(now, &torrent(100, [203, 0, 113, 9]), &mut peers).is_ok());
    swarms.handle_timeout(now + Duration::from_secs(2 * 3600));
    assert_eq!((swarms.swarm_count(), swarms.peer_count()), (0, 0));
    let mut announce = |number, ip| swarms.announce(now, &torrent(number, ip), &mut peers);
    assert!((0..100).all(|number| announce(number, [203, 0, 113, 9]).is_ok()));
    assert!((0..1000).all(|number| announce(number, [127, 0, 0, 1]).is_ok()));
}

#[test]
fn ipv6_addresses_of_one_network_have_one_share() {
    let now = clock();
    let mut config = ServerConfig::default();
    config.max_peers_per_address = 10;
    let mut swarms = Swarms::new(config, now, [1; 32]);
    let mut peers = Peers::default();
    let mut announce = |number: u16, network: u16| {
        let ip = std::net::Ipv6Addr::new(0x2001, 0xdb8, network, number, 0, 0, 0, number);
        let mut who = torrent(number.into(), [0; 4]);
        who.address = SocketAddr::from((ip, 6881));
        swarms.announce(now, &who, &mut peers)
    };
    assert!((0..10).all(|number| announce(number, 1).is_ok()));
    assert_eq!(announce(10, 1), Err(Full::Address));
    assert!(announce(10, 2).is_ok());
}

#[test]
fn a_flood_of_lonely_swarms_displaces_itself_and_not_the_others() {
    let now = clock();
    let mut config = ServerConfig::default();
    (config.max_swarms, config.max_peers_per_address) = (10_000, 1000);
    let mut swarms = Swarms::new(config, now, [1; 32]);
    let mut peers = Peers::default();
    // A thousand torrents with one seed each, at a thousand addresses, and one with two.
    let home = |number: u32| [198, 51, (number / 250) as u8, (number % 250) as u8];
    for number in 0..1000 {
        swarms.announce(now, &torrent(number, home(number)), &mut peers).unwrap();
    }
    swarms.announce(now, &torrent(0, [198, 18, 0, 1]), &mut peers).unwrap();
    // Twenty addresses with five times as many as there is room for.
    for number in 0..50_000 {
        let _ = swarms.announce(now, &torrent(1_000_000 + number, [203, 0, 113, (number % 20) as u8]), &mut peers);
    }
    assert_eq!(swarms.swarm_count(), 10_000);
    let kept = (0..1000).filter(|&number| swarms.scrape(&torrent(number, [0; 4]).info_hash).is_some()).count();
    assert!(kept > 990, "{kept}");
    // A new torrent finds room, too.
    swarms.announce(now, &torrent(5_000_000, [198, 51, 100, 77]), &mut peers).unwrap();
    assert_eq!(swarms.swarm_count(), 10_000);
}

#[test]
fn a_peer_that_cannot_be_reached_makes_no_swarm() {
    let now = clock();
    let mut swarms = Swarms::new(ServerConfig::default(), now, [1; 32]);
    let mut who = torrent(1, [203, 0, 113, 9]);
    who.address.set_port(0);
    swarms.announce(now, &who, &mut Peers::default()).unwrap();
    assert_eq!(swarms.swarm_count(), 0);
}

fn peer(number: u8, left: u64) -> Announcement {
    Announcement::new([1; 20].into(), SocketAddr::from(([10, 0, 0, number], 1)), left)
}

fn numbers(peers: &Peers) -> Vec<u8> {
    let mut numbers: Vec<_> = peers.v4.chunks(6).map(|peer| peer[3]).collect();
    numbers.sort_unstable();
    numbers
}

fn announce(swarms: &mut Swarms, now: Instant, who: &Announcement) -> Vec<u8> {
    let mut peers = Peers::default();
    swarms.announce(now, who, &mut peers).unwrap();
    numbers(&peers)
}

#[test]
fn seeds_are_told_of_leechers_only_and_no_peer_of_itself() {
    let now = clock();
    let mut swarms = Swarms::new(ServerConfig::default(), now, [1; 32]);
    for (number, left) in [(1, 0), (2, 0), (3, 5), (4, 5)] {
        announce(&mut swarms, now, &peer(number, left));
    }
    assert_eq!(announce(&mut swarms, now, &peer(1, 0)), [3, 4]);
    assert_eq!(announce(&mut swarms, now, &peer(3, 5)), [1, 2, 4]);
}

#[test]
fn silent_peers_expire_and_empty_swarms_with_them() {
    let mut now = clock();
    let mut config = ServerConfig::default();
    config.expiry = Duration::from_secs(3600);
    let mut swarms = Swarms::new(config, now, [1; 32]);
    announce(&mut swarms, now, &peer(1, 5));
    for _ in 0..100 {
        now += Duration::from_secs(120);
        announce(&mut swarms, now, &peer(2, 5));
        swarms.handle_timeout(now);
    }
    assert_eq!((swarms.peer_count(), swarms.swarm_count()), (1, 1));
    now += Duration::from_secs(3660);
    swarms.handle_timeout(now);
    assert_eq!((swarms.peer_count(), swarms.swarm_count()), (0, 0));
}

#[test]
fn a_full_tracker_refuses_newcomers_and_keeps_who_is_there() {
    let now = clock();
    let mut config = ServerConfig::default();
    (config.max_peers, config.max_swarms) = (2, 1);
    let mut swarms = Swarms::new(config, now, [1; 32]);
    let mut peers = Peers::default();
    announce(&mut swarms, now, &peer(1, 5));
    announce(&mut swarms, now, &peer(2, 5));
    assert!(swarms.announce(now, &peer(3, 5), &mut peers).is_err());
    assert_eq!(announce(&mut swarms, now, &peer(1, 0)), [2]);
    let mut other = peer(1, 5);
    other.info_hash = [2; 20].into();
    assert!(swarms.announce(now, &other, &mut peers).is_err());
    let mut leaving = peer(2, 5);
    leaving.event = Some(Event::Stopped);
    announce(&mut swarms, now, &leaving);
    announce(&mut swarms, now, &peer(3, 5));
}

#[test]
fn answers_have_as_many_peers_as_wanted_and_allowed() {
    let now = clock();
    let mut swarms = Swarms::new(ServerConfig::default(), now, [1; 32]);
    for port in 1..1000 {
        let who = Announcement::new([1; 20].into(), SocketAddr::from(([10, 0, 0, 1], port)), 5);
        swarms.announce(now, &who, &mut Peers::default()).unwrap();
    }
    for (want, told) in [(None, 50), (Some(0), 0), (Some(7), 7), (Some(100_000), 200)] {
        let mut who = peer(2, 5);
        who.num_want = want;
        let mut peers = Peers::default();
        swarms.announce(now, &who, &mut peers).unwrap();
        assert_eq!(peers.v4.len() / 6, told);
    }
}

#[test]
fn bep21_partial_seeds_are_no_downloaders() {
    let now = clock();
    let mut swarms = Swarms::new(ServerConfig::default(), now, [1; 32]);
    let mut partial = peer(1, 5);
    partial.event = Some(Event::Paused);
    announce(&mut swarms, now, &partial);
    announce(&mut swarms, now, &peer(2, 5));
    let entry = swarms.scrape(&[1; 20].into()).unwrap();
    assert_eq!((entry.leechers, entry.downloaders), (2, Some(1)));
}

#[test]
fn a_download_that_is_reported_twice_has_finished_once() {
    let now = clock();
    let mut swarms = Swarms::new(ServerConfig::default(), now, [1; 32]);
    let mut completed = peer(1, 0);
    completed.event = Some(Event::Completed);
    let mut unlisted = completed.clone();
    unlisted.address.set_port(0);
    announce(&mut swarms, now, &peer(1, 5));
    for who in [&completed, &completed, &unlisted] {
        announce(&mut swarms, now, who);
    }
    assert_eq!(swarms.scrape(&[1; 20].into()).unwrap().downloaded, 1);
    // A peer that begins again may finish again.
    announce(&mut swarms, now, &peer(1, 5));
    announce(&mut swarms, now, &completed);
    assert_eq!(swarms.scrape(&[1; 20].into()).unwrap().downloaded, 2);
}

#[test]
fn pipelined_requests_are_answered_in_portions() {
    let now = clock();
    let shards = Shards::new(ServerConfig::default(), now, [1; 32]);
    let request =
        |port: u32| format!("GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&numwant=200&port={port} HTTP/1.1\r\n\r\n");
    for port in 1..=1000 {
        http(&shards, now, &request(port));
    }
    let input = request(1).repeat(100).into_bytes();
    let (mut tracker, mut rest, mut answered, mut longest) = (HttpTracker::default(), &input[..], 0, 0);
    loop {
        let mut out = Vec::new();
        let answer = tracker.handle_bytes(now, "192.0.2.1:5".parse().unwrap(), rest, &shards, &mut out);
        if answer.consumed == 0 {
            break;
        }
        (rest, answered, longest) = (&rest[answer.consumed..], answered + answer.answered, longest.max(out.len()));
    }
    assert_eq!((rest.len(), answered), (0, 100));
    assert!(longest < 24 * 1024, "{longest}");
}

fn http(shards: &Shards, now: Instant, request: &str) -> (String, bool) {
    let mut out = Vec::new();
    let from = "192.0.2.1:5".parse().unwrap();
    let answer = HttpTracker::default().handle_bytes(now, from, request.as_bytes(), shards, &mut out);
    (String::from_utf8_lossy(&out).into_owned(), answer.close)
}

#[test]
fn http_requests_that_are_none_are_refused_and_the_connection_closed() {
    let now = clock();
    let shards = Shards::new(ServerConfig::default(), now, [1; 32]);
    let long = format!("GET /announce?{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_HEAD));
    for (request, code) in [
        ("POST /announce HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "405"),
        ("GET /announce HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "413"),
        ("GET /announce HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "413"),
        ("GET /announce\r\n\r\n", "400"),
        ("GET /announce HTTP/2.0\r\n\r\n", "400"),
        ("GET http://x/announce HTTP/1.1\r\n\r\n", "400"),
        ("GET /announce HTTP/1.1\r\nno colon\r\n\r\n", "400"),
        ("\r\n\r\n", "400"),
        (long.as_str(), "431"),
        (&long[..MAX_HEAD + 1], "431"),
    ] {
        let (answer, close) = http(&shards, now, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")) && close, "{request}: {answer}");
    }
    assert_eq!(http(&shards, now, &long[..MAX_HEAD]), (String::new(), false));
}

#[test]
fn http_connections_live_as_long_as_the_client_wants() {
    let now = clock();
    let shards = Shards::new(ServerConfig::default(), now, [1; 32]);
    for (version, header, closed) in [
        ("1.1", "", false),
        ("1.1", "Connection: close\r\n", true),
        ("1.1", "connection: foo, Close\r\n", true),
        ("1.0", "", true),
        ("1.0", "Connection: keep-alive\r\n", false),
    ] {
        let request = format!("GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&port=1 HTTP/{version}\r\n{header}\r\n");
        let (answer, close) = http(&shards, now, &request);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        assert_eq!(close, closed, "{version} {header}");
    }
}

#[test]
fn http_announces_without_what_is_needed_are_told_why() {
    let now = clock();
    let shards = Shards::new(ServerConfig::default(), now, [1; 32]);
    for query in [
        "",
        "port=1",
        "info_hash=%61&port=1",
        "info_hash=aaaaaaaaaaaaaaaaaaaa",
        "info_hash=aaaaaaaaaaaaaaaaaaa%6&port=1",
        "info_hash=aaaaaaaaaaaaaaaaaaaa&port=65536",
        "info_hash=aaaaaaaaaaaaaaaaaaaaa&port=1",
    ] {
        let (answer, close) = http(&shards, now, &format!("GET /announce?{query} HTTP/1.1\r\n\r\n"));
        assert!(answer.contains("failure reason") && !close, "{query}: {answer}");
    }
}

#[test]
fn bep23_a_client_that_says_compact_0_gets_dictionaries() {
    let now = clock();
    let shards = Shards::new(ServerConfig::default(), now, [1; 32]);
    for port in [1, 2] {
        let query = format!("info_hash=aaaaaaaaaaaaaaaaaaaa&port={port}&compact=0");
        let (answer, _) = http(&shards, now, &format!("GET /announce?{query} HTTP/1.1\r\n\r\n"));
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.contains("5:peersld2:ip9:192.0.2.14:porti1eee"), port == 2);
    }
}

#[test]
fn bep15_connection_ids_belong_to_an_address_and_age() {
    let start = clock();
    let shards = Shards::new(ServerConfig::default(), start, [1; 32]);
    let mut tracker = UdpTracker::default();
    let mut ask = |now, from: &str, packet: &[u8]| {
        let mut out = Vec::new();
        tracker.handle_datagram(now, from.parse().unwrap(), packet, &shards, &mut out).unwrap();
        out
    };
    let connect = [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0, 0, 0, 1];
    let minute = Duration::from_secs(60);
    let asked = start + minute / 2;
    let id = ask(asked, "192.0.2.1:5", &connect);
    let mut scrape = vec![0; 36];
    scrape[..8].copy_from_slice(&id[8..]);
    scrape[11] = 2;
    let valid = |answer: &[u8]| !matches!(decode_response(answer).unwrap().1, Response::Error(_));
    assert!(valid(&ask(asked, "192.0.2.1:5", &scrape)));
    assert!(valid(&ask(asked, "[::ffff:192.0.2.1]:5", &scrape)));
    assert!(valid(&ask(asked + 2 * minute, "192.0.2.1:5", &scrape)));
    assert!(!valid(&ask(asked + 3 * minute, "192.0.2.1:5", &scrape)));
    assert!(!valid(&ask(asked, "192.0.2.1:6", &scrape)));
    assert!(!valid(&ask(asked, "192.0.2.2:5", &scrape)));
}

#[test]
fn one_giant_swarm_may_have_all_the_room_that_there_is() {
    let now = clock();
    let mut config = ServerConfig::default();
    config.max_peers = 100;
    let shards = Shards::new(config, now, [1; 32]);
    let announce = |hash: char, port: u32| {
        let hash = String::from(hash).repeat(20);
        let (answer, _) = http(&shards, now, &format!("GET /announce?info_hash={hash}&port={port} HTTP/1.1\r\n\r\n"));
        !answer.contains("failure reason")
    };
    assert!((1..=100).all(|port| announce('a', port)));
    assert!(!announce('a', 101) && !announce('b', 1) && announce('a', 100));
    assert_eq!(shards.counts(), (1, 100));
    shards.handle_timeout(now + Duration::from_secs(2 * 3600));
    assert_eq!(shards.counts(), (0, 0));
    assert!((1..=100).all(|port| announce('b', port)) && !announce('c', 1));
}
