//! One claimed size of the metadata, and the blocks that peers who claim it have delivered.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use super::METADATA_BLOCK_LENGTH;

/// How many peers may be asked for the same block at the end.
const MAX_ASKED: u8 = 2;

#[derive(Clone, Debug)]
pub(super) struct Candidate<P> {
    size: u32,
    /// How many peers claim this size.
    peers: usize,
    blocks: Vec<Slot<P>>,
    /// Blocks that nobody has been asked for, the next one last.
    fresh: Vec<u32>,
    /// Bytes in `blocks`.
    held: u32,
    mode: Mode<P>,
    last_delivery: Option<Instant>,
    /// How often it had to begin again because others needed the memory.
    sent_back: u32,
}

/// How blocks are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode<P> {
    /// From everybody.
    Shared,
    /// A shared attempt has failed: from one peer at a time. `None` until the next one takes its turn.
    Exclusive(Option<P>),
    /// Complete, and being hashed.
    Judged { exclusive: bool },
}

#[derive(Clone, Debug)]
struct Slot<P> {
    /// Who has delivered it, and what.
    delivered: Option<(P, Box<[u8]>)>,
    /// How many peers have been asked for it and may still answer.
    asked: u8,
}

impl<P: Copy + Ord> Candidate<P> {
    pub(super) const fn new(size: u32) -> Self {
        // Slots come with the first request, so that a claim alone costs nothing.
        Self {
            size,
            peers: 0,
            blocks: Vec::new(),
            fresh: Vec::new(),
            held: 0,
            mode: Mode::Shared,
            last_delivery: None,
            sent_back: 0,
        }
    }

    pub(super) const fn join(&mut self) {
        self.peers = self.peers.saturating_add(1);
    }

    /// Says how many peers are left.
    pub(super) const fn leave(&mut self) -> usize {
        self.peers = self.peers.saturating_sub(1);
        self.peers
    }

    pub(super) const fn held(&self) -> u32 {
        self.held
    }

    /// Who has to make room: the one that has waited longest, then the one that has made room the fewest times, then the
    /// one with the most bytes to go.
    pub(super) fn staleness(&self, now: Instant) -> (Duration, Reverse<u32>, u32) {
        let since = self.last_delivery.map_or(Duration::MAX, |last| now.saturating_duration_since(last));
        (since, Reverse(self.sent_back), self.size.saturating_sub(self.held))
    }

    /// Forgets all blocks to make room.
    pub(super) fn send_back(&mut self) {
        self.sent_back = self.sent_back.saturating_add(1);
        self.restart();
    }

    /// Whether it is this peer's turn; in an exclusive attempt whoever asks first takes a free one.
    pub(super) fn may_ask(&mut self, peer: P) -> bool {
        match self.mode {
            Mode::Shared => true,
            Mode::Exclusive(Some(turn)) => turn == peer,
            Mode::Exclusive(None) => {
                self.keep_only(peer);
                self.mode = Mode::Exclusive(Some(peer));
                true
            }
            Mode::Judged { .. } => false,
        }
    }

