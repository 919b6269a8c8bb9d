//! How much a peer may say that is of no use: floods end, and no client that we know is parted with.

use std::time::{Duration, Instant};

use torrent_types::{Geometry, InfoHash, PeerId};
use torrent_wire::{
    Config, Connection, Event, ExtensionId, Handshake, HashRange, Message, MetadataMessage, PeerFault, RawBlock,
    Reserved, Severity,
};

/// More than any of these floods needs, with the largest bucket there may be.
const FLOOD: u32 = 1_000_000;
const BLOCK: RawBlock = RawBlock { piece: 0, begin: 0, length: 16384 };
const HELLO: Message<'_> =
    Message::Extended { id: 0, payload: b"d1:md11:ut_metadatai1e6:ut_pexi2e11:lt_donthavei3eee" };

/// With a peer that knows everything, and 1,000 pieces of 256 KiB.
fn connection() -> (Connection, Instant) {
    let now = crate::now();
    let reserved = Reserved::FAST | Reserved::EXTENSION_PROTOCOL | Reserved::DHT;
    let ours = Handshake { reserved, info_hash: InfoHash::new([7; 20]), peer_id: PeerId::new([1; 20]) };
    let theirs = Handshake { peer_id: PeerId::new([2; 20]), ..ours };
    let mut connection = Connection::new(now, &ours, &theirs, &Config::default());
    connection.set_geometry(Geometry::new(1000 << 18, 1 << 18).unwrap()).unwrap();
    connection.handle_message(now, &HELLO).unwrap();
    (connection, now)
}

/// After how many rounds the connection is over.
fn end_of_flood(mut round: impl FnMut(&mut Connection, Instant, u32) -> Result<(), PeerFault>) -> u32 {
    let (mut connection, now) = connection();
    for n in 0..FLOOD {
        match round(&mut connection, now, n) {
            Ok(()) => {}
            Err(fault) if fault.severity() == Severity::Ignore => {}
            Err(fault) => {
                assert_eq!((fault, fault.severity()), (PeerFault::UselessMessages, Severity::Ban));
                return n;
            }
        }
        // Whoever floods us does not read what we say.
        connection.poll_transmit(&mut Vec::new());
    }
    panic!("a million are let pass")
}

fn say(connection: &mut Connection, now: Instant, message: &Message<'_>) -> Result<(), PeerFault> {
    connection.handle_message(now, message).map(drop)
}

#[test]
fn a_flood_of_one_useless_message_ends() {
    let metadata = |message: MetadataMessage<'_>| message.encode();
    let (request, data) = (
        metadata(MetadataMessage::Request { piece: 0 }),
        metadata(MetadataMessage::Data { piece: 0, total_size: 1, data: b"x" }),
    );
    let range = HashRange { pieces_root: [0; 32], base_layer: 0, index: 0, length: 2, proof_layers: 0 };
    let extended = |id: ExtensionId, payload| Message::Extended { id: id.get(), payload };
    let all = [
        Message::KeepAlive,
        Message::Choke,
        Message::Unchoke,
        Message::Interested,
        Message::NotInterested,
        Message::Have(3),
        Message::Bitfield(&[0xff; 125]),
        Message::Cancel(BLOCK),
        Message::Reject(BLOCK),
        Message::Piece { piece: 0, begin: 0, data: b"x" },
        Message::Request(RawBlock { piece: 1000, ..BLOCK }),
        Message::Port(6881),
        Message::Suggest(3),
        Message::AllowedFast(3),
        Message::HashRequest(range),
        Message::HashReject(range),
        Message::Hashes { range, hashes: &[] },
        Message::Unknown { id: 99, payload: b"x" },
        HELLO,
        Message::Extended { id: 99, payload: b"x" },
        extended(ExtensionId::METADATA, &request),
        extended(ExtensionId::METADATA, &data),
        extended(ExtensionId::METADATA, b"d8:msg_typei9ee"),
        extended(ExtensionId::METADATA, b"nonsense"),
        extended(ExtensionId::PEX, b"de"),
        extended(ExtensionId::DONT_HAVE, &[0, 0, 0, 3]),
        extended(ExtensionId::HOLEPUNCH, b"\0\x00\x01\x02\x03\x04\x01\x02"),
    ];
    for message in all {
        let rounds = end_of_flood(|connection, now, _| say(connection, now, &message));
        assert!(rounds <= 8193, "{message:?}: {rounds}");
    }
}

#[test]
fn a_flood_of_changes_to_and_fro_ends() {
    for pair in [[Message::Choke, Message::Unchoke], [Message::Interested, Message::NotInterested]] {
        let rounds =
            end_of_flood(|connection, now, _| pair.iter().try_for_each(|message| say(connection, now, message)));
        assert!(rounds <= 4096, "{pair:?}: {rounds}");
    }
    let lost = Message::Extended { id: ExtensionId::DONT_HAVE.get(), payload: &[0, 0, 0, 3] };
    let rounds = end_of_flood(|connection, now, _| {
        say(connection, now, &Message::Have(3))?;
        say(connection, now, &lost)
    });
    assert!(rounds <= 2000 + 8193, "each piece may be lost once: {rounds}");
    let rounds = end_of_flood(|connection, now, n| say(connection, now, &Message::Port(n as u16)));
    assert!(rounds <= 512, "{rounds}");
}

