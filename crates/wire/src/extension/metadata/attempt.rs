//! One attempt to put the metadata together: of one claimed size, and from all peers that claim it or from one alone.
//! In: blocks. Out: which blocks to ask for next, the whole. Never: peers' manners (see `peer`), memory of others.

use std::time::{Duration, Instant};

use super::{METADATA_BLOCK_LENGTH, block_count, block_length};

/// A block that one peer was asked for is asked of another one after this long, of a third one half of it later, and so
/// on: the n-th has a n-th of this time. So no peer can hold a block: of 300 that do not answer, the last one is asked
/// after seven seconds. An honest peer that is slow costs some superfluous copies.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// Waiting attempts may take the memory of one that has not brought a single block for so long.
const FRUITLESS: Duration = Duration::from_secs(4);
/// Waiting attempts may take the memory of one whose last block is older than this; doubled with each turn.
const STALLED: Duration = Duration::from_secs(5);
/// Waiting attempts may take the memory of one that has had it for so long; doubled with each turn, so that a peer that
/// is slow and honest comes to its end in one of them.
const TENURE: Duration = Duration::from_secs(30);
const MAX_DOUBLINGS: u32 = 12;

#[derive(Clone, Debug)]
pub(super) struct Attempt<P> {
    size: u32,
    pub(super) state: State<P>,
    /// How often it had memory and lost it.
    turns: u32,
}

#[derive(Clone, Debug)]
pub(super) enum State<P> {
    /// For memory. `proven`: a block has come, so it is not all talk. `tag`: its place in the queue, earlier ones first.
    Waiting { proven: bool, tag: Instant },
    /// Blocks come in.
    Active(Collection<P>),
    /// Complete, and being hashed under this number. The peers that have delivered it, block by block.
    Judged { id: u64, owners: Vec<P> },
}

/// The blocks of an attempt that has memory.
#[derive(Clone, Debug)]
pub(super) struct Collection<P> {
    size: u32,
    /// As long as the metadata; empty until the first block comes.
    buffer: Vec<u8>,
    slots: Vec<Slot<P>>,
    /// Blocks that nobody is asked for, the next one last. May name some that have come late.
    fresh: Vec<u32>,
    /// Blocks that somebody was asked for, and when the next one is.
    flying: Vec<(Instant, u32)>,
    /// Blocks that have not come.
    missing: u32,
    /// A block had come before it got the memory.
    is_proven: bool,
    began: Instant,
    last_block: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Slot<P> {
    owner: Option<P>,
    /// How many peers are asked for it and may still answer.
    asked: u16,
}

impl<P: Copy + Ord> Attempt<P> {
    pub(super) fn new(size: u32, now: Instant) -> Self {
        Self { size, state: State::Waiting { proven: false, tag: tag(size, now) }, turns: 0 }
    }

    /// Bytes that are set aside for it.
    pub(super) const fn reserved(&self) -> u64 {
        if matches!(self.state, State::Waiting { .. }) { 0 } else { self.size as u64 }
    }

    pub(super) fn activate(&mut self, now: Instant) {
        let is_proven = matches!(self.state, State::Waiting { proven: true, .. });
        self.state = State::Active(Collection { is_proven, ..Collection::new(self.size, now) });
    }

    /// Another attempt needs the memory: all blocks are forgotten.
    pub(super) fn send_back(&mut self, now: Instant) {
        let proven = matches!(&self.state, State::Active(collection) if collection.last_block.is_some());
        self.turns = self.turns.saturating_add(1);
        self.state = State::Waiting { proven, tag: tag(self.size, now) };
    }

    /// Since when it has memory.
    pub(super) const fn began(&self) -> Option<Instant> {
        match &self.state {
            State::Active(collection) => Some(collection.began),
            State::Waiting { .. } | State::Judged { .. } => None,
        }
    }

    /// Since when a waiting attempt may have the memory of this one, given whether it has `proven` to be more than talk;
    /// `None` if it may not at all.
    pub(super) fn expendable_from(&self, proven: bool) -> Option<Instant> {
        let State::Active(collection) = &self.state else { return None };
        let doubled = |time: Duration| time.saturating_mul(1 << self.turns.min(MAX_DOUBLINGS));
        match (collection.last_block, proven) {
            (None, true) if !collection.is_proven => Some(collection.began),
            (None, _) => collection.began.checked_add(doubled(FRUITLESS)),
            (Some(last), true) => {
                let stalled = last.checked_add(doubled(STALLED));
                let over = collection.began.checked_add(doubled(TENURE));
                stalled.into_iter().chain(over).min()
            }
            (Some(_), false) => None,
        }
    }
}

impl<P: Copy + Ord> Collection<P> {
    pub(super) fn new(size: u32, now: Instant) -> Self {
        let count = block_count(size);
        Self {
            size,
            buffer: Vec::new(),
            slots: vec![Slot { owner: None, asked: 0 }; count as usize],
            fresh: (0..count).rev().collect(),
            flying: Vec::new(),
            missing: count,
            is_proven: false,
            began: now,
            last_block: None,
        }
    }

