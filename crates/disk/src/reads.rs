//! The way of blocks that peers asked for: runs of neighbours are one read. What has vanished is found out once.

use std::{io::IoSliceMut, ops::Range, sync::Arc};

use torrent_storage::{ErrorKind, Extent, Operation, StorageError};
use torrent_types::{Block, PieceIndex};

use crate::{Event, lock, torrent::Shared};

/// Blocks read for a peer. To be used again and again, so that its memory is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Run {
    /// Each block that was read, in the order asked for, behind as many bytes of the caller's as it said.
    pub bytes: Vec<u8>,
    /// The blocks that were read.
    pub blocks: Vec<Block>,
    /// The blocks that could not be read.
    pub failed: Vec<Block>,
}

impl Run {
    /// With nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

pub(crate) fn read(torrent: &Arc<Shared>, blocks: &[Block], gap: usize, run: &mut Run) {
    torrent.disk.touch();
    run.blocks.clear();
    run.failed.clear();
    let have = lock(&torrent.have);
    let (wanted, unknown): (Vec<Block>, Vec<Block>) = blocks.iter().partition(|block| have.get(block.piece()));
    drop(have);
    run.failed.extend(unknown);
    // Bytes of an earlier run are written over; only what is longer has to be zeroed.
    run.bytes.resize(wanted.iter().map(|block| gap.saturating_add(length(*block))).sum(), 0);

    let end = |block: &Block| torrent.geometry.block_offset(*block).saturating_add(block.length().into());
    let mut filled = 0_usize;
    let mut failed: Vec<Block> = Vec::new();
    let mut why = None;
    for neighbours in wanted.chunk_by(|one, next| end(one) == torrent.geometry.block_offset(*next)) {
        if run.read(torrent, neighbours, gap, &mut filled).is_ok() {
            continue;
        }
        // One that cannot be read is no reason to take those beside it for lost.
        for block in neighbours.chunks(1) {
            if let Err(error) = run.read(torrent, block, gap, &mut filled) {
                failed.extend(block);
                why = why.or(error);
            }
        }
    }
    run.bytes.truncate(filled);
    if !failed.is_empty() {
        report(torrent, &failed, why);
        run.failed.append(&mut failed);
    }
}

impl Run {
    /// Reads blocks that lie one behind the other to the end of what is `filled`.
    fn read(
        &mut self,
        torrent: &Shared,
        blocks: &[Block],
        gap: usize,
        filled: &mut usize,
    ) -> Result<(), Option<StorageError>> {
        let size: usize = blocks.iter().map(|block| gap.saturating_add(length(*block))).sum();
        let end = filled.saturating_add(size);
        let place = self.bytes.get_mut(*filled..end).ok_or(None)?;
        read_neighbours(torrent, blocks, gap, place)?;
        *filled = end;
        self.blocks.extend(blocks);
        Ok(())
    }
}

/// Reads blocks that lie one behind the other.
fn read_neighbours(
    torrent: &Shared,
    blocks: &[Block],
    gap: usize,
    mut place: &mut [u8],
) -> Result<(), Option<StorageError>> {
    let mut parts = Vec::with_capacity(blocks.len());
    let mut wanted = 0_usize;
    for block in blocks {
        let Some((part, rest)) = place.split_at_mut_checked(gap.saturating_add(length(*block))) else { break };
        let Some((_, part)) = part.split_at_mut_checked(gap) else { break };
        wanted = wanted.saturating_add(part.len());
        parts.push(IoSliceMut::new(part));
        place = rest;
    }
    let offset = blocks.first().map_or(0, |block| torrent.geometry.block_offset(*block));
    let read = torrent.storage.read_vectored_at(offset, &mut parts).map_err(Some)?;
    if read == wanted { Ok(()) } else { Err(None) }
}

/// Finds out which pieces have lost bytes, and says it once.
fn report(torrent: &Shared, blocks: &[Block], error: Option<StorageError>) {
    let presence = torrent.storage.presence().ok();
    let range_of = |piece: PieceIndex| -> Range<u64> {
        let begin = torrent.geometry.piece_offset(piece);
        begin..begin.saturating_add(torrent.geometry.length_of(piece).into())
    };
    let is_lost = |piece: PieceIndex| {
        blocks.iter().any(|block| block.piece() == piece)
            || presence.as_ref().is_some_and(|presence| presence.of(range_of(piece)) == Extent::Missing)
    };
    let mut have = lock(&torrent.have);
    let pieces: Vec<_> = torrent.geometry.pieces().filter(|piece| have.get(*piece) && is_lost(*piece)).collect();
    for piece in &pieces {
        have.clear(*piece);
    }
    drop(have);
    if !pieces.is_empty() {
        let error = error.unwrap_or_else(|| StorageError::new(ErrorKind::NotFound, Operation::Read, ""));
        torrent.listener.handle_disk_event(Event::PiecesLost { pieces, error });
    }
}

fn length(block: Block) -> usize {
    usize::try_from(block.length()).unwrap_or(usize::MAX)
}
