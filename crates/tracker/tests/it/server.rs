//! Our client against our server, over loopback.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, interval},
};
use torrent_tracker::{
    AnnounceRequest, AnnounceResponse, Client, Config, Error, Event, TrackerUrl, announce, scrape,
    server::{Server, ServerConfig},
};
use torrent_types::InfoHash;

const HASH: [u8; 20] = *b"\x00\xff%&=+ ?#/aZ09-._~\n\r";

fn request(port: u16, left: u64) -> AnnounceRequest {
    let mut request = AnnounceRequest::new(HASH.into(), [b'p'; 20].into(), port);
    request.left = Some(left);
    request
}

async fn urls(address: &str) -> (Server, [TrackerUrl; 2]) {
    let server = Server::bind(address).await.unwrap();
    let urls = [server.http_url().parse().unwrap(), server.udp_url().parse().unwrap()];
    (server, urls)
}

#[tokio::test]
async fn peers_meet_over_http_and_udp() {
    let (server, [http, udp]) = urls("127.0.0.1:0").await;
    let client = Client::new(Config::default());
    let first = client.announce(&http, &request(1, 0)).await.unwrap();
    assert_eq!((first.peers.len(), first.seeders, first.leechers), (0, Some(1), Some(0)));
    assert_eq!(first.external_ip, Some([127, 0, 0, 1].into()));

    for (url, port) in [(&udp, 2), (&http, 3)] {
        let answer: AnnounceResponse = client.announce(url, &request(port, 9)).await.unwrap();
        assert!(answer.peers.contains(&"127.0.0.1:1".parse().unwrap()), "{answer:?}");
        assert_eq!(answer.interval.as_secs(), 1800);
        assert_eq!(answer.peers.len(), usize::from(port) - 1);
    }
    let stats = server.stats();
    assert_eq!((stats.swarms, stats.peers), (1, 3));
}

#[tokio::test]
async fn stopped_peers_are_gone_and_completed_is_counted() {
    let (_server, urls) = urls("127.0.0.1:0").await;
    let client = Client::new(Config::default());
    for url in &urls {
        let before = client.scrape(url, &[HASH.into()]).await.unwrap()[0].map_or(0, |entry| entry.downloaded);
        let mut peer = request(7, 9);
        peer.event = Some(Event::Started);
        client.announce(url, &peer).await.unwrap();
        (peer.left, peer.event) = (Some(0), Some(Event::Completed));
        client.announce(url, &peer).await.unwrap();
        let entry = client.scrape(url, &[HASH.into()]).await.unwrap()[0].unwrap();
        assert_eq!((entry.seeders, entry.leechers, entry.downloaded), (1, 0, before + 1));
        peer.event = Some(Event::Stopped);
        let answer = client.announce(url, &peer).await.unwrap();
        assert_eq!((answer.peers.len(), answer.seeders), (0, Some(0)));
    }
}

#[tokio::test]
async fn scrapes_of_many_torrents_are_split() {
    let (server, urls) = urls("127.0.0.1:0").await;
    announce(&server.udp_url(), &request(1, 0)).await.unwrap();
    let mut hashes: Vec<InfoHash> = (0..200).map(|n| [n; 20].into()).collect();
    hashes[150] = HASH.into();
    for url in &urls {
        let entries = scrape(&url.to_string(), &hashes).await.unwrap();
        assert_eq!(entries.len(), 200);
        assert_eq!(entries[150].unwrap().seeders, 1);
        assert_eq!(entries[0].unwrap_or_default().seeders, 0);
    }
}

#[tokio::test]
async fn ipv6_peers_come_in_their_own_format() {
    let Ok(server) = Server::bind("[::1]:0").await else { return println!("skipped: no IPv6 here") };
    for (url, port) in [(server.http_url(), 1), (server.udp_url(), 2), (server.http_url(), 3)] {
        let answer = announce(&url, &request(port, 9)).await.unwrap();
        assert_eq!(answer.peers.len(), usize::from(port) - 1);
        assert!(answer.peers.iter().all(|peer| peer.is_ipv6()));
    }
}

#[tokio::test]
async fn the_server_says_why_it_refuses() {
    let (server, _) = urls("127.0.0.1:0").await;
    let url = format!("{}?info_hash=short", server.http_url());
    match announce(&url, &request(1, 0)).await {
        Err(Error::Failure(failure)) => assert!(failure.reason.contains("info_hash"), "{failure}"),
        other => panic!("{other:?}"),
    }
    let url = server.http_url().replace("/announce", "/nothing/here");
    assert!(matches!(announce(&url, &request(1, 0)).await, Err(Error::Status(404))));
}

#[tokio::test(start_paused = true)]
async fn a_slow_drip_has_half_a_minute_for_each_request() {
    let (server, _) = urls("127.0.0.1:0").await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let (start, mut pace) = (Instant::now(), interval(Duration::from_secs(1)));
    let mut end = [0; 1];
    loop {
        tokio::select! {
            length = stream.read(&mut end) => {
                assert!(matches!(length, Ok(0) | Err(_)), "no answer to half a request");
                break;
            }
            _ = pace.tick() => {
                let _ = stream.write_all(b"G").await;
            }
        }
    }
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn whoever_asks_much_at_once_is_answered_in_order() {
    let (server, _) = urls("127.0.0.1:0").await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    // More than one portion of answers.
    let request = |port| format!("GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&port={port} HTTP/1.1\r\n\r\n");
    let requests: String = (1..=300).map(request).collect();
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream.write_all(b"GET /scrape?info_hash=aaaaaaaaaaaaaaaaaaaa HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).await.unwrap();
    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 301);
    assert!(answers.ends_with("d8:completei0e10:downloadedi0e11:downloadersi300e10:incompletei300eeee"), "in order");
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones_the_oldest_first() {
    let mut config = ServerConfig::default();
    config.max_connections = 4;
    let server = Server::bind_with("127.0.0.1:0", config).await.unwrap();
    let request = b"GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&port=1 HTTP/1.1\r\n\r\n";
    let mut talker = TcpStream::connect(server.local_addr()).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(server.local_addr()).await.unwrap());
        // One that speaks stays, however many come.
        talker.write_all(request).await.unwrap();
        let mut answer = [0; 4096];
        assert!(talker.read(&mut answer).await.unwrap() > 0);
    }
    // The last three are open, the others have been ended.
    for (number, stream) in idle.iter_mut().enumerate().take(17) {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0, "{number}");
    }
    for stream in &mut idle[17..] {
        stream.write_all(request).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    }
}
