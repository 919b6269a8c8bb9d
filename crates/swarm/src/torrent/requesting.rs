//! Asking peers for blocks: each connection after its own facts, idle ones in *sweeps*. What becomes free is offered to idle peers
//! at once, but no more often than every 50 ms, so that no peer can make us look at all others with each of its messages.

use std::time::{Duration, Instant};

use torrent_types::{BLOCK_LENGTH, PieceIndex};

use super::Swarm;
use crate::{Action, Command, PeerKey, peer::Peer, picker::Picker, pieces::Stage};

/// The least time between two sweeps.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);
/// While idle peers wait for what others are asked for, they are looked at this often.
const SWEEP_AGAIN: Duration = Duration::from_millis(100);
/// An open piece of which no block has come for so long makes room for others when memory is short.
const STALE: Duration = Duration::from_secs(8);
/// An open piece that no connected peer has is kept for so long: the peer may come back.
const ABANDONED: Duration = Duration::from_secs(60);
/// Pieces that make room at a time, and how often.
const MAX_RECLAIMED: usize = 4;
const RECLAIM_PAUSE: Duration = Duration::from_millis(500);
/// A peer that has a suspect piece alone and sends no block of it for so long does not get on.
const SOLO_PATIENCE: Duration = Duration::from_secs(3);
/// The time that it has for the whole piece, beyond what the average peer would take eight times over.
const SOLO_LEAST: Duration = Duration::from_secs(5);

impl Swarm {
    /// Sends as many requests as the peer should have.
    pub(super) fn fill(&mut self, now: Instant, key: PeerKey) {
        let share = self.pieces.memory_blocks() / self.working.max(1);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if !self.life.fetches() || !peer.is_open() {
            self.hungry.remove(&key);
            return;
        }
        // Peers share the memory: without this, the first would take it all and the others would stand idle. A quarter is left
        // for pieces that wait to be written.
        let room = peer.giving.requests.room(now, (share / 4 * 3).max(2));
        if room == 0 {
            self.hungry.remove(&key);
            return;
        }
        let mut picked = std::mem::take(&mut self.picked);
        let max_open = if self.life.is_trying() { 1 } else { usize::MAX };
        let mut picker = Picker {
            now,
            pieces: &mut self.pieces,
            wanted: &self.wanted,
            blame: &self.blame,
            rng: &mut self.rng,
            max_open,
        };
        picker.pick(key, peer, room, &mut picked);
        let satisfied = picked.len() >= room as usize;
        for block in picked.drain(..) {
            peer.giving.requests.sent(now, block);
            self.actions.push_back(Action::Send(key, Command::Request(block)));
        }
        self.picked = picked;
        if satisfied {
            self.hungry.remove(&key);
        } else {
            self.hungry.insert(key);
            self.times.want_sweep = true;
        }
    }

    pub(super) fn fill_all(&mut self, now: Instant) {
        let keys: Vec<_> = self.peers.keys().copied().collect();
        keys.into_iter().for_each(|key| self.fill(now, key));
    }

    /// Every peer is looked at with the next sweep.
    pub(super) fn wake_all(&mut self) {
        self.hungry.extend(self.peers.keys().copied());
        self.times.want_sweep = true;
    }

    /// Sweeps now, or plans to, if idle peers may find something.
    pub(super) fn plan_sweep(&mut self, now: Instant) {
        let wanted = self.times.want_sweep | self.pieces.is_freed();
        if !wanted || self.hungry.is_empty() {
            return;
        }
        if now >= self.times.next_sweep {
            self.sweep(now);
        } else {
            let at = self.times.next_sweep;
            self.times.sweep = Some(self.times.sweep.map_or(at, |sweep| sweep.min(at)));
        }
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        self.times.sweep = None;
        self.times.want_sweep = false;
        self.pieces.take_freed();
        // The more there is to look at, the longer the pause.
        let many = u32::try_from(self.hungry.len()).unwrap_or(u32::MAX);
        self.times.next_sweep = now + SWEEP_PAUSE + Duration::from_micros(50) * many;
        let keys: Vec<_> = self.hungry.iter().copied().collect();
        keys.into_iter().for_each(|key| self.fill(now, key));
        let starved = self.pieces.take_starved();
        if starved && now >= self.times.next_reclaim {
            self.times.next_reclaim = now + RECLAIM_PAUSE;
            if self.reclaim(now) {
                let keys: Vec<_> = self.hungry.iter().copied().collect();
                keys.into_iter().for_each(|key| self.fill(now, key));
            }
        }
        self.take_over(now);
        self.times.want_sweep = false;
        self.pieces.take_freed();
        if self.may_find_more(starved) {
            self.times.sweep = Some(self.times.next_sweep.max(now + SWEEP_AGAIN));
        }
    }

