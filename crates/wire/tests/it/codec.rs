//! Bytes ↔ messages.

use proptest::prelude::*;
use torrent_types::{InfoHash, MAX_PIECES, PeerId};
use torrent_wire::{
    DecodeError, Handshake, HashRange, HashRangeError, MAX_FRAME, Message, Messages, RawBlock, Reserved,
};

use crate::strategies::message;

#[test]
fn bep3_messages_have_these_bytes() {
    let block = RawBlock { piece: 1, begin: 0x4000, length: 0x4000 };
    let table: [(Message<'_>, &[u8]); 12] = [
        (Message::KeepAlive, b"\0\0\0\0"),
        (Message::Choke, b"\0\0\0\x01\0"),
        (Message::Unchoke, b"\0\0\0\x01\x01"),
        (Message::Interested, b"\0\0\0\x01\x02"),
        (Message::NotInterested, b"\0\0\0\x01\x03"),
        (Message::Have(0x01020304), b"\0\0\0\x05\x04\x01\x02\x03\x04"),
        (Message::Bitfield(b"\xff\x80"), b"\0\0\0\x03\x05\xff\x80"),
        (Message::Request(block), b"\0\0\0\x0d\x06\0\0\0\x01\0\0\x40\0\0\0\x40\0"),
        (Message::Piece { piece: 2, begin: 3, data: b"ab" }, b"\0\0\0\x0b\x07\0\0\0\x02\0\0\0\x03ab"),
        (Message::Cancel(block), b"\0\0\0\x0d\x08\0\0\0\x01\0\0\x40\0\0\0\x40\0"),
        (Message::Port(6881), b"\0\0\0\x03\x09\x1a\xe1"),
        (Message::Extended { id: 3, payload: b"de" }, b"\0\0\0\x04\x14\x03de"),
    ];
    for (message, bytes) in table {
        let mut encoded = Vec::new();
        message.encode(&mut encoded);
        assert_eq!(encoded, bytes, "{message:?}");
        assert_eq!(Message::decode(bytes, MAX_FRAME), Ok(Some((message, bytes.len()))));
    }
}

#[test]
fn bep6_messages_have_these_bytes() {
    let block = RawBlock { piece: 1, begin: 2, length: 3 };
    let table: [(Message<'_>, &[u8]); 5] = [
        (Message::Suggest(7), b"\0\0\0\x05\x0d\0\0\0\x07"),
        (Message::HaveAll, b"\0\0\0\x01\x0e"),
        (Message::HaveNone, b"\0\0\0\x01\x0f"),
        (Message::Reject(block), b"\0\0\0\x0d\x10\0\0\0\x01\0\0\0\x02\0\0\0\x03"),
        (Message::AllowedFast(7), b"\0\0\0\x05\x11\0\0\0\x07"),
    ];
    for (message, bytes) in table {
        assert_eq!(Message::decode(bytes, MAX_FRAME), Ok(Some((message, bytes.len()))));
    }
}

#[test]
fn a_frame_that_is_too_long_is_refused_from_its_prefix_alone() {
    let prefix = (MAX_FRAME + 1).to_be_bytes();
    assert_eq!(
        Message::decode(&prefix, MAX_FRAME),
        Err(DecodeError::FrameTooLong { length: MAX_FRAME + 1, max_frame: MAX_FRAME })
    );
    assert_eq!(Message::decode(&MAX_FRAME.to_be_bytes(), MAX_FRAME), Ok(None));
}

#[test]
fn fixed_messages_of_another_length_are_refused() {
    for bytes in [
        &b"\0\0\0\x02\0\0"[..],
        b"\0\0\0\x04\x04\0\0\0",
        b"\0\0\0\x06\x04\0\0\0\0\0",
        b"\0\0\0\x0c\x06\0\0\0\0\0\0\0\0\0\0\0",
        b"\0\0\0\x08\x07\0\0\0\0\0\0\0",
        b"\0\0\0\x02\x09\0",
        b"\0\0\0\x01\x14",
        b"\0\0\0\x02\x0e\0",
        b"\0\0\0\x02\x15\0",
    ] {
        let error = Message::decode(bytes, MAX_FRAME).unwrap_err();
        assert_eq!(error, DecodeError::WrongLength { id: bytes[4], length: bytes.len() as u32 - 4 });
    }
    let hashes = [&[0, 0, 0, 50, 22][..], &[0; 49]].concat();
    assert_eq!(Message::decode(&hashes, MAX_FRAME), Err(DecodeError::WrongLength { id: 22, length: 50 }));
}

#[test]
fn bitfields_of_any_size_go_both_ways() {
    for pieces in [1, 130_000, 300_000, MAX_PIECES] {
        let bits = vec![0xaa; pieces.div_ceil(8) as usize];
        let mut bytes = Vec::new();
        Message::Bitfield(&bits).encode(&mut bytes);
        assert_eq!(Message::decode(&bytes, MAX_FRAME), Ok(Some((Message::Bitfield(&bits), bytes.len()))));
    }
}

#[test]
fn bep52_ranges_are_powers_of_two_that_lie_on_their_grid() {
    let range = HashRange { pieces_root: [1; 32], base_layer: 0, index: 512, length: 512, proof_layers: 3 };
    assert_eq!(range.check(), Ok(()));
    for length in [0, 1, 3, 16384] {
        assert_eq!(HashRange { length, ..range }.check(), Err(HashRangeError::Length));
    }
    assert_eq!(HashRange { index: 1, ..range }.check(), Err(HashRangeError::Index));
    assert_eq!(HashRange { base_layer: 64, ..range }.check(), Err(HashRangeError::Layers));

    let mut bytes = Vec::new();
    Message::HashRequest(range).encode(&mut bytes);
    assert_eq!(bytes[..5], [0, 0, 0, 49, 21]);
    assert_eq!(bytes[37..], [0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 3]);
}

#[test]
fn handshakes_are_68_bytes_and_keep_unknown_bits() {
    let reserved = Reserved::from_bytes([0x80, 0, 0, 0, 0, 0x10, 0, 0x05]);
    assert!(reserved.contains(Reserved::EXTENSION_PROTOCOL | Reserved::FAST | Reserved::DHT));
    assert!(!reserved.contains(Reserved::V2));
    let handshake = Handshake { reserved, info_hash: InfoHash::new([3; 20]), peer_id: PeerId::new([4; 20]) };
    let bytes = handshake.encode();
    assert_eq!(bytes[..20], *b"\x13BitTorrent protocol");
    assert_eq!(Handshake::decode(&bytes), Some(handshake));
    assert_eq!(Handshake::decode(&[0; 68]), None);
}

proptest! {
    #[test]
    fn decoding_what_was_encoded_gives_the_same(owned in message(), behind in proptest::collection::vec(any::<u8>(), 0..9)) {
        let message = owned.message();
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), message.encoded_len());
        let length = bytes.len();
        for end in 0..length {
            prop_assert_eq!(Message::decode(&bytes[..end], MAX_FRAME), Ok(None));
        }
        bytes.extend(behind);
        prop_assert_eq!(Message::decode(&bytes, MAX_FRAME), Ok(Some((message, length))));
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut messages = Messages::new(&bytes, 64);
        for message in messages.by_ref().take_while(Result::is_ok).flatten() {
            let mut encoded = Vec::new();
            message.1.encode(&mut encoded);
            prop_assert!(bytes.windows(encoded.len()).any(|window| window == encoded));
        }
        prop_assert!(messages.consumed() <= bytes.len());
    }
}
