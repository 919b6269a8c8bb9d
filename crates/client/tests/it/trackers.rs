//! What trackers hear of us, and peers that are found through them.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use torrent_client::{AddTorrent, AnnounceTo, Client, Config, Encryption, Listen, Metainfo};

use crate::fixture::{Fixture, client, complete};

/// A tracker that remembers the event of each announce, and always names the same peer.
async fn tracker(peer: Option<SocketAddr>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = match stream.read(&mut request).await {
                Err(error) if error.kind() == ErrorKind::ConnectionReset => continue,
                length => length.unwrap(),
            };
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let value = |key: &str| {
                let (_, rest) = request.split_once(&format!("{key}="))?;
                rest.split(['&', ' ']).next().map(str::to_owned)
            };
            let (event, left) = (value("event").unwrap_or_default(), value("left").unwrap_or_default());
            // It does not count, so it is scraped, which it does not answer either.
            if request.starts_with("GET /announce?") {
                log.lock().unwrap().push(format!("{event} {left}"));
            }
            let mut body = b"d8:intervali1800e5:peers".to_vec();
            let mut peers = Vec::new();
            peer.iter().for_each(|peer| torrent_types::compact::encode(*peer, &mut peers));
            body.extend_from_slice(format!("{}:", peers.len()).as_bytes());
            body.extend_from_slice(&peers);
            body.push(b'e');
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        }
    });
    (url, heard)
}

fn with_tracker(fixture: &Fixture, url: &str) -> Metainfo {
    fixture.metainfo.edit().trackers(&[vec![url.to_owned()]]).apply().unwrap()
}

#[tokio::test]
async fn a_download_says_started_completed_and_stopped() {
    let fixture = Fixture::single(200_000, 1 << 15);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (url, heard) = tracker(Some(address)).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = leech.add(AddTorrent::new(with_tracker(&fixture, &url), folder.path())).unwrap();
    torrent.download_all();
    complete(&torrent).await;
    // At once, as the command does.
    leech.stop().await;
    assert_eq!(*heard.lock().unwrap(), ["started 200000", "completed 0", "stopped 0"]);
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn a_seed_never_says_completed() {
    let fixture = Fixture::single(200_000, 1 << 15);
    let (url, heard) = tracker(None).await;
    let (client, _) = client(Encryption::Disabled).await;
    let torrent = client.add(AddTorrent::new(with_tracker(&fixture, &url), fixture.path())).unwrap();
    let mut events = torrent.events();
    while !matches!(events.recv().await.unwrap(), torrent_client::Event::TrackerAnswered { .. }) {}
    client.stop().await;
    assert_eq!(*heard.lock().unwrap(), ["started 0", "stopped 0"]);
}

#[tokio::test]
async fn the_size_of_the_swarm_is_known_once_a_tracker_has_answered() {
    let fixture = Fixture::single(200_000, 1 << 15);
    let server = torrent_tracker::server::Server::bind("127.0.0.1:0").await.unwrap();
    let (client, _) = client(Encryption::Disabled).await;
    let metainfo = with_tracker(&fixture, &server.udp_url());
    let torrent = client.add(AddTorrent::new(metainfo, fixture.path())).unwrap();
    let mut events = torrent.events();
    assert_eq!(torrent.swarm_size(), torrent_client::SwarmSize::default());
    while !matches!(events.recv().await.unwrap(), torrent_client::Event::TrackerAnswered { .. }) {}
    assert_eq!((torrent.swarm_size().seeders, torrent.swarm_size().leechers), (Some(1), Some(0)));
    client.stop().await;
    assert_eq!(server.stats().peers, 0);
}

#[tokio::test]
async fn all_trackers_are_told_if_the_config_says_so() {
    let fixture = Fixture::single(200_000, 1 << 15);
    let (first, second) = (tracker(None).await, tracker(None).await);
    for (reach, told) in [(AnnounceTo::FirstAnswer, 1), (AnnounceTo::AllTiers, 2), (AnnounceTo::AllTrackers, 2)] {
        let client = Client::start(Config::default().listen(Listen::Nowhere).announce_to(reach)).await.unwrap();
        let trackers = [vec![first.0.clone()], vec![second.0.clone()]];
        let metainfo = fixture.metainfo.edit().trackers(&trackers).apply().unwrap();
        let torrent = client.add(AddTorrent::new(metainfo, fixture.path())).unwrap();
        let mut events = torrent.events();
        for _ in 0..told {
            while !matches!(events.recv().await.unwrap(), torrent_client::Event::TrackerAnswered { .. }) {}
        }
        client.stop().await;
        let heard = [&first.1, &second.1].map(|heard| std::mem::take(&mut *heard.lock().unwrap()));
        assert_eq!(heard.iter().filter(|heard| **heard == ["started 0", "stopped 0"]).count(), told, "{heard:?}");
    }
}

#[tokio::test]
async fn a_private_torrent_tells_one_tracker_whatever_the_config_says() {
    let fixture = Fixture::single(200_000, 1 << 15);
    let (first, second) = (tracker(None).await, tracker(None).await);
    let reach = AnnounceTo::AllTrackers;
    let client = Client::start(Config::default().listen(Listen::Nowhere).announce_to(reach)).await.unwrap();
    let trackers = [vec![first.0.clone()], vec![second.0.clone()]];
    let metainfo = fixture.metainfo.edit().private(true).trackers(&trackers).apply().unwrap();
    let torrent = client.add(AddTorrent::new(metainfo, fixture.path())).unwrap();
    let mut events = torrent.events();
    while !matches!(events.recv().await.unwrap(), torrent_client::Event::TrackerAnswered { .. }) {}
    client.stop().await;
    assert_eq!(*first.1.lock().unwrap(), ["started 0", "stopped 0"]);
    assert!(second.1.lock().unwrap().is_empty());
}
