//! HTTP servers that are no good trackers. Each is a script over a loopback socket.

use std::{
    future::Future,
    io::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use torrent_tracker::{
    AnnounceRequest, AnnounceResponse, Client, Config, DecodeError, Error, Proxy, Refused, Retry, TrackerUrl, Trust,
    UrlError,
};

/// Listens, and runs the script for every connection.
struct Scripted {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

async fn scripted<F>(script: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Scripted
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut running = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            running.spawn(script(stream, counter.fetch_add(1, Ordering::SeqCst)));
        }
    });
    Scripted { address, connections, _task: task }
}

/// Answers every request with the same bytes, on a connection that stays open.
async fn canned(answer: impl Into<Vec<u8>>) -> Scripted {
    let answer: Arc<[u8]> = answer.into().into();
    scripted(move |mut stream, _| {
        let answer = Arc::clone(&answer);
        async move {
            while head(&mut stream).await.is_some() {
                let _ = stream.write_all(&answer).await;
            }
        }
    })
    .await
}

/// One request's head.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn ok(body: &[u8]) -> Vec<u8> {
    response("200 OK", "", body)
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

impl Scripted {
    fn url(&self) -> TrackerUrl {
        format!("http://{}/announce", self.address).parse().unwrap()
    }

    async fn announce(&self) -> Result<AnnounceResponse, Error> {
        Client::new(Config::default()).announce(&self.url(), &request()).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn request() -> AnnounceRequest {
    AnnounceRequest::new([1; 20].into(), [2; 20].into(), 6881)
}

const ANSWER: &[u8] = b"d8:intervali900e5:peers12:\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\x00\x00e";

#[tokio::test]
async fn plain_and_gzipped_answers_are_read() {
    for answer in [ok(ANSWER), response("200 OK", "Content-Encoding: gzip\r\n", &gzip(ANSWER))] {
        assert_eq!(canned(answer).await.announce().await.unwrap().peers, ["1.2.3.4:6881".parse().unwrap()]);
    }
    // Chunked, HTTP/1.0 without a length, a status line without a reason.
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nd8\r\n10\r\n:intervali900e5:\r\n8\r\npeers0:e\r\n0\r\n\r\n";
    assert_eq!(canned(*chunked).await.announce().await.unwrap().interval.as_secs(), 900);
    let old = scripted(|mut stream, _| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200\r\n\r\nd8:intervali900ee").await.unwrap();
    });
    assert_eq!(old.await.announce().await.unwrap().interval.as_secs(), 900);
}

#[tokio::test]
async fn the_request_line_keeps_the_url_and_the_headers_are_plain() {
    let tracker = scripted(|mut stream, _| async move {
        let head = head(&mut stream).await.unwrap();
        let good = head.starts_with("GET /announce?passkey=%2f+'&info_hash=%01%01")
            && head.contains("\r\nhost: 127.0.0.1:")
            && head.contains("\r\nuser-agent: me/1 evil: yes\r\n");
        let body = if good { ANSWER } else { head.as_bytes() };
        stream.write_all(&ok(body)).await.unwrap();
    })
    .await;
    let url: TrackerUrl = format!("http://{}/announce?passkey=%2f+'", tracker.address).parse().unwrap();
    let client = Client::new(Config::default().user_agent("me/1\r\n evil: yes"));
    client.announce(&url, &request()).await.unwrap();
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_in_every_form() {
    let zeros = vec![0; 2 << 20];
    let bomb = gzip(&vec![b'd'; 100 << 20]);
    assert!(bomb.len() < 1 << 20);
    for answer in [
        ok(&zeros),
        response("200 OK", "Content-Encoding: gzip\r\n", &bomb),
        [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &zeros].concat(),
    ] {
        let outcome = canned(answer).await.announce().await;
        assert!(matches!(outcome, Err(Error::Refused(Refused::BodyTooLarge))), "{outcome:?}");
    }
    // As large as it says, and no more is read than allowed.
    let endless = scripted(|mut stream, _| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        while stream.write_all(b"400\r\n").await.is_ok() && stream.write_all(&[0; 1026]).await.is_ok() {}
    });
    assert!(endless.await.announce().await.is_err());
}

#[tokio::test]
async fn bodies_that_are_no_answers_are_decode_errors() {
    for body in [&b""[..], &[0; 5000], b"<html>404</html>", b"li1ee"] {
        let outcome = canned(ok(body)).await.announce().await;
        assert!(matches!(outcome, Err(Error::Decode(_))), "{outcome:?}");
    }
    let damaged = response("200 OK", "Content-Encoding: gzip\r\n", &gzip(ANSWER)[..20]);
    let outcome = canned(damaged).await.announce().await;
    assert!(matches!(outcome, Err(Error::Decode(DecodeError::Compression))), "{outcome:?}");
    let foreign = response("200 OK", "Content-Encoding: br\r\n", ANSWER);
    let outcome = canned(foreign).await.announce().await;
    assert!(matches!(outcome, Err(Error::Refused(Refused::Encoding))), "{outcome:?}");
}

#[tokio::test]
async fn not_http_is_an_error() {
    for answer in
        [&b"\x00\x01\x02\x03\r\n\r\n"[..], b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
    {
        assert!(matches!(canned(answer).await.announce().await, Err(Error::Io(_))));
    }
    let headers = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(100_000));
    assert!(canned(headers).await.announce().await.is_err());
    let closes = scripted(|stream, _| async move { drop(stream) });
    assert!(matches!(closes.await.announce().await, Err(Error::Io(_))));
}

#[tokio::test]
async fn the_trackers_words_count_more_than_the_status() {
    let tracker = canned(response("403 Forbidden", "", b"d14:failure reason6:banned8:retry in5:nevere")).await;
    match tracker.announce().await {
        Err(Error::Failure(failure)) => {
            assert_eq!((failure.reason.as_str(), failure.retry), ("banned", Some(Retry::Never)));
        }
        other => panic!("{other:?}"),
    }
    let outcome = canned(response("503 Busy", "", b"<html>")).await.announce().await;
    assert!(matches!(outcome, Err(Error::Status(503))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_drip_ends_at_the_deadline() {
    let drip = scripted(|mut stream, _| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        let mut pace = tokio::time::interval(Duration::from_secs(1));
        while stream.write_all(b"d").await.is_ok() {
            pace.tick().await;
        }
    })
    .await;
    let started = tokio::time::Instant::now();
    assert!(matches!(drip.announce().await, Err(Error::TimedOut)));
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    let silent = scripted(|mut stream, _| async move { while head(&mut stream).await.is_some() {} }).await;
    assert!(matches!(silent.announce().await, Err(Error::TimedOut)));
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
async fn redirects_are_followed_to_the_fifth() {
    let hops = |count: usize| {
        scripted(move |mut stream, _| async move {
            while let Some(head) = head(&mut stream).await {
                let (_, query) = head.split_once("hop=").unwrap_or_default();
                let hop: usize =
                    query.split(['&', ' ']).next().and_then(|number| number.parse().ok()).unwrap_or_default();
                let answer = if hop == count {
                    ok(ANSWER)
                } else {
                    response("302 Found", &format!("Location: /announce?hop={}\r\n", hop + 1), b"")
                };
                let _ = stream.write_all(&answer).await;
            }
        })
    };
    assert!(hops(5).await.announce().await.is_ok());
    let outcome = hops(6).await.announce().await;
    assert!(matches!(outcome, Err(Error::Refused(Refused::TooManyRedirects))), "{outcome:?}");
}

#[tokio::test]
async fn redirects_to_odd_places_are_refused() {
    for (location, check) in [
        ("Location: gopher://x/\r\n", (|error| matches!(error, Error::Url(UrlError::Scheme))) as fn(&Error) -> bool),
        ("Location: udp://127.0.0.1:1/announce\r\n", |error| matches!(error, Error::Url(UrlError::Scheme))),
        ("Location: http://user:pw@127.0.0.1/announce\r\n", |error| matches!(error, Error::Url(UrlError::UserInfo))),
        ("Location: http://224.0.0.1/announce\r\n", |error| matches!(error, Error::Refused(Refused::Address))),
        // From a torrent, and not a tracker's path on a local address.
        ("Location: http://127.0.0.1:9/admin\r\n", |error| matches!(error, Error::Refused(Refused::Address))),
        ("", |error| matches!(error, Error::Decode(DecodeError::Location))),
    ] {
        let outcome = canned(response("301 Moved", location, b"")).await.announce().await;
        assert!(outcome.as_ref().is_err_and(check), "{location}: {outcome:?}");
    }
}

#[tokio::test]
async fn local_addresses_are_not_reached_at_other_paths() {
    let service = canned(ok(ANSWER)).await;
    let url: TrackerUrl = format!("http://{}/reboot?announce", service.address).parse().unwrap();
    let client = Client::new(Config::default());
    let refused = client.announce(&url, &request()).await;
    assert!(matches!(refused, Err(Error::Refused(Refused::Address))), "{refused:?}");
    assert_eq!(service.connections(), 0);
    assert!(client.announce(&url.clone().trust(Trust::User), &request()).await.is_ok());
    let strict = service.url().trust(Trust::PublicOnly);
    assert!(matches!(client.announce(&strict, &request()).await, Err(Error::Refused(Refused::Address))));
    // By name as well: the address counts that the name leads to.
    let named: TrackerUrl = format!("http://localhost:{}/reboot", service.address.port()).parse().unwrap();
    assert!(matches!(client.announce(&named, &request()).await, Err(Error::Refused(Refused::Address))));
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
async fn a_tracker_that_refuses_connections_fails_those_who_wait_at_once() {
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

/// A tracker that keeps every connection open, and tells how many are.
async fn patient() -> (Scripted, tokio::sync::watch::Receiver<usize>) {
    let (open, count) = tokio::sync::watch::channel(0);
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

#[tokio::test]
async fn a_name_that_nobody_knows_is_unresolved() {
    // No label has more than 63 characters: no server is asked.
    let url: TrackerUrl = format!("http://{}.example/announce", "a".repeat(64)).parse().unwrap();
    let outcome = Client::new(Config::default()).announce(&url, &request()).await;
    assert!(matches!(outcome, Err(Error::Unresolved)), "{outcome:?}");
}

#[tokio::test]
async fn a_redirect_into_the_local_network_is_refused_behind_a_proxy_as_well() {
    for inside in ["127.0.0.1", "10.0.0.1", "localhost", "127.1", "[::1]"] {
        let proxy = canned(response("302 Found", &format!("Location: http://{inside}/announce\r\n"), b"")).await;
        let config = Config::default().proxy(Some(Proxy::parse(&format!("http://{}", proxy.address)).unwrap()));
        let announce = async |url: &str| {
            let url: TrackerUrl = url.parse().unwrap();
            Client::new(config.clone()).announce(&url.trust(Trust::User), &request()).await
        };
        let outcome = announce("http://tracker.example/announce").await;
        assert!(matches!(outcome, Err(Error::Refused(Refused::RedirectToLocal))), "{inside}: {outcome:?}");
        // From inside to inside, until it is too much.
        let outcome = announce("http://10.0.0.9/announce").await;
        assert!(matches!(outcome, Err(Error::Refused(Refused::TooManyRedirects))), "{inside}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_http_proxy_gets_whole_urls_and_its_password() {
    let proxy = scripted(|mut stream, _| async move {
        let head = head(&mut stream).await.unwrap();
        let good = head.starts_with("GET http://tracker.example/announce?info_hash=")
            && head.contains("\r\nproxy-authorization: Basic bWU6cHc=\r\n")
            && head.contains("\r\nhost: tracker.example\r\n");
        stream.write_all(&ok(if good { ANSWER } else { head.as_bytes() })).await.unwrap();
    })
    .await;
    let proxy = Proxy::parse(&format!("http://me:pw@{}", proxy.address)).unwrap();
    let client = Client::new(Config::default().proxy(Some(proxy)));
    client.announce(&"http://tracker.example/announce".parse().unwrap(), &request()).await.unwrap();
    let udp = client.announce(&"udp://tracker.example:1/".parse().unwrap(), &request()).await;
    assert!(matches!(udp, Err(Error::Refused(Refused::ProxyUdp))), "{udp:?}");
    let local = client.announce(&"http://localhost/reboot".parse().unwrap(), &request()).await;
    assert!(matches!(local, Err(Error::Refused(Refused::Address))), "{local:?}");
}

#[tokio::test]
async fn a_socks5_proxy_resolves_the_name() {
    let proxy = scripted(|mut stream, _| async move {
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello, [5, 1, 2]);
        stream.write_all(&[5, 2]).await.unwrap();
        let mut user = [0; 7];
        stream.read_exact(&mut user).await.unwrap();
        assert_eq!(user, *b"\x01\x02me\x02pw");
        stream.write_all(&[1, 0]).await.unwrap();
        let mut connect = [0; 4 + 1 + 15 + 2];
        stream.read_exact(&mut connect).await.unwrap();
        assert_eq!(connect, *b"\x05\x01\x00\x03\x0ftracker.example\x00\x50");
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        head(&mut stream).await.unwrap();
        stream.write_all(&ok(ANSWER)).await.unwrap();
    })
    .await;
    let proxy = Proxy::parse(&format!("socks5://me:pw@{}", proxy.address)).unwrap();
    let client = Client::new(Config::default().proxy(Some(proxy)));
    client.announce(&"http://tracker.example/announce".parse().unwrap(), &request()).await.unwrap();
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
