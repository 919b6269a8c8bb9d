//! One torrent: routes facts to the owners of each concern and collects what they want done.
//! In: connections, facts, outcomes of hashing and storage, time. Out: actions, verdicts, the next deadline.
//! Never: sockets, clocks, bytes of pieces, decisions that an owner can make.

mod facts;
mod holdings;
mod uploading;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{SeedableRng, rngs::SmallRng};
use torrent_types::{Bitfield, Block, Geometry, PeerId, PieceIndex};

use crate::{
    Action, Budget, Command, Config, Direction, Parting, PeerKey,
    addresses::Addresses,
    blame::{Blame, BlockDigest},
    choker::Choker,
    peer::Peer,
    picker,
    pieces::Pieces,
    rates::Rate,
    stats::{PeerStats, Stats},
};

const TICK: Duration = Duration::from_secs(1);
/// Addresses of gone peers that are remembered because they may have sent bad blocks.
const MAX_DEPARTED: usize = 256;

/// The state of one torrent. Push facts in, then take actions out with [`Swarm::drain_actions`] after every call.
/// Time never goes back.
#[derive(Debug)]
pub struct Swarm {
    geometry: Geometry,
    config: Config,
    pieces: Pieces,
    peers: BTreeMap<PeerKey, Peer>,
    departed: BTreeMap<PeerKey, SocketAddr>,
    next_key: u32,
    addresses: Addresses,
    choker: Choker,
    blame: Blame,
    luck: SmallRng,
    down: Rate,
    up: Rate,
    wasted: u64,
    paused: bool,
    next_tick: Instant,
    actions: Vec<Action>,
    picked: Vec<Block>,
}

/// Why a connection is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The address has sent bad data before.
    Banned,
    /// The same peer is connected already.
    Duplicate,
    /// There are as many connections as the configuration allows.
    Full,
    /// It is a connection to ourselves.
    Ourselves,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Banned => "the address is banned",
            Self::Duplicate => "the peer is connected already",
            Self::Full => "there are enough connections",
            Self::Ourselves => "it is a connection to ourselves",
        })
    }
}

impl std::error::Error for Refused {}

impl Swarm {
    /// A torrent of which `have` is in storage. `seed` feeds its only source of luck.
    #[must_use]
    pub fn new(now: Instant, geometry: Geometry, have: Bitfield, config: Config, budget: Budget, seed: u64) -> Self {
        Self {
            geometry,
            pieces: Pieces::new(geometry, have, budget),
            peers: BTreeMap::new(),
            departed: BTreeMap::new(),
            next_key: 0,
            addresses: Addresses::new(config.max_known),
            choker: Choker::new(config.upload_slots),
            blame: Blame::default(),
            luck: SmallRng::seed_from_u64(seed),
            down: Rate::new(now),
            up: Rate::new(now),
            wasted: 0,
            paused: false,
            next_tick: now + TICK,
            actions: Vec::new(),
            picked: Vec::new(),
            config,
        }
    }

    /// Sizes of the torrent.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The pieces in storage.
    #[must_use]
    pub fn have(&self) -> &Bitfield {
        self.pieces.have()
    }

