//! What each fact changes, and whom it concerns.

use std::{net::SocketAddr, time::Instant};

use torrent_types::{BLOCK_LENGTH, Bitfield, Block};

use super::Swarm;
use crate::{Action, Command, Fact, Parting, PeerKey, Verdict, peer::Holdings};

/// A peer may send so many senseless requests before we part.
const MAX_BAD_REQUESTS: u32 = 300;

impl Swarm {
    /// Everything that one read from a peer's socket said. Each [`Fact::Received`] gets a verdict, in order.
    pub fn handle(
        &mut self,
        now: Instant,
        key: PeerKey,
        facts: impl IntoIterator<Item = Fact>,
        verdicts: &mut Vec<Verdict>,
    ) {
        for fact in facts {
            match fact {
                Fact::Received(block) => verdicts.push(self.received(now, key, block)),
                fact => self.handle_fact(now, key, fact),
            }
        }
        self.fill(now, key);
    }

    fn handle_fact(&mut self, now: Instant, key: PeerKey, fact: Fact) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        match fact {
            Fact::AllowedFast(piece) => peer.allow_fast(piece),
            Fact::Bitfield(field) => {
                let holdings = if field.is_full() { Holdings::All } else { Holdings::Some(field) };
                self.set_holdings(key, holdings);
            }
            Fact::Cancelled(block) => {
                let refused = peer.uploads.cancel(block) && peer.fast;
                if refused {
                    self.send(key, Command::Reject(block));
                }
            }
            Fact::Choked => {
                peer.choking = true;
                let current = peer.current.take();
                // BEP 6: a fast peer answers or refuses every request, choked or not.
                let given_back: Vec<_> = if peer.fast { Vec::new() } else { peer.requests.clear().collect() };
                given_back.into_iter().for_each(|block| self.pieces.release(block));
                if let Some(piece) = current {
                    self.pieces.abandon(piece, key);
                }
                self.fill_all(now);
            }
            Fact::DontHave(piece) => self.dont_have(key, piece),
            Fact::Have(piece) => self.has_piece(key, piece),
            Fact::HaveAll => self.set_holdings(key, Holdings::All),
            Fact::HaveNone => self.set_holdings(key, Holdings::Some(Bitfield::new(self.geometry.piece_count()))),
            Fact::Interested => {
                peer.interested = true;
                let unchoked = self.peers.values().filter(|peer| !peer.am_choking).count();
                if self.choker.has_room(unchoked) {
                    self.unchoke(now, key);
                }
            }
            Fact::ListenPort(port) => {
                peer.dialable.get_or_insert(SocketAddr::new(peer.address.ip(), port));
            }
            Fact::NotInterested => {
                peer.interested = false;
                if !peer.am_choking {
                    self.choke(now, key);
                    self.rechoke(now);
                }
            }
            Fact::Rejected(block) => {
                let choking = peer.choking;
                if peer.requests.forget(block) {
                    self.pieces.release(block);
                }
                if choking {
                    peer.allowed_fast.remove(&block.piece());
                } else {
                    peer.requests.refused();
                }
            }
            Fact::RequestQueue(reqq) => peer.requests.set_reqq(reqq),
            Fact::Requested(block) => self.requested(key, block),
            Fact::Unchoked => peer.choking = false,
            Fact::UploadOnly(upload_only) => {
                peer.upload_only = upload_only;
                self.part_if_redundant(key);
            }
            Fact::Received(_) => {}
        }
    }

    fn received(&mut self, now: Instant, key: PeerKey, block: Block) -> Verdict {
        let Some(peer) = self.peers.get_mut(&key) else { return Verdict::Discard };
        let length = u64::from(block.length());
        let asked = peer.requests.received(now, block);
        let (verdict, others) = if asked { self.pieces.received(now, block, key) } else { (Verdict::Discard, false) };
        if verdict == Verdict::Discard {
            self.wasted += length;
            return verdict;
        }
        peer.down.add(length);
        self.down.add(length);
        if others {
            for (other, peer) in self.peers.iter_mut().filter(|(other, _)| **other != key) {
                if peer.requests.forget(block) {
                    self.actions.push(Action::Send(*other, Command::Cancel(block)));
                }
            }
        }
        verdict
    }

    fn requested(&mut self, key: PeerKey, block: Block) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.leaving) else { return };
        if !self.pieces.has(block.piece()) {
            peer.bad_requests += 1;
            if peer.bad_requests > MAX_BAD_REQUESTS {
                return self.part(key, Parting::BadRequests);
            }
        }
        let idle = peer.uploads.is_empty();
        let served = !peer.am_choking
            && block.length() <= BLOCK_LENGTH
            && self.pieces.has(block.piece())
            && peer.uploads.push(block, self.config.request_queue);
        if served && idle {
            self.actions.push(Action::Serve(key));
        } else if !served && peer.fast {
            self.send(key, Command::Reject(block));
        }
    }
}
