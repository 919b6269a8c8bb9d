//! A connection as a whole: handshakes, chunking, memory.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use torrent_types::{Bitfield, Geometry, InfoHash, MAX_PIECES, PeerId, PieceIndex};
use torrent_wire::{
    Config, Event, Handshake, HandshakeEvent, Handshaking, MAX_FRAME, Message, Messages, PIECE_HEADER_LENGTH,
    PeerFault, PeerSession, ReceiveBuffer, Reserved, SessionEvent, Severity,
};

use crate::strategies::{Owned, message};

fn handshake(peer: u8) -> Handshake {
    let reserved = Reserved::FAST | Reserved::EXTENSION_PROTOCOL;
    Handshake { reserved, info_hash: InfoHash::new([7; 20]), peer_id: PeerId::new([peer; 20]) }
}

/// A session whose handshakes are done and sent.
fn connected(now: Instant) -> PeerSession {
    let mut session = PeerSession::initiator(now, handshake(1), Config::default());
    session.poll_transmit(&mut Vec::new());
    session.handle_bytes(now, &handshake(2).encode());
    assert_eq!(session.poll_event(), Some(SessionEvent::Connected(handshake(2))));
    session
}

/// Everything a session says about `bytes` when they come in these portions; ends at the first fatal fault.
fn story(bytes: &[u8], mut portion: impl FnMut() -> usize) -> Vec<String> {
    let now = crate::now();
    let mut session = PeerSession::responder(now, Config::default());
    let mut said = Vec::new();
    let mut rest = bytes;
    loop {
        loop {
            match session.poll_event() {
                None => break,
                Some(SessionEvent::Fault(fault)) => {
                    said.push(fault.to_string());
                    if fault.severity() > Severity::Ignore {
                        assert_eq!(session.poll_event(), Some(SessionEvent::Fault(fault)), "and stays so");
                        return said;
                    }
                }
                Some(event) => {
                    said.push(format!("{event:?}"));
                    let (asked, connected) =
                        (matches!(event, SessionEvent::Asked { .. }), matches!(event, SessionEvent::Connected(_)));
                    if asked {
                        session.answer(handshake(1));
                    } else if connected {
                        session
                            .connection_mut()
                            .unwrap()
                            .set_geometry(Geometry::new(500_000, 65_536).unwrap())
                            .unwrap();
                    }
                }
            }
        }
        if rest.is_empty() {
            return said;
        }
        let taken = session.handle_bytes(now, &rest[..portion().clamp(1, rest.len())]);
        rest = &rest[taken..];
    }
}

proptest! {
    #[test]
    fn chunking_is_invisible(messages in proptest::collection::vec(message(), 0..30), portions in proptest::collection::vec(1usize..60, 1..20)) {
        let mut bytes = handshake(2).encode().to_vec();
        messages.iter().map(Owned::message).for_each(|message| message.encode(&mut bytes));
        let whole = story(&bytes, || bytes.len());
        prop_assert_eq!(&story(&bytes, || 1), &whole);
        let mut portions = portions.iter().cycle();
        prop_assert_eq!(&story(&bytes, || *portions.next().unwrap()), &whole);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), greeted in any::<bool>()) {
        let bytes = if greeted { [&handshake(2).encode()[..], &bytes].concat() } else { bytes };
        prop_assert_eq!(story(&bytes, || 1), story(&bytes, || usize::MAX));
    }
}

#[test]
fn the_responder_chooses_by_info_hash_before_it_has_seen_the_peer_id() {
    let now = crate::now();
    let mut session = PeerSession::responder(now, Config::default());
    session.handle_bytes(now, &handshake(2).encode()[..48]);
    let asked = SessionEvent::Asked { info_hash: InfoHash::new([7; 20]), reserved: handshake(2).reserved };
    assert_eq!(session.poll_event(), Some(asked));
    assert_eq!(session.poll_event(), None);
    session.answer(handshake(1));
    assert_eq!(sent(&mut session), handshake(1).encode());
    session.handle_bytes(now, &handshake(2).encode()[48..]);
    assert_eq!(session.poll_event(), Some(SessionEvent::Connected(handshake(2))));
}

#[test]
fn an_answer_that_was_not_polled_before_the_peer_id_came_is_not_lost() {
    let now = crate::now();
    let mut session = PeerSession::responder(now, Config::default());
    session.handle_bytes(now, &handshake(2).encode());
    assert!(matches!(session.poll_event(), Some(SessionEvent::Asked { .. })));
    session.answer(handshake(1));
    assert_eq!(session.poll_event(), Some(SessionEvent::Connected(handshake(2))));
    session.connection_mut().unwrap().send(now, &Message::HaveNone).unwrap();
    assert_eq!(sent(&mut session), [&handshake(1).encode()[..], &[0, 0, 0, 1, 15]].concat());
}

