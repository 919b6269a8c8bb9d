//! A part of a piece of at most [`EXTENT`] bytes: the unit in which memory is held and given back.
//!
//! ```text
//!            put                      last put                     written
//! Filling ─────────▶ Filling ───────────────────────▶ Full ─────────────────────▶ Stored
//!  no bytes yet      bytes of which some are here       bytes, unchangeable         no bytes, or still some: see `piece`
//! ```
//! In: blocks, each once. Out: bytes to be hashed and written. Never: storage, hashes, events.

use std::sync::Arc;

use torrent_types::BLOCK_LENGTH;

use crate::{
    PutError,
    pool::{Buffer, Pool},
};

/// Bytes of an extent; the last one of a piece may be shorter.
pub const EXTENT: u32 = 1 << 20;

/// The blocks of an extent fit the bits of a `u64`.
const _: () = assert!(EXTENT / BLOCK_LENGTH == u64::BITS, "one bit per block");

#[derive(Debug)]
pub(crate) struct Extent {
    length: u32,
    /// One bit for each block that is here.
    here: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Filling(Option<Buffer>),
    Full(Arc<Buffer>),
    /// With its bytes as long as the hash has not reached them and there is room for them.
    Stored(Option<Arc<Buffer>>),
}

/// What of an extent can be hashed.
pub(crate) enum Hashable {
    /// Its bytes are unchangeable: no lock is needed.
    All(Arc<Buffer>),
    /// Its first bytes, so many, are here.
    UpTo(usize),
    /// It was written; its bytes have to be read back.
    InStorage,
}

impl Extent {
    pub(crate) const fn new(length: u32) -> Self {
        Self { length, here: 0, state: State::Filling(None) }
    }

    /// The bits of all its blocks.
    const fn all(&self) -> u64 {
        let blocks = self.length.div_ceil(BLOCK_LENGTH);
        u64::MAX.wrapping_shr(u64::BITS.wrapping_sub(blocks))
    }

    /// Copies a block in, `begin` bytes from the beginning of the extent. True if it was the last one.
    pub(crate) fn put(&mut self, begin: u32, data: &[u8], pool: &Pool) -> Result<bool, PutError> {
        let State::Filling(buffer) = &mut self.state else { return Err(PutError::Duplicate) };
        let bit = 1_u64.checked_shl(begin / BLOCK_LENGTH).ok_or(PutError::Outside)?;
        if self.here & bit != 0 {
            return Err(PutError::Duplicate);
        }
        let length = usize::try_from(self.length).map_err(|_| PutError::Outside)?;
        let buffer = buffer.get_or_insert_with(|| pool.take(length));
        let begin = usize::try_from(begin).map_err(|_| PutError::Outside)?;
        let place = buffer.get_mut(begin..begin.saturating_add(data.len())).ok_or(PutError::Outside)?;
        place.copy_from_slice(data);
        self.here |= bit;
        let is_full = self.here == self.all();
        if is_full && let State::Filling(buffer) = &mut self.state {
            self.state = buffer.take().map_or(State::Stored(None), |buffer| State::Full(Arc::new(buffer)));
        }
        Ok(is_full)
    }

    /// What can be hashed from `from` on.
    pub(crate) fn hashable(&self, from: u32) -> Hashable {
        match &self.state {
            State::Filling(_) => {
                let first = from / BLOCK_LENGTH;
                let run = self.here.checked_shr(first).unwrap_or_default().trailing_ones();
                let end = first.saturating_add(run).saturating_mul(BLOCK_LENGTH).min(self.length);
                Hashable::UpTo(usize::try_from(end).unwrap_or(usize::MAX))
            }
            State::Full(buffer) | State::Stored(Some(buffer)) => Hashable::All(Arc::clone(buffer)),
            State::Stored(None) => Hashable::InStorage,
        }
    }

    /// The bytes of an extent that is being filled.
    pub(crate) fn filling(&self) -> &[u8] {
        match &self.state {
            State::Filling(Some(buffer)) => buffer,
            _ => &[],
        }
    }

    /// The bytes, if all are here.
    pub(crate) fn bytes(&self) -> Option<Arc<Buffer>> {
        match &self.state {
            State::Full(buffer) | State::Stored(Some(buffer)) => Some(Arc::clone(buffer)),
            State::Filling(_) | State::Stored(None) => None,
        }
    }

    /// It was written. Its bytes go, unless they are to be `kept`.
    pub(crate) fn stored(&mut self, kept: bool) {
        self.state = State::Stored(self.bytes().filter(|_| kept));
    }

    /// The bytes that were kept after writing go. Says how many these were.
    pub(crate) fn release_kept(&mut self) -> usize {
        match &mut self.state {
            State::Stored(kept) => kept.take().map_or(0, |buffer| buffer.len()),
            _ => 0,
        }
    }

    /// As [`Self::release_kept`], if `really`.
    pub(crate) fn release_kept_if(&mut self, really: bool) -> usize {
        if really { self.release_kept() } else { 0 }
    }

    /// Drops everything. Says how many bytes were kept after writing.
    pub(crate) fn clear(&mut self) -> usize {
        let kept = self.release_kept();
        self.state = State::Stored(None);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = BLOCK_LENGTH as usize;

    #[test]
    fn blocks_come_in_any_order_and_each_counts_once() {
        let pool = Pool::default();
        let mut extent = Extent::new(40_000);
        assert_eq!(extent.put(2 * BLOCK_LENGTH, &[3; 40_000 - 2 * BLOCK], &pool), Ok(false));
        assert_eq!(extent.put(2 * BLOCK_LENGTH, &[4; 40_000 - 2 * BLOCK], &pool), Err(PutError::Duplicate));
        assert!(matches!(extent.hashable(0), Hashable::UpTo(0)));
        assert_eq!(extent.put(0, &[1; BLOCK], &pool), Ok(false));
        assert!(matches!(extent.hashable(0), Hashable::UpTo(BLOCK)));
        assert_eq!(extent.put(BLOCK_LENGTH, &[2; BLOCK], &pool), Ok(true));
        assert_eq!(extent.put(0, &[9; BLOCK], &pool), Err(PutError::Duplicate));
        let bytes = extent.bytes().unwrap();
        assert_eq!((bytes[0], bytes[BLOCK], bytes[39_999], bytes.len()), (1, 2, 3, 40_000));
        drop(bytes);
        assert_eq!(pool.used(), 40_000);
        extent.stored(true);
        assert_eq!(extent.release_kept(), 40_000);
        assert_eq!(pool.used(), 0);
        assert!(matches!(extent.hashable(0), Hashable::InStorage));
    }

    #[test]
    fn a_whole_extent_has_as_many_blocks_as_bits() {
        let pool = Pool::default();
        let mut extent = Extent::new(EXTENT);
        for index in (0..64).rev() {
            assert_eq!(extent.put(index * BLOCK_LENGTH, &[7; BLOCK], &pool), Ok(index == 0));
        }
        assert_eq!(extent.put(EXTENT, &[7; BLOCK], &pool), Err(PutError::Duplicate));
        let mut other = Extent::new(EXTENT);
        assert_eq!(other.put(EXTENT, &[7; BLOCK], &pool), Err(PutError::Outside));
        assert_eq!(other.put(EXTENT - BLOCK_LENGTH, &[7; BLOCK + 1], &pool), Err(PutError::Outside));
    }
}