    /// A block that nobody has been asked for.
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.blocks.is_empty() {
            self.restart();
        }
        let block = self.fresh.pop()?;
        self.slot(block)?.asked = 1;
        Some(block)
    }

    /// A missing block that somebody else has been asked for, and has not answered yet.
    pub(super) fn take_again(&mut self) -> Option<u32> {
        let open = |slot: &&mut Slot<P>| slot.delivered.is_none() && slot.asked < MAX_ASKED;
        let (block, slot) = (0..).zip(&mut self.blocks).filter(|(_, slot)| open(slot)).min_by_key(|(_, s)| s.asked)?;
        slot.asked = slot.asked.saturating_add(1);
        Some(block)
    }

    /// Somebody who was asked for the block will not deliver it.
    pub(super) fn give_up(&mut self, block: u32) {
        let Some(slot) = self.slot(block) else { return };
        slot.asked = slot.asked.saturating_sub(1);
        if slot.asked == 0 && slot.delivered.is_none() && !self.fresh.contains(&block) {
            self.fresh.push(block);
        }
    }

    /// The peer has been slow, or has gone. In an exclusive attempt another may take over.
    pub(super) fn end_turn(&mut self, peer: P) {
        if self.mode == Mode::Exclusive(Some(peer)) {
            self.mode = Mode::Exclusive(None);
        }
    }

    /// A block has arrived. In an exclusive attempt, one of a peer whose turn is over is of no use.
    pub(super) fn store(&mut self, now: Instant, peer: P, block: u32, data: &[u8]) {
        if !matches!(self.mode, Mode::Shared) && self.mode != Mode::Exclusive(Some(peer)) {
            return self.give_up(block);
        }
        self.last_delivery = Some(now);
        self.put(peer, block, data);
    }

    fn put(&mut self, peer: P, block: u32, data: &[u8]) {
        let Some(slot) = self.slot(block) else { return };
        slot.asked = slot.asked.saturating_sub(1);
        if slot.delivered.is_none() {
            slot.delivered = Some((peer, data.into()));
            self.held = self.held.saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
            self.fresh.retain(|fresh| *fresh != block);
        }
    }

    /// The whole, if it is complete. From then on it waits for [`Self::refute`].
    pub(super) fn assemble(&mut self) -> Option<Vec<u8>> {
        if self.held != self.size || matches!(self.mode, Mode::Judged { .. }) {
            return None;
        }
        let mut whole = Vec::with_capacity(self.size as usize);
        for slot in &mut self.blocks {
            let (_, data) = slot.delivered.as_mut()?;
            // Who delivered it is still of interest; the bytes come back with the verdict.
            whole.extend_from_slice(&std::mem::take(data));
        }
        self.held = 0;
        self.mode = Mode::Judged { exclusive: matches!(self.mode, Mode::Exclusive(_)) };
        Some(whole)
    }

    /// The whole was wrong. Says whose fault it is if all of it came from one peer; else the next attempt is exclusive,
    /// and begins with the peer that has delivered the most, whose blocks are kept.
    pub(super) fn refute(&mut self, whole: &[u8]) -> Option<P> {
        let Mode::Judged { exclusive } = self.mode else { return None };
        let owners: Vec<P> = self.blocks.iter().filter_map(|slot| Some(slot.delivered.as_ref()?.0)).collect();
        let most = owners.iter().max_by_key(|owner| owners.iter().filter(|other| other == owner).count()).copied()?;
        self.restart();
        if owners.iter().all(|owner| *owner == most) {
            self.mode = if exclusive { Mode::Exclusive(None) } else { Mode::Shared };
            return Some(most);
        }
        self.mode = Mode::Exclusive(Some(most));
        let blocks = whole.chunks(METADATA_BLOCK_LENGTH as usize);
        for ((block, data), _) in (0..).zip(blocks).zip(&owners).filter(|(_, owner)| **owner == most) {
            self.put(most, block, data);
        }
        None
    }

    /// Forgets all blocks.
    pub(super) fn restart(&mut self) {
        let count = block_count(self.size);
        self.blocks = (0..count).map(|_| Slot { delivered: None, asked: 0 }).collect();
        self.fresh = (0..count).rev().collect();
        self.held = 0;
    }

    /// Forgets the blocks that others have delivered.
    fn keep_only(&mut self, peer: P) {
        for slot in &mut self.blocks {
            if let Some((_, data)) = slot.delivered.take_if(|(owner, _)| *owner != peer) {
                self.held = self.held.saturating_sub(u32::try_from(data.len()).unwrap_or(u32::MAX));
            }
        }
        let open = |(block, slot): (u32, &Slot<P>)| (slot.delivered.is_none() && slot.asked == 0).then_some(block);
        self.fresh = (0..).zip(&self.blocks).filter_map(open).collect();
        self.fresh.reverse();
    }

    fn slot(&mut self, block: u32) -> Option<&mut Slot<P>> {
        self.blocks.get_mut(block as usize)
    }
}

pub(super) const fn block_count(size: u32) -> u32 {
    size.div_ceil(METADATA_BLOCK_LENGTH)
}
