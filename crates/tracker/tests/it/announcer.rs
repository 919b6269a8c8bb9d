//! Torrents from start to end, against a tracker of our own.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use torrent_tracker::{
    Amounts, AnnounceRequest, AnnounceTo, Announcer, Client, Config, Event, Schedule, Tiers, Trust, server::Server,
};

fn tiers(urls: &[String]) -> Tiers {
    Tiers::new([urls], Trust::Torrent, AnnounceTo::AllTrackers, Schedule::default(), 1)
}

fn request() -> AnnounceRequest {
    AnnounceRequest::new([1; 20].into(), [2; 20].into(), 6881)
}

/// Nothing has been transferred.
fn left(left: u64) -> impl Fn() -> Amounts + Send + 'static {
    move || Amounts { left: Some(left), ..Amounts::default() }
}

#[tokio::test]
async fn a_download_starts_completes_and_stops() {
    let (http, udp) = (Server::bind("127.0.0.1:0").await.unwrap(), Server::bind("127.0.0.1:0").await.unwrap());
    let urls = [http.http_url(), udp.udp_url()];
    let (announcer, mut events) = Announcer::spawn(Client::new(Config::default()), tiers(&urls), request(), left(9));
    for _ in &urls {
        let announced = events.recv().await.unwrap();
        assert_eq!((announced.event, announced.outcome.unwrap().leechers), (Some(Event::Started), Some(1)));
    }
    announcer.complete();
    for _ in &urls {
        let announced = events.recv().await.unwrap();
        assert_eq!((announced.event, announced.outcome.unwrap().seeders), (Some(Event::Completed), Some(1)));
    }
    assert_eq!(announcer.with_tiers(|tiers| tiers.trackers().filter(|t| t.last_response.is_some()).count()), 2);
    announcer.stop().await;
    for server in [&http, &udp] {
        assert_eq!(server.stats().peers, 0);
    }
    let mut farewells = 0;
    while let Some(announced) = events.recv().await {
        assert_eq!(announced.event, Some(Event::Stopped));
        farewells += 1;
    }
    assert_eq!(farewells, 2);
}

/// A tracker that answers what it is asked, and nothing more; its URL, and the request lines that it got.
async fn terse(announce: &'static str, scrape: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let (log, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
            let request = String::from_utf8_lossy(&request);
            let body = if request.starts_with("GET /scrape?") { scrape } else { announce };
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
            let _ = log.send(request.lines().next().unwrap_or_default().to_owned());
        }
    });
    (url, requests)
}