    /// Whether every piece is in storage.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pieces.is_complete()
    }

    /// What the driver has to do now, in order.
    pub fn drain_actions(&mut self) -> impl Iterator<Item = Action> {
        self.actions.drain(..)
    }

    /// Learns the address of a peer. `named`: the user gave it, so it is never forgotten.
    pub fn add_address(&mut self, address: SocketAddr, named: bool) {
        self.addresses.add(address, named);
    }

    /// Our own address as others see it: BEP 40 orders peers by it.
    pub fn set_local_address(&mut self, local: SocketAddr) {
        self.addresses.set_local(local);
    }

    /// An [`Action::Dial`] came to nothing.
    pub fn dial_failed(&mut self, now: Instant, address: SocketAddr) {
        self.addresses.gone(now, address, false);
    }

    /// A peer has shaken hands. `fast`: both sides speak BEP 6.
    ///
    /// # Errors
    /// If the connection must be closed at once.
    pub fn connected(
        &mut self,
        now: Instant,
        address: SocketAddr,
        id: PeerId,
        direction: Direction,
        fast: bool,
    ) -> Result<PeerKey, Refused> {
        let admitted = self.admit(address, id, direction);
        if let Err(refused) = admitted {
            if direction == Direction::Outgoing {
                match refused {
                    Refused::Ourselves => self.addresses.ban(address),
                    _ => self.addresses.gone(now, address, false),
                }
            }
            return Err(refused);
        }
        let key = PeerKey(self.next_key);
        self.next_key = self.next_key.wrapping_add(1);
        if direction == Direction::Outgoing {
            self.addresses.connected(address);
        }
        self.peers.insert(key, Peer::new(now, address, id, direction, fast, self.geometry.piece_count()));
        Ok(key)
    }

    fn admit(&mut self, address: SocketAddr, id: PeerId, direction: Direction) -> Result<(), Refused> {
        if id == self.config.local_id {
            return Err(Refused::Ourselves);
        }
        if self.addresses.is_banned(address) {
            return Err(Refused::Banned);
        }
        let twin =
            self.peers.iter().find(|(_, peer)| peer.id == id && peer.address.ip() == address.ip() && !peer.leaving);
        if let Some((&twin, peer)) = twin {
            // Both dialled at once: both keep the connection of the greater id.
            let wins = match direction {
                Direction::Outgoing => self.config.local_id > id,
                Direction::Incoming => id > self.config.local_id,
            };
            if peer.direction == direction || !wins {
                return Err(Refused::Duplicate);
            }
            self.part(twin, Parting::Redundant);
        }
        if self.peers.len() >= self.config.max_peers {
            return Err(Refused::Full);
        }
        Ok(())
    }

    /// The connection has ended, for whatever reason.
    pub fn disconnected(&mut self, now: Instant, key: PeerKey) {
        let Some(mut peer) = self.peers.remove(&key) else { return };
        if let Some(piece) = peer.current {
            self.pieces.abandon(piece, key);
        }
        peer.requests.clear().for_each(|block| self.pieces.release(block));
        self.forget_holdings(&peer);
        if peer.direction == Direction::Outgoing {
            self.addresses.gone(now, peer.address, peer.down.total() > 0);
        }
        if self.departed.len() >= MAX_DEPARTED {
            self.departed.pop_first();
        }
        self.departed.insert(key, peer.address);
        self.fill_all(now);
        if !peer.am_choking {
            self.rechoke(now);
        }
    }

    /// All blocks of a piece have come and were hashed. True: write it, then report it with [`Swarm::pieces_stored`].
    /// False: its bytes are worth nothing, and will be fetched again.
    ///
    /// `digest` is asked for blocks of the piece by number if there is a liar to be found.
    pub fn piece_hashed(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        good: bool,
        mut digest: impl FnMut(u32) -> Option<BlockDigest>,
    ) -> bool {
        if good {
            let liars =
                if self.blame.is_suspect(piece) { self.blame.settle(piece, digest) } else { Default::default() };
            liars.into_iter().for_each(|liar| self.ban(liar));
            return true;
        }
        let senders: Vec<_> = self.pieces.senders(piece).collect();
        let mut addresses: Vec<_> = senders.iter().filter_map(|(_, key)| self.address_of(*key)).collect();
        addresses.dedup();
        match *addresses {
            [sole] => self.ban(sole),
            _ => {
                let testimony = |(index, key): (u32, PeerKey)| Some((index, self.address_of(key)?, digest(index)?));
                let testimonies = senders.into_iter().filter_map(testimony).collect();
                self.blame.record(piece, testimonies);
            }
        }
        self.wasted += u64::from(self.geometry.length_of(piece));
        self.pieces.failed(piece);
        self.fill_all(now);
        false
    }

    /// These pieces are in storage now.
    pub fn pieces_stored(&mut self, now: Instant, pieces: &[PieceIndex]) {
        for &piece in pieces {
            if !self.pieces.stored(piece) {
                continue;
            }
            for (key, peer) in &mut self.peers {
                if peer.has(piece) {
                    peer.useful -= 1;
                    if peer.useful == 0 && peer.am_interested {
                        peer.am_interested = false;
                        self.actions.push(Action::Send(*key, Command::NotInterested));
                    }
                }
                // A seed needs no news.
                if !peer.is_seed() {
                    self.actions.push(Action::Send(*key, Command::Have(piece)));
                }
            }
        }
        if self.pieces.is_complete() && !pieces.is_empty() {
            self.actions.push(Action::Finished);
            let keys: Vec<_> = self.peers.keys().copied().collect();
            keys.into_iter().for_each(|key| self.part_if_redundant(key));
        } else {
            self.fill_all(now);
        }
    }

    /// A good piece could not be written: it will be fetched again.
    pub fn piece_lost(&mut self, piece: PieceIndex) {
        self.pieces.failed(piece);
    }

    /// Stops requesting, or starts again. Uploads go on.
    pub fn pause_downloading(&mut self, now: Instant, paused: bool) {
        self.paused = paused;
        self.fill_all(now);
    }

    /// When [`Swarm::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.next_tick
    }

    /// Does what is due: rates, snubs, choking rounds, dialling.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.down.tick(now);
            self.up.tick(now);
            for peer in self.peers.values_mut() {
                peer.down.tick(now);
                peer.up.tick(now);
                peer.requests.tick(peer.down.per_second(), self.config.request_time, self.config.max_requests);
            }
            self.release_snubbed(now);
            if self.choker.is_due(now) {
                self.rechoke(now);
            }
            self.fill_all(now);
        }
        self.dial(now);
    }

    /// Numbers for people and trackers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let last = PieceIndex::new(self.geometry.piece_count().saturating_sub(1));
        let full = u64::from(self.pieces.have_count()) * u64::from(self.geometry.piece_length());
        let short = u64::from(self.geometry.piece_length()).saturating_sub(u64::from(self.geometry.length_of(last)));
        let verified = if self.pieces.has(last) { full.saturating_sub(short) } else { full };
        Stats {
            total: self.geometry.total_length(),
            verified,
            partial: self.pieces.partial_bytes(),
            downloaded: self.down.total(),
            uploaded: self.up.total(),
            wasted: self.wasted,
            down_rate: self.down.per_second(),
            up_rate: self.up.per_second(),
            peers: self.peers.len(),
            seeds: self.peers.values().filter(|peer| peer.is_seed()).count(),
            known: self.addresses.len(),
        }
    }

    /// The connected peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerStats> {
        self.peers.iter().map(|(key, peer)| PeerStats::of(*key, peer))
    }

    fn dial(&mut self, now: Instant) {
        let Config { max_peers, max_dialing, .. } = self.config;
        while self.addresses.dialing() < max_dialing && self.peers.len() + self.addresses.dialing() < max_peers {
            let Some(address) = self.addresses.next(now) else { break };
            self.actions.push(Action::Dial(address));
        }
    }

    fn release_snubbed(&mut self, now: Instant) {
        for (key, peer) in &mut self.peers {
            if peer.requests.check_snub(now, self.config.snub_after) {
                peer.requests.release().into_iter().for_each(|block| self.pieces.release(block));
                if let Some(piece) = peer.current.take() {
                    self.pieces.abandon(piece, *key);
                }
            }
        }
    }

    fn fill_all(&mut self, now: Instant) {
        let keys: Vec<_> = self.peers.keys().copied().collect();
        keys.into_iter().for_each(|key| self.fill(now, key));
    }

    /// Sends as many requests as the peer should have.
    fn fill(&mut self, now: Instant, key: PeerKey) {
        // Peers share the budget: without this, the first would take it all and the others would stand idle.
        let working = self.peers.values().filter(|peer| peer.am_interested && peer.is_open()).count();
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if self.paused || peer.leaving || !peer.am_interested || !peer.is_open() {
            return;
        }
        let share = self.pieces.budget_blocks() / u32::try_from(working.max(1)).unwrap_or(u32::MAX);
        let room = peer.requests.room((share / 4 * 3).max(2));
        if room == 0 {
            return;
        }
        let mut picked = std::mem::take(&mut self.picked);
        picker::pick(now, &mut self.pieces, &self.blame, &mut self.luck, key, peer, room, &mut picked);
        for block in picked.drain(..) {
            peer.requests.sent(now, block);
            self.actions.push(Action::Send(key, Command::Request(block)));
        }
        self.picked = picked;
    }

    fn part(&mut self, key: PeerKey, reason: Parting) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.leaving = true;
            self.actions.push(Action::Disconnect(key, reason));
        }
    }

    fn ban(&mut self, address: SocketAddr) {
        tracing::debug!(%address, "banned for bad data");
        self.addresses.ban(address);
        let theirs = |peer: &Peer| peer.address == address && !peer.leaving;
        let keys: Vec<_> = self.peers.iter().filter(|(_, peer)| theirs(peer)).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.part(key, Parting::BadData));
    }

    fn address_of(&self, key: PeerKey) -> Option<SocketAddr> {
        self.peers.get(&key).map(|peer| peer.address).or_else(|| self.departed.get(&key).copied())
    }

    fn send(&mut self, key: PeerKey, command: Command) {
        self.actions.push(Action::Send(key, command));
    }
}
