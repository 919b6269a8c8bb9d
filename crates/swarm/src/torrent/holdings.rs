//! Who has what: rarity, our interest, and connections that are of no use to either side.

use torrent_types::{Bitfield, PieceIndex};

use super::Swarm;
use crate::{
    Command, Parting, PeerKey,
    peer::{Holdings, Peer},
};

impl Swarm {
    pub(super) fn set_holdings(&mut self, key: PeerKey, holdings: Holdings) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let before = std::mem::replace(&mut peer.holdings, holdings);
        if let Holdings::Some(field) = before {
            field.ones().for_each(|piece| self.pieces.rarity_mut().decrement(piece));
        }
        (peer.held, peer.useful) = match &peer.holdings {
            Holdings::All => {
                let all = self.geometry.piece_count();
                (all, all - self.pieces.have_count())
            }
            Holdings::Some(field) => {
                field.ones().for_each(|piece| self.pieces.rarity_mut().increment(piece));
                let useful = field.ones().filter(|piece| !self.pieces.has(*piece)).count();
                (field.count_ones(), u32::try_from(useful).expect("no more than pieces"))
            }
        };
        self.show_interest(key);
        self.part_if_redundant(key);
    }

    pub(super) fn has_piece(&mut self, key: PeerKey, piece: PieceIndex) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let Holdings::Some(field) = &mut peer.holdings else { return };
        if !field.set(piece) {
            return;
        }
        self.pieces.rarity_mut().increment(piece);
        if !self.pieces.has(piece) {
            peer.useful += 1;
        }
        peer.held += 1;
        if peer.held == self.geometry.piece_count() {
            // From now on it is counted as a seed.
            return self.set_holdings(key, Holdings::All);
        }
        self.show_interest(key);
    }

    pub(super) fn dont_have(&mut self, key: PeerKey, piece: PieceIndex) {
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.has(piece)) else { return };
        let mut field = match &peer.holdings {
            Holdings::All => Bitfield::full(self.geometry.piece_count()),
            Holdings::Some(field) => field.clone(),
        };
        field.clear(piece);
        self.set_holdings(key, Holdings::Some(field));
    }

    pub(super) fn forget_holdings(&mut self, peer: &Peer) {
        if let Holdings::Some(field) = &peer.holdings {
            field.ones().for_each(|piece| self.pieces.rarity_mut().decrement(piece));
        }
    }

    pub(super) fn show_interest(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let interested = peer.useful > 0;
        if std::mem::replace(&mut peer.am_interested, interested) != interested {
            self.send(key, if interested { Command::Interested } else { Command::NotInterested });
        }
    }

    pub(super) fn part_if_redundant(&mut self, key: PeerKey) {
        let done = self.config.disconnect_redundant && self.pieces.is_complete();
        let idle = |peer: &Peer| !peer.leaving && (peer.is_seed() || peer.upload_only);
        if done && self.peers.get(&key).is_some_and(idle) {
            self.part(key, Parting::Redundant);
        }
    }
}
