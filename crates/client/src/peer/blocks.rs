//! The way of a block that arrived: into its piece's buffer, and with the last one to the hash check and the writer.
//! Pieces too large for the budget go to storage block by block and are hashed from there.

use std::sync::Arc;

use torrent_swarm::Verdict;
use torrent_types::PieceIndex;

use super::{Peer, Stream};
use crate::disk::PieceBuffer;

/// Blocks come in runs of one piece: its buffer is kept at hand.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    current: Option<Arc<PieceBuffer>>,
}

impl<S: Stream> Peer<S> {
    /// Does with each block of the current read what the swarm has decided.
    pub(super) async fn keep_blocks(&mut self) {
        for ((block, range), verdict) in self.arrived.drain(..).zip(self.verdicts.drain(..)) {
            let Some(data) = self.link.received.filled().get(range) else { continue };
            match verdict {
                Verdict::Buffer => {
                    let buffer = self.blocks.buffer(block.piece(), |piece| self.torrent.pieces.buffer(piece));
                    if let Some(filled) = buffer.put(block, data) {
                        self.blocks.current = None;
                        self.torrent.pieces.forget(filled.piece);
                        self.torrent.piece_filled(filled);
                    }
                }
                Verdict::Direct => self.torrent.write_directly(block, data.to_vec()).await,
                _ => {}
            }
        }
    }
}

impl Inbox {
    fn buffer(&mut self, piece: PieceIndex, find: impl FnOnce(PieceIndex) -> Arc<PieceBuffer>) -> &PieceBuffer {
        if self.current.as_ref().is_none_or(|buffer| buffer.piece() != piece) {
            self.current = Some(find(piece));
        }
        self.current.as_ref().expect("set just now")
    }
}
