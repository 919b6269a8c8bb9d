//! What each fact changes, and which owner it concerns. This is the fast path: a fact costs O(1), or O(depth) where a request
//! has to be found.

use std::{net::SocketAddr, time::Instant};

use torrent_types::{Bitfield, Block, PieceIndex};

use super::Swarm;
use crate::{Candidate, Command, Fact, Parting, PeerKey, Source, Verdict, requests::Known};

impl Swarm {
    /// Everything that one read from a peer's socket said. Each [`Fact::Received`] gets a verdict, in order.
    pub fn handle_facts(
        &mut self,
        now: Instant,
        key: PeerKey,
        facts: impl IntoIterator<Item = Fact>,
        verdicts: &mut Vec<Verdict>,
    ) {
        let mut woken = false;
        for fact in facts {
            match fact {
                Fact::Received(block) => verdicts.push(self.received(now, key, block)),
                fact => woken |= self.handle_fact(now, key, fact),
            }
        }
        // A peer for which there was nothing to ask need not be tried again unless something has changed.
        if woken || self.pieces.is_freed() || !self.hungry.contains(&key) {
            self.fill(now, key);
        }
        self.plan_sweep(now);
        self.plan_tick(now);
    }

    /// True if there may be more to ask this peer for.
    fn handle_fact(&mut self, now: Instant, key: PeerKey, fact: Fact) -> bool {
        let pieces = self.pieces.geometry().piece_count();
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.leaving) else { return false };
        match fact {
            Fact::AllowedFast(piece) => {
                let before = peer.is_open();
                if peer.fast && piece.get() < pieces {
                    peer.allow_fast(piece);
                }
                let after = peer.is_open();
                self.count_working(before, after);
                return true;
            }
            Fact::Bitfield(field) => self.replace_holdings(key, &field),
            Fact::HaveAll => self.replace_holdings(key, &Bitfield::full(pieces)),
            Fact::HaveNone => self.replace_holdings(key, &Bitfield::new(pieces)),
            Fact::Have(piece) => self.has_piece(key, piece),
            Fact::DontHave(piece) => {
                self.dont_have(now, key, piece);
                return false;
            }
            Fact::Choked => {
                self.choked(now, key);
                return false;
            }
            Fact::Unchoked => {
                let before = peer.is_open();
                if std::mem::take(&mut peer.giving.choking) {
                    peer.giving.requests.unchoked(now);
                }
                let after = peer.is_open();
                self.count_working(before, after);
            }
            Fact::Rejected(block) => {
                self.rejected(now, key, block);
                return false;
            }
            Fact::RequestQueue(reqq) => peer.giving.requests.set_reqq(reqq),
            Fact::ListenPort(port) => {
                self.listens(now, key, port);
                return false;
            }
            Fact::Cancelled(block) => {
                let refused = peer.taking.queue.cancel(block) && peer.fast;
                if refused {
                    self.send(key, Command::Reject(block));
                }
                return false;
            }
            Fact::Interested | Fact::NotInterested => {
                self.interest(now, key, fact == Fact::Interested);
                return false;
            }
            Fact::Requested(block) => {
                self.requested(now, key, block);
                return false;
            }
            Fact::UploadOnly(upload_only) => {
                peer.taking.upload_only = upload_only;
                self.part_if_redundant(key);
                return false;
            }
            Fact::Received(_) => return false,
        }
        true
    }

    fn choked(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.giving.choking {
            return;
        }
        let before = peer.is_open();
        peer.giving.choking = true;
        let after = peer.is_open();
        let allowed = std::mem::take(&mut peer.giving.allowed_fast);
        let released = peer.giving.requests.choked(now, peer.fast, |piece| allowed.contains(&piece));
        peer.giving.allowed_fast = allowed;
        if let Some(current) = peer.giving.current.take() {
            self.pieces.leave(current);
        }
        released.into_iter().for_each(|block| self.pieces.release(block));
        self.count_working(before, after);
        self.end_solos(now, key);
    }

    fn rejected(&mut self, now: Instant, key: PeerKey, block: Block) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        // The answer to our own cancel is no fault: the block is not in flight any more then.
        let Some(live) = peer.giving.requests.forget(block) else { return };
        if peer.giving.choking {
            let before = peer.is_open();
            peer.giving.allowed_fast.remove(&block.piece());
            let after = peer.is_open();
            self.count_working(before, after);
        } else if live {
            peer.giving.requests.rejected(now);
        }
        if live {
            self.pieces.release(block);
            self.end_solo_of(now, key, block.piece());
        }
    }

    /// BEP 10 `p`: an incoming connection belongs to an address that we may know already.
    fn listens(&mut self, now: Instant, key: PeerKey, port: u16) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let address = SocketAddr::new(peer.address.ip().to_canonical(), port);
        if port == 0 || peer.dialable.is_some() {
            return;
        }
        peer.dialable = Some(address);
        self.pex_generation += 1;
        let (scope, id) = (peer.host.scope(), peer.id);
        let all = self.pieces.geometry().piece_count();
        let seed = peer.is_seed(all);
        if let Some(other) = self.book.connection(address) {
            if other != key && self.peers.get(&other).is_some_and(|other| other.id == id && !other.leaving) {
                self.part(key, Parting::Duplicate);
            }
            return;
        }
        if self.book.is_dialing(address) {
            return;
        }
        let candidate = Candidate { seed, ..address.into() };
        self.book.add(now, Source::Incoming, scope, candidate, &mut self.rng);
        self.book.connected(address, key);
    }

    fn received(&mut self, now: Instant, key: PeerKey, block: Block) -> Verdict {
        let length = u64::from(block.length());
        let Some(peer) = self.peers.get_mut(&key) else {
            self.wasted += length;
            return Verdict::Discard;
        };
        let mut dropped = std::mem::take(&mut self.dropped);
        let known = peer.giving.requests.received(now, block, &mut dropped);
        dropped.drain(..).for_each(|block| self.pieces.release(block));
        self.dropped = dropped;
        if known == Known::No {
            peer.giving.wasted += length;
            self.wasted += length;
            return Verdict::Discard;
        }
        peer.used = Some(now);
        peer.giving.rate.add(length);
        let arrival = self.pieces.received(now, block, key, peer.host, known == Known::Live);
        if arrival.verdict == Verdict::Discard {
            peer.giving.wasted += length;
            self.wasted += length;
            return arrival.verdict;
        }
        self.down.add(length);
        if arrival.others {
            self.cancel_elsewhere(key, block);
        }
        arrival.verdict
    }

    /// Other peers were asked for a block that is here now.
    fn cancel_elsewhere(&mut self, key: PeerKey, block: Block) {
        let mut cancelled = Vec::new();
        for (other, peer) in self.peers.iter_mut().filter(|(other, _)| **other != key) {
            if peer.giving.requests.forget(block).is_some() {
                cancelled.push(*other);
            }
        }
        for other in cancelled {
            self.send(other, Command::Cancel(block));
            self.wake(other);
        }
    }

    /// The peer can be asked for more: it is looked at with the next refill.
    pub(super) fn wake(&mut self, key: PeerKey) {
        if self.hungry.insert(key) {
            self.times.want_sweep = true;
        }
    }

    /// Whether we may want `piece` of anybody.
    pub(super) fn lacks(&self, piece: PieceIndex) -> bool {
        !self.pieces.has(piece) && self.priority_of(piece) != crate::Priority::Skip
    }
}
