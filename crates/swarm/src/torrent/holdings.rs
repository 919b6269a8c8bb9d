//! Which peer has what: rarity, our interest, and connections that are of no use to either side.
//! A message costs O(1), but for a bitfield, which a connection may send a few times only.

use std::{collections::BTreeSet, time::Instant};

use torrent_types::{Bitfield, PieceIndex};

use super::Swarm;
use crate::{
    Command, Parting, PeerKey, Priority,
    bits::Bits,
    peer::{Holdings, Peer},
};

/// Have-all and have-none cost O(pieces), and so does a bitfield that adds nothing: more of these are a flood. Bitfields that
/// add pieces do not count: aria2 sends one wherever it is shorter than the haves that it stands for, and they are as long as
/// the work that they make.
const MAX_REPLACED: u32 = 4;

impl Swarm {
    /// The peer has said which pieces it has.
    pub(super) fn replace_holdings(&mut self, key: PeerKey, field: &Bitfield) {
        let Some(geometry) = self.geometry.filter(|geometry| geometry.piece_count() == field.len()) else { return };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let adds = field.count_ones() > peer.giving.holdings.count(field.len()) && !field.is_full();
        peer.giving.replaced += u32::from(!adds);
        if peer.giving.replaced > MAX_REPLACED {
            return self.part(key, Parting::Flooding);
        }
        debug_assert_eq!(geometry.piece_count(), field.len());
        self.set_holdings(key, Holdings::of(field));
    }

