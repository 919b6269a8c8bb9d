//! Who may say what, when.

use std::time::{Duration, Instant};

use torrent_types::{Bitfield, Geometry, InfoHash, MAX_PIECES, PeerId, PieceIndex};
use torrent_wire::{
    ApiMisuse, Config, Connection, Event, ExtendedHandshake, ExtensionId, Extensions, Handshake, Message, PeerFault,
    RawBlock, Reserved, Severity,
};

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
    messages.iter().try_for_each(|message| connection.handle(now, message).map(drop))
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
fn a_bitfield_that_takes_pieces_back_is_a_serious_fault_without_effect() {
    let (mut connection, now) = connection(&ALL);
    connection.set_geometry(geometry()).unwrap();
    let mut say = |message: Message<'_>| connection.handle(now, &message).map(drop);
    assert_eq!(say(Message::Bitfield(&[0x90])), Ok(()));
    assert_eq!(say(Message::Have(1)), Ok(()));
    for (bits, piece) in [([0x50], 0), ([0x90], 1), ([0xc0], 3), ([0], 0)] {
        let fault = say(Message::Bitfield(&bits)).unwrap_err();
        assert_eq!(fault, PeerFault::BitfieldTakesBack { piece });
        assert_eq!(fault.severity(), Severity::Serious);
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
    let mut say = |message: Message<'_>| connection.handle(now, &message).map(drop);
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
    connection.set_geometry(geometry()).unwrap();
    assert!(connection.handle(now, &Message::Bitfield(&[0xff])).is_err());
    assert_eq!(connection.handle(now, &Message::Bitfield(&[0xf0])), Ok(Event::Bitfield(&[0xf0])));
}

#[test]
fn bep54_a_piece_that_is_lost_may_be_had_again() {
    let lost = Message::Extended { id: ExtensionId::DONT_HAVE.get(), payload: &[0, 0, 0, 1] };
    assert_eq!(run(&[Message::HaveAll, lost, Message::Have(1)]), Ok(()));
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
        let fault = connection.handle(now, &message).unwrap_err();
        assert!(matches!(fault, PeerFault::FastNotNegotiated { .. }), "{message:?}: {fault}");
        assert_eq!(connection.send(now, &message, &mut Vec::new()), Err(ApiMisuse::FastNotNegotiated));
    }
}

#[test]
fn before_the_metadata_pieces_are_bounded_and_checked_afterwards() {
    let (mut connection, now) = connection(&ALL);
    assert_eq!(connection.handle(now, &Message::Have(MAX_PIECES)), Err(PeerFault::NoSuchPiece { piece: MAX_PIECES }));
    let block = RawBlock { piece: 0, begin: 0, length: 16384 };
    let fault = connection.handle(now, &Message::Request(block)).unwrap_err();
    assert_eq!((fault, fault.severity()), (PeerFault::BeforeMetadata(block), Severity::Minor));
    connection.handle(now, &Message::Have(3)).unwrap();
    assert_eq!(connection.clone().set_geometry(geometry()), Ok(()));
    connection.handle(now, &Message::AllowedFast(4)).unwrap();
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
        connection.handle(now, &Message::Bitfield(bits)).unwrap();
        assert_eq!(connection.set_geometry(geometry()), verdict, "{bits:?}");
    }
}

#[test]
fn a_request_of_32_kib_is_an_event_and_one_beyond_its_piece_a_fault() {
    let (mut connection, now) = connection(&ALL);
    connection.set_geometry(geometry()).unwrap();
    let big = RawBlock { piece: 1, begin: 0, length: 32768 };
    let event = connection.handle(now, &Message::Request(big)).unwrap();
    assert_eq!(event, Event::Requested(geometry().block(1, 0, 32768).unwrap()));
    let beyond = RawBlock { piece: 1, begin: 1 << 18, length: 1 };
    assert_eq!(connection.handle(now, &Message::Request(beyond)), Err(PeerFault::OutsidePiece(beyond)));
}

#[test]
fn unknown_messages_and_extensions_are_events() {
    let (mut connection, now) = connection(&ALL);
    let unknown = Message::Unknown { id: 99, payload: b"x" };
    assert_eq!(connection.handle(now, &unknown), Ok(Event::Unknown { id: 99, payload: b"x" }));
    let unknown = Message::Extended { id: 99, payload: b"x" };
    assert_eq!(connection.handle(now, &unknown), Ok(Event::UnknownExtension { id: 99, payload: b"x" }));
    assert_eq!(connection.handle(now, &Message::Port(6881)), Ok(Event::Port(6881)));
}

