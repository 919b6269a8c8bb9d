//! What we do for others: slots and queues. BEP 3 § "choking and optimistic unchoking".

use std::time::{Duration, Instant};

use torrent_types::{BLOCK_LENGTH, Block};

use super::Swarm;
use crate::{
    Action, Command, Parting, PeerKey,
    choker::{CALM, CHECK, Candidate, Choker, NOT_READING, PENALTY, UNUSED, UNUSED_AGAIN},
    peer::Peer,
};

/// Requests for pieces that we never said we have, before we part.
const MAX_BAD_REQUESTS: u32 = 300;
/// Requests in a row that we do not serve, before we part: what a peer keeps in flight when we choke it, twice over.
const MAX_UNSERVED: u32 = 2000;
/// While no peer waits for a slot, slots are given anew this often.
const SHARED_TURN: Duration = Duration::from_secs(60);

impl Swarm {
    /// The next blocks to send to a peer, up to `bytes` in all and at least one. Returns how many wait after these. Report
    /// them with [`Swarm::handle_uploaded`] once the socket has taken them.
    pub fn take_uploads(&mut self, key: PeerKey, bytes: u32, out: &mut Vec<Block>) -> usize {
        let Some(peer) = self.peers.get_mut(&key) else { return 0 };
        let before = out.len();
        peer.taking.queue.take(bytes, out);
        let taken = out.get(before..).unwrap_or_default();
        peer.taking.outstanding += taken.iter().map(|block| u64::from(block.length())).sum::<u64>();
        peer.taking.queue.len()
    }

