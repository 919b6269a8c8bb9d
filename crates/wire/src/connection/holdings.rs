//! What may be said about pieces, and when. BEP 3 § "peer messages" (bitfield first), BEP 6 § "Have All/Have None".
//! In: haves, bitfields, BEP 54's `lt_donthave`. Out: whether they tell something new.
//!
//! Piece numbers are bounded by `MAX_PIECES` until the torrent's geometry is known, and checked again then. One bit is
//! kept per piece that the peer has announced, to notice what it repeats and what it takes back without saying so:
//! 256 KiB at most, and nothing at all for a peer that has everything.

use torrent_types::{Bitfield, Geometry, MAX_PIECES, PieceIndex};

use crate::PeerFault;

/// Whether one side may still say with one message which pieces it has.
///
/// Deviation: have-all and have-none count as first behind messages that say nothing about pieces (choke, interested,
/// port, extended); libtorrent and Transmission accept them at any time, and Transmission sends its extended handshake first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FirstWord {
    /// It may.
    #[default]
    Open,
    /// It has.
    Said,
    /// It has gone on without, which means that it had nothing.
    Closed,
}

impl FirstWord {
    pub(super) fn close(&mut self) {
        if *self == Self::Open {
            *self = Self::Closed;
        }
    }
}

/// What a message about one piece has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The peer has, or has lost, this piece.
    New(PieceIndex),
    /// The peer has had and lost pieces more often than there are any: it may be playing.
    Again(PieceIndex),
    /// Nothing.
    None,
}

/// What a bitfield has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gain {
    /// How many pieces are new.
    pub(super) pieces: u32,
    /// It is not the first word of the peer about its pieces.
    pub(super) further: bool,
}

/// What the peer has said about its pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Holdings {
    first_word: FirstWord,
    extent: Extent,
    /// The pieces it has said it has, one by one or with a bitfield; as short as they allow, empty unless the extent is
    /// `Some`.
    pieces: Vec<u8>,
    /// Bits set in `pieces`.
    count: u32,
    /// How often a piece was new, ever.
    gained: u32,
    /// The peer has taken a piece back. Its bits are kept from then on, or each further time would cost a whole field.
    has_lost: bool,
    /// The highest piece number of all messages.
    highest: Option<u32>,
    bitfield_length: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Extent {
    /// The pieces that have their bit in `pieces`.
    #[default]
    Some,
    /// All: the last bit has been set.
    Complete,
    /// All: it has said have-all.
    HaveAll,
}

/// Bytes of the longest bitfield.
const MAX_BITFIELD: usize = MAX_PIECES as usize / 8;

impl Holdings {
    /// Deviation: BEP 3 allows one bitfield, as the first message. aria2 sends another when that is shorter than the haves
    /// it stands for, also behind have-none. It may add to what was said before; behind have-all it makes no sense.
    pub(super) fn bitfield(&mut self, bits: &[u8], geometry: Option<&Geometry>) -> Result<Gain, PeerFault> {
        if self.extent == Extent::HaveAll {
            return Err(PeerFault::BitfieldRepeated);
        }
        match geometry {
            Some(geometry) => check(geometry, Some(bits.len()), highest_bit(bits))?,
            None if bits.len() > MAX_BITFIELD => return Err(PeerFault::BitfieldWrongLength { length: bits.len() }),
            None => {}
        }
        let count = count_ones(bits);
        if self.extent == Extent::Complete {
            let all = geometry.map_or(0, Geometry::piece_count);
            let missing = (count < all).then(|| first_zero(bits));
            return missing
                .map_or(Ok(Gain { pieces: 0, further: true }), |piece| Err(PeerFault::BitfieldTakesBack { piece }));
        }
        if let Some(piece) = first_missing(&self.pieces, bits) {
            return Err(PeerFault::BitfieldTakesBack { piece });
        }
        let gain = Gain { pieces: count.saturating_sub(self.count), further: self.first_word == FirstWord::Said };
        self.reserve(bits.len());
        self.pieces.clear();
        self.pieces.extend_from_slice(bits);
        self.count = count;
        self.gained = self.gained.saturating_add(gain.pieces);
        self.first_word = FirstWord::Said;
        self.bitfield_length = Some(bits.len());
        self.highest = highest_bit(bits).max(self.highest);
        self.forget_if_complete(geometry);
        Ok(gain)
    }

    pub(super) fn have_all(&mut self) -> Result<(), PeerFault> {
        self.may_open()?;
        self.first_word = FirstWord::Said;
        self.extent = Extent::HaveAll;
        Ok(())
    }

    pub(super) fn have_none(&mut self) -> Result<(), PeerFault> {
        self.may_open()?;
        self.first_word = FirstWord::Said;
        Ok(())
    }

