//! What the torrent shows: numbers, peers, addresses for others. Never here: changes.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_types::{Bitfield, Geometry, PieceIndex, Scope};

use super::Swarm;
use crate::{
    Activity, Direction, Obfuscation, PeerKey, PeerStats, PexPeer, Phase, Priority, Stats, Transport, Waiting,
    peer::Peer,
};

/// Requests unanswered for so long are worth a word.
const UNANSWERED: Duration = Duration::from_secs(5);

impl Swarm {
    /// Where the torrent is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Sizes of the torrent, once its metadata is known.
    #[must_use]
    pub fn geometry(&self) -> Option<Geometry> {
        self.geometry
    }

    /// The pieces in storage. Empty until they were checked, and of length 0 until the metadata is known.
    #[must_use]
    pub fn have(&self) -> &Bitfield {
        self.pieces.have()
    }

    /// Whether every piece is in storage.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.geometry.is_some() && self.life.is_active() && self.pieces.is_complete()
    }

    /// Whether every wanted piece is in storage.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.geometry.is_some() && self.life.is_active() && self.pieces.lacking() == 0
    }

    /// The priority that counts for a piece now.
    #[must_use]
    pub fn priority(&self, piece: PieceIndex) -> Priority {
        self.wanted.priority(piece)
    }

    /// Pieces that failed their check from each connected peer that has them.
    pub fn damaged(&self) -> impl Iterator<Item = PieceIndex> {
        self.damaged.iter().copied()
    }

    /// Numbers for people and trackers, at this moment. Costs O(peers + open pieces), and O(pieces) while some are skipped.
    #[must_use]
    pub fn stats(&self, now: Instant) -> Stats {
        let geometry = self.pieces.geometry();
        let last = PieceIndex::new(geometry.piece_count().saturating_sub(1));
        let short = u64::from(geometry.piece_length()).saturating_sub(u64::from(geometry.length_of(last)));
        let size = |pieces: u32, with_last: bool| {
            let full = u64::from(pieces) * u64::from(geometry.piece_length());
            if with_last { full.saturating_sub(short) } else { full }
        };
        let last_lacks = geometry.piece_count() > 0 && self.lacks(last);
        let verified = size(self.pieces.have_count(), self.pieces.has(last));
        let all = geometry.piece_count();
        let there = || self.peers.values().filter(|peer| !peer.leaving);
        Stats {
            phase: self.phase,
            waiting: self.waiting(now),
            total: geometry.total_length(),
            wanted: verified + size(self.pieces.lacking(), last_lacks && self.pieces.lacking() > 0),
            verified,
            partial: self.pieces.partial_bytes(),
            downloaded: self.down.total(),
            uploaded: self.up.total(),
            wasted: self.wasted,
            down_rate: self.down.per_second(),
            up_rate: self.up.per_second(),
            memory: self.pieces.memory().held() as u64,
            open_pieces: self.pieces.open_count(),
            requests: self.peers.values().map(|peer| peer.giving.requests.live() as usize).sum(),
            peers: there().count(),
            seeds: there().filter(|peer| peer.is_seed(all)).count(),
            interesting: there().filter(|peer| peer.giving.am_interested).count(),
            unchoking: there().filter(|peer| !peer.giving.choking).count(),
            upload_slots: self.slots.held(),
            known: self.book.len(),
            dialing: self.book.dialing(),
            damaged: self.damaged.len(),
        }
    }

    /// Why nothing comes, though something should.
    fn waiting(&self, now: Instant) -> Option<Waiting> {
        match self.phase {
            Phase::Active(Activity::StorageFailed(_)) => return Some(Waiting::Storage),
            Phase::Active(Activity::Downloading) | Phase::Metadata => {}
            _ => return None,
        }
        if self.down.per_second() > 0 {
            return None;
        }
        let peers = || self.peers.values().filter(|peer| !peer.leaving);
        if peers().next().is_none() {
            let known = self.book.dialing() > 0 || self.book.has_next(true);
            return Some(if known { Waiting::Connecting } else { Waiting::NoAddresses });
        }
        if self.phase == Phase::Metadata {
            return None;
        }
        if !self.damaged.is_empty() && self.damaged.len() >= self.pieces.lacking() as usize {
            return Some(Waiting::Damaged);
        }
        if !peers().any(|peer| peer.giving.am_interested) {
            return Some(Waiting::NothingOffered);
        }
        if !peers().any(Peer::is_open) {
            return Some(Waiting::Choked);
        }
        let unanswered =
            |peer: &Peer| peer.giving.requests.waited(now) >= UNANSWERED || peer.giving.requests.is_snubbed();
        if peers().any(unanswered) {
            return Some(Waiting::Unanswered);
        }
        let asked = peers().any(|peer| peer.giving.requests.live() > 0);
        (!asked && self.pieces.memory().of().used() > 0).then_some(Waiting::Memory)
    }

    /// The connected peers.
    pub fn peers(&self, now: Instant) -> impl Iterator<Item = PeerStats> {
        self.peers.iter().filter(|(_, peer)| !peer.leaving).map(move |(key, peer)| self.describe(now, *key, peer))
    }

    /// One connected peer.
    #[must_use]
    pub fn peer(&self, now: Instant, key: PeerKey) -> Option<PeerStats> {
        self.peers.get(&key).map(|peer| self.describe(now, key, peer))
    }

    fn describe(&self, now: Instant, key: PeerKey, peer: &Peer) -> PeerStats {
        let all = self.pieces.geometry().piece_count();
        let (giving, taking) = (&peer.giving, &peer.taking);
        PeerStats {
            key,
            address: peer.address,
            id: peer.id,
            direction: peer.direction,
            source: peer.source,
            transport: peer.transport,
            obfuscation: peer.obfuscation,
            fast: peer.fast,
            dialable: peer.dialable,
            connected: now.saturating_duration_since(peer.since),
            pieces: giving.holdings.count(all),
            useful: giving.useful,
            seed: peer.is_seed(all),
            upload_only: taking.upload_only,
            choking: giving.choking,
            snubbed: giving.requests.is_snubbed(),
            interested: taking.interested,
            am_choking: taking.am_choking,
            am_interested: giving.am_interested,
            requests: giving.requests.live(),
            request_depth: giving.requests.depth(),
            upload_queue: u32::try_from(taking.queue.len()).unwrap_or(u32::MAX),
            response_time: giving.requests.response_time(),
            downloaded: giving.rate.total(),
            uploaded: taking.rate.total(),
            wasted: giving.wasted,
            down_rate: giving.rate.per_second(),
            up_rate: taking.rate.per_second(),
        }
    }

    /// What BEP 11 may tell this peer: the connected peers whose listening address is known, without itself, and only addresses
    /// that are no nearer to us than the peer is. Empty in private torrents.
    pub fn pex(&self, key: PeerKey) -> impl Iterator<Item = PexPeer> {
        let private = self.book.is_private();
        let scope = self.peers.get(&key).map_or(Scope::Nowhere, |peer| peer.host.scope());
        let all = self.pieces.geometry().piece_count();
        self.peers.iter().filter(move |(other, peer)| **other != key && !peer.leaving && !private).filter_map(
            move |(_, peer)| {
                let address = peer.dialable.filter(|address| scope.may_name(*address))?;
                Some(PexPeer {
                    address,
                    seed: peer.is_seed(all) || peer.taking.upload_only,
                    utp: peer.transport == Transport::Utp,
                    reachable: peer.direction == Direction::Outgoing,
                    encrypted: peer.obfuscation == Obfuscation::Mse,
                })
            },
        )
    }

    /// Changes whenever [`Swarm::pex`] may have changed.
    #[must_use]
    pub fn pex_generation(&self) -> u64 {
        self.pex_generation
    }

    /// Addresses worth keeping for the next run, the best first, at most `most`.
    #[must_use]
    pub fn known_addresses(&self, most: usize) -> Vec<SocketAddr> {
        self.book.worth_keeping(most)
    }
}
