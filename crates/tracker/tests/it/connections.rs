//! Connections to HTTP trackers: how many, for how long, from where.

use tokio::{io::AsyncWriteExt as _, net::TcpListener, sync::watch, task::JoinSet};
use torrent_tracker::{AnnounceRequest, Client, Config, Error, TrackerUrl};

use crate::scripted::{ANSWER, Scripted, canned, head, ok, request, scripted};

/// A tracker that keeps every connection open, and tells how many are.
async fn patient() -> (Scripted, watch::Receiver<usize>) {
    let (open, count) = watch::channel(0);
    let tracker = scripted(move |mut stream, _| {
        let open = open.clone();
        async move {
            open.send_modify(|open| *open += 1);
            while head(&mut stream).await.is_some() {
                let _ = stream.write_all(&ok(ANSWER)).await;
            }
            open.send_modify(|open| *open -= 1);
        }
    });
    (tracker.await, count)
}

#[tokio::test]
async fn many_torrents_share_few_connections() {
    let tracker = canned(ok(ANSWER)).await;
    let client = Client::new(Config::default());
    let mut announces = JoinSet::new();
    for number in 0..1000u32 {
        let (client, url) = (client.clone(), tracker.url());
        announces.spawn(async move {
            let mut hash = [0; 20];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            client.announce(&url, &AnnounceRequest::new(hash.into(), [2; 20].into(), 1)).await.is_ok()
        });
    }
    assert!(announces.join_all().await.into_iter().all(|fine| fine));
    assert!(tracker.connections() <= 4, "{}", tracker.connections());
}

#[tokio::test]
async fn a_tracker_that_refuses_connections_fails_waiting_requests_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: TrackerUrl = format!("http://{}/announce", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let client = Client::new(Config::default());
    let mut announces = JoinSet::new();
    for _ in 0..1000 {
        let (client, url) = (client.clone(), url.clone());
        announces.spawn(async move { client.announce(&url, &request()).await });
    }
    assert!(announces.join_all().await.iter().all(|outcome| matches!(outcome, Err(Error::Io(_)))));
}

#[tokio::test]
async fn a_kept_connection_that_has_died_is_replaced() {
    // Each connection answers one request, and closes without saying so.
    let tracker = scripted(|mut stream, _| async move {
        head(&mut stream).await;
        stream.write_all(&ok(ANSWER)).await.unwrap();
    })
    .await;
    let client = Client::new(Config::default());
    for _ in 0..5 {
        client.announce(&tracker.url(), &request()).await.unwrap();
    }
    assert_eq!(tracker.connections(), 5);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_after_half_a_minute() {
    let (tracker, mut open) = patient().await;
    let client = Client::new(Config::default());
    let start = tokio::time::Instant::now();
    for _ in 0..2 {
        client.announce(&tracker.url(), &request()).await.unwrap();
        assert_eq!(*open.borrow(), 1);
        open.wait_for(|open| *open == 0).await.unwrap();
    }
    assert_eq!((start.elapsed().as_secs(), tracker.connections()), (60, 2));
}

#[tokio::test]
async fn all_trackers_together_keep_no_more_connections_than_may_be_open() {
    let client = Client::new(Config::default().connections(2));
    let mut trackers = Vec::new();
    for _ in 0..4 {
        let (tracker, open) = patient().await;
        client.announce(&tracker.url(), &request()).await.unwrap();
        trackers.push((tracker, open));
    }
    for (_, open) in &mut trackers[2..] {
        open.wait_for(|open| *open == 0).await.unwrap();
    }
    assert!(trackers[..2].iter().all(|(_, open)| *open.borrow() == 1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_tracker_holds_a_thousand_torrents_no_longer_than_one() {
    let silent = scripted(|mut stream, _| async move { while head(&mut stream).await.is_some() {} }).await;
    let client = Client::new(Config::default());
    let started = tokio::time::Instant::now();
    let mut announces = JoinSet::new();
    for _ in 0..1000 {
        let (client, url) = (client.clone(), silent.url());
        announces.spawn(async move { client.announce(&url, &request()).await });
    }
    assert!(announces.join_all().await.iter().all(|outcome| matches!(outcome, Err(Error::TimedOut))));
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn the_interface_can_be_chosen() {
    let tracker = torrent_tracker::server::Server::bind("127.0.0.1:0").await.unwrap();
    for url in [tracker.http_url(), tracker.udp_url()].map(|url| url.parse::<TrackerUrl>().unwrap()) {
        let announce =
            async |name: &str| Client::new(Config::default().interface(name)).announce(&url, &request()).await;
        announce("lo").await.unwrap();
        assert!(matches!(announce("none such").await, Err(Error::Io(_))));
    }
}

#[tokio::test]
async fn the_local_address_can_be_chosen() {
    let tracker = canned(ok(ANSWER)).await;
    let client = Client::new(Config::default().bind([127, 0, 0, 1].into()));
    client.announce(&tracker.url(), &request()).await.unwrap();
    let client = Client::new(Config::default().bind(std::net::Ipv6Addr::LOCALHOST.into()));
    assert!(matches!(client.announce(&tracker.url(), &request()).await, Err(Error::Io(_))));
}

#[tokio::test]
async fn a_name_without_an_address_is_unresolved() {
    // No label has more than 63 characters: no server is asked.
    let url: TrackerUrl = format!("http://{}.example/announce", "a".repeat(64)).parse().unwrap();
    let outcome = Client::new(Config::default()).announce(&url, &request()).await;
    assert!(matches!(outcome, Err(Error::Unresolved)), "{outcome:?}");
}
