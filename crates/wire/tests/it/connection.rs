//! Who may say what, when.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use torrent_types::{Bitfield, Geometry, InfoHash, MAX_PIECES, PeerId, PieceIndex};
use torrent_wire::{
    ApiMisuse, Config, Connection, Event, ExtendedHandshake, ExtensionId, Extensions, Handshake, MAX_FRAME, Message,
    MetadataMessage, PeerFault, RawBlock, Reserved, Severity,
};

use crate::strategies::message;

const ALL: [Reserved; 3] = [Reserved::FAST, Reserved::EXTENSION_PROTOCOL, Reserved::DHT];

fn connection(reserved: &[Reserved]) -> (Connection, Instant) {
    let now = crate::now();
    let reserved = reserved.iter().fold(Reserved::NONE, |all, one| all | *one);
    let ours = Handshake { reserved, info_hash: InfoHash::new([7; 20]), peer_id: PeerId::new([1; 20]) };
    let theirs = Handshake { peer_id: PeerId::new([2; 20]), ..ours };
    (Connection::new(now, &ours, &theirs, &Config::default()), now)
}

/// Four pieces of 256 KiB.
fn geometry() -> Geometry {
    Geometry::new(1 << 20, 1 << 18).unwrap()
}

fn run(messages: &[Message<'_>]) -> Result<(), PeerFault> {
    let (mut connection, now) = connection(&ALL);
    connection.set_geometry(geometry())?;
    messages.iter().try_for_each(|message| connection.handle_message(now, message).map(drop))
}

#[test]
fn contradictions_about_pieces_are_faults() {
    use Message::{Bitfield, Have, HaveAll, HaveNone};
    let block = RawBlock { piece: 0, begin: 0, length: 16384 };
    let field = Bitfield(&[0xf0]);
    assert_eq!(run(&[field, field]), Ok(()), "aria2 says haves so");
    assert_eq!(run(&[HaveNone, field]), Ok(()), "aria2 says haves so");
    assert_eq!(run(&[Bitfield(&[0x50]), Have(0), Have(2), field]), Ok(()), "aria2 says haves so");
    assert_eq!(run(&[HaveAll, field]), Err(PeerFault::BitfieldRepeated));
    assert_eq!(run(&[HaveNone, HaveAll]), Err(PeerFault::BitfieldRepeated));
    assert_eq!(run(&[Have(1), field]), Ok(()));
    assert_eq!(run(&[Have(1), HaveAll]), Err(PeerFault::BitfieldLate));
    assert_eq!(run(&[Message::Request(block), HaveAll]), Err(PeerFault::BitfieldLate));
    assert_eq!(run(&[HaveAll, Have(1)]), Err(PeerFault::HaveAfterHaveAll { piece: 1 }));
    assert_eq!(run(&[HaveNone, Have(1), Have(1)]), Ok(()));
    assert_eq!(run(&[Bitfield(&[0xf8])]), Err(PeerFault::NoSuchPiece { piece: 4 }), "a spare bit");
    assert_eq!(run(&[Bitfield(&[0xf0, 0])]), Err(PeerFault::BitfieldWrongLength { length: 2 }));
    assert_eq!(run(&[Have(4)]), Err(PeerFault::NoSuchPiece { piece: 4 }));
}

#[test]
fn a_bitfield_that_takes_pieces_back_is_ignored() {
    let (mut connection, now) = connection(&ALL);
    connection.set_geometry(geometry()).unwrap();
    let mut say = |message: Message<'_>| connection.handle_message(now, &message).map(drop);
    assert_eq!(say(Message::Bitfield(&[0x90])), Ok(()));
    assert_eq!(say(Message::Have(1)), Ok(()));
    for (bits, piece) in [([0x50], 0), ([0x90], 1), ([0xc0], 3), ([0], 0)] {
        let fault = say(Message::Bitfield(&bits)).unwrap_err();
        assert_eq!(fault, PeerFault::BitfieldTakesBack { piece });
        assert_eq!(fault.severity(), Severity::Ignore);
    }
    assert_eq!(say(Message::Bitfield(&[0xd0])), Ok(()), "what it had, and no more");
    // BEP 54 is how to do it.
    let lost = Message::Extended { id: ExtensionId::DONT_HAVE.get(), payload: &[0, 0, 0, 3] };
    assert_eq!(say(lost), Ok(()));
    assert_eq!(say(Message::Bitfield(&[0xc0])), Ok(()));
}

#[test]
fn a_bitfield_before_the_metadata_may_not_take_pieces_back_either() {
    let (mut connection, now) = connection(&ALL);
    let mut say = |message: Message<'_>| connection.handle_message(now, &message).map(drop);
    assert_eq!(say(Message::Have(20)), Ok(()));
    assert_eq!(say(Message::Bitfield(&[0xff, 0xff])), Err(PeerFault::BitfieldTakesBack { piece: 20 }));
    assert_eq!(say(Message::Bitfield(&[0, 0, 0x08])), Ok(()));
}

#[test]
fn a_bitfield_may_follow_messages_that_say_nothing_about_pieces() {
    let extended = Message::Extended { id: 0, payload: b"de" };
    let before = [Message::KeepAlive, extended, Message::Port(1), Message::Unchoke, Message::Interested];
    assert_eq!(run(&[&before[..], &[Message::Bitfield(&[0x80])]].concat()), Ok(()));
}

#[test]
fn a_fault_leaves_no_trace() {
    let (mut connection, now) = connection(&ALL);
    assert_eq!(connection.handle_message(now, &Message::HaveAll), Ok(Event::HaveAll));
    let fault = connection.handle_message(now, &Message::Have(9)).unwrap_err();
    assert_eq!((fault, fault.severity()), (PeerFault::HaveAfterHaveAll { piece: 9 }, Severity::Ignore));
    assert_eq!(connection.set_geometry(geometry()), Ok(()), "piece 9, which there is not, is forgotten");
}

/// All that can be seen of a connection, without the budget of useless messages.
fn but_for_its_budget(connection: &Connection) -> String {
    let shown = format!("{connection:?}");
    let (before, rest) = shown.split_once("budget: Budget {").expect("it has a budget");
    let (_, after) = rest.split_once('}').expect("which ends");
    [before, after].concat()
}

proptest! {
    #[test]
    fn no_fault_leaves_a_trace(messages in proptest::collection::vec(message(), 1..40), known_after in 0usize..40, fast in any::<bool>()) {
        let (mut connection, now) = connection(if fast { &ALL } else { &[] });
        for (n, owned) in messages.iter().enumerate() {
            if n == known_after && connection.set_geometry(geometry()).is_err() {
                break;
            }
            let before = but_for_its_budget(&connection);
            if connection.handle_message(now, &owned.message()).is_err() {
                prop_assert_eq!(but_for_its_budget(&connection), before, "{:?}", owned.message());
            }
        }
    }
}

#[test]
fn bep54_a_piece_that_is_lost_may_be_had_again() {
    let lost = Message::Extended { id: ExtensionId::DONT_HAVE.get(), payload: &[0, 0, 0, 1] };
    assert_eq!(run(&[Message::HaveAll, lost, Message::Have(1)]), Ok(()));
    // Between two of ours, by the number that the receiver gave it.
    let ((mut here, now), (mut there, _), mut out) = (connection(&ALL), connection(&ALL), Vec::new());
    assert_eq!(here.send_dont_have(now, PieceIndex::new(9)), Err(ApiMisuse::ExtensionNotOffered));
    there.send_extended_handshake(now, &ExtendedHandshake::default()).unwrap();
    there.poll_transmit(&mut out);
    let (hello, _) = Message::decode(&out, MAX_FRAME).unwrap().unwrap();
    here.handle_message(now, &hello).unwrap();
    out.clear();
    here.send_dont_have(now, PieceIndex::new(9)).unwrap();
    here.poll_transmit(&mut out);
    there.handle_message(now, &Message::Have(9)).unwrap();
    let (lost, _) = Message::decode(&out, MAX_FRAME).unwrap().unwrap();
    assert_eq!(there.handle_message(now, &lost), Ok(Event::DontHave(PieceIndex::new(9))));
    let nowhere = Message::Extended { id: ExtensionId::DONT_HAVE.get(), payload: &[0, 0, 0, 9] };
    assert_eq!(run(&[nowhere]), Err(PeerFault::NoSuchPiece { piece: 9 }));
}

#[test]
fn bep6_messages_need_both_sides() {
    let block = RawBlock { piece: 0, begin: 0, length: 16384 };
    for message in
        [Message::HaveAll, Message::HaveNone, Message::Suggest(0), Message::AllowedFast(0), Message::Reject(block)]
    {
        let (mut connection, now) = connection(&[]);
        connection.set_geometry(geometry()).unwrap();
        let fault = connection.handle_message(now, &message).unwrap_err();
        assert!(matches!(fault, PeerFault::FastNotNegotiated { .. }), "{message:?}: {fault}");
        assert_eq!(connection.send(now, &message), Err(ApiMisuse::FastNotNegotiated));
        assert!(!connection.poll_transmit(&mut Vec::new()));
    }
}

#[test]
fn before_the_metadata_pieces_are_bounded_and_checked_afterwards() {
    let (mut connection, now) = connection(&ALL);
    assert_eq!(
        connection.handle_message(now, &Message::Have(MAX_PIECES)),
        Err(PeerFault::NoSuchPiece { piece: MAX_PIECES })
    );
    let block = RawBlock { piece: 0, begin: 0, length: 16384 };
    let fault = connection.handle_message(now, &Message::Request(block)).unwrap_err();
    assert_eq!((fault, fault.severity()), (PeerFault::BeforeMetadata(block), Severity::Ignore));
    connection.handle_message(now, &Message::Have(3)).unwrap();
    assert_eq!(connection.clone().set_geometry(geometry()), Ok(()));
    connection.handle_message(now, &Message::AllowedFast(4)).unwrap();
    assert_eq!(connection.set_geometry(geometry()), Err(PeerFault::NoSuchPiece { piece: 4 }));
}

#[test]
fn a_bitfield_before_the_metadata_is_measured_afterwards() {
    for (bits, verdict) in [
        (&[0xf0][..], Ok(())),
        (&[0x08], Err(PeerFault::NoSuchPiece { piece: 4 })),
        (&[0, 0], Err(PeerFault::BitfieldWrongLength { length: 2 })),
    ] {
        let (mut connection, now) = connection(&ALL);
        connection.handle_message(now, &Message::Bitfield(bits)).unwrap();
        assert_eq!(connection.set_geometry(geometry()), verdict, "{bits:?}");
    }
}

#[test]
fn a_request_of_32_kib_is_an_event_and_one_beyond_its_piece_a_fault() {
    let (mut connection, now) = connection(&ALL);
    connection.set_geometry(geometry()).unwrap();
    let big = RawBlock { piece: 1, begin: 0, length: 32768 };
    let event = connection.handle_message(now, &Message::Request(big)).unwrap();
    assert_eq!(event, Event::Requested(geometry().block(1, 0, 32768).unwrap()));
    let beyond = RawBlock { piece: 1, begin: 1 << 18, length: 1 };
    assert_eq!(connection.handle_message(now, &Message::Request(beyond)), Err(PeerFault::OutsidePiece(beyond)));
}

#[test]
fn unknown_messages_and_extensions_are_events() {
    let (mut connection, now) = connection(&ALL);
    let unknown = Message::Unknown { id: 99, payload: b"x" };
    assert_eq!(connection.handle_message(now, &unknown), Ok(Event::Unknown { id: 99, payload: b"x" }));
    let unknown = Message::Extended { id: 99, payload: b"x" };
    assert_eq!(connection.handle_message(now, &unknown), Ok(Event::UnknownExtension { id: 99, payload: b"x" }));
    assert_eq!(connection.handle_message(now, &Message::Port(6881)), Ok(Event::Port(6881)));
}

#[test]
fn keep_alives_go_out_before_two_minutes_and_silence_ends_after_them() {
    let (mut connection, start) = connection(&ALL);
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut out = Vec::new();
    assert_eq!(connection.poll_timeout(), Some(at(100)));
    connection.handle_timeout(at(99)).unwrap();
    assert!(!connection.poll_transmit(&mut out));
    connection.handle_timeout(at(100)).unwrap();
    assert!(connection.poll_transmit(&mut out));
    assert_eq!(out, [0; 4]);
    // A peer that sends one every two minutes sharp is kept.
    connection.handle_message(at(120), &Message::KeepAlive).unwrap();
    connection.handle_timeout(at(240)).unwrap();
    connection.handle_message(at(240), &Message::KeepAlive).unwrap();
    assert_eq!(connection.handle_timeout(at(389)), Ok(()));
    assert_eq!(connection.handle_timeout(at(390)), Err(PeerFault::Silent));
}

#[test]
fn what_is_said_again_is_redundant() {
    let (mut connection, now) = connection(&ALL);
    connection.set_geometry(geometry()).unwrap();
    let again = [
        (Message::Unchoke, Event::Unchoked),
        (Message::Choke, Event::Choked),
        (Message::Interested, Event::Interested),
        (Message::NotInterested, Event::NotInterested),
        (Message::Port(6881), Event::Port(6881)),
        (Message::Have(1), Event::Have(PieceIndex::new(1))),
        (Message::Bitfield(&[0x60]), Event::Bitfield(&[0x60])),
        (Message::Bitfield(&[0xf0]), Event::Bitfield(&[0xf0])),
    ];
    for (message, event) in again {
        assert_eq!(connection.handle_message(now, &message), Ok(event), "{message:?}");
        assert_eq!(connection.handle_message(now, &message), Ok(Event::Redundant), "{message:?}");
    }
    assert!(connection.peer_choking() && !connection.peer_interested());
    assert_eq!(connection.remote().dht_port, Some(6881));
}

#[test]
fn answers_to_nothing_are_redundant() {
    let (mut connection, now) = connection(&ALL);
    connection.set_geometry(geometry()).unwrap();
    let block = RawBlock { piece: 0, begin: 0, length: 16384 };
    let rejected = Event::Rejected(geometry().block(0, 0, 16384).unwrap());
    assert_eq!(connection.handle_message(now, &Message::Reject(block)), Ok(Event::Redundant));
    connection.send(now, &Message::Request(block)).unwrap();
    assert_eq!(connection.handle_message(now, &Message::Reject(block)), Ok(rejected));
    assert_eq!(connection.handle_message(now, &Message::Reject(block)), Ok(Event::Redundant));
    let data = MetadataMessage::Data { piece: 0, total_size: 1, data: b"x" };
    let payload = data.encode();
    let message = Message::Extended { id: ExtensionId::METADATA.get(), payload: &payload };
    assert_eq!(connection.handle_message(now, &message), Ok(Event::Redundant));
    connection.handle_message(now, &Message::Extended { id: 0, payload: b"d1:md11:ut_metadatai3eee" }).unwrap();
    connection.send_metadata(now, &MetadataMessage::Request { piece: 0 }).unwrap();
    assert_eq!(connection.handle_message(now, &message), Ok(Event::Metadata(data)));
    assert_eq!(connection.handle_message(now, &message), Ok(Event::Redundant));
}

#[test]
fn bep11_messages_that_come_too_often_are_redundant() {
    let (mut connection, start) = connection(&ALL);
    let pex = Message::Extended { id: ExtensionId::PEX.get(), payload: b"de" };
    let mut heeded = |seconds: &u64| {
        let now = start + Duration::from_secs(*seconds);
        connection.handle_message(now, &pex).unwrap() != Event::Redundant
    };
    let seconds: Vec<u64> = (0..200).step_by(10).filter(|seconds| heeded(seconds)).collect();
    assert_eq!(seconds, [0, 50, 100, 150]);
}

#[test]
fn our_pieces_are_said_in_the_shortest_way() {
    let mut some = Bitfield::new(4);
    some.set(PieceIndex::new(1));
    let table: [(&[Reserved], Bitfield, &[u8]); 6] = [
        (&ALL, Bitfield::full(4), b"\0\0\0\x01\x0e"),
        (&ALL, Bitfield::new(4), b"\0\0\0\x01\x0f"),
        (&ALL, Bitfield::new(0), b"\0\0\0\x01\x0f"),
        (&ALL, some, b"\0\0\0\x02\x05\x40"),
        (&[], Bitfield::full(4), b"\0\0\0\x02\x05\xf0"),
        (&[], Bitfield::new(4), b""),
    ];
    for (reserved, have, bytes) in table {
        let (mut connection, now) = connection(reserved);
        let mut out = Vec::new();
        connection.send_pieces(now, &have).unwrap();
        connection.poll_transmit(&mut out);
        assert_eq!(out, bytes);
        assert_eq!(connection.send_pieces(now, &have), Err(ApiMisuse::TooLate));
    }
}

#[test]
fn bep10_extensions_go_by_the_numbers_of_the_receiver() {
    let mut extensions = Extensions::standard();
    let chat = extensions.register("xy_chat").unwrap();
    let config = Config::default().extensions(extensions);
    let now = crate::now();
    let ours = Handshake {
        reserved: Reserved::EXTENSION_PROTOCOL,
        info_hash: InfoHash::new([7; 20]),
        peer_id: PeerId::new([1; 20]),
    };
    let mut connection = Connection::new(now, &ours, &ours, &config);
    let mut out = Vec::new();
    assert_eq!(connection.send_extension(now, chat, b"hi"), Err(ApiMisuse::ExtensionNotOffered));

    let payload = b"d1:md7:unknowni9e6:ut_pexi20e7:xy_chati7ee4:reqqi500e1:v3:abce";
    let event = connection.handle_message(now, &Message::Extended { id: 0, payload }).unwrap();
    let Event::ExtendedHandshake(handshake) = event else { panic!("{event:?}") };
    assert_eq!(handshake.client.as_deref(), Some("abc"));
    assert_eq!(handshake.extension_id("unknown"), Some(9));
    assert_eq!(connection.remote().reqq, 500);

    connection.send_extension(now, chat, b"hi").unwrap();
    connection.poll_transmit(&mut out);
    assert_eq!(out, b"\0\0\0\x04\x14\x07hi");
    let event = connection.handle_message(now, &Message::Extended { id: chat.get(), payload: b"ho" }).unwrap();
    assert_eq!(event, Event::Extension { id: chat, payload: b"ho" });

    // A later handshake takes one back and leaves the rest.
    connection.handle_message(now, &Message::Extended { id: 0, payload: b"d1:md7:xy_chati0eee" }).unwrap();
    assert!(!connection.peer_takes(chat) && connection.peer_takes(ExtensionId::PEX));
    assert_eq!(connection.remote().reqq, 500);

    // And so may we.
    connection.withdraw(chat);
    out.clear();
    connection.send_extended_handshake(now, &ExtendedHandshake::default()).unwrap();
    connection.poll_transmit(&mut out);
    let sent = ExtendedHandshake::decode(&out[6..]).unwrap();
    assert_eq!((sent.extension_id("xy_chat"), sent.extension_id("ut_pex")), (Some(0), Some(2)));
    let event = connection.handle_message(now, &Message::Extended { id: chat.get(), payload: b"ho" }).unwrap();
    assert!(matches!(event, Event::UnknownExtension { .. }));
}