    fn set_holdings(&mut self, key: PeerKey, holdings: Holdings) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let before = std::mem::replace(&mut peer.giving.holdings, holdings);
        self.uncount(&before);
        let Some(peer) = self.peers.get(&key) else { return };
        if let Some(rarity) = self.pieces.rarity_mut() {
            match &peer.giving.holdings {
                Holdings::AllBut(missing) => missing.iter().for_each(|piece| rarity.decrement(*piece)),
                Holdings::Some(bits) => bits.iter().for_each(|piece| rarity.increment(piece)),
            }
        }
        self.recount_useful(key);
        self.pex_generation += 1;
        self.part_if_redundant(key);
    }

    /// Takes what a peer had out of the counts.
    pub(super) fn uncount(&mut self, holdings: &Holdings) {
        let Some(rarity) = self.pieces.rarity_mut() else { return };
        match holdings {
            Holdings::AllBut(missing) => missing.iter().for_each(|piece| rarity.increment(*piece)),
            Holdings::Some(bits) => bits.iter().for_each(|piece| rarity.decrement(piece)),
        }
    }

    /// Counts anew which of a peer's pieces we want.
    pub(super) fn recount_useful(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(&key) else { return };
        let lacks = |piece: &PieceIndex| !self.pieces.has(*piece) && self.priority_of(*piece) != Priority::Skip;
        let lacking = self.pieces.lacking();
        let useful = match &peer.giving.holdings {
            _ if lacking == 0 => 0,
            Holdings::AllBut(missing) => {
                lacking.saturating_sub(u32::try_from(missing.iter().filter(|piece| lacks(piece)).count()).unwrap_or(0))
            }
            Holdings::Some(bits) => u32::try_from(bits.iter().filter(lacks).count()).unwrap_or(u32::MAX),
        };
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.giving.useful = useful;
        }
        self.show_interest(key);
    }

    pub(super) fn has_piece(&mut self, key: PeerKey, piece: PieceIndex) {
        let Some(geometry) = self.geometry.filter(|geometry| piece.get() < geometry.piece_count()) else { return };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let new = match &mut peer.giving.holdings {
            Holdings::AllBut(missing) => missing.remove(&piece),
            Holdings::Some(bits) => bits.insert(piece),
        };
        if !new {
            return;
        }
        let is_seed = peer.is_seed(geometry.piece_count());
        if let Some(rarity) = self.pieces.rarity_mut() {
            rarity.increment(piece);
        }
        if !self.pieces.has(piece) && self.priority_of(piece) != Priority::Skip {
            self.add_useful(key, 1);
        }
        if is_seed {
            self.pex_generation += 1;
            self.part_if_redundant(key);
        }
    }

    pub(super) fn dont_have(&mut self, now: Instant, key: PeerKey, piece: PieceIndex) {
        let Some(geometry) = self.geometry.filter(|geometry| piece.get() < geometry.piece_count()) else { return };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.giving.holdings.is_full_of_holes() {
            // From now on it is no seed, which costs O(pieces) once in the life of a connection.
            let Holdings::AllBut(missing) = &peer.giving.holdings else { return };
            let mut bits = Bits::full(geometry.piece_count());
            missing.iter().for_each(|piece| {
                bits.remove(*piece);
            });
            self.set_holdings(key, Holdings::Some(bits));
        }
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let had = match &mut peer.giving.holdings {
            Holdings::AllBut(missing) => missing.insert(piece),
            Holdings::Some(bits) => bits.remove(piece),
        };
        if !had {
            return;
        }
        let released = peer.giving.requests.forget_piece(piece);
        if let Some(rarity) = self.pieces.rarity_mut() {
            rarity.decrement(piece);
        }
        released.into_iter().for_each(|block| self.pieces.release(block));
        if !self.pieces.has(piece) && self.priority_of(piece) != Priority::Skip {
            self.add_useful(key, -1);
        }
        self.end_solo_of(now, key, piece);
    }

    /// The peer has one piece more or less that we want.
    pub(super) fn add_useful(&mut self, key: PeerKey, change: i32) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.giving.useful = peer.giving.useful.saturating_add_signed(change);
        }
        self.show_interest(key);
    }

    /// A piece has come, or is wanted no longer, or is wanted again: whether peers are of use changes.
    pub(super) fn add_useful_everywhere(&mut self, piece: PieceIndex, change: i32) {
        let theirs: Vec<_> = self.peers.iter().filter(|(_, peer)| peer.has(piece)).map(|(key, _)| *key).collect();
        theirs.into_iter().for_each(|key| self.add_useful(key, change));
    }

    pub(super) fn show_interest(&mut self, key: PeerKey) {
        // Before our own pieces are known, and while nothing may be fetched, we want nothing.
        let fetching = self.life.is_active() && self.pieces.rarity().is_some();
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let interested = fetching && peer.giving.useful > 0;
        let before = peer.is_open();
        if peer.leaving || std::mem::replace(&mut peer.giving.am_interested, interested) == interested {
            return;
        }
        let after = peer.is_open();
        let told = peer.giving.told_interested;
        peer.giving.bored = None;
        self.count_working(before, after);
        if interested && !told {
            self.tell_interest(key);
        } else if !interested && told {
            self.times.want_bored = true;
        }
    }

    /// The peer hears whether we want something of it.
    pub(super) fn tell_interest(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.leaving) else { return };
        let interested = peer.giving.am_interested;
        if std::mem::replace(&mut peer.giving.told_interested, interested) != interested {
            self.send(key, if interested { Command::Interested } else { Command::NotInterested });
        }
    }

    /// Keeps the number of peers that share the memory.
    pub(super) fn count_working(&mut self, before: bool, after: bool) {
        self.working = self.working.saturating_add(u32::from(after)).saturating_sub(u32::from(before));
        self.pieces.memory_mut().set_wants(self.working > 0);
    }

    pub(super) fn part_if_redundant(&mut self, key: PeerKey) {
        // As long as a piece is missing, a reader may want it in a moment.
        let done = self.config.disconnect_redundant && self.life.is_active() && self.pieces.is_complete();
        let all = self.pieces.geometry().piece_count();
        let idle = |peer: &Peer| !peer.leaving && (peer.is_seed(all) || peer.taking.upload_only);
        if done && self.peers.get(&key).is_some_and(idle) {
            self.part(key, Parting::Redundant);
        }
    }

    /// Pieces of which `key` cannot be asked again, because its copy failed.
    pub(super) fn refused_by(&self, key: PeerKey) -> Option<&BTreeSet<PieceIndex>> {
        self.peers.get(&key).map(|peer| &peer.giving.refused)
    }
}