#[test]
fn a_flood_of_requests_that_are_refused_ends_with_and_without_bep6() {
    let rounds = end_of_flood(|connection, now, _| {
        let Event::Requested(block) = connection.handle_message(now, &Message::Request(BLOCK))? else { panic!() };
        connection.send_reject(now, block);
        Ok(())
    });
    assert!(rounds <= 8193, "{rounds}");
    // Our chokes excuse refusals, but cannot be provoked to excuse a flood.
    let rounds = end_of_flood(|connection, now, _| {
        let Event::Requested(block) = connection.handle_message(now, &Message::Request(BLOCK))? else { panic!() };
        connection.send(now, &Message::Unchoke).unwrap();
        connection.send(now, &Message::Choke).unwrap();
        connection.send_reject(now, block);
        Ok(())
    });
    assert!(rounds <= 8192 + 2048 + 1, "{rounds}");
}

#[test]
fn the_largest_metadata_may_be_asked_for_all_at_once_and_again() {
    let (mut connection, now) = connection();
    for piece in (0..2048).chain(0..2048) {
        let payload = MetadataMessage::Request { piece }.encode();
        let message = Message::Extended { id: ExtensionId::METADATA.get(), payload: &payload };
        connection.handle_message(now, &message).unwrap();
        connection.send_metadata(now, &MetadataMessage::Reject { piece }).unwrap();
    }
}

#[test]
fn every_choke_of_ours_may_cost_a_whole_queue_of_requests() {
    let (mut connection, mut now) = connection();
    for _ in 0..1000 {
        now += Duration::from_secs(10);
        connection.send(now, &Message::Unchoke).unwrap();
        for _ in 0..2000 {
            let Ok(Event::Requested(block)) = connection.handle_message(now, &Message::Request(BLOCK)) else {
                panic!()
            };
            connection.send_reject(now, block);
        }
        connection.send(now, &Message::Choke).unwrap();
        connection.poll_transmit(&mut Vec::new());
    }
}

#[test]
fn a_peer_may_change_its_mind_with_each_of_our_haves() {
    let (mut connection, now) = connection();
    for n in 0..1_000_000 {
        connection.send(now, &Message::Have(n % 1000)).unwrap();
        connection.handle_message(now, &Message::Interested).unwrap();
        connection.handle_message(now, &Message::NotInterested).unwrap();
        connection.poll_transmit(&mut Vec::new());
    }
}

#[test]
fn our_cancels_may_all_be_answered_with_refusals() {
    let (mut connection, now) = connection();
    for _ in 0..1_000_000 {
        connection.send(now, &Message::Request(BLOCK)).unwrap();
        connection.send(now, &Message::Cancel(BLOCK)).unwrap();
        connection.poll_transmit(&mut Vec::new());
        assert!(matches!(connection.handle_message(now, &Message::Reject(BLOCK)), Ok(Event::Rejected(_))));
    }
}

#[test]
fn a_reader_that_moves_may_cancel_as_much_as_it_reads() {
    let (mut connection, now) = connection();
    for _ in 0..1_000_000 {
        connection.handle_message(now, &Message::Request(BLOCK)).unwrap();
        connection.handle_message(now, &Message::Cancel(BLOCK)).unwrap();
        connection.handle_message(now, &Message::Request(BLOCK)).unwrap();
        connection.handle_sent(now, 1);
    }
}

/// aria2 sends a bitfield in place of haves as soon as that is shorter, and says haves again every ten seconds.
#[test]
fn aria2_may_send_a_bitfield_for_every_twenty_pieces() {
    let (mut connection, now) = connection();
    let mut bits = [0; 125];
    for (n, byte) in (0..1000_u32).map(|n| (n, n as usize / 8)) {
        bits[byte] |= 0x80 >> (n % 8);
        if n % 20 == 19 {
            assert!(matches!(connection.handle_message(now, &Message::Bitfield(&bits)), Ok(Event::Bitfield(_))));
        }
    }
}

#[test]
fn two_million_haves_of_a_fast_peer_are_news() {
    let (mut connection, now) = connection();
    let pieces = torrent_types::MAX_PIECES;
    connection.set_geometry(Geometry::new(u64::from(pieces) << 14, 1 << 14).unwrap()).unwrap();
    for piece in 0..pieces {
        assert!(matches!(connection.handle_message(now, &Message::Have(piece)), Ok(Event::Have(_))));
    }
}

#[test]
fn a_file_that_vanishes_may_be_taken_back_piece_by_piece_and_fetched_again() {
    let (mut connection, now) = connection();
    connection.handle_message(now, &Message::HaveAll).unwrap();
    for piece in 0..1000_u32 {
        let payload = piece.to_be_bytes();
        let lost = Message::Extended { id: ExtensionId::DONT_HAVE.get(), payload: &payload };
        assert!(matches!(connection.handle_message(now, &lost), Ok(Event::DontHave(_))));
    }
    for piece in 0..1000 {
        assert!(matches!(connection.handle_message(now, &Message::Have(piece)), Ok(Event::Have(_))));
    }
}