/// All that a session wants sent.
fn sent(session: &mut PeerSession) -> Vec<u8> {
    let mut out = Vec::new();
    session.poll_transmit(&mut out);
    out
}

#[test]
fn strange_handshakes_are_refused_as_soon_as_they_are() {
    let now = crate::now();
    let initiator = || Handshaking::initiator(now, handshake(1));
    assert_eq!(initiator().handle_bytes(now, b"\x13Bit"), Ok(0));
    assert_eq!(initiator().handle_bytes(now, b"GET / HTTP"), Err(PeerFault::NotBitTorrent));
    assert_eq!(initiator().handle_bytes(now, &handshake(1).encode()), Err(PeerFault::SelfConnection));
    let other = Handshake { info_hash: InfoHash::new([8; 20]), ..handshake(2) };
    assert_eq!(initiator().handle_bytes(now, &other.encode()), Err(PeerFault::WrongInfoHash));
    let mut upgraded = initiator().accept_also(other.info_hash);
    assert_eq!(upgraded.handle_bytes(now, &other.encode()), Ok(68));
    assert_eq!((upgraded.poll_event(), upgraded.poll_event()), (Some(HandshakeEvent::Done(other)), None));
    let late = now + Handshaking::TIMEOUT;
    assert_eq!(initiator().handle_bytes(late, &handshake(2).encode()), Err(PeerFault::HandshakeTimeout));
}

