//! README § "Memory", measured by an allocator that counts. A binary of its own with a single test: whatever else
//! allocates would be counted too.

#![expect(clippy::unwrap_used, reason = "tests may, in their helpers too")]

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use torrent_types::{Geometry, InfoHash, MAX_PIECES, PeerId};
use torrent_wire::{
    Config, Handshake, MAX_FRAME, METADATA_BLOCK_LENGTH, Message, MetadataFetch, PeerSession, RawBlock, Reserved,
    SessionEvent, Severity,
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const KIB: usize = 1024;

#[test]
fn nobody_makes_us_hold_more_than_the_readme_says() {
    let config = Config::default();
    let largest = Geometry::new(u64::from(MAX_PIECES) * 16384, 16384).unwrap();
    let usual = Geometry::new(4096 << 18, 1 << 18).unwrap();
    for (geometry, known, limit) in
        [(largest, true, 517), (largest, false, 517), (usual, true, 261), (usual, false, 517)]
    {
        let (held, most) = worst_connection(&config, geometry, known);
        assert!(held <= limit * KIB, "{held} bytes held, known: {known}");
        assert!(held > (limit - 6) * KIB, "the test means something: {held} bytes");
        // While the buffer is copied into one that is larger, there are two.
        assert!(most <= (limit + 256) * KIB, "{most} bytes for a moment, known: {known}");
    }
    #[cfg(feature = "mse")]
    encryption::handshakes();
    metadata();
}

/// What one connection holds in the end, and the most that it held at any moment, with a peer that does its worst.
fn worst_connection(config: &Config, geometry: Geometry, known: bool) -> (usize, usize) {
    let frames = hostile_frames(if known { geometry.piece_count() } else { MAX_PIECES });
    // The longest frame, which never ends, behind one that does: the buffer is as full as it gets.
    let mut endless = frames[0].clone();
    endless.extend(MAX_FRAME.to_be_bytes());
    endless.push(20);
    endless.resize(frames[0].len() + 4 + MAX_FRAME as usize - 1, 0);
    let mut now = now();
    let before = measure();
    let mut session = Box::new(PeerSession::initiator(now, handshake(1), config.clone()));
    let mut feed = |session: &mut PeerSession, bytes: &[u8]| {
        let mut rest = bytes;
        while !rest.is_empty() {
            now += Duration::from_secs(1);
            let taken = session.handle_bytes(now, rest);
            rest = &rest[taken..];
            while let Some(event) = session.poll_event() {
                assert!(!over(&event), "{event:?}");
            }
            session.handle_timeout(now);
            session.poll_transmit(&mut Vec::new());
        }
    };
    feed(&mut session, &handshake(2).encode());
    if known {
        session.connection_mut().unwrap().set_geometry(geometry).unwrap();
    }
    for frame in &frames {
        for chunk in frame.chunks(10_000) {
            feed(&mut session, chunk);
        }
    }
    feed(&mut session, &endless);
    (HEAP.current_usage() - before, HEAP.peak_usage() - before)
}

/// The hostile peer does nothing that ends the connection, or the test would stop early.
fn over(event: &SessionEvent<'_>) -> bool {
    matches!(event, SessionEvent::Fault(fault) if fault.severity() > Severity::Ignore)
}

fn hostile_frames(piece_count: u32) -> Vec<Vec<u8>> {
    let room = MAX_FRAME as usize - 2;
    // All but the first piece: of a peer that has everything no bits are kept.
    let mut field = vec![0xff; piece_count.div_ceil(8) as usize];
    field[0] = 0x7f;
    let block = |n: u32| RawBlock { piece: n, begin: 0, length: 16384 };
    // As many values as are read, then as many bytes as fit.
    let names: Vec<u8> = (0..900).flat_map(|n| format!("6:x{n:05}i7e").into_bytes()).collect();
    let name = vec![b'n'; room - names.len() - 40];
    let handshake = [&b"d1:md"[..], &names, b"e1:v", format!("{}:", name.len()).as_bytes(), &name, b"e"].concat();
    let peers = vec![1; room / 2 / 6 * 6];
    let (header, flags) = (format!("d5:added{}:", peers.len()), format!("7:added.f{}:", peers.len() / 6));
    let pex = [header.as_bytes(), &peers, flags.as_bytes(), &peers[..peers.len() / 6], b"e"].concat();
    let mut messages = vec![Message::Unknown { id: 99, payload: &field }];
    messages.extend([Message::Bitfield(&field), Message::Extended { id: 0, payload: &handshake }]);
    messages.extend([Message::Extended { id: 2, payload: &pex }, Message::Extended { id: 77, payload: &name }]);
    for n in (1..piece_count).step_by(1 + piece_count as usize / 1000).chain([piece_count - 1]) {
        messages.extend([Message::Have(n), Message::Suggest(n), Message::AllowedFast(n)]);
        messages.extend([Message::Request(block(n)), Message::Cancel(block(n)), Message::Reject(block(n))]);
    }
    let encode = |message: &Message<'_>| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        bytes
    };
    messages.iter().map(encode).collect()
}

