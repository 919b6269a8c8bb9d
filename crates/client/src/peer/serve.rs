//! The way of a block that a peer asked for: from the swarm's queue, through storage, into the link.
//! A read is begun only when little waits for the socket, so a peer that asks and never reads costs two runs of blocks.

use std::sync::Arc;

use torrent_types::Block;
use torrent_wire::{Message, PIECE_HEADER_LENGTH, RawBlock};

use super::{Peer, Stream, link::Loaded};
use crate::torrent::Shared;

/// Bytes of blocks read from storage at a time.
const RUN: u32 = 512 * 1024;

impl<S: Stream> Peer<S> {
    /// Begins to read the next run of blocks, if there is room for it and none is on its way.
    pub(super) fn load(&mut self) {
        if !self.serving || self.loading.is_some() || !self.link.is_low() {
            return;
        }
        let mut blocks = Vec::new();
        self.torrent.brain.with(|swarm| swarm.take_uploads(self.key, RUN, &mut blocks));
        if blocks.is_empty() {
            self.serving = false;
            return;
        }
        let (torrent, key) = (Arc::clone(&self.torrent), self.key);
        self.loading = Some(tokio::task::spawn_blocking(move || {
            let (loaded, unreadable) = read_run(&torrent, &blocks);
            if !unreadable.is_empty() {
                torrent.brain.with(|swarm| unreadable.iter().for_each(|block| swarm.upload_failed(key, *block)));
            }
            loaded
        }));
    }
}

/// `piece` messages of these blocks, and the blocks that storage does not have after all.
fn read_run(torrent: &Shared, blocks: &[Block]) -> (Loaded, Vec<Block>) {
    let length = |block: &Block| PIECE_HEADER_LENGTH + block.length() as usize;
    let mut messages = vec![0; blocks.iter().map(length).sum()];
    let mut unreadable = Vec::new();
    let (mut end, mut payload, mut read_blocks) = (0, 0, 0);
    for block in blocks {
        let (header, data) = messages[end..end + length(block)].split_at_mut(PIECE_HEADER_LENGTH);
        header.copy_from_slice(&Message::piece_header(RawBlock::from(*block)));
        let offset = torrent.geometry.block_offset(*block);
        match torrent.storage.read_at(offset, data) {
            Ok(read) if read == data.len() => {
                end += length(block);
                payload += u64::from(block.length());
                read_blocks += 1;
            }
            outcome => {
                tracing::warn!(%offset, ?outcome, "a piece that was stored cannot be read");
                unreadable.push(*block);
            }
        }
    }
    messages.truncate(end);
    (Loaded { messages, blocks: read_blocks, payload }, unreadable)
}
