//! `https` trackers: verified, or not spoken to.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};
use torrent_tracker::{AnnounceRequest, Client, Config, Error, TrackerUrl};

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
    // Nobody has vouched for it.
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
