//! One torrent: routes facts to the owners of each concern and collects what they want done.
//! In: connections, facts, outcomes of hashing and storage, time. Out: actions, verdicts, the next deadline.
//! Never: sockets, clocks, bytes of pieces, decisions that an owner can make.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{SeedableRng, rngs::SmallRng};
use torrent_types::{BLOCK_LENGTH, Bitfield, Block, Geometry, PeerId, PieceIndex};

use crate::{
    Action, Budget, Command, Config, Direction, Fact, Parting, PeerKey, Verdict,
    addresses::Addresses,
    blame::{Blame, BlockDigest},
    choker::{Candidate, Choker},
    peer::{Holdings, Peer},
    picker,
    pieces::Pieces,
    rates::Rate,
    stats::{PeerStats, Stats},
};

const TICK: Duration = Duration::from_secs(1);
/// A peer may send so many senseless requests before we part.
const MAX_BAD_REQUESTS: u32 = 300;
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

    /// The next blocks to send to a peer, up to `bytes` in all. Report them with [`Swarm::uploaded`] once they are sent.
    pub fn take_uploads(&mut self, key: PeerKey, bytes: u32, out: &mut Vec<Block>) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.uploads.take(bytes, out);
        }
    }

    /// A block could not be read from storage after all.
    pub fn upload_failed(&mut self, key: PeerKey, block: Block) {
        if self.peers.get(&key).is_some_and(|peer| peer.fast) {
            self.send(key, Command::Reject(block));
        }
    }

    /// So many bytes of pieces were handed to the socket.
    pub fn uploaded(&mut self, key: PeerKey, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.up.add(bytes);
            self.up.add(bytes);
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

    fn rechoke(&mut self, now: Instant) {
        let seeding = self.pieces.is_complete();
        let candidate = |(key, peer): (&PeerKey, &Peer)| Candidate {
            key: *key,
            rate: if seeding { peer.up.per_second() } else { peer.down.per_second() },
            unchoked: !peer.am_choking,
            since: peer.slot_since,
        };
        let wants = |(_, peer): &(&PeerKey, &Peer)| peer.interested && !peer.leaving;
        let candidates = self.peers.iter().filter(wants).map(candidate).collect();
        let chosen = self.choker.round(now, candidates, seeding, &mut self.luck);
        let keys: Vec<_> = self.peers.iter().map(|(key, peer)| (*key, peer.am_choking)).collect();
        for (key, choked) in keys {
            match (choked, chosen.binary_search(&key).is_ok()) {
                (true, true) => self.unchoke(now, key),
                (false, false) => self.choke(now, key),
                _ => {}
            }
        }
    }

    fn unchoke(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if std::mem::take(&mut peer.am_choking) {
            peer.slot_since = now;
            self.send(key, Command::Unchoke);
        }
    }

    fn choke(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.am_choking = true;
        peer.slot_since = now;
        let fast = peer.fast;
        let refused: Vec<_> = peer.uploads.clear().collect();
        self.send(key, Command::Choke);
        if fast {
            refused.into_iter().for_each(|block| self.send(key, Command::Reject(block)));
        }
    }

    fn set_holdings(&mut self, key: PeerKey, holdings: Holdings) {
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

    fn has_piece(&mut self, key: PeerKey, piece: PieceIndex) {
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

    fn dont_have(&mut self, key: PeerKey, piece: PieceIndex) {
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.has(piece)) else { return };
        let mut field = match &peer.holdings {
            Holdings::All => Bitfield::full(self.geometry.piece_count()),
            Holdings::Some(field) => field.clone(),
        };
        field.clear(piece);
        self.set_holdings(key, Holdings::Some(field));
    }

    fn forget_holdings(&mut self, peer: &Peer) {
        if let Holdings::Some(field) = &peer.holdings {
            field.ones().for_each(|piece| self.pieces.rarity_mut().decrement(piece));
        }
    }

    fn show_interest(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let interested = peer.useful > 0;
        if std::mem::replace(&mut peer.am_interested, interested) != interested {
            self.send(key, if interested { Command::Interested } else { Command::NotInterested });
        }
    }

    fn part_if_redundant(&mut self, key: PeerKey) {
        let done = self.config.disconnect_redundant && self.pieces.is_complete();
        let idle = |peer: &Peer| !peer.leaving && (peer.is_seed() || peer.upload_only);
        if done && self.peers.get(&key).is_some_and(idle) {
            self.part(key, Parting::Redundant);
        }
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
