//! Peers that send garbage, lies or nothing cost us those peers and nothing else.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use torrent_client::{Encryption, Event};
use torrent_types::{InfoHash, PeerId};
use torrent_wire::{Handshake, Message, RawBlock, Reserved};

use crate::fixture::{Fixture, client, complete};

/// A listener that does the same to whoever connects.
async fn peer<F: Future<Output = ()> + Send + 'static>(behave: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream));
        }
    });
    address
}

/// Shakes hands, says these bytes, then listens for ever.
async fn says(mut stream: TcpStream, info_hash: InfoHash, bytes: Vec<u8>) {
    let mut hello = [0; 68];
    if stream.read_exact(&mut hello).await.is_err() {
        return;
    }
    let ours = Handshake { reserved: Reserved::FAST, info_hash, peer_id: PeerId::new(*b"-XX0000-badbadbadbad") };
    let _ = stream.write_all(&ours.encode()).await;
    let _ = stream.write_all(&bytes).await;
    let mut sink = [0; 4096];
    while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
}

/// A download from an honest seed beside a hostile peer: it completes, and the hostile peer is gone.
async fn survives(fixture: &Fixture, hostile: SocketAddr) {
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = fixture.download(&leech, folder.path(), &[hostile]);
    let mut events = torrent.events();
    let gone = async {
        loop {
            match events.recv().await.unwrap() {
                Event::PeerGone { address, .. } if address == hostile => break,
                _ => {}
            }
        }
    };
    // Most are gone before a handshake is complete; then there is no event.
    let _ = tokio::time::timeout(Duration::from_millis(300), gone).await;
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    torrent.add_peer(address);
    complete(&torrent).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn garbage_instead_of_a_handshake() {
    let hostile = peer(|mut stream| async move {
        let _ = stream.write_all(&[0x55; 5000]).await;
    })
    .await;
    survives(&Fixture::single(300_000, 1 << 15), hostile).await;
}

#[tokio::test]
async fn a_handshake_for_another_torrent() {
    let hostile = peer(|stream| says(stream, InfoHash::new([1; 20]), Vec::new())).await;
    survives(&Fixture::single(300_000, 1 << 15), hostile).await;
}

#[tokio::test]
async fn frames_that_are_too_long() {
    let fixture = Fixture::single(300_000, 1 << 15);
    let info_hash = fixture.metainfo.info_hashes().short();
    let hostile = peer(move |stream| says(stream, info_hash, vec![0xff; 100])).await;
    survives(&fixture, hostile).await;
}

#[tokio::test]
async fn pieces_that_do_not_exist() {
    let fixture = Fixture::single(300_000, 1 << 15);
    let info_hash = fixture.metainfo.info_hashes().short();
    let mut bytes = Vec::new();
    Message::HaveAll.encode(&mut bytes);
    Message::Have(1_000_000).encode(&mut bytes);
    let hostile = peer(move |stream| says(stream, info_hash, bytes.clone())).await;
    survives(&fixture, hostile).await;
}

#[tokio::test]
async fn a_peer_that_never_speaks_again() {
    let fixture = Fixture::single(300_000, 1 << 15);
    let info_hash = fixture.metainfo.info_hashes().short();
    let mut bytes = Vec::new();
    Message::HaveAll.encode(&mut bytes);
    Message::Unchoke.encode(&mut bytes);
    let hostile = peer(move |stream| says(stream, info_hash, bytes.clone())).await;
    survives(&fixture, hostile).await;
}

/// Answers every request with garbage.
async fn lies(mut stream: TcpStream, info_hash: InfoHash) {
    let mut hello = [0; 68];
    if stream.read_exact(&mut hello).await.is_err() {
        return;
    }
    let ours = Handshake { reserved: Reserved::FAST, info_hash, peer_id: PeerId::new(*b"-XX0000-liarliarliar") };
    let mut out = ours.encode().to_vec();
    Message::HaveAll.encode(&mut out);
    Message::Unchoke.encode(&mut out);
    let _ = stream.write_all(&out).await;
    let mut received = Vec::new();
    while stream.read_buf(&mut received).await.is_ok_and(|read| read > 0) {
        let mut out = Vec::new();
        while let Ok(Some((message, used))) = Message::decode(&received, 1 << 18) {
            if let Message::Request(RawBlock { piece, begin, length }) = message {
                Message::Piece { piece, begin, data: &vec![0; length as usize] }.encode(&mut out);
            }
            received.drain(..used);
        }
        if stream.write_all(&out).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn bad_blocks_get_their_sender_banned() {
    let fixture = Fixture::single(300_000, 1 << 15);
    let info_hash = fixture.metainfo.info_hashes().short();
    let hostile = peer(move |stream| lies(stream, info_hash)).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = fixture.download(&leech, folder.path(), &[hostile]);
    let mut events = torrent.events();
    let reason = loop {
        if let Event::PeerGone { reason, .. } = events.recv().await.unwrap() {
            break reason;
        }
    };
    assert_eq!(&*reason, "its address sent data that fails the hash check");
    assert_eq!(torrent.have().count_ones(), 0);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    torrent.add_peer(address);
    complete(&torrent).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn whoever_asks_and_never_reads_costs_bounded_memory() {
    let fixture = Fixture::single(4_000_000, 1 << 18);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let ours = Handshake {
        reserved: Reserved::FAST,
        info_hash: fixture.metainfo.info_hashes().short(),
        peer_id: PeerId::new(*b"-XX0000-greedygreedy"),
    };
    stream.write_all(&ours.encode()).await.unwrap();
    let mut out = Vec::new();
    Message::HaveNone.encode(&mut out);
    Message::Interested.encode(&mut out);
    for index in 0..20_000u32 {
        let block = RawBlock { piece: index % 15, begin: (index / 15 % 16) * 16384, length: 16384 };
        Message::Request(block).encode(&mut out);
    }
    // The other side stops reading long before, or takes it all and refuses most: either is fine, growing is not.
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.write_all(&out)).await;
    let resident = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = resident.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    assert!(pages * 4096 < 400 << 20, "{} MiB resident", (pages * 4096) >> 20);
}
