//! Whether the books of a torrent agree with each other: what holds after every call. For tests and fuzzing only.

use std::collections::BTreeMap;

use super::Swarm;
use crate::{
    Priority,
    peer::{Holdings, Peer},
    pieces::{BlockState, Stage},
};

impl Swarm {
    /// Panics if something does not hold.
    pub(crate) fn check(&self) {
        self.pieces.check();
        self.check_requests();
        self.check_counts();
        self.check_interest();
        self.check_rarity();
    }

    /// A block that counts as requested is in exactly that many lists of live requests.
    fn check_requests(&self) {
        let mut asked = BTreeMap::new();
        for (key, peer) in &self.peers {
            let blocks: Vec<_> = peer.giving.requests.blocks().collect();
            assert_eq!(blocks.len(), peer.giving.requests.live() as usize, "live requests of {key}");
            for block in blocks {
                *asked.entry(block).or_insert(0u16) += 1;
                assert!(
                    matches!(self.pieces.state(block), Some(BlockState::Requested(_))),
                    "{block:?} is asked of {key} and is {:?}",
                    self.pieces.state(block)
                );
                assert!(!peer.leaving);
            }
        }
        for (piece, open) in self.pieces.open_pieces() {
            for (block, state) in self.pieces.blocks(piece) {
                let lists = asked.get(&block).copied().unwrap_or(0);
                let counted = if let BlockState::Requested(count) = state { count } else { 0 };
                assert_eq!(counted, lists, "{block:?}");
            }
            let reachable = self.peers.values().any(|peer| !peer.leaving && peer.has(piece));
            let planned = self.times.tick.is_some() || self.times.sweep.is_some();
            assert!(open.stage != Stage::Fetching || reachable || planned, "{piece} is open for ever");
        }
    }

    fn check_counts(&self) {
        let there = || self.peers.values().filter(|peer| !peer.leaving);
        assert_eq!(self.connections.held(), there().count(), "connections");
        assert_eq!(self.slots.held(), there().filter(|peer| !peer.taking.am_choking).count(), "upload slots");
        assert_eq!(self.working as usize, there().filter(|peer| peer.is_open()).count(), "working peers");
        let mut hosts = BTreeMap::new();
        there().for_each(|peer| *hosts.entry(peer.host).or_insert(0) += 1);
        assert_eq!(self.hosts, hosts);
        if self.working > 0 {
            assert!(self.poll_timeout().is_some(), "nothing is planned though peers work");
        }
    }

    fn check_interest(&self) {
        let fetching = self.life.is_active() && self.pieces.rarity().is_some();
        let wanted = |piece| !self.pieces.has(piece) && self.priority_of(piece) != Priority::Skip;
        if self.life.is_active() {
            let lacking = self.pieces.geometry().pieces().filter(|piece| wanted(*piece)).count();
            assert_eq!(self.pieces.lacking() as usize, lacking, "pieces that are lacking");
            for (key, peer) in self.peers.iter().filter(|(_, peer)| !peer.leaving) {
                let has = |piece: &_| wanted(*piece) && peer.has(*piece);
                let useful = self.pieces.geometry().pieces().filter(has).count();
                assert_eq!(peer.giving.useful as usize, useful, "useful pieces of {key}");
                assert_eq!(peer.giving.am_interested, fetching && useful > 0, "interest in {key}");
            }
        }
    }

    fn check_rarity(&self) {
        let Some(rarity) = self.pieces.rarity() else { return };
        for piece in self.pieces.geometry().pieces() {
            let counts = |peer: &Peer| match &peer.giving.holdings {
                Holdings::AllBut(missing) => -i16::from(missing.contains(&piece)),
                Holdings::Some(bits) => i16::from(bits.contains(piece)),
            };
            assert_eq!(rarity.count(piece), self.peers.values().map(counts).sum::<i16>(), "rarity of {piece}");
            let pickable = !self.pieces.has(piece) && self.pieces.get(piece).is_none();
            let priority = Some(self.priority_of(piece)).filter(|priority| pickable && *priority != Priority::Skip);
            assert_eq!(rarity.priority(piece), priority, "whether {piece} can be picked");
        }
    }
}