/// Peers of whom each claims another size, and none gives its last block: as many of each kind as come to memory.
fn metadata() {
    const CLAIMS: u32 = 50;
    let before = measure();
    let now = now();
    let max = MetadataFetch::<u32>::DEFAULT_MAX_SIZE;
    let size = |peer: u32| if peer < CLAIMS { max - peer } else { max / 8 - peer };
    let mut fetch = MetadataFetch::new(max);
    for peer in 0..2 * CLAIMS {
        fetch.handle_offer(now, peer, size(peer)).unwrap();
    }
    let mut asked = 0;
    while let Some((peer, piece)) = fetch.poll_request().filter(|_| asked < 50_000) {
        asked += 1;
        let begin = piece * METADATA_BLOCK_LENGTH;
        if begin + METADATA_BLOCK_LENGTH < size(peer) {
            let data = vec![7; METADATA_BLOCK_LENGTH as usize];
            let _: Result<_, _> = fetch.handle_data(now, peer, piece, size(peer), &data);
        }
    }
    let most = HEAP.peak_usage() - before;
    assert!(most > 47 * KIB * KIB, "the test means something: {most} bytes");
    assert!(most <= 64 * KIB * KIB + 2 * CLAIMS as usize * 2 * KIB, "{most} bytes");
}

#[cfg(feature = "mse")]
mod encryption {
    use torrent_wire::mse::{Initiator, MAX_HANDSHAKE_MEMORY, Methods, Responder};

    use super::{HEAP, handshake, measure, now};

    /// A peer that begins honestly and goes on with noise, byte by byte.
    pub(super) fn handshakes() {
        let ours = handshake(1);
        let before = measure();
        let mut initiator =
            Initiator::new(now(), ours.info_hash, Methods::PreferRc4, &[1; 32], &ours.encode()).unwrap();
        let mut responder = Responder::new(now(), Methods::PreferRc4, &[2; 32]);
        let (mut sent, mut noise) = (Vec::with_capacity(2048), [7; 700].into_iter());
        initiator.poll_transmit(&mut sent);
        let ours_alone = 2048 + size_of_val(&ours.encode());
        while responder.handle_bytes(now(), &[sent.pop().unwrap_or(7)], |_| None).is_ok() {}
        while initiator.handle_bytes(now(), &[noise.next().unwrap()]).is_ok() {}
        let most = HEAP.peak_usage() - before;
        assert!(most > 2048 + 2 * 1024, "the test means something: {most} bytes");
        assert!(most <= ours_alone + 2 * MAX_HANDSHAKE_MEMORY, "{most} bytes");
    }
}

/// Bytes in use now; the peak is counted from here.
fn measure() -> usize {
    HEAP.reset_peak_usage();
    HEAP.current_usage()
}

fn handshake(peer: u8) -> Handshake {
    let reserved = Reserved::FAST | Reserved::EXTENSION_PROTOCOL;
    Handshake { reserved, info_hash: InfoHash::new([7; 20]), peer_id: PeerId::new([peer; 20]) }
}

#[expect(clippy::disallowed_methods, reason = "a test has to begin somewhen")]
fn now() -> Instant {
    Instant::now()
}
