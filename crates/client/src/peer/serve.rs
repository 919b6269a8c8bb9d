//! The way of a block that a peer asked for: from the swarm's queue, through the disk, into the link.
//! A read is begun only when little waits for the socket, so a peer that asks and never reads costs two runs of blocks.

use tokio::task::spawn_blocking;
use torrent_disk::Run;
use torrent_wire::{Message, PIECE_HEADER_LENGTH, RawBlock};

use super::Peer;
use crate::clock;

/// Bytes of blocks read from the disk at a time.
const RUN: u32 = 512 * 1024;

/// Blocks read for the peer.
pub(super) struct Loaded {
    /// Framed as `piece` messages.
    messages: Vec<u8>,
    blocks: u32,
    /// Bytes of them that are payload.
    payload: u64,
}

impl Peer {
    /// Begins to read the next run of blocks, if there is room for it and none is on its way.
    pub(super) fn load(&mut self) {
        self.count_uploaded();
        if !self.serving || self.loading.is_some() || !self.link.is_low() {
            return;
        }
        let mut blocks = Vec::new();
        let left = self.torrent.with(|swarm, _| swarm.take_uploads(self.key, RUN, &mut blocks));
        self.serving = left > 0;
        let Some(content) = self.torrent.content.get().filter(|_| !blocks.is_empty()) else { return };
        let (torrent, disk, key) = (self.torrent.clone(), content.disk.clone(), self.key);
        let work = spawn_blocking(move || {
            let mut run = Run::new();
            disk.read(&blocks, PIECE_HEADER_LENGTH, &mut run);
            if !run.failed.is_empty() {
                let fail = |swarm: &mut torrent_swarm::Swarm, now| {
                    run.failed.iter().for_each(|block| swarm.handle_upload_failed(now, key, *block));
                };
                torrent.with(fail);
            }
            frame(run)
        });
        self.loading = Some(Box::pin(async { work.await.ok() }));
    }

    /// Queues what was read.
    pub(super) fn loaded(&mut self, loaded: Option<Loaded>) {
        // A read that has panicked gives nothing: the peer asks again.
        let Some(mut loaded) = loaded else { return };
        self.connection.handle_sent(clock::now(), loaded.blocks);
        self.link.push_exempt(&mut loaded.messages, loaded.payload);
    }

    /// Reports what the socket has taken.
    fn count_uploaded(&mut self) {
        let uploaded = self.link.take_uploaded();
        if uploaded > 0 {
            self.torrent.with(|swarm, now| swarm.handle_uploaded(now, self.key, uploaded));
        }
    }
}

/// Writes the head of a `piece` message into the gap before each block.
fn frame(run: Run) -> Loaded {
    let Run { mut bytes, blocks, .. } = run;
    let (mut at, mut payload) = (0, 0);
    for block in &blocks {
        let header = Message::piece_header(RawBlock::from(*block));
        if let Some(gap) = bytes.get_mut(at..at + PIECE_HEADER_LENGTH) {
            gap.copy_from_slice(&header);
        }
        at += PIECE_HEADER_LENGTH + block.length() as usize;
        payload += u64::from(block.length());
    }
    Loaded { messages: bytes, blocks: blocks.len() as u32, payload }
}
