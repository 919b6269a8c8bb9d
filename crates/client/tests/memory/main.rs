//! A peer that is sent answers and never reads them costs a bounded amount of memory, measured by an allocator that
//! counts. A binary of its own with a single test: whatever else allocates would be counted too.

#![expect(clippy::unwrap_used, reason = "tests may, in their helpers too")]

use std::{net::SocketAddr, time::Duration};

use peak_alloc::PeakAlloc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use torrent_client::{AddTorrent, Client, Config, Encryption, Listen, Phase};
use torrent_content::{Builder, Version};
use torrent_types::{InfoHash, PeerId};
use torrent_wire::{Handshake, Message, RawBlock, Reserved};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What one peer may make us hold, whatever it does. The socket's own buffers are the system's.
const LIMIT: usize = 2 << 20;

/// More than the kernel takes in on both sides of a loopback connection, many times.
const FLOOD: usize = 64 << 20;

#[tokio::test]
async fn a_peer_that_does_not_read_costs_two_mebibytes_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..4_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    std::fs::write(folder.path().join("payload.bin"), &content).unwrap();
    let metainfo =
        Builder::new().version(Version::V1).piece_length(1 << 18).build(folder.path().join("payload.bin")).unwrap();
    drop(content);
    let info_hash = metainfo.info_hashes().short();
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config::default().listen(Listen::At(at)).encryption(Encryption::Disabled);
    let client = Client::start(config).await.unwrap();
    let torrent = client.add(AddTorrent::new(metainfo, folder.path())).unwrap();
    torrent.wait_for(|phase| phase == Phase::Seeding).await;
    let address = SocketAddr::new(at.ip(), client.port());
    for (kind, messages) in floods() {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        flood(address, info_hash, &messages).await;
        let most = HEAP.peak_usage().saturating_sub(before);
        assert!(most <= LIMIT, "{kind}: {most} bytes");
        println!("{kind}: {} KiB", most / 1024);
    }
    client.stop().await;
}

/// Messages that are answered, each kind repeated.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let repeat = |messages: &[Message<'_>], count: usize| {
        let mut one = Vec::new();
        messages.iter().for_each(|message| message.encode(&mut one));
        one.repeat(count)
    };
    let blocks: Vec<_> = (0..15)
        .flat_map(|piece| (0..16).map(move |block| RawBlock { piece, begin: block << 14, length: 1 << 14 }))
        .map(Message::Request)
        .collect();
    let metadata = Message::Extended { id: 1, payload: b"d8:msg_typei0e5:piecei0ee" };
    vec![
        ("requests while choked", repeat(&blocks, 16)),
        ("requests", [repeat(&[Message::Interested], 1), repeat(&blocks, 16)].concat()),
        ("interest", repeat(&[Message::Interested, Message::NotInterested], 4000)),
        ("metadata", repeat(&[metadata], 2000)),
        ("keep-alives", repeat(&[Message::KeepAlive], 10_000)),
        ("haves", repeat(&[Message::Have(3)], 4000)),
    ]
}

/// Sends it again and again, until the other side has stopped taking it in, or has hung up.
async fn flood(address: SocketAddr, info_hash: InfoHash, messages: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let reserved = Reserved::FAST | Reserved::EXTENSION_PROTOCOL;
    let ours = Handshake { reserved, info_hash, peer_id: PeerId::new(*b"-XX0000-greedygreedy") };
    let mut hello = ours.encode().to_vec();
    Message::Extended { id: 0, payload: b"d1:md11:ut_metadatai1e11:lt_donthavei3eee" }.encode(&mut hello);
    Message::HaveNone.encode(&mut hello);
    stream.write_all(&hello).await.unwrap();
    let mut theirs = [0; Handshake::LENGTH];
    stream.read_exact(&mut theirs).await.unwrap();
    let mut sent = 0;
    while sent < FLOOD {
        // A second in which nothing is taken is the end of it: the peer is not read from.
        match tokio::time::timeout(Duration::from_secs(1), stream.write_all(messages)).await {
            Ok(Ok(())) => sent += messages.len(),
            _ => return,
        }
    }
}
