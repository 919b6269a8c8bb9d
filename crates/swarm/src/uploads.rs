//! Requests of one peer that we will answer. Bounded by the `reqq` that we told it; the driver takes from it as the socket has
//! room, so a peer that asks and never reads costs this queue and nothing else. BEP 3 § "peer messages", BEP 10 `reqq`.

use std::collections::VecDeque;

use torrent_types::Block;

#[derive(Debug, Default)]
pub(crate) struct Uploads {
    queue: VecDeque<Block>,
}

impl Uploads {
    /// Queues the request unless `limit` are waiting. Says whether it did.
    pub(crate) fn push(&mut self, block: Block, limit: u32) -> bool {
        let fits = self.queue.len() < limit as usize;
        if fits {
            self.queue.push_back(block);
        }
        fits
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// BEP 3 `cancel`: says whether it was still waiting.
    pub(crate) fn cancel(&mut self, block: Block) -> bool {
        let found = self.queue.iter().position(|other| *other == block);
        found.is_some_and(|place| self.queue.remove(place).is_some())
    }

    /// The next blocks to send, up to `bytes` in all, at least one if there is one.
    pub(crate) fn take(&mut self, bytes: u32, out: &mut Vec<Block>) {
        let mut taken = 0u32;
        while let Some(block) = self.queue.front() {
            taken = taken.saturating_add(block.length());
            if taken > bytes && !out.is_empty() {
                break;
            }
            out.extend(self.queue.pop_front());
        }
    }

    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Block> + use<> {
        std::mem::take(&mut self.queue).into_iter()
    }
}