    /// Goes on with a whole that was wrong, of which only the blocks of one peer are kept.
    pub(super) fn from_whole(whole: Vec<u8>, size: u32, owners: &[P], keep: P, now: Instant) -> Self {
        let mut collection = Self::new(size, now);
        collection.buffer = whole;
        for (slot, owner) in collection.slots.iter_mut().zip(owners).filter(|(_, owner)| **owner == keep) {
            slot.owner = Some(*owner);
            collection.missing = collection.missing.saturating_sub(1);
        }
        collection.last_block = Some(now);
        collection
    }

    /// Whether no block has come.
    pub(super) const fn is_empty(&self) -> bool {
        self.last_block.is_none()
    }

    /// The next block that nobody is asked for.
    pub(super) fn next_fresh(&mut self) -> Option<u32> {
        while let Some(block) = self.fresh.last().copied() {
            if self.is_open(block) {
                return Some(block);
            }
            self.fresh.pop();
        }
        None
    }

    /// Blocks that others were asked for a while ago.
    pub(super) fn due_again(&self, now: Instant) -> impl Iterator<Item = u32> {
        self.flying.iter().filter(move |(due, _)| *due <= now).map(|(_, block)| *block)
    }

    /// When a block may be asked of another peer.
    pub(super) fn next_due(&self) -> impl Iterator<Item = Instant> {
        self.flying.iter().map(|(due, _)| *due)
    }

    /// A peer is asked for the block.
    pub(super) fn ask(&mut self, now: Instant, block: u32) {
        let Some(slot) = self.slots.get_mut(block as usize) else { return };
        slot.asked = slot.asked.saturating_add(1);
        let due = RETRY.checked_div(slot.asked.into()).and_then(|wait| now.checked_add(wait)).unwrap_or(now);
        if self.fresh.last() == Some(&block) {
            self.fresh.pop();
        }
        match self.flying.iter_mut().find(|(_, flying)| *flying == block) {
            Some(entry) => entry.0 = due,
            None => self.flying.push((due, block)),
        }
    }

    /// A peer that was asked for the block will not deliver it.
    pub(super) fn give_up(&mut self, block: u32) {
        let Some(slot) = self.slots.get_mut(block as usize) else { return };
        slot.asked = slot.asked.saturating_sub(1);
        if slot.asked == 0 && slot.owner.is_none() {
            self.flying.retain(|(_, flying)| *flying != block);
            self.fresh.push(block);
        }
    }

    /// A block has come; only the first one counts. `waited`: the peer was still expected to deliver it.
    pub(super) fn put(&mut self, now: Instant, owner: P, block: u32, data: &[u8], waited: bool) {
        let Some(slot) = self.slots.get_mut(block as usize) else { return };
        if waited {
            slot.asked = slot.asked.saturating_sub(1);
        }
        if slot.owner.is_some() {
            return;
        }
        if self.buffer.is_empty() {
            // Zeroed pages that come from the system cost nothing until they are written to.
            self.buffer = vec![0; self.size as usize];
        }
        let begin = block.saturating_mul(METADATA_BLOCK_LENGTH);
        let end = begin.saturating_add(block_length(self.size, block));
        let Some(place) = self.buffer.get_mut(begin as usize..end as usize) else { return };
        if place.len() == data.len() {
            place.copy_from_slice(data);
            slot.owner = Some(owner);
            self.flying.retain(|(_, flying)| *flying != block);
            self.missing = self.missing.saturating_sub(1);
            self.last_block = Some(now);
        }
    }

    /// The whole and the owners of its blocks, once nothing is missing.
    pub(super) fn take_whole(&mut self) -> Option<(Vec<u8>, Vec<P>)> {
        if self.missing > 0 || self.buffer.is_empty() {
            return None;
        }
        let owners = self.slots.iter().filter_map(|slot| slot.owner).collect();
        Some((std::mem::take(&mut self.buffer), owners))
    }

    fn is_open(&self, block: u32) -> bool {
        self.slots.get(block as usize).is_some_and(|slot| slot.owner.is_none())
    }
}

/// The place in the queue: the time of the request for memory, and a second for each 64 KiB. Small sizes pass large ones,
/// but none is passed by those that come a while later.
fn tag(size: u32, now: Instant) -> Instant {
    now.checked_add(Duration::from_micros(u64::from(size) * 1_000_000 / (64 * 1024))).unwrap_or(now)
}
