//! `https` trackers: verified, or not spoken to.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};
use torrent_tracker::{AnnounceRequest, Client, Config, Error, Proxy, TrackerUrl};

const ROOT: &[u8] = include_bytes!("../data/ca.der");

async fn tracker() -> (u16, JoinSet<()>) {
    let key = PrivateKeyDer::try_from(include_bytes!("../data/leaf.key.der").to_vec()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![include_bytes!("../data/leaf.der").to_vec().into()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let redirect = b"HTTP/1.1 302 Found\r\nLocation: http://localhost/announce\r\nContent-Length: 0\r\n\r\n";
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nd8:intervali900ee";
            let answer = if head.starts_with(b"GET /announce/http?") { &redirect[..] } else { &answer[..] };
            stream.write_all(answer).await.unwrap();
        }
    });
    (port, task)
}

async fn announce(config: Config, url: String) -> Result<u64, Error> {
    let url: TrackerUrl = url.parse().unwrap();
    let request = AnnounceRequest::new([1; 20].into(), [2; 20].into(), 6881);
    Client::new(config).announce(&url, &request).await.map(|response| response.interval.as_secs())
}

#[tokio::test]
async fn certificates_are_verified() {
    let (port, _task) = tracker().await;
    let url = format!("https://localhost:{port}/announce");
    let trusting = Config::default().root_certificate(ROOT);
    assert_eq!(announce(trusting.clone(), url.clone()).await.unwrap(), 900);
    // No root has signed it.
    assert!(matches!(announce(Config::default(), url).await, Err(Error::Io(_))));
    // Not the name that it has.
    assert!(matches!(announce(trusting, format!("https://127.0.0.1:{port}/announce")).await, Err(Error::Io(_))));
}

#[tokio::test]
async fn redirects_out_of_tls_are_refused() {
    let (port, _task) = tracker().await;
    let outcome =
        announce(Config::default().root_certificate(ROOT), format!("https://localhost:{port}/announce/http")).await;
    assert!(matches!(outcome, Err(Error::Refused(torrent_tracker::Refused::Downgrade))), "{outcome:?}");
}

/// A proxy that reads `greeting`, says `go`, and leads every connection to `port`.
async fn proxy(greeting: String, go: &'static [u8], port: u16) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own_port = listener.local_addr().unwrap().port();
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = vec![0; greeting.len()];
            stream.read_exact(&mut heard).await.unwrap();
            if heard != greeting.as_bytes() {
                continue;
            }
            stream.write_all(go).await.unwrap();
            let mut behind = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
        }
    });
    (own_port, task)
}

#[tokio::test]
async fn certificates_are_verified_through_an_http_proxy() {
    let (port, _task) = tracker().await;
    let connect = |host: &str| {
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n")
    };
    for (host, go, is_fine) in [
        ("localhost", &b"HTTP/1.1 200 Connection established\r\nVia: me\r\n\r\n"[..], true),
        ("tracker.example", b"HTTP/1.1 200 OK\r\n\r\n", false),
        ("localhost", b"HTTP/1.1 403 Forbidden\r\n\r\n", false),
        ("localhost", b"SSH-2.0-OpenSSH\r\n\r\n", false),
    ] {
        let (proxy, _task) = proxy(connect(host), go, port).await;
        let proxy = Proxy::parse(&format!("http://me:pw@127.0.0.1:{proxy}")).unwrap();
        let config = Config::default().root_certificate(ROOT).proxy(Some(proxy));
        let outcome = announce(config, format!("https://{host}:{port}/announce")).await;
        assert!(if is_fine { matches!(outcome, Ok(900)) } else { matches!(outcome, Err(Error::Io(_))) }, "{outcome:?}");
    }
}