    /// Whether an idle peer may find something without any change but time: memory that comes back, requests that others let
    /// wait, or the next part of a list.
    fn may_find_more(&self, starved: bool) -> bool {
        let mut idle = self.hungry.iter().filter_map(|key| self.peers.get(key)).peekable();
        idle.peek().is_some() && (starved || self.pieces.open_count() > 0 || idle.any(|peer| peer.giving.searching))
    }

    /// Drops an open piece and everything asked of it.
    pub(super) fn give_up(&mut self, _now: Instant, piece: PieceIndex) {
        let mut cancelled = Vec::new();
        for (key, peer) in &mut self.peers {
            cancelled.extend(peer.giving.requests.forget_piece(piece).into_iter().map(|block| (*key, block)));
        }
        for (key, block) in cancelled {
            self.pieces.release(block);
            self.send(key, Command::Cancel(block));
            self.wake(key);
        }
        let priority = self.priority_of(piece);
        if let Some(received) = self.pieces.give_up(piece, priority) {
            self.wasted += u64::from(received) * u64::from(BLOCK_LENGTH);
            self.act(Action::Forget(piece));
        }
    }

    /// Makes room: open pieces that no connected peer has, and those that have not moved for long. True if there was one.
    pub(super) fn reclaim(&mut self, now: Instant) -> bool {
        let mut idle: Vec<_> = self
            .pieces
            .open_pieces()
            .filter(|(_, open)| open.stage == Stage::Fetching)
            .map(|(piece, open)| (open.moved, piece))
            .collect();
        idle.sort_unstable();
        let mut made = 0;
        for (moved, piece) in idle {
            if made >= MAX_RECLAIMED {
                break;
            }
            let stale = now.saturating_duration_since(moved) >= STALE;
            if stale || !self.somebody_has(piece) {
                self.give_up(now, piece);
                made += 1;
            }
        }
        made > 0
    }

    /// Gives up what no connected peer has for a minute.
    pub(super) fn give_up_abandoned(&mut self, now: Instant) {
        let old = self.pieces.open_pieces().filter(|(_, open)| {
            open.stage == Stage::Fetching && now.saturating_duration_since(open.moved) >= ABANDONED
        });
        let old: Vec<_> = old.map(|(piece, _)| piece).collect();
        for piece in old {
            if !self.somebody_has(piece) {
                self.give_up(now, piece);
            }
        }
    }

    fn somebody_has(&self, piece: PieceIndex) -> bool {
        self.peers.values().any(|peer| !peer.leaving && peer.has(piece))
    }

