//! How a torrent's bytes are cut into pieces and blocks. BEP 3 § "info dictionary", § "peer messages".
//! In: sizes from metainfo, raw numbers from the wire. Out: `Block`s that are safe to index with. Never: files (see `torrent-storage`).

use std::{error, fmt};

/// Length in bytes of every block but the last of a piece: what all clients request.
pub const BLOCK_LENGTH: u32 = 16 * 1024;

/// The most pieces that a torrent may have: 2,097,152.
pub const MAX_PIECES: u32 = 1 << 21;

/// The number of a piece, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// Names a piece. Only a [`Geometry`] tells whether it exists.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number, for indexing.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of bytes inside one piece of one torrent: at least one byte, at most [`BLOCK_LENGTH`] unless asked otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    piece: PieceIndex,
    begin: u32,
    length: u32,
}

impl Block {
    /// The piece it lies in.
    #[must_use]
    pub const fn piece(self) -> PieceIndex {
        self.piece
    }

    /// First byte, counted from the beginning of the piece.
    #[must_use]
    pub const fn begin(self) -> u32 {
        self.begin
    }

    /// Length in bytes.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.length
    }

    /// One past the last byte, counted from the beginning of the piece.
    #[must_use]
    pub const fn end(self) -> u32 {
        // A `Geometry` has checked that this fits.
        self.begin.saturating_add(self.length)
    }

    /// Number of the block inside its piece.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.begin / BLOCK_LENGTH
    }

    /// Whether it begins on a multiple of [`BLOCK_LENGTH`].
    #[must_use]
    pub const fn is_aligned(self) -> bool {
        self.begin.is_multiple_of(BLOCK_LENGTH)
    }
}

/// Total size and piece length of a torrent, and everything that follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    total: u64,
    piece_length: u32,
    piece_count: u32,
}

impl Geometry {
    /// # Errors
    /// If the piece length is 0 or the torrent has more than [`MAX_PIECES`] pieces.
    pub fn new(total: u64, piece_length: u32) -> Result<Self, GeometryError> {
        if piece_length == 0 {
            return Err(GeometryError::ZeroPieceLength);
        }
        match u32::try_from(total.div_ceil(u64::from(piece_length))) {
            Ok(piece_count) if piece_count <= MAX_PIECES => Ok(Self { total, piece_length, piece_count }),
            _ => Err(GeometryError::TooManyPieces),
        }
    }

    /// Bytes in the torrent.
    #[must_use]
    pub const fn total_length(&self) -> u64 {
        self.total
    }

    /// Bytes in every piece but perhaps the last.
    #[must_use]
    pub const fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// How many pieces there are.
    #[must_use]
    pub const fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// `index` as a piece of this torrent.
    ///
    /// # Errors
    /// If there is no such piece.
    pub const fn piece(&self, index: u32) -> Result<PieceIndex, GeometryError> {
        if index < self.piece_count { Ok(PieceIndex(index)) } else { Err(GeometryError::NoSuchPiece) }
    }

    /// All pieces, in order.
    pub fn pieces(&self) -> impl DoubleEndedIterator<Item = PieceIndex> + ExactSizeIterator + use<> {
        (0..self.piece_count).map(PieceIndex)
    }

    /// The pieces that have bytes of `range`, in bytes from the beginning of the torrent.
    pub fn pieces_of(&self, range: std::ops::Range<u64>) -> impl DoubleEndedIterator<Item = PieceIndex> + use<> {
        let number = |offset: u64| offset.checked_div(self.piece_length.into()).unwrap_or_default();
        let clamp = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).min(self.piece_count);
        let end = if range.is_empty() { 0 } else { number(range.end.saturating_sub(1)).saturating_add(1) };
        (clamp(number(range.start))..clamp(end)).map(PieceIndex)
    }

    /// Offset in bytes of the piece from the beginning of the torrent.
    #[must_use]
    pub fn piece_offset(&self, piece: PieceIndex) -> u64 {
        u64::from(piece.0).saturating_mul(u64::from(self.piece_length))
    }

    /// Length in bytes of `piece`; 0 if there is no such piece.
    #[must_use]
    pub fn length_of(&self, piece: PieceIndex) -> u32 {
        let rest = self.total.saturating_sub(self.piece_offset(piece));
        u32::try_from(rest).map_or(self.piece_length, |rest| rest.min(self.piece_length))
    }

    /// How many blocks of [`BLOCK_LENGTH`] `piece` has; 0 if there is no such piece.
    #[must_use]
    pub fn block_count(&self, piece: PieceIndex) -> u32 {
        self.length_of(piece).div_ceil(BLOCK_LENGTH)
    }

    /// Block number `index` of `piece`, as it is requested.
    ///
    /// # Errors
    /// If there is no such piece or block.
    pub fn nth_block(&self, piece: PieceIndex, index: u32) -> Result<Block, GeometryError> {
        let begin = index.checked_mul(BLOCK_LENGTH).ok_or(GeometryError::OutsidePiece)?;
        let rest = self.length_of(self.piece(piece.0)?).checked_sub(begin).ok_or(GeometryError::OutsidePiece)?;
        if rest == 0 {
            return Err(GeometryError::OutsidePiece);
        }
        Ok(Block { piece, begin, length: rest.min(BLOCK_LENGTH) })
    }

    /// Three numbers from the wire as a block of this torrent. Its length may be up to the length of the piece.
    ///
    /// # Errors
    /// If there is no such piece, the range leaves it, or the length is 0.
    pub fn block(&self, piece: u32, begin: u32, length: u32) -> Result<Block, GeometryError> {
        let piece = self.piece(piece)?;
        let end = begin.checked_add(length).ok_or(GeometryError::OutsidePiece)?;
        if length == 0 || end > self.length_of(piece) {
            return Err(GeometryError::OutsidePiece);
        }
        Ok(Block { piece, begin, length })
    }

    /// Offset in bytes of the block from the beginning of the torrent.
    #[must_use]
    pub fn block_offset(&self, block: Block) -> u64 {
        self.piece_offset(block.piece).saturating_add(u64::from(block.begin))
    }
}

