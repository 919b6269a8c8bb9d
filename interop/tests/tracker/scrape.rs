//! The library scrapes a tracker whose announces do not say how large the swarm is: a real one, of which we hide that it does.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Duration, sleep, timeout},
};
use torrent_client::{AddTorrent, Client, Config, Listen, Metainfo};
use torrent_interop::{ADDRESS, PATIENCE, Payload, Scratch, Torrent, Tracker, free_port};

use super::{Ours, Transport};

#[tokio::test]
async fn opentracker() {
    behind_opentracker().await;
}

async fn behind_opentracker() -> Option<()> {
    let (scratch, _) = (Scratch::new(), Ours::find()?);
    let tracker = Tracker::start(&scratch)?;
    scrapes(&scratch, tracker.address(), |torrent| tracker.admit(torrent.info_hash())).await
}

#[tokio::test]
async fn our_tracker() {
    behind_ours().await;
}

async fn behind_ours() -> Option<()> {
    let (scratch, ours) = (Scratch::new(), Ours::find()?);
    let (_tracker, address) = ours.tracker(&scratch);
    scrapes(&scratch, address, |_| {}).await
}

async fn scrapes(scratch: &Scratch, tracker: SocketAddr, admit: impl FnOnce(&Torrent)) -> Option<()> {
    let front = TcpListener::bind((ADDRESS, free_port())).await.unwrap();
    let url = Transport::Http.url(front.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = front.accept().await {
            tokio::spawn(hide_counts(stream, tracker));
        }
    });
    let payload = Payload::file(scratch);
    let torrent = Torrent::announcing(scratch, &payload, &[url])?;
    admit(&torrent);

    let client = Client::start(Config::default().listen(Listen::At((ADDRESS, free_port()).into()))).await.unwrap();
    let metainfo = Metainfo::from_bytes(std::fs::read(torrent.path()).unwrap()).unwrap();
    let added = client.add(AddTorrent::new(metainfo, payload.folder_path())).unwrap();
    let known = async {
        while added.swarm_size().seeders.is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, known).await.expect("the tracker is scraped");
    let size = added.swarm_size();
    assert_eq!((size.seeders, size.leechers, size.downloaded), (Some(1), Some(0), Some(0)));
    client.stop().await;
    Some(())
}

/// Passes a request on. The answer to an announce is replaced.
async fn hide_counts(mut stream: TcpStream, tracker: SocketAddr) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let target = request.split(' ').nth(1).unwrap_or_default();
    let mut behind = TcpStream::connect(tracker).await?;
    behind.write_all(format!("GET {target} HTTP/1.0\r\nHost: {tracker}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    behind.read_to_end(&mut answer).await?;
    if target.starts_with("/announce") {
        let body = "d8:intervali1800e5:peers0:e";
        answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    }
    stream.write_all(&answer).await?;
    stream.shutdown().await
}
