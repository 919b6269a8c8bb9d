//! The life of a torrent against a tracker of our own.

use torrent_tracker::{
    Amounts, AnnounceRequest, Announcer, Client, Config, Event, Reach, Schedule, Tiers, Trust, server::Server,
};

fn tiers(urls: &[String]) -> Tiers {
    Tiers::new([urls], Trust::Torrent, Reach::AllTrackers, Schedule::default(), 1)
}

fn request(left: u64) -> AnnounceRequest {
    let mut request = AnnounceRequest::new([1; 20].into(), [2; 20].into(), 6881);
    request.left = left;
    request
}

#[tokio::test]
async fn a_download_starts_completes_and_stops() {
    let (http, udp) = (Server::bind("127.0.0.1:0").await.unwrap(), Server::bind("127.0.0.1:0").await.unwrap());
    let urls = [http.http_url(), udp.udp_url()];
    let (announcer, mut events) = Announcer::spawn(Client::new(Config::default()), tiers(&urls), request(9));
    for _ in &urls {
        let announced = events.recv().await.unwrap();
        assert_eq!((announced.event, announced.outcome.unwrap().leechers), (Some(Event::Started), Some(1)));
    }
    announcer.update(Amounts { uploaded: 1, downloaded: 9, left: 0 });
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

#[tokio::test]
async fn dropping_says_stopped_in_the_background() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let (announcer, mut events) =
        Announcer::spawn(Client::new(Config::default()), tiers(&[server.http_url()]), request(0));
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
    let (announcer, events) = Announcer::spawn(Client::new(Config::default()), tiers(&[url]), request(9));
    tokio::task::yield_now().await;
    let started = tokio::time::Instant::now();
    announcer.stop().await;
    assert_eq!(started.elapsed().as_secs(), 5);
    assert!(events.is_closed());
}