#[test]
fn a_handshake_has_ten_seconds() {
    let start = crate::now();
    let mut session = PeerSession::responder(start, Config::default());
    assert_eq!(session.poll_timeout(), Some(start + Duration::from_secs(10)));
    session.handle_timeout(start + Duration::from_secs(9));
    assert_eq!(session.poll_event(), None);
    session.handle_timeout(start + Duration::from_secs(10));
    assert_eq!(session.poll_event(), Some(SessionEvent::Fault(PeerFault::HandshakeTimeout)));
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn a_peer_cannot_make_the_buffer_grow_past_its_maximum() {
    let mut buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
    assert!(buffer.space().len() <= 4096, "idle connections are cheap");
    // The largest frame, but for its last byte; then whatever else fits.
    let mut frame = MAX_FRAME.to_be_bytes().to_vec();
    frame.push(5);
    assert_eq!(buffer.extend(&frame), 5);
    assert!(buffer.capacity() <= 4096, "a promise costs nothing");
    while !buffer.space().is_empty() {
        let length = buffer.space().len();
        buffer.commit(length);
    }
    assert_eq!(buffer.capacity(), ReceiveBuffer::DEFAULT_MAX_CAPACITY);
    assert!(matches!(Message::decode(buffer.filled(), MAX_FRAME), Ok(Some(_))), "which is enough for any frame");
}

#[test]
fn bitfields_of_any_size_go_through_a_session_both_ways() {
    let now = crate::now();
    for pieces in [130_000, 300_000, MAX_PIECES] {
        let geometry = Geometry::new(u64::from(pieces) * 16384, 16384).unwrap();
        let mut have = Bitfield::full(pieces);
        have.clear(PieceIndex::new(5));
        let mut alice = PeerSession::initiator(now, handshake(1), Config::default());
        let mut bob = PeerSession::responder(now, Config::default());
        bob.handle_bytes(now, &handshake(1).encode());
        bob.poll_event().unwrap();
        bob.answer(handshake(2));
        bob.poll_event().unwrap();
        alice.handle_bytes(now, &sent(&mut bob));
        alice.poll_event().unwrap();

        bob.connection_mut().unwrap().send_pieces(now, &have).unwrap();
        alice.connection_mut().unwrap().set_geometry(geometry).unwrap();
        let mut heard = None;
        for chunk in sent(&mut bob).chunks(1000) {
            assert_eq!(alice.handle_bytes(now, chunk), chunk.len());
            if let Some(SessionEvent::Message(Event::Bitfield(bits))) = alice.poll_event() {
                heard = Some(Bitfield::from_bytes(bits, pieces).unwrap());
            }
        }
        assert_eq!(heard, Some(have));
    }
}

#[test]
fn payloads_are_handed_out_where_they_were_received() {
    let now = crate::now();
    let mut session = connected(now);
    let connection = session.connection_mut().unwrap();
    connection.set_geometry(Geometry::new(1 << 20, 1 << 18).unwrap()).unwrap();
    let mut bytes = Vec::new();
    Message::Piece { piece: 2, begin: 0, data: &[7; 16384] }.encode(&mut bytes);
    let mut buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
    buffer.extend(&bytes);
    let (range, message) = Messages::new(buffer.filled(), MAX_FRAME).next().unwrap().unwrap();
    let Ok(Event::Piece { data, .. }) = connection.handle_message(now, &message) else { panic!("{message:?}") };
    assert_eq!(data, [7; 16384]);
    assert_eq!(data.as_ptr_range(), buffer.filled()[range.start + PIECE_HEADER_LENGTH..range.end].as_ptr_range());
}

#[test]
fn an_incomplete_message_is_moved_once_at_most() {
    let mut buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
    buffer.extend(&[0; 200_000]);
    buffer.consume(200_000);
    let capacity = buffer.capacity();
    // A read ends inside a block of 16 KiB, the rest of which comes in small portions.
    buffer.extend(&vec![0; capacity - 100]);
    buffer.consume(capacity - 10_000);
    buffer.extend(b"rest");
    let place = buffer.filled().as_ptr();
    for _ in 0..10 {
        buffer.extend(&[1; 600]);
        assert_eq!((buffer.filled().as_ptr(), buffer.capacity()), (place, capacity));
    }
}

#[test]
fn the_buffer_shrinks_when_the_burst_is_over() {
    let mut buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
    buffer.extend(&[0; 200_000]);
    buffer.consume(200_000);
    for _ in 0..1000 {
        buffer.extend(&[0; 17]);
        buffer.consume(17);
    }
    assert!(buffer.capacity() <= 4096, "{buffer:?}");
    buffer.release();
    assert_eq!(buffer.capacity(), 0);
}

proptest! {
    #[test]
    fn the_buffer_keeps_every_byte_in_order(steps in proptest::collection::vec((1usize..5000, 0usize..6000), 1..60)) {
        let mut buffer = ReceiveBuffer::new(16 * 1024);
        let (mut written, mut read) = (0usize, 0usize);
        for (length, consume) in steps {
            let bytes: Vec<u8> = (written..written + length).map(|n| n as u8).collect();
            written += buffer.extend(&bytes);
            prop_assert_eq!(buffer.filled().len(), written - read);
            prop_assert!(buffer.filled().iter().zip(read..).all(|(byte, n)| *byte == n as u8));
            let consume = consume.min(buffer.filled().len());
            buffer.consume(consume);
            read += consume;
        }
    }
}

#[cfg(feature = "mse")]
mod encrypted {
    use torrent_wire::mse::{Ciphers, Initiator, Methods, Responder};

    use super::*;

    fn ciphers() -> [Ciphers; 2] {
        let torrent = InfoHash::new([7; 20]);
        let now = crate::now();
        let mut initiator = Initiator::new(now, torrent, Methods::Rc4, &[1; 32], &[]).unwrap();
        let mut responder = Responder::new(now, Methods::Rc4, &[2; 32]);
        let (mut there, mut here) = (Vec::new(), Vec::new());
        initiator.poll_transmit(&mut there);
        responder.handle_bytes(now, &there, |_| Some(torrent)).unwrap();
        responder.poll_transmit(&mut here);
        initiator.handle_bytes(now, &here).unwrap();
        (there, here) = (Vec::new(), Vec::new());
        initiator.poll_transmit(&mut there);
        responder.handle_bytes(now, &there, |_| Some(torrent)).unwrap();
        responder.poll_transmit(&mut here);
        initiator.handle_bytes(now, &here).unwrap();
        let (dialled, answered) = (initiator.poll_event().unwrap(), responder.poll_event().unwrap());
        [dialled.ciphers, answered.ciphers]
    }

    proptest! {
        #[test]
        fn rc4_is_taken_off_in_the_receive_buffer(messages in proptest::collection::vec(message(), 1..30), portions in proptest::collection::vec(1usize..900, 1..20)) {
            let [mut ours, mut theirs] = ciphers();
            let mut bytes = Vec::new();
            messages.iter().map(Owned::message).for_each(|message| message.encode(&mut bytes));
            theirs.encrypt(&mut bytes);
            let mut buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
            let (mut rest, mut portions, mut heard) = (&bytes[..], portions.iter().cycle(), Vec::new());
            while !rest.is_empty() {
                let space = buffer.space();
                let length = space.len().min(rest.len()).min(*portions.next().unwrap());
                let (part, behind) = rest.split_at(length);
                space[..length].copy_from_slice(part);
                ours.decrypt(buffer.commit(length));
                rest = behind;
                let mut decoded = Messages::new(buffer.filled(), MAX_FRAME);
                heard.extend(decoded.by_ref().map(|message| format!("{:?}", message.unwrap().1)));
                let consumed = decoded.consumed();
                buffer.consume(consumed);
            }
            let said: Vec<_> = messages.iter().map(|owned| format!("{:?}", owned.message())).collect();
            prop_assert_eq!(heard, said);
        }
    }
}
