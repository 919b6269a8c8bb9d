//! The tokio adaptor: over pipes, over TCP, with and without encryption.

use std::time::Duration;

use sha1::{Digest, Sha1};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, duplex},
    net::TcpListener,
    time::{Instant, timeout},
};
use torrent_types::{Geometry, InfoHash, InfoHashV2, PeerId};
use torrent_wire::{
    Config, Event, ExtendedHandshake, ExtensionId, FetchError, FetchOptions, Handshake, Message, MetadataFault,
    MetadataMessage, PeerStream, RawBlock, Reserved, StreamError,
    driver::mse,
    fetch_metadata, fetch_metadata_over,
    mse::{Methods, Obfuscation, Policy, Responder, SkeyIndex},
};

fn metadata() -> Vec<u8> {
    (0..100_000u32).map(|n| (n % 251) as u8).collect()
}

fn info_hash() -> InfoHash {
    InfoHash::new(Sha1::digest(metadata()).into())
}

fn ours(reserved: Reserved) -> Handshake {
    Handshake { reserved, info_hash: info_hash(), peer_id: PeerId::new([2; 20]) }
}

/// Answers with `reserved`; the extended handshakes are these.
async fn serve_handshakes<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    reserved: Reserved,
    sizes: &[Option<u32>],
) -> PeerStream<S> {
    let mut peer = PeerStream::respond(stream, Config::default(), |_, _| Some(ours(reserved))).await.unwrap();
    for size in sizes {
        let mut hello = ExtendedHandshake::default();
        hello.metadata_size = *size;
        peer.with_connection(|connection, now| connection.send_extended_handshake(now, &hello)).unwrap();
    }
    peer.flush().await.unwrap();
    peer
}

/// Serves `metadata`, which perhaps is not what its hash says, until the peer leaves.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, metadata: Option<Vec<u8>>) {
    let reserved = Reserved::EXTENSION_PROTOCOL | Reserved::FAST;
    let answer = |asked, _| Some(Handshake { info_hash: asked, ..ours(reserved) });
    let mut peer = PeerStream::respond(stream, Config::default(), answer).await.unwrap();
    let mut hello = ExtendedHandshake::default();
    hello.metadata_size = Some(metadata.as_ref().map_or(100_000, |metadata| metadata.len() as u32));
    peer.with_connection(|connection, now| connection.send_extended_handshake(now, &hello)).unwrap();
    loop {
        let answer = match peer.next().await {
            Ok(Event::Metadata(MetadataMessage::Request { piece })) => {
                MetadataMessage::answer(metadata.as_deref(), piece).encode()
            }
            Ok(_) => continue,
            Err(_) => return,
        };
        peer.with_connection(|connection, now| connection.send_extension(now, ExtensionId::METADATA, &answer)).unwrap();
    }
}

async fn fetch_over_pipe(
    served: Option<Vec<u8>>,
    hash: impl Into<torrent_wire::MetadataHash>,
) -> Result<Vec<u8>, FetchError> {
    // Narrower than one block: neither side may wait for the other to read.
    let (here, there) = duplex(1000);
    let options = FetchOptions::default();
    let (fetched, ()) = tokio::join!(fetch_metadata_over(here, hash, &options), serve(there, served));
    fetched.map(Vec::from)
}

#[tokio::test]
async fn metadata_is_fetched_and_its_hash_checked() {
    assert_eq!(fetch_over_pipe(Some(metadata()), info_hash()).await.unwrap(), metadata());
    let lie = vec![7; 100_000];
    assert!(matches!(fetch_over_pipe(Some(lie), info_hash()).await, Err(FetchError::WrongHash)));
    assert!(matches!(fetch_over_pipe(None, info_hash()).await, Err(FetchError::Rejected)));
}

/// Transmission refuses what does not fit into its queue; some peers forget a request.
#[tokio::test(start_paused = true)]
async fn a_peer_that_is_busy_or_forgetful_is_asked_again() {
    let (here, there) = duplex(1000);
    let options = FetchOptions::default();
    let served = async {
        let mut peer = serve_handshakes(there, Reserved::EXTENSION_PROTOCOL, &[Some(100_000)]).await;
        let whole = metadata();
        let mut times = [0; 7];
        loop {
            let Ok(event) = peer.next().await else { return };
            let Event::Metadata(MetadataMessage::Request { piece }) = event else { continue };
            times[piece as usize] += 1;
            let answer = match (piece, times[piece as usize]) {
                (2, 1 | 2) => MetadataMessage::Reject { piece },
                (3, 1) => continue,
                _ => MetadataMessage::answer(Some(&whole), piece),
            };
            peer.with_connection(|connection, now| connection.send_metadata(now, &answer)).unwrap();
        }
    };
    let (fetched, ()) = tokio::join!(fetch_metadata_over(here, info_hash(), &options), served);
    assert_eq!(fetched.unwrap(), metadata());
}

