//! The pieces of one torrent that are being put together, by number.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use torrent_types::{Block, Geometry, PieceIndex};

use super::{PieceBuffer, Pool};

#[derive(Debug)]
pub(crate) struct InFlight {
    geometry: Geometry,
    pool: Pool,
    buffers: Mutex<BTreeMap<PieceIndex, Arc<PieceBuffer>>>,
    /// Which blocks are in storage of pieces that are written block by block.
    direct: Mutex<BTreeMap<PieceIndex, Vec<bool>>>,
}

impl InFlight {
    pub(crate) fn new(geometry: Geometry, pool: Pool) -> Self {
        Self { geometry, pool, buffers: Mutex::default(), direct: Mutex::default() }
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The piece's buffer, made if it is the piece's first block.
    pub(crate) fn buffer(&self, piece: PieceIndex) -> Arc<PieceBuffer> {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(PieceBuffer::new(piece, self.geometry.length_of(piece), &self.pool));
        Arc::clone(buffers.entry(piece).or_insert_with(make))
    }

    /// The piece is full: its next block, should it be fetched again, begins a new buffer.
    pub(crate) fn forget(&self, piece: PieceIndex) {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).remove(&piece);
    }

    /// A block of a piece without buffer is in storage. Says whether it was the last one.
    ///
    /// Blocks are remembered one by one: after a storage error a piece is fetched again, and some of it twice.
    pub(crate) fn block_written(&self, block: Block) -> bool {
        let piece = block.piece();
        let mut direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = direct.entry(piece).or_insert_with(|| vec![false; self.geometry.block_count(piece) as usize]);
        if let Some(stored) = stored.get_mut(block.index() as usize) {
            *stored = true;
        }
        let last = stored.iter().all(|stored| *stored);
        if last {
            direct.remove(&piece);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_written_twice_counts_once() {
        let geometry = Geometry::new(40_000, 40_000).unwrap();
        let pieces = InFlight::new(geometry, Pool::default());
        let block = |index| geometry.nth_block(PieceIndex::new(0), index).unwrap();
        for (index, last) in [(0, false), (0, false), (2, false), (1, true), (1, false)] {
            assert_eq!(pieces.block_written(block(index)), last);
        }
    }
}