    /// Peers that let requests pass their deadline, and those that have become slow, give back what others can be asked for.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut cancelled = Vec::new();
        let mut snubbed = Vec::new();
        for (key, peer) in &mut self.peers {
            let requests = &mut peer.giving.requests;
            if requests.is_empty() {
                continue;
            }
            let released = requests.expire(now);
            if requests.is_snubbed() && !released.is_empty() {
                snubbed.push(*key);
            }
            released.into_iter().for_each(|block| self.pieces.release(block));
            for block in requests.excess() {
                self.pieces.release(block);
                cancelled.push((*key, block));
            }
        }
        for (key, block) in cancelled {
            self.send(key, Command::Cancel(block));
        }
        for key in snubbed {
            if let Some(current) = self.peers.get_mut(&key).and_then(|peer| peer.giving.current.take()) {
                self.pieces.leave(current);
            }
            self.end_solos(now, key);
        }
    }

    /// The peer does not get on with any piece that it has alone.
    pub(super) fn end_solos(&mut self, now: Instant, key: PeerKey) {
        let alone: Vec<_> = self
            .pieces
            .open_pieces()
            .filter(|(_, open)| open.solo == Some(key) && open.stage == Stage::Fetching)
            .map(|(piece, _)| piece)
            .collect();
        alone.into_iter().for_each(|piece| self.end_solo(now, key, piece));
    }

    /// The same for one piece.
    pub(super) fn end_solo_of(&mut self, now: Instant, key: PeerKey, piece: PieceIndex) {
        let alone = |open: &crate::pieces::OpenPiece| open.solo == Some(key) && open.stage == Stage::Fetching;
        if self.pieces.get(piece).is_some_and(alone) {
            self.end_solo(now, key, piece);
        }
    }

    /// The copy is dropped: with blocks of another peer in it, there would be doubt about the sender again.
    fn end_solo(&mut self, now: Instant, key: PeerKey, piece: PieceIndex) {
        if let Some(peer) = self.peers.get(&key) {
            self.blame.held_up(piece, peer.host);
        }
        self.give_up(now, piece);
    }

    /// Suspect pieces whose one peer is silent or too slow come to others.
    pub(super) fn check_solos(&mut self, now: Instant) {
        let average = (self.down.per_second() / u64::from(self.working.max(1))).max(u64::from(BLOCK_LENGTH));
        let too_slow = |piece: PieceIndex, open: &crate::pieces::OpenPiece| {
            let length = u64::from(self.pieces.geometry().length_of(piece));
            let time = SOLO_LEAST + Duration::from_secs(length * 8 / average);
            now.saturating_duration_since(open.moved) >= SOLO_PATIENCE
                || now.saturating_duration_since(open.opened) >= time
        };
        let slow: Vec<_> = self
            .pieces
            .open_pieces()
            .filter(|(piece, open)| open.solo.is_some() && open.stage == Stage::Fetching && too_slow(*piece, open))
            .filter_map(|(piece, open)| Some((open.solo?, piece)))
            .collect();
        slow.into_iter().for_each(|(key, piece)| self.end_solo(now, key, piece));
        self.pass_solos_on(now);
        let peers = &self.peers;
        let changed = self.blame.next_round(|piece, tried| {
            peers
                .values()
                .any(|peer| peer.may_request(piece) && peer.giving.requests.is_proven() && !tried.contains(&peer.host))
        });
        if changed {
            self.wake_all();
        }
    }

    /// A suspect piece goes to an idle peer that will have all of it sooner than its present one the rest.
    fn pass_solos_on(&mut self, now: Instant) {
        let alone = self.pieces.open_pieces().filter(|(_, open)| open.stage == Stage::Fetching);
        let alone: Vec<_> = alone.filter_map(|(piece, open)| Some((piece, open.solo?, open.missing()))).collect();
        for (piece, holder, missing) in alone {
            let Some(present) = self.peers.get(&holder) else { continue };
            let bytes = u64::from(missing) * u64::from(BLOCK_LENGTH);
            let requests = &present.giving.requests;
            // A peer that keeps us waiting is likely to go on doing so.
            let rest = bytes / requests.pace().max(1) + requests.waited(now).as_secs() * 4;
            let host = present.host;
            let fits = |peer: &Peer| {
                let requests = &peer.giving.requests;
                peer.is_open()
                    && requests.is_proven()
                    && !requests.is_snubbed()
                    && peer.host != host
                    && peer.may_request(piece)
                    && self.blame.may_open(piece, peer.host)
            };
            let idle = self.hungry.iter().filter_map(|key| Some((*key, self.peers.get(key)?)));
            let best = idle.filter(|(_, peer)| fits(peer)).max_by_key(|(_, peer)| peer.giving.requests.pace());
            let Some((best, pace)) = best.map(|(key, peer)| (key, peer.giving.requests.pace())) else { continue };
            let whole = u64::from(self.pieces.geometry().length_of(piece)) / pace.max(1);
            if whole + whole / 2 + 1 > rest {
                continue;
            }
            self.blame.passed_over(piece, host);
            self.give_up(now, piece);
            if self.pieces.open(now, piece, Some(best)) {
                let joined = self.pieces.join(piece);
                if let Some(peer) = self.peers.get_mut(&best)
                    && let Some(before) = std::mem::replace(&mut peer.giving.current, joined)
                {
                    self.pieces.leave(before);
                }
                self.fill(now, best);
            }
        }
    }
}