#[tokio::test]
async fn a_tracker_that_does_not_say_how_large_the_swarm_is_is_scraped() {
    let scrape = "d5:filesd20:\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\
                  d8:completei5e10:downloadedi50e10:incompletei10eeee";
    let (url, mut requests) = terse("d8:intervali1800e5:peers0:e", scrape).await;
    let (announcer, mut events) = Announcer::spawn(Client::new(Config::default()), tiers(&[url]), request(), left(9));
    assert_eq!(events.recv().await.unwrap().outcome.unwrap().seeders, None);
    let size = loop {
        let size = announcer.with_tiers(Tiers::swarm_size);
        if size.seeders.is_some() {
            break size;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((size.seeders, size.leechers, size.downloaded), (Some(5), Some(10), Some(50)));
    announcer.stop().await;
    let requests: Vec<_> = std::iter::from_fn(|| requests.try_recv().ok()).map(|line| line[..12].to_owned()).collect();
    assert_eq!(requests, ["GET /announc", "GET /scrape?", "GET /announc"], "once");
}

#[tokio::test]
async fn one_that_says_so_is_not_scraped() {
    let (url, mut requests) = terse("d8:completei3e10:incompletei4e8:intervali1800e5:peers0:e", "de").await;
    let (announcer, mut events) = Announcer::spawn(Client::new(Config::default()), tiers(&[url]), request(), left(9));
    events.recv().await.unwrap().outcome.unwrap();
    let size = announcer.with_tiers(Tiers::swarm_size);
    assert_eq!((size.seeders, size.leechers, size.downloaded), (Some(3), Some(4), None));
    announcer.stop().await;
    let requests = std::iter::from_fn(|| requests.try_recv().ok()).count();
    assert_eq!(requests, 2, "come and gone");
}

#[tokio::test(start_paused = true)]
async fn stopped_does_not_overtake_an_announce_that_is_under_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let (log, mut happened) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let log = log.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
                let event = if request.windows(7).any(|part| part == b"started") { "started" } else { "stopped" };
                log.send((event, "asked")).unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                log.send((event, "answered")).unwrap();
                let body = "d8:intervali1800e5:peers0:e";
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(head.as_bytes()).await;
            });
        }
    });
    let (announcer, _events) = Announcer::spawn(Client::new(Config::default()), tiers(&[url]), request(), left(9));
    assert_eq!(happened.recv().await, Some(("started", "asked")));
    announcer.stop().await;
    let then: Vec<_> = std::iter::from_fn(|| happened.try_recv().ok()).collect();
    assert_eq!(then, [("started", "answered"), ("stopped", "asked"), ("stopped", "answered")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_peers_meanwhile_loses_no_answer() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(Config::default());
    for _ in 0..100 {
        let (announcer, mut events) = Announcer::spawn(client.clone(), tiers(&[server.udp_url()]), request(), left(9));
        while announcer.with_tiers(|tiers| tiers.trackers().all(|tracker| tracker.last_response.is_none())) {
            announcer.need_peers();
        }
        announcer.stop().await;
        // The channel has room for both.
        let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|announced| announced.event).collect();
        assert_eq!(told, [Some(Event::Started), Some(Event::Stopped)]);
    }
}

#[tokio::test]
async fn dropping_tells_stopped_in_the_background() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let (announcer, mut events) =
        Announcer::spawn(Client::new(Config::default()), tiers(&[server.http_url()]), request(), left(0));
    events.recv().await.unwrap().outcome.unwrap();
    assert_eq!(server.stats().peers, 1);
    drop(announcer);
    assert_eq!(events.recv().await.unwrap().event, Some(Event::Stopped));
    assert_eq!(server.stats().peers, 0);
}

#[tokio::test(start_paused = true)]
async fn leaving_waits_five_seconds_for_a_tracker_that_has_fallen_silent() {
    let listener = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", listener.local_addr().unwrap());
    let (announcer, events) = Announcer::spawn(Client::new(Config::default()), tiers(&[url]), request(), left(9));
    tokio::task::yield_now().await;
    let started = tokio::time::Instant::now();
    announcer.stop().await;
    assert_eq!(started.elapsed().as_secs(), 5);
    assert!(events.is_closed());
}

#[tokio::test]
async fn completed_carries_the_amounts_of_its_own_moment() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let (url, mut requests) = terse("d8:completei3e10:incompletei4e8:intervali1800e5:peers0:e", "de").await;
    let downloaded = std::sync::Arc::new(AtomicU64::new(0));
    let amounts = {
        let downloaded = std::sync::Arc::clone(&downloaded);
        move || {
            let downloaded = downloaded.load(Ordering::SeqCst);
            Amounts { uploaded: 0, downloaded, left: Some(9 - downloaded) }
        }
    };
    let (announcer, mut events) = Announcer::spawn(Client::new(Config::default()), tiers(&[url]), request(), amounts);
    events.recv().await.unwrap().outcome.unwrap();
    downloaded.store(9, Ordering::SeqCst);
    announcer.complete();
    announcer.stop().await;
    let told: Vec<_> = std::iter::from_fn(|| requests.try_recv().ok()).collect();
    let parts = [("started", 0, 9), ("completed", 9, 0), ("stopped", 9, 0)];
    assert_eq!(told.len(), parts.len(), "{told:?}");
    for (request, (event, downloaded, left)) in told.iter().zip(parts) {
        for part in [format!("event={event}"), format!("&downloaded={downloaded}&"), format!("&left={left}&")] {
            assert!(request.contains(&part), "{request} lacks {part}");
        }
    }
}
