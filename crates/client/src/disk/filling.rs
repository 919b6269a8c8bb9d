//! A piece being put together: blocks are copied in once, in any order, and SHA-1 follows as far as they are contiguous,
//! while they are still in the cache. When the last block is in, the hash is done.
//! In: blocks that the swarm accepted, each once. Out: the full piece and whether it is good. Never: storage.

use std::sync::{Mutex, PoisonError};

use sha1::{Digest, Sha1};
use torrent_types::{BLOCK_LENGTH, Block, PieceIndex};

use super::Pool;

/// A piece in memory that lacks blocks. Any number of peers put theirs in.
#[derive(Debug)]
pub(crate) struct PieceBuffer {
    piece: PieceIndex,
    filling: Mutex<Filling>,
}

struct Filling {
    bytes: Vec<u8>,
    /// One flag a block.
    here: Vec<bool>,
    missing: usize,
    /// Bytes from the beginning that the hash has seen.
    hashed: usize,
    hasher: Sha1,
}

/// A piece that lacks nothing.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) piece: PieceIndex,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: [u8; 20],
}

impl PieceBuffer {
    /// An empty piece of `length` bytes.
    pub(crate) fn new(piece: PieceIndex, length: u32, pool: &Pool) -> Self {
        let blocks = length.div_ceil(BLOCK_LENGTH) as usize;
        let filling = Filling {
            bytes: pool.take(length as usize),
            here: vec![false; blocks],
            missing: blocks,
            hashed: 0,
            hasher: Sha1::new(),
        };
        Self { piece, filling: Mutex::new(filling) }
    }

    pub(crate) fn piece(&self) -> PieceIndex {
        self.piece
    }

    /// Copies a block in. Whoever brings the last one gets the piece.
    pub(crate) fn put(&self, block: Block, data: &[u8]) -> Option<Filled> {
        let mut filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        filling.put(block, data)?;
        (filling.missing == 0).then(|| Filled {
            piece: self.piece,
            bytes: std::mem::take(&mut filling.bytes),
            digest: std::mem::take(&mut filling.hasher).finalize().into(),
        })
    }
}

impl Filling {
    fn put(&mut self, block: Block, data: &[u8]) -> Option<()> {
        let here = self.here.get_mut(block.index() as usize).filter(|here| !**here)?;
        self.bytes.get_mut(block.begin() as usize..block.end() as usize)?.copy_from_slice(data);
        *here = true;
        self.missing -= 1;
        // As far as the piece is contiguous; usually that is the block that just came.
        let ahead = self.here[self.hashed / BLOCK_LENGTH as usize..].iter().take_while(|here| **here).count();
        let until = (self.hashed + ahead * BLOCK_LENGTH as usize).min(self.bytes.len());
        self.hasher.update(&self.bytes[self.hashed..until]);
        self.hashed = until;
        Some(())
    }
}

impl std::fmt::Debug for Filling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filling({} blocks missing of {})", self.missing, self.here.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use torrent_types::Geometry;

    use super::*;

    proptest! {
        #[test]
        fn any_order_of_blocks_gives_the_same_piece(
            length in 1u32..100_000,
            order in Just((0u32..7).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let geometry = Geometry::new(u64::from(length), length).unwrap();
            let piece = PieceIndex::new(0);
            let data: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let buffer = PieceBuffer::new(piece, length, &Pool::default());
            let mut filled = None;
            for index in order.into_iter().filter(|index| *index < geometry.block_count(piece)) {
                prop_assert!(filled.is_none());
                let block = geometry.nth_block(piece, index).unwrap();
                let bytes = &data[block.begin() as usize..block.end() as usize];
                filled = buffer.put(block, bytes);
                prop_assert!(buffer.put(block, bytes).is_none(), "a second copy changes nothing");
            }
            let filled = filled.unwrap();
            prop_assert_eq!(filled.digest, <[u8; 20]>::from(Sha1::digest(&data)));
            prop_assert_eq!(filled.bytes, data);
        }
    }
}
