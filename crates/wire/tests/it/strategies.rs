//! Arbitrary messages.

use proptest::prelude::*;
use torrent_wire::{HashRange, Message, RawBlock};

/// A message that owns its payload.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    kind: u8,
    numbers: [u32; 4],
    root: [u8; 32],
    payload: Vec<u8>,
}

impl Owned {
    pub(crate) fn message(&self) -> Message<'_> {
        let [a, b, c, d] = self.numbers;
        let block = RawBlock { piece: a, begin: b, length: c };
        let range = HashRange { pieces_root: self.root, base_layer: a, index: b, length: c, proof_layers: d };
        let payload = &self.payload[..];
        match self.kind % 21 {
            0 => Message::KeepAlive,
            1 => Message::Choke,
            2 => Message::Unchoke,
            3 => Message::Interested,
            4 => Message::NotInterested,
            5 => Message::Have(a),
            6 => Message::Bitfield(payload),
            7 => Message::Request(block),
            8 => Message::Piece { piece: a, begin: b, data: payload },
            9 => Message::Cancel(block),
            10 => Message::Port(a as u16),
            11 => Message::Suggest(a),
            12 => Message::HaveAll,
            13 => Message::HaveNone,
            14 => Message::Reject(block),
            15 => Message::AllowedFast(a),
            16 => Message::Extended { id: a as u8, payload },
            17 => Message::HashRequest(range),
            18 => Message::Hashes { range, hashes: &payload[..payload.len() / 32 * 32] },
            19 => Message::HashReject(range),
            _ => Message::Unknown { id: 24 + (a % 200) as u8, payload },
        }
    }
}

/// Numbers are small half of the time, so that many of them lie inside a small torrent.
pub(crate) fn message() -> impl Strategy<Value = Owned> {
    let number = prop_oneof![0u32..8, Just(16384), any::<u32>()];
    let payload = prop_oneof![proptest::collection::vec(any::<u8>(), 0..100), Just(b"d1:md6:ut_pexi3eee".to_vec())];
    (any::<u8>(), [number.clone(), number.clone(), number.clone(), number], any::<[u8; 32]>(), payload)
        .prop_map(|(kind, numbers, root, payload)| Owned { kind, numbers, root, payload })
}
