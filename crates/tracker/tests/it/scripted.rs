//! HTTP servers that follow a script, over loopback sockets.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use torrent_tracker::{AnnounceRequest, AnnounceResponse, Client, Config, Error, TrackerUrl};

/// Listens, and runs the script for every connection.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

pub(crate) async fn scripted<F>(script: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Scripted
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
pub(crate) async fn canned(answer: impl Into<Vec<u8>>) -> Scripted {
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
pub(crate) async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    response("200 OK", "", body)
}

pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

impl Scripted {
    pub(crate) fn url(&self) -> TrackerUrl {
        format!("http://{}/announce", self.address).parse().unwrap()
    }

    pub(crate) async fn announce(&self) -> Result<AnnounceResponse, Error> {
        Client::new(Config::default()).announce(&self.url(), &request()).await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub(crate) fn request() -> AnnounceRequest {
    AnnounceRequest::new([1; 20].into(), [2; 20].into(), 6881)
}

pub(crate) const ANSWER: &[u8] = b"d8:intervali900e5:peers12:\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\x00\x00e";
