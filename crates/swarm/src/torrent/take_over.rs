//! Blocks that are asked of one peer and come sooner from another. An idle peer is asked for the blocks that are expected last,
//! whichever peer was asked for them first; the first copy to arrive wins, and the others are cancelled.
//!
//! A request is doubled once a second at most, and only by a peer that is expected to be twice as fast. So the copies of a block
//! are bounded by how often the expectations are disappointed, and no number of silent peers can hold a block.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use torrent_types::Block;

use super::Swarm;
use crate::{Action, Command, PeerKey, pieces::BlockState};

/// Requests looked at per slow peer, and in all.
const MAX_PER_PEER: usize = 64;
const MAX_LOOKED_AT: usize = 4096;
/// What one idle peer looks through.
const MAX_TRIED: usize = 512;
/// A block is asked of so many peers at most.
const MAX_COPIES: u16 = 16;
/// What is gained has to be worth a copy: more than this in the end, and more before it, where idle peers will soon have work again.
const WORTH: Duration = Duration::from_millis(200);
const WORTH_BEFORE_THE_END: Duration = Duration::from_millis(1500);
/// The fastest peers are asked for so many urgent blocks beyond their depth.
const URGENT_BLOCKS: usize = 4;
const URGENT_TAKERS: usize = 4;
/// Urgent pieces that are looked at.
const URGENT_PIECES: usize = 8;

/// A request that another peer could take over.
#[derive(Clone, Copy, Debug)]
struct Slow {
    eta: Duration,
    key: PeerKey,
    block: Block,
    taken: bool,
}

impl Swarm {
    /// Gives idle peers what is expected last of others.
    pub(super) fn take_over(&mut self, now: Instant) {
        if !self.life.fetches() || self.pieces.open_count() == 0 {
            return;
        }
        let share = (self.pieces.memory_blocks() / self.working.max(1) / 4 * 3).max(2);
        let takers: Vec<_> = self
            .hungry
            .iter()
            .filter_map(|key| Some((*key, self.peers.get(key)?)))
            .filter(|(_, peer)| peer.is_open())
            .map(|(key, peer)| (key, peer.giving.requests.room(now, share) as usize))
            .filter(|(_, room)| *room > 0)
            .collect();
        if takers.is_empty() {
            return;
        }
        let mut slow = self.slow_requests(now, |_| true);
        if slow.is_empty() {
            return;
        }
        let worth = if self.pieces.is_endgame() { WORTH } else { WORTH_BEFORE_THE_END };
        for (key, room) in takers {
            self.take_over_for(now, key, room, worth, &mut slow);
        }
    }

    /// What readers wait for does not wait for a slow peer, though no other is idle.
    pub(super) fn take_over_urgent(&mut self, now: Instant) {
        if !self.life.fetches() || !self.wanted.has_urgent() {
            return;
        }
        let first: Vec<_> = self.wanted.urgent().take(URGENT_PIECES).map(|(_, piece)| piece).collect();
        let mut slow = self.slow_requests(now, |block| first.contains(&block.piece()));
        if slow.is_empty() {
            return;
        }
        let mut takers: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_open() && peer.giving.requests.is_proven())
            .filter(|(_, peer)| !peer.giving.requests.is_snubbed())
            .map(|(key, peer)| (Reverse(peer.giving.rate.per_second()), *key))
            .collect();
        takers.sort_unstable();
        for (_, key) in takers.into_iter().take(URGENT_TAKERS) {
            self.take_over_for(now, key, URGENT_BLOCKS, WORTH, &mut slow);
        }
    }

    /// Requests that were not doubled just now, those that are expected last first.
    fn slow_requests(&self, now: Instant, which: impl Fn(Block) -> bool) -> Vec<Slow> {
        let mut slow = Vec::new();
        for (key, peer) in &self.peers {
            if peer.giving.requests.live() == 0 || slow.len() >= MAX_LOOKED_AT {
                continue;
            }
            let alone = |block| self.pieces.state(block) == Some(BlockState::Requested(1));
            let theirs =
                peer.giving.requests.takeable(now, alone).filter(|(_, block)| which(*block)).take(MAX_PER_PEER);
            slow.extend(theirs.map(|(place, block)| Slow {
                eta: peer.eta(now, place),
                key: *key,
                block,
                taken: false,
            }));
        }
        slow.sort_by_key(|slow| (Reverse(slow.eta), slow.key));
        slow
    }

    fn take_over_for(&mut self, now: Instant, key: PeerKey, room: usize, worth: Duration, slow: &mut [Slow]) {
        let mut asked = 0;
        for slow in slow.iter_mut().take(MAX_TRIED) {
            let Some(peer) = self.peers.get_mut(&key) else { return };
            if asked >= room {
                return;
            }
            // Sorted: the rest is expected sooner.
            let own = peer.eta(now, peer.giving.requests.live());
            if slow.eta < own * 2 + worth {
                return;
            }
            let Some(BlockState::Requested(copies)) = self.pieces.state(slow.block) else { continue };
            let solo = self.pieces.get(slow.block.piece()).is_some_and(|open| open.solo.is_some());
            let useless = slow.taken
                || slow.key == key
                || solo
                || copies >= MAX_COPIES
                || !peer.may_request(slow.block.piece())
                || peer.giving.requests.contains(slow.block);
            if useless || !self.pieces.request_again(slow.block) {
                continue;
            }
            peer.giving.requests.sent(now, slow.block);
            self.actions.push_back(Action::Send(key, Command::Request(slow.block)));
            if let Some(victim) = self.peers.get_mut(&slow.key) {
                victim.giving.requests.set_doubled(now, slow.block);
            }
            slow.taken = true;
            asked += 1;
        }
    }
}
