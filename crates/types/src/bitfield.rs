//! The set of pieces that a peer has. BEP 3 § "peer messages": the first bit is the high bit of the first byte, spare bits are 0.

use std::{error, fmt};

use crate::PieceIndex;

const WORD_BITS: u32 = u64::BITS;
const TOP_BIT: u64 = 1 << 63;

/// One bit per piece, of a fixed length, most significant first.
///
/// Costs one bit per piece, rounded up to 8 bytes. Counting is O(words), the rest O(1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bitfield {
    /// Big-endian order: piece 0 is the top bit of the first word, so the wire form is a copy.
    words: Box<[u64]>,
    length: u32,
}

impl Bitfield {
    /// All zero.
    #[must_use]
    pub fn new(length: u32) -> Self {
        Self { words: vec![0; length.div_ceil(WORD_BITS) as usize].into(), length }
    }

    /// All one.
    #[must_use]
    pub fn full(length: u32) -> Self {
        let mut field = Self { words: vec![u64::MAX; length.div_ceil(WORD_BITS) as usize].into(), length };
        field.clear_spare();
        field
    }

    /// The payload of a `bitfield` message for a torrent of `length` pieces.
    ///
    /// # Errors
    /// If it has the wrong number of bytes, or a spare bit is set.
    pub fn from_bytes(bytes: &[u8], length: u32) -> Result<Self, BitfieldError> {
        if bytes.len() != length.div_ceil(8) as usize {
            return Err(BitfieldError::WrongLength);
        }
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            u64::from_be_bytes(word)
        });
        let mut field = Self { words: words.collect(), length };
        if field.clear_spare() { Err(BitfieldError::SpareBits) } else { Ok(field) }
    }

    /// The payload of a `bitfield` message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(self.length.div_ceil(8) as usize);
        bytes
    }

    /// The number of pieces that it has a bit for.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.length
    }

    /// Whether it has no bits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether the piece's bit is set; false for pieces past the end.
    #[must_use]
    pub fn get(&self, piece: PieceIndex) -> bool {
        let (word, mask) = Self::place(piece);
        self.words.get(word).is_some_and(|word| word & mask != 0)
    }

    /// Sets the piece's bit; says whether that changed anything. Pieces past the end change nothing.
    pub fn set(&mut self, piece: PieceIndex) -> bool {
        self.change(piece, |word, mask| word | mask)
    }

    /// Clears the piece's bit; says whether that changed anything.
    pub fn clear(&mut self, piece: PieceIndex) -> bool {
        self.change(piece, |word, mask| word & !mask)
    }

    /// How many bits are set.
    #[must_use]
    pub fn count_ones(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether every bit is set.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count_ones() == self.length
    }

    /// The pieces that have their bit set, in order.
    #[must_use]
    pub fn ones(&self) -> Ones<'_> {
        Ones { words: self.words.iter(), word: 0, base: 0, next_base: 0 }
    }

    fn place(piece: PieceIndex) -> (usize, u64) {
        ((piece.get() / WORD_BITS) as usize, TOP_BIT >> (piece.get() % WORD_BITS))
    }

    fn change(&mut self, piece: PieceIndex, to: impl Fn(u64, u64) -> u64) -> bool {
        if piece.get() >= self.length {
            return false;
        }
        let (word, mask) = Self::place(piece);
        let Some(word) = self.words.get_mut(word) else { return false };
        let before = std::mem::replace(word, to(*word, mask));
        before != *word
    }

    /// Zeroes the bits past the end; says whether one was set.
    fn clear_spare(&mut self) -> bool {
        let used = self.length % WORD_BITS;
        let Some(last) = self.words.last_mut().filter(|_| used != 0) else { return false };
        let spare = u64::MAX >> used;
        let had = *last & spare != 0;
        *last &= !spare;
        had
    }
}

impl fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitfield({} of {})", self.count_ones(), self.length)
    }
}

/// Iterator over the set bits of a [`Bitfield`].
#[derive(Clone, Debug)]
pub struct Ones<'a> {
    words: std::slice::Iter<'a, u64>,
    word: u64,
    base: u32,
    next_base: u32,
}

impl Iterator for Ones<'_> {
    type Item = PieceIndex;

    fn next(&mut self) -> Option<PieceIndex> {
        while self.word == 0 {
            self.word = *self.words.next()?;
            self.base = self.next_base;
            self.next_base = self.next_base.saturating_add(WORD_BITS);
        }
        let bit = self.word.leading_zeros();
        self.word &= !(TOP_BIT >> bit);
        Some(PieceIndex::new(self.base.saturating_add(bit)))
    }
}

/// Why bytes are not the bitfield of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BitfieldError {
    /// A bit past the last piece is set.
    SpareBits,
    /// Not one bit per piece, rounded up to a byte.
    WrongLength,
}

impl fmt::Display for BitfieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SpareBits => "a spare bit of the bitfield is set",
            Self::WrongLength => "the bitfield has the wrong length",
        })
    }
}

impl error::Error for BitfieldError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn first_piece_is_the_high_bit() {
        let mut field = Bitfield::new(9);
        assert!(field.set(PieceIndex::new(0)) && field.set(PieceIndex::new(8)));
        assert_eq!(field.to_bytes(), [0x80, 0x80]);
        assert!(!field.set(PieceIndex::new(0)), "already set");
        assert!(!field.set(PieceIndex::new(9)), "past the end");
    }

    #[test]
    fn wrong_length_and_spare_bits_are_refused() {
        assert_eq!(Bitfield::from_bytes(&[0xff], 9), Err(BitfieldError::WrongLength));
        assert_eq!(Bitfield::from_bytes(&[0xff, 0xc0], 9), Err(BitfieldError::SpareBits));
        assert_eq!(Bitfield::from_bytes(&[0xff, 0x80], 9), Ok(Bitfield::full(9)));
        assert_eq!(Bitfield::from_bytes(&[], 0), Ok(Bitfield::full(0)));
    }

    proptest! {
        #[test]
        fn agrees_with_a_vector_of_bools(bits in proptest::collection::vec(any::<bool>(), 0..400)) {
            let mut field = Bitfield::new(bits.len() as u32);
            for (index, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
                field.set(PieceIndex::new(index as u32));
            }
            let ones: Vec<_> = field.ones().map(PieceIndex::as_usize).collect();
            let expected: Vec<_> = bits.iter().enumerate().filter(|(_, bit)| **bit).map(|(index, _)| index).collect();
            prop_assert_eq!(&ones, &expected);
            prop_assert_eq!(field.count_ones() as usize, expected.len());
            prop_assert_eq!(field.is_full(), bits.iter().all(|bit| *bit));
            prop_assert_eq!(Bitfield::from_bytes(&field.to_bytes(), field.len()), Ok(field));
        }
    }
}