#[test]
fn keep_alives_go_out_before_two_minutes_and_silence_ends_after_them() {
    let (mut connection, start) = connection(&ALL);
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut out = Vec::new();
    assert_eq!(connection.poll_timeout(), Some(at(100)));
    connection.handle_timeout(at(99), &mut out).unwrap();
    assert!(out.is_empty());
    connection.handle_timeout(at(100), &mut out).unwrap();
    assert_eq!(out, [0; 4]);
    // A peer that sends one every two minutes sharp is kept.
    connection.handle(at(120), &Message::KeepAlive).unwrap();
    connection.handle_timeout(at(240), &mut out).unwrap();
    connection.handle(at(240), &Message::KeepAlive).unwrap();
    assert_eq!(connection.handle_timeout(at(389), &mut out), Ok(()));
    assert_eq!(connection.handle_timeout(at(390), &mut out), Err(PeerFault::Silent));
}

#[test]
fn the_four_flags_follow_the_messages() {
    let (mut connection, now) = connection(&ALL);
    let flags = |c: &Connection| [c.am_choking(), c.am_interested(), c.peer_choking(), c.peer_interested()];
    assert_eq!(flags(&connection), [true, false, true, false]);
    connection.handle(now, &Message::Unchoke).unwrap();
    connection.handle(now, &Message::Interested).unwrap();
    let mut out = Vec::new();
    assert!(connection.set_choking(now, false, &mut out) && connection.set_interested(now, true, &mut out));
    assert_eq!(flags(&connection), [false, true, false, true]);
    assert!(!connection.set_choking(now, false, &mut out), "says nothing twice");
    assert_eq!(out.len(), 10);
    connection.send(now, &Message::Choke, &mut out).unwrap();
    connection.handle(now, &Message::Choke).unwrap();
    connection.handle(now, &Message::NotInterested).unwrap();
    assert_eq!(flags(&connection), [true, true, true, false]);
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
        connection.send_pieces(now, &have, &mut out).unwrap();
        assert_eq!(out, bytes);
        assert_eq!(connection.send_pieces(now, &have, &mut out), Err(ApiMisuse::TooLate));
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
    assert_eq!(connection.send_extension(now, chat, b"hi", &mut out), Err(ApiMisuse::ExtensionNotOffered));

    let payload = b"d1:md7:unknowni9e6:ut_pexi20e7:xy_chati7ee4:reqqi500e1:v3:abce";
    let event = connection.handle(now, &Message::Extended { id: 0, payload }).unwrap();
    let Event::ExtendedHandshake(handshake) = event else { panic!("{event:?}") };
    assert_eq!(handshake.client.as_deref(), Some("abc"));
    assert_eq!(handshake.extension_id("unknown"), Some(9));
    assert_eq!(connection.remote().reqq, 500);

    connection.send_extension(now, chat, b"hi", &mut out).unwrap();
    assert_eq!(out, b"\0\0\0\x04\x14\x07hi");
    let event = connection.handle(now, &Message::Extended { id: chat.get(), payload: b"ho" }).unwrap();
    assert_eq!(event, Event::Extension { id: chat, payload: b"ho" });

    // A later handshake takes one back and leaves the rest.
    connection.handle(now, &Message::Extended { id: 0, payload: b"d1:md7:xy_chati0eee" }).unwrap();
    assert!(!connection.peer_takes(chat) && connection.peer_takes(ExtensionId::PEX));
    assert_eq!(connection.remote().reqq, 500);

    // And so may we.
    connection.withdraw(chat);
    out.clear();
    connection.send_extended_handshake(now, &ExtendedHandshake::default(), &mut out).unwrap();
    let sent = ExtendedHandshake::decode(&out[6..]).unwrap();
    assert_eq!((sent.extension_id("xy_chat"), sent.extension_id("ut_pex")), (Some(0), Some(2)));
    let event = connection.handle(now, &Message::Extended { id: chat.get(), payload: b"ho" }).unwrap();
    assert!(matches!(event, Event::UnknownExtension { .. }));
}