    /// A block from [`Swarm::take_uploads`] could not be read.
    pub fn handle_upload_failed(&mut self, _now: Instant, key: PeerKey, block: Block) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.leaving) else { return };
        peer.taking.outstanding = peer.taking.outstanding.saturating_sub(u64::from(block.length()));
        if peer.fast {
            self.send(key, Command::Reject(block));
        }
    }

    /// The peer's socket has taken so many bytes of blocks.
    pub fn handle_uploaded(&mut self, now: Instant, key: PeerKey, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.taking.outstanding = peer.taking.outstanding.saturating_sub(bytes);
            peer.taking.rate.add(bytes);
            peer.taking.moved = now;
            peer.used = Some(now);
        }
        self.up.add(bytes);
        self.plan_tick(now);
    }

    pub(super) fn requested(&mut self, now: Instant, key: PeerKey, block: Block) {
        let limit = self.config.request_queue;
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let has = self.pieces.has(block.piece());
        let idle = peer.taking.queue.is_empty();
        let served =
            !peer.taking.am_choking && block.length() <= BLOCK_LENGTH && has && peer.taking.queue.push(block, limit);
        if served {
            peer.taking.unserved = 0;
            peer.taking.asked = Some(now);
            if idle && peer.taking.outstanding == 0 {
                peer.taking.moved = now;
            }
            if idle {
                self.act(Action::Serve(key));
            }
            return;
        }
        peer.taking.unserved += 1;
        peer.taking.bad_requests += u32::from(!has);
        if peer.taking.unserved > MAX_UNSERVED || peer.taking.bad_requests > MAX_BAD_REQUESTS {
            return self.part(key, Parting::BadRequests);
        }
        if peer.fast {
            self.send(key, Command::Reject(block));
        }
    }

    /// BEP 3 `interested` and `not interested`: O(1), and no reason to look at other peers.
    pub(super) fn interest(&mut self, now: Instant, key: PeerKey, interested: bool) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if std::mem::replace(&mut peer.taking.interested, interested) == interested {
            return;
        }
        if !interested {
            if !peer.taking.am_choking {
                self.choke(now, key);
                self.times.want_slots = true;
            }
            return;
        }
        // A peer that has just come, or that has used its last slot, gets a free one at once. One that just changes its mind waits.
        let used = match (peer.taking.slot_began, peer.taking.asked) {
            (None, _) => true,
            (Some(began), asked) => asked.is_some_and(|asked| asked >= began),
        };
        let calm = used || now.saturating_duration_since(peer.taking.since) >= CALM;
        let calm = calm && !is_penalized(now, peer);
        if calm && self.may_unchoke() {
            self.unchoke(now, key);
        }
        self.times.want_slots = true;
    }

    /// Whether a slot is free.
    fn may_unchoke(&self) -> bool {
        self.slots.held() < self.slot_limit() && self.serves()
    }

    fn serves(&self) -> bool {
        self.pieces.have_count() > 0 && !self.life.is_over() && !self.life.is_paused()
    }

    /// How many slots this torrent may hold now.
    fn slot_limit(&self) -> usize {
        self.config.upload_slots.min(self.slots.fair_limit())
    }

    fn candidates(&self, now: Instant) -> Vec<Candidate> {
        let seeding = self.pieces.lacking() == 0;
        let candidate = |(key, peer): (&PeerKey, &Peer)| Candidate {
            key: *key,
            rate: if seeding { peer.taking.rate.per_second() } else { peer.giving.rate.per_second() },
            unchoked: !peer.taking.am_choking,
            since: peer.taking.since,
            penalty: is_penalized(now, peer),
        };
        let wants = |(_, peer): &(&PeerKey, &Peer)| peer.taking.interested && !peer.leaving;
        self.peers.iter().filter(wants).map(candidate).collect()
    }

    /// Takes back slots that are not used, gives away free ones, and gives all anew when a round is due. Returns whether slots
    /// have to be looked at again.
    pub(super) fn manage_slots(&mut self, now: Instant) {
        self.times.want_slots = false;
        self.times.slots = None;
        if !self.serves() {
            return;
        }
        self.take_back_unused(now);
        let candidates = self.candidates(now);
        self.slots.set_wants(!candidates.is_empty());
        if candidates.is_empty() {
            return;
        }
        if self.choker.is_due(now) {
            self.rechoke(now, candidates);
        } else {
            for key in Choker::next_in_line(candidates) {
                if !self.may_unchoke() {
                    break;
                }
                self.unchoke(now, key);
            }
        }
        self.times.slots = Some(now + CHECK);
    }

    fn rechoke(&mut self, now: Instant, candidates: Vec<Candidate>) {
        let seeding = self.pieces.lacking() == 0;
        let slots = self.slot_limit();
        let mut chosen = self.choker.round(now, slots, candidates, seeding, &mut self.rng);
        // More torrents than slots: after its turn, this one lets another have its only slot.
        if self.slots.of().share() == 0 {
            let had = |key: &PeerKey| {
                let peer = self.peers.get(key);
                peer.is_some_and(|peer| {
                    !peer.taking.am_choking && now.saturating_duration_since(peer.taking.since) >= SHARED_TURN
                })
            };
            chosen.retain(|key| !had(key));
        }
        let keys: Vec<_> = self.peers.iter().filter(|(_, peer)| !peer.leaving).map(|(key, _)| *key).collect();
        let chosen_set = |key: &PeerKey| chosen.binary_search(key).is_ok();
        for key in keys.iter().filter(|key| !chosen_set(key)) {
            self.choke(now, *key);
        }
        for key in keys.iter().filter(|key| chosen_set(key)) {
            self.unchoke(now, *key);
        }
    }

    /// A slot that is not used for seconds goes on, and so does the slot of a peer that does not read.
    fn take_back_unused(&mut self, now: Instant) {
        let since = |at: Instant| now.saturating_duration_since(at);
        let wastes = |peer: &Peer| {
            let taking = &peer.taking;
            let waiting = !taking.queue.is_empty() || taking.outstanding > 0;
            let stuck = waiting && since(taking.moved.max(taking.since)) >= NOT_READING;
            let unused = match taking.asked {
                Some(asked) if asked >= taking.since => since(asked.max(taking.moved)) >= UNUSED_AGAIN,
                _ => since(taking.since) >= UNUSED,
            };
            stuck || (!waiting && unused)
        };
        let wasteful: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.taking.am_choking && !peer.leaving && wastes(peer))
            .map(|(key, _)| *key)
            .collect();
        if wasteful.is_empty() {
            return;
        }
        // While no other peer waits, a slot may as well be kept by a peer that asks now and then.
        let others = self
            .peers
            .values()
            .any(|peer| peer.taking.interested && peer.taking.am_choking && !peer.leaving && !is_penalized(now, peer));
        for key in wasteful {
            let Some(peer) = self.peers.get_mut(&key) else { continue };
            let stuck = !peer.taking.queue.is_empty() || peer.taking.outstanding > 0;
            if others || stuck {
                peer.taking.penalty_until = Some(now + PENALTY);
                self.choke(now, key);
            }
        }
    }

    pub(super) fn unchoke(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.taking.am_choking && !peer.leaving) else {
            return;
        };
        if !self.slots.take(1) {
            return;
        }
        peer.taking.am_choking = false;
        peer.taking.slot_began = Some(now);
        peer.taking.since = now;
        peer.taking.moved = now;
        peer.taking.unserved = 0;
        self.send(key, Command::Unchoke);
    }

    pub(super) fn choke(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.taking.am_choking) else { return };
        peer.taking.am_choking = true;
        peer.taking.since = now;
        let fast = peer.fast;
        let refused: Vec<_> = peer.taking.queue.clear().collect();
        self.slots.give(1);
        self.send(key, Command::Choke);
        if fast {
            refused.into_iter().for_each(|block| self.send(key, Command::Reject(block)));
        }
    }
}

/// Whether others come first: it wasted a slot lately, or leaves our requests unanswered.
fn is_penalized(now: Instant, peer: &Peer) -> bool {
    peer.taking.penalty_until.is_some_and(|until| now < until) || peer.giving.requests.is_snubbed()
}