    pub(super) fn have(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<Change, PeerFault> {
        let index = exists(piece, geometry)?;
        match self.extent {
            Extent::HaveAll => return Err(PeerFault::HaveAfterHaveAll { piece }),
            Extent::Complete => return Ok(Change::None),
            Extent::Some => {}
        }
        self.note(piece);
        self.first_word.close();
        let (byte, bit) = position(piece);
        if byte >= self.pieces.len() {
            self.reserve(geometry.map_or(byte, bitfield_length).max(byte.saturating_add(1)));
            self.pieces.resize(byte.saturating_add(1), 0);
        }
        let Some(slot) = self.pieces.get_mut(byte).filter(|slot| **slot & bit == 0) else { return Ok(Change::None) };
        *slot |= bit;
        self.count = self.count.saturating_add(1);
        self.gained = self.gained.saturating_add(1);
        self.forget_if_complete(geometry);
        // A peer may lose everything once, as when a file vanishes, and fetch it again.
        let plausible = geometry.map_or(MAX_PIECES, Geometry::piece_count).saturating_mul(2);
        Ok(if self.gained > plausible { Change::Again(index) } else { Change::New(index) })
    }

    pub(super) fn dont_have(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<Change, PeerFault> {
        let index = self.name(piece, geometry)?;
        if self.extent != Extent::Some {
            self.extent = Extent::Some;
            if let Some(geometry) = geometry {
                self.remember_all(geometry);
            } else {
                // Of have-all nothing is remembered but the words: what a bitfield behind this leaves out is not noticed.
                return Ok(Change::New(index));
            }
        }
        let (byte, bit) = position(piece);
        let Some(slot) = self.pieces.get_mut(byte).filter(|slot| **slot & bit != 0) else { return Ok(Change::None) };
        *slot &= !bit;
        self.count = self.count.saturating_sub(1);
        self.has_lost = true;
        Ok(Change::New(index))
    }

    /// A piece number of any message.
    pub(super) fn name(&mut self, piece: u32, geometry: Option<&Geometry>) -> Result<PieceIndex, PeerFault> {
        let index = exists(piece, geometry)?;
        self.note(piece);
        Ok(index)
    }

    fn note(&mut self, piece: u32) {
        self.highest = self.highest.max(Some(piece));
    }

    /// The peer has begun to trade blocks.
    pub(super) fn close(&mut self) {
        self.first_word.close();
    }

    /// Whether what was said so far fits the torrent.
    pub(super) fn check(&mut self, geometry: &Geometry) -> Result<(), PeerFault> {
        check(geometry, self.bitfield_length, self.highest)?;
        self.forget_if_complete(Some(geometry));
        Ok(())
    }

    /// What was announced, in a torrent of this geometry.
    pub(super) fn announced(&self, geometry: &Geometry) -> Option<Bitfield> {
        let count = geometry.piece_count();
        if self.extent != Extent::Some {
            return Some(Bitfield::full(count));
        }
        let mut field = Bitfield::new(count);
        for piece in 0..count {
            let (byte, mask) = position(piece);
            if self.pieces.get(byte).is_some_and(|bits| bits & mask != 0) {
                field.set(PieceIndex::new(piece));
            }
        }
        (self.count > 0).then_some(field)
    }

    fn forget_if_complete(&mut self, geometry: Option<&Geometry>) {
        let complete = geometry.is_some_and(|geometry| self.count == geometry.piece_count());
        if complete && self.extent == Extent::Some && !self.has_lost {
            self.extent = Extent::Complete;
            self.pieces = Vec::new();
        }
    }

    fn remember_all(&mut self, geometry: &Geometry) {
        let length = bitfield_length(geometry);
        self.pieces = vec![0xff; length];
        let spare = u32::try_from(length).unwrap_or(u32::MAX).saturating_mul(8).saturating_sub(geometry.piece_count());
        if let Some(last) = self.pieces.last_mut() {
            *last = 0xff_u8.checked_shl(spare).unwrap_or(0);
        }
        self.count = geometry.piece_count();
    }

    /// Room for a bitfield of so many bytes; grows by doubling, but never past the longest.
    fn reserve(&mut self, length: usize) {
        if length > self.pieces.capacity() {
            let capacity = length.max(self.pieces.capacity().saturating_mul(2)).min(MAX_BITFIELD);
            self.pieces.reserve_exact(capacity.saturating_sub(self.pieces.len()));
        }
    }

    const fn may_open(&self) -> Result<(), PeerFault> {
        match self.first_word {
            FirstWord::Open => Ok(()),
            FirstWord::Said => Err(PeerFault::BitfieldRepeated),
            FirstWord::Closed => Err(PeerFault::BitfieldLate),
        }
    }
}

fn exists(piece: u32, geometry: Option<&Geometry>) -> Result<PieceIndex, PeerFault> {
    let count = geometry.map_or(MAX_PIECES, Geometry::piece_count);
    if piece < count { Ok(PieceIndex::new(piece)) } else { Err(PeerFault::NoSuchPiece { piece }) }
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

/// Eight bytes at a time, the last ones filled up with zeros: a bitfield of 256 KiB takes microseconds so.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    words.iter().copied().chain([last]).map(u64::from_be_bytes)
}

fn count_ones(bits: &[u8]) -> u32 {
    words(bits).map(u64::count_ones).fold(0, u32::saturating_add)
}

/// The first piece of `announced` that is not in `bits`.
fn first_missing(announced: &[u8], bits: &[u8]) -> Option<u32> {
    let bits = words(bits).chain(std::iter::repeat(0));
    let missing = words(announced).zip(bits).map(|(announced, bits)| announced & !bits);
    let (word, missing) = missing.enumerate().find(|(_, missing)| *missing != 0)?;
    u32::try_from(word).ok()?.checked_mul(64)?.checked_add(missing.leading_zeros())
}

/// The first piece that is not in `bits`.
fn first_zero(bits: &[u8]) -> u32 {
    let (word, bits) = words(bits).enumerate().find(|(_, bits)| *bits != u64::MAX).unwrap_or((0, 0));
    u32::try_from(word).unwrap_or(u32::MAX).saturating_mul(64).saturating_add(bits.leading_ones())
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
    fn what_was_announced_before_the_metadata_is_known_with_it() {
        let geometry = Geometry::new(10 << 14, 1 << 14).unwrap();
        let mut holdings = Holdings::default();
        assert_eq!(holdings.announced(&geometry), None);
        for piece in [0, 3, 9] {
            holdings.have(piece, None).unwrap();
        }
        holdings.check(&geometry).unwrap();
        let announced = holdings.announced(&geometry).unwrap();
        assert_eq!(announced, Bitfield::from_bytes(&[0x90, 0x40], 10).unwrap());
        let mut all = Holdings::default();
        all.have_all().unwrap();
        assert!(all.announced(&geometry).unwrap().is_full());
    }

    #[test]
    fn a_piece_that_is_missing_is_named() {
        assert_eq!(first_missing(&[0x80, 0x01], &[0x80, 0x03, 0xff]), None);
        assert_eq!(first_missing(&[0x80, 0x21], &[0xff, 0x01]), Some(10));
        assert_eq!(first_missing(&[0x80, 0x01], &[0xff]), Some(15));
        assert_eq!(first_missing(&[0x00, 0x00], &[]), None);
        let long = [0xff; 100];
        assert_eq!(first_missing(&long, &long), None);
        assert_eq!(first_missing(&long, &long[..99]), Some(792));
        assert_eq!((first_zero(&[0xff, 0xbf]), first_zero(&long), count_ones(&long)), (9, 800, 800));
    }

    /// Whatever a peer announces, before or after the metadata.
    #[test]
    fn what_was_announced_takes_a_quarter_of_a_mebibyte_at_most() {
        let mut haves = Holdings::default();
        for piece in (0..MAX_PIECES).step_by(12_345).chain([MAX_PIECES - 1]) {
            haves.have(piece, None).unwrap();
            assert!(haves.pieces.capacity() <= MAX_BITFIELD);
        }
        haves.bitfield(&[0xff; MAX_BITFIELD], None).unwrap();
        haves.bitfield(&[0xff; MAX_BITFIELD], None).unwrap();
        assert_eq!(haves.pieces.capacity(), MAX_BITFIELD);
        assert!(haves.bitfield(&[0xff; MAX_BITFIELD + 1], None).is_err());

        let geometry = Geometry::new(1 << 30, 1 << 18).unwrap();
        let mut known = Holdings::default();
        known.have(7, Some(&geometry)).unwrap();
        known.have(4095, Some(&geometry)).unwrap();
        assert_eq!(known.pieces.capacity(), 512, "with one allocation");
        assert!(known.have(4096, Some(&geometry)).is_err());
    }

    #[test]
    fn a_peer_that_has_everything_costs_nothing_until_it_loses_something() {
        let geometry = Geometry::new(10 << 18, 1 << 18).unwrap();
        let known = Some(&geometry);
        let mut seed = Holdings::default();
        assert_eq!(seed.bitfield(&[0xff, 0x80], known), Ok(Gain { pieces: 9, further: false }));
        assert_eq!(seed.have(9, known), Ok(Change::New(PieceIndex::new(9))));
        assert_eq!(seed.pieces.capacity(), 0);
        assert_eq!(seed.have(9, known), Ok(Change::None));
        assert_eq!(seed.bitfield(&[0xff, 0xc0], known), Ok(Gain { pieces: 0, further: true }));
        assert_eq!(seed.bitfield(&[0xff, 0x40], known), Err(PeerFault::BitfieldTakesBack { piece: 8 }));
        // From here on the bits are kept: losing and having again is never more than one bit.
        assert_eq!(seed.dont_have(3, known), Ok(Change::New(PieceIndex::new(3))));
        assert_eq!(seed.dont_have(3, known), Ok(Change::None));
        assert_eq!((seed.pieces.as_slice(), seed.count), (&[0xef, 0xc0][..], 9));
        let place = seed.pieces.as_ptr();
        for _ in 0..1000 {
            assert_ne!(seed.have(3, known), Ok(Change::None));
            assert_ne!(seed.dont_have(3, known), Ok(Change::None));
        }
        assert_eq!((seed.pieces.as_ptr(), seed.pieces.len()), (place, 2));
        assert_eq!(seed.have(3, known), Ok(Change::Again(PieceIndex::new(3))));
    }
}