#[tokio::test]
async fn a_peer_without_metadata_is_left_at_once() {
    let extended = Reserved::EXTENSION_PROTOCOL;
    for (reserved, sizes) in [(Reserved::FAST, &[][..]), (extended, &[None]), (extended | Reserved::FAST, &[None])] {
        let (here, there) = duplex(1000);
        let options = FetchOptions::default();
        let (fetched, _there) =
            tokio::join!(fetch_metadata_over(here, info_hash(), &options), serve_handshakes(there, reserved, sizes));
        assert!(matches!(fetched, Err(FetchError::NoMetadata)), "{reserved:?} {fetched:?}");
    }
}

#[tokio::test]
async fn metadata_that_is_larger_than_allowed_is_not_asked_for() {
    let (here, there) = duplex(1000);
    let options = FetchOptions::default().max_size(99_999);
    let served = async {
        let mut peer = serve_handshakes(there, Reserved::EXTENSION_PROTOCOL, &[Some(100_000)]).await;
        while let Ok(event) = peer.next().await {
            assert!(!matches!(event, Event::Metadata(_)), "{event:?}");
        }
    };
    let (fetched, ()) = tokio::join!(fetch_metadata_over(here, info_hash(), &options), served);
    assert!(matches!(fetched, Err(FetchError::Metadata(MetadataFault::ImpossibleSize))), "{fetched:?}");
}

#[tokio::test]
async fn bep10_a_second_handshake_that_does_not_repeat_the_size_changes_nothing() {
    let (here, there) = duplex(1000);
    let options = FetchOptions::default();
    let served = async {
        let extended = Reserved::EXTENSION_PROTOCOL;
        let mut peer = serve_handshakes(there, extended, &[Some(100_000), None, None]).await;
        let whole = metadata();
        loop {
            let Ok(event) = peer.next().await else { return };
            if let Event::Metadata(MetadataMessage::Request { piece }) = event {
                let answer = MetadataMessage::answer(Some(&whole), piece).encode();
                let id = ExtensionId::METADATA;
                peer.with_connection(|connection, now| connection.send_extension(now, id, &answer)).unwrap();
            }
        }
    };
    let (fetched, ()) = tokio::join!(fetch_metadata_over(here, info_hash(), &options), served);
    assert_eq!(fetched.unwrap(), metadata());
}

#[tokio::test]
async fn bep52_metadata_is_checked_against_sha256() {
    let right = InfoHashV2::new(sha2::Sha256::digest(metadata()).into());
    assert_eq!(fetch_over_pipe(Some(metadata()), right).await.unwrap(), metadata());
    // The beginning of the hash is all that the handshake tells.
    let mut wrong = *right.as_bytes();
    wrong[31] ^= 1;
    let outcome = fetch_over_pipe(Some(metadata()), InfoHashV2::new(wrong)).await;
    assert!(matches!(outcome, Err(FetchError::WrongHash)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_costs_no_more_than_the_timeout() {
    let (here, _there) = duplex(1000);
    let start = Instant::now();
    let options = FetchOptions::default().timeout(Duration::from_secs(3));
    assert!(matches!(fetch_metadata_over(here, info_hash(), &options).await, Err(FetchError::TimedOut)));
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn metadata_comes_over_tcp_by_every_policy() {
    for (policy, obfuscation) in [
        (Policy::Disabled, Obfuscation::Plain),
        (Policy::Allowed, Obfuscation::Plain),
        (Policy::Preferred, Obfuscation::Mse),
        (Policy::Required, Obfuscation::Mse),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let deadline = Instant::now() + Duration::from_secs(10);
            let (seen, received) = mse::detect(&mut stream, deadline).await.unwrap();
            assert_eq!(seen, obfuscation, "{policy:?}");
            let stream = match seen {
                Obfuscation::Mse => {
                    let mut skeys = SkeyIndex::new();
                    skeys.insert(info_hash());
                    let responder = Responder::new(Instant::now().into(), Methods::PreferRc4, &[3; 32]);
                    let lookup = |skey: &_| skeys.lookup(skey);
                    mse::accept(stream, received, responder, lookup).await.unwrap().1
                }
                _ => mse::MseStream::plain(stream, received),
            };
            serve(stream, Some(metadata())).await;
        };
        let options = FetchOptions::default().encryption(policy);
        let (fetched, ()) = tokio::join!(fetch_metadata(peer, info_hash(), &options), server);
        assert_eq!(fetched.unwrap(), metadata(), "{policy:?}");
    }
}

#[tokio::test]
async fn a_peer_that_hangs_up_on_encryption_is_asked_again_without() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, Some(metadata())).await;
    };
    let options = FetchOptions::default();
    let (fetched, ()) = tokio::join!(fetch_metadata(peer, info_hash(), &options), server);
    assert_eq!(fetched.unwrap(), metadata());
}

