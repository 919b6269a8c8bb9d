//! The pieces of one torrent that are being put together, by number.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use torrent_types::{Geometry, PieceIndex};

use super::{PieceBuffer, Pool};

#[derive(Debug)]
pub(crate) struct InFlight {
    geometry: Geometry,
    pool: Pool,
    buffers: Mutex<BTreeMap<PieceIndex, Arc<PieceBuffer>>>,
    /// Blocks still missing of pieces that are written block by block.
    direct: Mutex<BTreeMap<PieceIndex, u32>>,
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
    pub(crate) fn block_written(&self, piece: PieceIndex) -> bool {
        let mut direct = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = direct.entry(piece).or_insert_with(|| self.geometry.block_count(piece));
        *missing -= 1;
        let last = *missing == 0;
        if last {
            direct.remove(&piece);
        }
        last
    }
}
