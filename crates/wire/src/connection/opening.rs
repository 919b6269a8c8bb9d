//! What may be said about pieces, and when. BEP 3 § "peer messages" (bitfield first), BEP 6 § "Have All/Have None".
//! Piece numbers are bounded by `MAX_PIECES` until the torrent's geometry is known, and checked again then. One bit is kept
//! per piece that the peer has announced, to notice when it takes one back without a word: 256 KiB at most.

use std::iter;

use torrent_types::{Geometry, MAX_PIECES, PieceIndex};

use crate::PeerFault;

/// Whether one side may still say with one message which pieces it has.
///
/// Deviation: have-all and have-none count as first behind messages that say nothing about pieces (choke, interested,
/// port, extended); libtorrent and Transmission accept them at any time, and Transmission sends its extended handshake first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Opening {
    /// It may.
    #[default]
    Open,
    /// It has.
    Said,
    /// It has gone on without, which means that it had nothing.
    Closed,
}

impl Opening {
    pub(super) fn close(&mut self) {
        if *self == Self::Open {
            *self = Self::Closed;
        }
    }
}

/// What the peer has said about its pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced {
    opening: Opening,
    /// It has said have-all, and not taken anything back.
    all: bool,
    /// The pieces it has said it has, one by one or with a bitfield; as short as they allow.
    pieces: Vec<u8>,
    /// The highest piece number of all messages.
    highest: Option<u32>,
    bitfield_length: Option<usize>,
}

/// Bytes of the longest bitfield.
const MAX_BITFIELD: usize = MAX_PIECES as usize / 8;

impl Announced {
    /// Deviation: BEP 3 allows one bitfield, as the first message. aria2 sends another when that is shorter than the haves
    /// it stands for, also behind have-none. It may add to what was said before; behind have-all it makes no sense.
    pub(super) fn bitfield(&mut self, bits: &[u8], geometry: Option<&Geometry>) -> Result<(), PeerFault> {
        if self.all {
            return Err(PeerFault::BitfieldRepeated);
        }
        match geometry {
            Some(geometry) => check(geometry, Some(bits.len()), highest_bit(bits))?,
            None if bits.len() > MAX_BITFIELD => return Err(PeerFault::BitfieldWrongLength { length: bits.len() }),
            None => {}
        }
        if let Some(piece) = first_missing(&self.pieces, bits) {
            return Err(PeerFault::BitfieldTakesBack { piece });
        }
        self.reserve(bits.len());
        self.pieces.clear();
        self.pieces.extend_from_slice(bits);
        self.opening = Opening::Said;
        self.bitfield_length = Some(bits.len());
        self.highest = highest_bit(bits).max(self.highest);
        Ok(())
    }

    pub(super) fn all_or_none(&mut self, all: bool) -> Result<(), PeerFault> {
        self.may_open()?;
        self.opening = Opening::Said;
        self.all = all;
        Ok(())
    }