#[tokio::test]
async fn a_peer_that_does_not_answer_encryption_is_asked_again_without() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap();
    let server = async {
        let _waits_for_more = listener.accept().await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, Some(metadata())).await;
    };
    let options = FetchOptions::default().timeout(Duration::from_secs(3));
    let (fetched, ()) = tokio::join!(fetch_metadata(peer, info_hash(), &options), server);
    assert_eq!(fetched.unwrap(), metadata());
}

#[tokio::test(start_paused = true)]
async fn idle_peers_keep_each_other_alive_and_silent_ones_are_left() {
    let (here, there) = duplex(1000);
    let choose = |_, _| Some(ours(Reserved::NONE));
    let (alice, bob) = tokio::join!(
        PeerStream::initiate(
            here,
            Handshake { peer_id: PeerId::new([1; 20]), ..ours(Reserved::NONE) },
            Config::default()
        ),
        PeerStream::respond(there, Config::default(), choose),
    );
    let (mut alice, mut bob) = (alice.unwrap(), bob.unwrap());
    let start = Instant::now();
    let (alive, living) = tokio::join!(keep_alives(&mut alice, 1050), keep_alives(&mut bob, 1050));
    assert_eq!((alive, living), (10, 10));
    // Bob stops; his last word was at 1000 s.
    let outcome = alice.next().await;
    assert!(matches!(outcome, Err(StreamError::Peer(torrent_wire::PeerFault::Silent))), "{outcome:?}");
    assert_eq!(start.elapsed(), Duration::from_secs(1150));
}

/// How many arrive within so many seconds; nothing else does.
async fn keep_alives<S: AsyncRead + AsyncWrite + Unpin>(peer: &mut PeerStream<S>, seconds: u64) -> u32 {
    let mut count = 0;
    let listen = async {
        loop {
            assert_eq!(peer.next().await.unwrap(), Event::KeepAlive);
            count += 1;
        }
    };
    let _: Result<(), _> = timeout(Duration::from_secs(seconds), listen).await;
    count
}

#[tokio::test]
async fn unknown_torrents_are_refused_and_a_closed_stream_is_told() {
    let (mut here, there) = duplex(1000);
    here.write_all(&ours(Reserved::NONE).encode()).await.unwrap();
    let outcome = PeerStream::respond(there, Config::default(), |_, _| None).await;
    assert!(matches!(outcome, Err(StreamError::UnknownTorrent)));

    let (mut here, there) = duplex(1000);
    here.write_all(&ours(Reserved::NONE).encode()[..30]).await.unwrap();
    drop(here);
    let outcome = PeerStream::respond(there, Config::default(), |_, _| None).await;
    assert!(matches!(outcome, Err(StreamError::Closed)));
}

#[tokio::test]
async fn a_fault_to_be_ignored_leaves_the_stream_usable() {
    let (mut here, there) = duplex(1000);
    let alice = Handshake { peer_id: PeerId::new([1; 20]), ..ours(Reserved::NONE) };
    here.write_all(&alice.encode()).await.unwrap();
    let mut bob = PeerStream::respond(there, Config::default(), |_, _| Some(ours(Reserved::NONE))).await.unwrap();
    bob.with_connection(|connection, _| connection.set_geometry(Geometry::new(1 << 20, 1 << 18).unwrap())).unwrap();
    let mut bytes = Vec::new();
    Message::Request(RawBlock { piece: 9, begin: 0, length: 1 }).encode(&mut bytes);
    Message::Interested.encode(&mut bytes);
    here.write_all(&bytes).await.unwrap();
    assert!(matches!(bob.next().await, Err(StreamError::Peer(_))));
    assert_eq!(bob.next().await.unwrap(), Event::Interested);
}