/// Why numbers do not describe a torrent, or a place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// The piece's number is not below the piece count.
    NoSuchPiece,
    /// The range is empty or leaves its piece.
    OutsidePiece,
    /// More than [`MAX_PIECES`].
    TooManyPieces,
    /// Pieces of 0 bytes.
    ZeroPieceLength,
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchPiece => "no such piece",
            Self::OutsidePiece => "the block is empty or not inside its piece",
            Self::TooManyPieces => "more pieces than 2097152",
            Self::ZeroPieceLength => "the piece length is 0",
        })
    }
}

impl error::Error for GeometryError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exact_multiples_have_no_short_last_piece() {
        let geometry = Geometry::new(4 * 32768, 32768).unwrap();
        assert_eq!(geometry.piece_count(), 4);
        assert_eq!(geometry.length_of(PieceIndex(3)), 32768);
        assert_eq!(geometry.length_of(PieceIndex(4)), 0);
    }

    #[test]
    fn a_range_lies_in_the_pieces_that_its_bytes_are_in() {
        let geometry = Geometry::new(95, 10).unwrap();
        let pieces = |range| geometry.pieces_of(range).map(PieceIndex::get).collect::<Vec<_>>();
        assert_eq!(pieces(0..10), [0]);
        assert_eq!(pieces(9..11), [0, 1]);
        assert_eq!(pieces(90..u64::MAX), [9]);
        assert_eq!(pieces(20..20), []);
        assert_eq!(pieces(500..600), []);
    }

    #[test]
    fn an_empty_torrent_has_no_pieces() {
        let geometry = Geometry::new(0, 16384).unwrap();
        assert_eq!(geometry.piece_count(), 0);
        assert_eq!(geometry.block(0, 0, 1), Err(GeometryError::NoSuchPiece));
    }

    #[test]
    fn impossible_torrents_are_refused() {
        assert_eq!(Geometry::new(1, 0), Err(GeometryError::ZeroPieceLength));
        assert_eq!(Geometry::new(u64::MAX, 1), Err(GeometryError::TooManyPieces));
        assert_eq!(Geometry::new(u64::from(MAX_PIECES) + 1, 1), Err(GeometryError::TooManyPieces));
        assert!(Geometry::new(u64::from(MAX_PIECES), 1).is_ok());
    }

    #[test]
    fn wire_numbers_that_overflow_are_outside() {
        let geometry = Geometry::new(100_000, 65536).unwrap();
        assert_eq!(geometry.block(0, u32::MAX, 2), Err(GeometryError::OutsidePiece));
        assert_eq!(geometry.block(0, 0, 0), Err(GeometryError::OutsidePiece));
        assert_eq!(geometry.block(2, 0, 1), Err(GeometryError::NoSuchPiece));
        assert_eq!(geometry.nth_block(PieceIndex(1), u32::MAX), Err(GeometryError::OutsidePiece));
    }

    proptest! {
        #[test]
        fn blocks_cover_the_torrent_exactly_once(total in 1u64..5_000_000, piece_length in 1u32..300_000) {
            let geometry = Geometry::new(total, piece_length);
            prop_assume!(geometry.is_ok_and(|geometry| geometry.piece_count() < 2000));
            let geometry = geometry.unwrap();
            let mut next = 0;
            for piece in geometry.pieces() {
                for index in 0..geometry.block_count(piece) {
                    let block = geometry.nth_block(piece, index).unwrap();
                    prop_assert_eq!(geometry.block_offset(block), next);
                    prop_assert_eq!(geometry.block(piece.get(), block.begin(), block.length()), Ok(block));
                    prop_assert_eq!(block.index(), index);
                    next += u64::from(block.length());
                }
                prop_assert!(geometry.nth_block(piece, geometry.block_count(piece)).is_err());
            }
            prop_assert_eq!(next, total);
        }
    }
}