    pub(super) fn have(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<PieceIndex, PeerFault> {
        let index = self.name(piece, geometry)?;
        if self.all {
            return Err(PeerFault::HaveAfterHaveAll { piece });
        }
        self.opening.close();
        let (byte, bit) = position(piece);
        if byte >= self.pieces.len() {
            self.reserve(geometry.map_or(byte, bitfield_length).max(byte.saturating_add(1)));
            self.pieces.resize(byte.saturating_add(1), 0);
        }
        if let Some(byte) = self.pieces.get_mut(byte) {
            *byte |= bit;
        }
        Ok(index)
    }

    pub(super) fn dont_have(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<PieceIndex, PeerFault> {
        let index = self.name(piece, geometry)?;
        // Of have-all nothing is remembered but the words: what a bitfield behind this one leaves out is not noticed.
        self.all = false;
        let (byte, bit) = position(piece);
        if let Some(byte) = self.pieces.get_mut(byte) {
            *byte &= !bit;
        }
        Ok(index)
    }

    /// A piece number of any message.
    pub(super) fn name(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<PieceIndex, PeerFault> {
        let count = geometry.map_or(MAX_PIECES, Geometry::piece_count);
        if piece >= count {
            return Err(PeerFault::NoSuchPiece { piece });
        }
        self.highest = self.highest.max(Some(piece));
        Ok(PieceIndex::new(piece))
    }

    /// The peer has begun to trade blocks.
    pub(super) fn close(&mut self) {
        self.opening.close();
    }

    /// Whether what was said so far fits the torrent.
    pub(super) fn check(&self, geometry: &Geometry) -> Result<(), PeerFault> {
        check(geometry, self.bitfield_length, self.highest)
    }

    /// Room for a bitfield of so many bytes; grows by doubling, but never past the longest.
    fn reserve(&mut self, length: usize) {
        if length > self.pieces.capacity() {
            let capacity = length.max(self.pieces.capacity().saturating_mul(2)).min(MAX_BITFIELD);
            self.pieces.reserve_exact(capacity.saturating_sub(self.pieces.len()));
        }
    }

    const fn may_open(&self) -> Result<(), PeerFault> {
        match self.opening {
            Opening::Open => Ok(()),
            Opening::Said => Err(PeerFault::BitfieldRepeated),
            Opening::Closed => Err(PeerFault::BitfieldLate),
        }
    }
}

fn check(geometry: &Geometry, bitfield: Option<usize>, highest: Option<u32>) -> Result<(), PeerFault> {
    match (bitfield, highest) {
        (Some(length), _) if length != bitfield_length(geometry) => Err(PeerFault::BitfieldWrongLength { length }),
        (_, Some(piece)) if piece >= geometry.piece_count() => Err(PeerFault::NoSuchPiece { piece }),
        _ => Ok(()),
    }
}

const fn bitfield_length(geometry: &Geometry) -> usize {
    geometry.piece_count().div_ceil(8) as usize
}

/// Where the bit of a piece is: in which byte, and which one there. BEP 3 § "peer messages": the high bit is piece 0.
const fn position(piece: u32) -> (usize, u8) {
    (piece as usize / 8, 0x80 >> (piece % 8))
}

/// The first piece of `announced` that is not in `bits`.
fn first_missing(announced: &[u8], bits: &[u8]) -> Option<u32> {
    let bits = bits.iter().copied().chain(iter::repeat(0));
    let missing = announced.iter().zip(bits).map(|(announced, bits)| announced & !bits);
    let (byte, missing) = missing.enumerate().find(|(_, missing)| *missing != 0)?;
    u32::try_from(byte).ok()?.checked_mul(8)?.checked_add(missing.leading_zeros())
}

/// Number of the last bit that is set.
fn highest_bit(bits: &[u8]) -> Option<u32> {
    let byte = bits.iter().rposition(|byte| *byte != 0)?;
    let spare = bits.get(byte)?.trailing_zeros();
    u32::try_from(byte).ok()?.checked_mul(8)?.checked_add(7_u32.checked_sub(spare)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_missing_is_named() {
        assert_eq!(first_missing(&[0x80, 0x01], &[0x80, 0x03, 0xff]), None);
        assert_eq!(first_missing(&[0x80, 0x21], &[0xff, 0x01]), Some(10));
        assert_eq!(first_missing(&[0x80, 0x01], &[0xff]), Some(15));
        assert_eq!(first_missing(&[0x00, 0x00], &[]), None);
    }

    /// Whatever a peer announces, before or after the metadata.
    #[test]
    fn what_was_announced_takes_a_quarter_of_a_mebibyte_at_most() {
        let mut haves = Announced::default();
        for piece in (0..MAX_PIECES).step_by(12_345).chain([MAX_PIECES - 1]) {
            haves.have(piece, None).unwrap();
            assert!(haves.pieces.capacity() <= MAX_BITFIELD);
        }
        haves.bitfield(&[0xff; MAX_BITFIELD], None).unwrap();
        haves.bitfield(&[0xff; MAX_BITFIELD], None).unwrap();
        assert_eq!(haves.pieces.capacity(), MAX_BITFIELD);
        assert!(haves.bitfield(&[0xff; MAX_BITFIELD + 1], None).is_err());

        let geometry = Geometry::new(1 << 30, 1 << 18).unwrap();
        let mut known = Announced::default();
        known.have(7, Some(&geometry)).unwrap();
        known.have(4095, Some(&geometry)).unwrap();
        assert_eq!(known.pieces.capacity(), 512, "with one allocation");
        assert!(known.have(4096, Some(&geometry)).is_err());
    }
}
