//! Body of the fuzz target `swarm_history`: an op list against a whole torrent, with a model of its peers and its disk. After each
//! op the books have to agree (see `torrent::check`), and in the end an honest seed has to lead to completion, and all memory
//! has to come back.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_types::{Bitfield, Block, Geometry, PeerId, PieceIndex, Scope};

use crate::{
    Action, AttemptId, Candidate, Command, Config, Connected, DialFault, EXTENT, Ending, Fact, Failure, Goal, Limits,
    Obfuscation, Order, Outcome, PeerKey, Priority, Privacy, Severity, Shared, Source, Swarm, Transport, Verdict, Via,
};

/// Ops that are looked at; more of them find nothing new.
const MAX_OPS: usize = 2000;

/// An arbitrary life of a torrent, and a good end.
pub fn history(data: &[u8]) {
    let mut ops = Ops(data);
    let mut world = World::new(ops.byte());
    world.settle();
    // That check has been answered.
    world.checks = 0;
    for _ in 0..MAX_OPS {
        if ops.0.is_empty() {
            break;
        }
        world.step(&mut ops);
        world.settle();
    }
    world.end_well();
}

struct Ops<'a>(&'a [u8]);

impl Ops<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
}

#[derive(Debug, Default)]
struct Peer {
    /// Requests that it has not answered, the oldest first.
    asked: Vec<Block>,
    fast: bool,
}

struct World {
    swarm: Swarm,
    shared: Shared,
    geometry: Geometry,
    now: Instant,
    peers: BTreeMap<PeerKey, Peer>,
    attempts: Vec<AttemptId>,
    /// What the disk holds of each copy: garbage or not.
    buffers: BTreeMap<PieceIndex, BTreeMap<u32, bool>>,
    extents: BTreeSet<(PieceIndex, u32)>,
    hashing: BTreeSet<PieceIndex>,
    writing: BTreeSet<PieceIndex>,
    /// Copies of which evidence is owed: digests of the garbage, or of good data.
    testifying: Vec<(PieceIndex, Vec<(u32, bool)>)>,
    checks: u32,
    leaving: bool,
    connections: u32,
    had: BTreeSet<PieceIndex>,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn new(kind: u8) -> Self {
        let block = u64::from(torrent_types::BLOCK_LENGTH);
        let (total, length) = match kind % 4 {
            0 => (5 * 3 * block - 100, 3 * block),
            1 => (150 * block + 7, 150 * block),
            2 => (2 * 150 * block, 150 * block),
            _ => (40 * block, block),
        };
        let geometry = Geometry::new(total, u32::try_from(length).expect("short")).expect("few pieces");
        let limits = Limits { memory: if kind & 4 == 0 { 3 << 20 } else { 1 << 20 }, ..Limits::default() };
        let shared = Shared::new(&limits);
        let now = Instant::now();
        let config = Config::default().max_peers(6).upload_slots(2);
        let mut swarm = Swarm::new(now, u64::from(kind), config, shared.clone());
        swarm.handle_goal(now, Goal::Download);
        let early = kind & 0x18 == 0x18;
        if !early {
            // Most lives are looked at from the moment when the pieces are known.
            swarm.handle_metadata(now, geometry, Privacy::Public);
            swarm.handle_checked(now, Ok(Bitfield::new(geometry.piece_count())));
        }
        Self {
            swarm,
            shared,
            geometry,
            now,
            peers: BTreeMap::new(),
            attempts: Vec::new(),
            buffers: BTreeMap::new(),
            extents: BTreeSet::new(),
            hashing: BTreeSet::new(),
            writing: BTreeSet::new(),
            testifying: Vec::new(),
            checks: 0,
            leaving: false,
            connections: 0,
            had: BTreeSet::new(),
        }
    }

    fn step(&mut self, ops: &mut Ops<'_>) {
        match ops.byte() % 32 {
            0..=2 => self.connect(ops),
            3 => self.disconnect(ops),
            4..=7 => self.holdings(ops),
            8 | 9 => self.with_peer(ops, |_, _| vec![Fact::Unchoked]),
            10 => self.with_peer(ops, |_, _| vec![Fact::Choked]),
            11..=16 => self.answer(ops),
            17 => self.reject(ops),
            18 | 19 => self.pass(ops),
            20 => self.judge(ops.byte()),
            21 => self.write(ops.byte()),
            22 => self.storage(ops),
            23 => self.priority(ops),
            24 => self.uploads(ops),
            25 => self.evidence(ops.byte()),
            26 => self.life(ops),
            27 => self.store_extents(),
            28 => self.addresses(ops),
            29 => self.unasked(ops),
            30 => self.flood(ops),
            _ => {
                self.judge(0);
                self.write(0);
                self.store_extents();
            }
        }
    }

    fn piece(&self, ops: &mut Ops<'_>) -> PieceIndex {
        PieceIndex::new(u32::from(ops.byte()) % self.geometry.piece_count())
    }

    fn key(&self, ops: &mut Ops<'_>) -> Option<PeerKey> {
        let place = usize::from(ops.byte()) % self.peers.len().max(1);
        self.peers.keys().nth(place).copied()
    }

    fn connect(&mut self, ops: &mut Ops<'_>) {
        let kind = ops.byte();
        let via = match self.attempts.pop() {
            Some(id) if kind & 64 != 0 => Via::Dialed(id),
            id => {
                self.attempts.extend(id);
                Via::Accepted
            }
        };
        let address = SocketAddr::from(([9, 9, 9, kind % 8], 7000 + u16::from(kind / 8 % 2)));
        self.connect_as(address, via, kind & 32 != 0);
    }

    fn connect_as(&mut self, address: SocketAddr, via: Via, fast: bool) -> Option<PeerKey> {
        self.connections += 1;
        let mut id = [b'-'; 20];
        id[..4].copy_from_slice(&self.connections.to_be_bytes());
        let connected = Connected {
            address,
            id: PeerId::new(id),
            via,
            transport: Transport::Tcp,
            obfuscation: Obfuscation::Plain,
            fast,
        };
        let key = self.swarm.handle_connected(self.now, connected).ok()?;
        self.peers.insert(key, Peer { asked: Vec::new(), fast });
        Some(key)
    }

    fn disconnect(&mut self, ops: &mut Ops<'_>) {
        let Some(key) = self.key(ops) else { return };
        let ending = match ops.byte() % 5 {
            0 => Ending::Fault(Severity::Disconnect),
            1 => Ending::Silent,
            _ => Ending::Closed,
        };
        self.peers.remove(&key);
        self.swarm.handle_disconnected(self.now, key, ending);
    }

    fn facts(&mut self, key: PeerKey, facts: Vec<Fact>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.swarm.handle_facts(self.now, key, facts, &mut verdicts);
        verdicts
    }

    fn with_peer(&mut self, ops: &mut Ops<'_>, facts: impl FnOnce(&mut Self, &mut Ops<'_>) -> Vec<Fact>) {
        let Some(key) = self.key(ops) else { return };
        let facts = facts(self, ops);
        self.facts(key, facts);
    }

    fn holdings(&mut self, ops: &mut Ops<'_>) {
        self.with_peer(ops, |world, ops| {
            let fact = match ops.byte() % 8 {
                0 | 1 => Fact::HaveAll,
                2 => Fact::HaveNone,
                3 => {
                    let mut field = Bitfield::new(world.geometry.piece_count());
                    let bits = ops.byte();
                    let some = world.geometry.pieces().filter(|piece| bits >> (piece.get() % 8) & 1 == 1);
                    some.for_each(|piece| {
                        field.set(piece);
                    });
                    Fact::Bitfield(field)
                }
                4 => Fact::DontHave(world.piece(ops)),
                5 => Fact::AllowedFast(world.piece(ops)),
                _ => Fact::Have(world.piece(ops)),
            };
            vec![fact, Fact::RequestQueue(u32::from(ops.byte()))]
        });
    }

    /// A peer answers some requests: the oldest ones, or the newest, with good data or garbage.
    fn answer(&mut self, ops: &mut Ops<'_>) {
        let Some(key) = self.key(ops) else { return };
        let kind = ops.byte();
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let count = usize::from(kind % 8 + 1).min(peer.asked.len());
        let blocks: Vec<_> = if kind & 8 == 0 {
            peer.asked.drain(..count).collect()
        } else {
            let from = peer.asked.len() - count;
            peer.asked.split_off(from)
        };
        self.deliver(key, blocks, kind & 0x70 == 0x70);
    }

    fn deliver(&mut self, key: PeerKey, blocks: Vec<Block>, garbage: bool) {
        let verdicts = self.facts(key, blocks.iter().map(|block| Fact::Received(*block)).collect());
        assert_eq!(verdicts.len(), blocks.len(), "a verdict for each block");
        for (block, _) in blocks.iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Buffer) {
            let buffer = self.buffers.entry(block.piece()).or_default();
            assert_eq!(buffer.insert(block.index(), garbage), None, "{block:?} was accepted twice");
            let extent = block.begin() / EXTENT;
            let length = self.geometry.length_of(block.piece());
            let (begin, end) = (extent * EXTENT, (extent * EXTENT).saturating_add(EXTENT).min(length));
            let blocks = begin.div_ceil(torrent_types::BLOCK_LENGTH)..end.div_ceil(torrent_types::BLOCK_LENGTH);
            if blocks.clone().all(|index| buffer.contains_key(&index)) {
                self.extents.insert((block.piece(), extent));
            }
            if buffer.len() == self.geometry.block_count(block.piece()) as usize {
                self.hashing.insert(block.piece());
            }
        }
    }

    fn reject(&mut self, ops: &mut Ops<'_>) {
        let Some(key) = self.key(ops) else { return };
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.fast && !peer.asked.is_empty()) else { return };
        let block = peer.asked.remove(usize::from(ops.byte()) % peer.asked.len());
        self.facts(key, vec![Fact::Rejected(block)]);
    }

    fn unasked(&mut self, ops: &mut Ops<'_>) {
        let Some(key) = self.key(ops) else { return };
        let piece = self.piece(ops);
        let index = u32::from(ops.byte()) % self.geometry.block_count(piece);
        let Ok(block) = self.geometry.nth_block(piece, index) else { return };
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.asked.retain(|other| *other != block);
        }
        self.deliver(key, vec![block], true);
    }

    fn flood(&mut self, ops: &mut Ops<'_>) {
        self.with_peer(ops, |world, ops| match ops.byte() % 4 {
            0 => vec![Fact::Choked, Fact::Unchoked, Fact::Choked, Fact::Unchoked],
            1 => {
                let piece = world.piece(ops);
                vec![Fact::DontHave(piece), Fact::Have(piece), Fact::DontHave(piece), Fact::Have(piece)]
            }
            2 => vec![Fact::Interested, Fact::NotInterested, Fact::Interested],
            _ => vec![Fact::ListenPort(7000), Fact::UploadOnly(ops.byte() % 2 == 0)],
        });
    }

    fn pass(&mut self, ops: &mut Ops<'_>) {
        let time = match ops.byte() {
            byte @ 0..=199 => Duration::from_millis(u64::from(byte) * 20),
            byte => Duration::from_secs(u64::from(byte - 198)),
        };
        self.let_pass(time);
    }

    fn let_pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.swarm.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.swarm.handle_timeout(self.now);
            self.settle();
            assert!(self.swarm.poll_timeout().is_none_or(|next| next > self.now), "a deadline does not move on");
        }
        self.now = end;
    }

    /// The disk has hashed what was complete.
    fn judge(&mut self, most: u8) {
        for _ in 0..=most {
            let Some(piece) = self.hashing.pop_first() else { return };
            let bad = self.buffers.get(&piece).is_some_and(|buffer| buffer.values().any(|garbage| *garbage));
            let outcome = if bad { Outcome::Bad } else { Outcome::Good };
            self.swarm.handle_piece_hashed(self.now, piece, outcome);
            self.settle();
            let followed = self.writing.contains(&piece)
                || self.testifying.iter().any(|(other, _)| *other == piece)
                || !self.buffers.contains_key(&piece);
            assert!(followed, "nothing follows the hash of {piece}");
        }
    }

    fn write(&mut self, most: u8) {
        let mut stored = Vec::new();
        for _ in 0..=most {
            stored.extend(self.writing.pop_first());
        }
        for piece in &stored {
            self.buffers.remove(piece);
            self.extents.retain(|(other, _)| other != piece);
        }
        self.had.extend(&stored);
        self.swarm.handle_pieces_stored(self.now, &stored);
        stored.iter().for_each(|piece| assert!(self.swarm.have().get(*piece)));
    }

    fn store_extents(&mut self) {
        while let Some((piece, extent)) = self.extents.pop_first() {
            self.swarm.handle_extent_stored(self.now, piece, extent);
        }
    }

    fn storage(&mut self, ops: &mut Ops<'_>) {
        match ops.byte() % 4 {
            0 => self.swarm.handle_storage_failed(self.now, Failure::Passing),
            1 => self.swarm.handle_storage_failed(self.now, Failure::Lasting),
            2 => self.swarm.handle_resume(self.now),
            _ => {
                let piece = self.piece(ops);
                self.forget(piece);
                self.had.remove(&piece);
                self.swarm.handle_piece_lost(self.now, piece);
            }
        }
    }

    fn evidence(&mut self, kind: u8) {
        let Some((piece, copy)) = self.testifying.pop() else { return };
        let digest = |garbage: bool| [u8::from(garbage); 20];
        let copy = copy.into_iter().take(if kind == 0 { 0 } else { usize::MAX });
        let digests = copy.map(|(index, garbage)| (index, digest(garbage))).collect();
        self.swarm.handle_evidence(self.now, piece, digests);
    }

    fn priority(&mut self, ops: &mut Ops<'_>) {
        let (a, b) = (self.piece(ops), self.piece(ops));
        let range = a.min(b)..PieceIndex::new(a.max(b).get() + 1);
        match ops.byte() % 8 {
            0 => self.swarm.handle_priority(self.now, range, Priority::Skip),
            1 => self.swarm.handle_priority(self.now, range, Priority::Low),
            2 => self.swarm.handle_priority(self.now, range, Priority::Now),
            3 => self.swarm.handle_deadlines(self.now, &[(a, self.now), (b, self.now + Duration::from_secs(1))]),
            4 => self.swarm.handle_deadlines(self.now, &[]),
            5 => self.swarm.handle_order(self.now, Order::Sequential),
            6 => self.swarm.handle_order(self.now, Order::EndsFirst),
            _ => self.swarm.handle_priority(self.now, range, Priority::Normal),
        }
    }

    fn uploads(&mut self, ops: &mut Ops<'_>) {
        let Some(key) = self.key(ops) else { return };
        let kind = ops.byte();
        let piece = self.piece(ops);
        if let Ok(block) = self.geometry.nth_block(piece, 0) {
            let fact = if kind & 1 == 0 { Fact::Requested(block) } else { Fact::Cancelled(block) };
            self.facts(key, vec![Fact::Interested, fact]);
        }
        let mut blocks = Vec::new();
        self.swarm.take_uploads(key, u32::from(kind) * 1000, &mut blocks);
        for block in blocks {
            if kind & 2 == 0 {
                self.swarm.handle_uploaded(self.now, key, u64::from(block.length()));
            } else {
                self.swarm.handle_upload_failed(self.now, key, block);
            }
        }
    }

    fn life(&mut self, ops: &mut Ops<'_>) {
        match ops.byte() % 8 {
            0 => self.swarm.handle_goal(self.now, Goal::Serve),
            1 => self.swarm.handle_pause(self.now),
            2 => self.swarm.handle_recheck(self.now),
            3 => self.check(Err(Failure::Passing)),
            4 => self.check(Err(Failure::Lasting)),
            5 => {
                self.swarm.handle_metadata(self.now, self.geometry, Privacy::Public);
                self.settle();
                self.check(Ok(()));
            }
            6 => self.swarm.handle_goal(self.now, Goal::Download),
            _ => self.swarm.handle_resume(self.now),
        }
    }

    fn check(&mut self, result: Result<(), Failure>) {
        if self.checks == 0 {
            return;
        }
        self.checks -= 1;
        let mut have = Bitfield::new(self.geometry.piece_count());
        self.had.iter().for_each(|piece| {
            have.set(*piece);
        });
        // The disk is idle while it checks: nothing is on its way there.
        for piece in self.geometry.pieces() {
            self.forget(piece);
        }
        self.swarm.handle_checked(self.now, result.map(|()| have));
    }

    fn addresses(&mut self, ops: &mut Ops<'_>) {
        let address = SocketAddr::from(([9, 9, ops.byte() % 4, ops.byte() % 4], 7000));
        let source = match ops.byte() % 4 {
            0 => Source::User,
            1 => Source::Dht,
            2 => Source::Resume,
            _ => Source::Tracker(Scope::Global),
        };
        self.swarm.handle_addresses(self.now, source, [Candidate::from(address)]);
        if let Some(id) = self.attempts.pop() {
            let fault = match ops.byte() % 4 {
                0 => DialFault::NotUnderstood,
                1 => DialFault::WrongTorrent,
                2 => DialFault::NotTried,
                _ => DialFault::Unreachable,
            };
            self.swarm.handle_dial_failed(self.now, id, fault);
        }
    }

    fn forget(&mut self, piece: PieceIndex) {
        self.buffers.remove(&piece);
        self.hashing.remove(&piece);
        self.writing.remove(&piece);
        self.extents.retain(|(other, _)| *other != piece);
        self.testifying.retain(|(other, _)| *other != piece);
    }

    /// Carries out what the core wants, and looks at its books.
    fn settle(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Announce(_) | Action::Damaged(_) | Action::Finished | Action::Phase(_) => {}
                Action::RetryStorage | Action::Serve(_) => {}
                Action::Check => self.checks += 1,
                Action::Dial(attempt) => self.attempts.push(attempt.id),
                Action::Disconnect(key, _) => {
                    self.peers.remove(&key);
                    self.swarm.handle_disconnected(self.now, key, Ending::Ours);
                }
                Action::Forget(piece) => self.forget(piece),
                Action::Leave => self.leaving = true,
                Action::Send(key, Command::Request(block)) => {
                    let Some(peer) = self.peers.get_mut(&key) else { continue };
                    peer.asked.push(block);
                    assert!(self.geometry.block_count(block.piece()) > block.index());
                }
                Action::Send(key, Command::Cancel(block)) => {
                    let Some(peer) = self.peers.get_mut(&key) else { continue };
                    peer.asked.retain(|other| *other != block);
                }
                Action::Send(..) => {}
                Action::Testify(piece) => {
                    let copy = self.buffers.get(&piece).map(|copy| copy.iter().map(|(i, g)| (*i, *g)).collect());
                    self.testifying.push((piece, copy.unwrap_or_default()));
                }
                Action::Write(piece) => {
                    self.writing.insert(piece);
                }
            }
        }
        self.swarm.check();
    }

    /// From now on everything works, and the only peer is a seed that answers whatever it is asked.
    fn end_well(&mut self) {
        self.swarm.handle_metadata(self.now, self.geometry, Privacy::Public);
        self.settle();
        while self.checks > 0 {
            self.check(Ok(()));
            self.settle();
        }
        self.swarm.handle_goal(self.now, Goal::Download);
        self.settle();
        self.swarm.handle_resume(self.now);
        self.settle();
        while self.checks > 0 {
            self.check(Ok(()));
            self.settle();
        }
        while !self.testifying.is_empty() {
            self.evidence(0);
            self.settle();
        }
        for key in std::mem::take(&mut self.peers).into_keys() {
            self.swarm.handle_disconnected(self.now, key, Ending::Closed);
            self.settle();
        }
        let seed = SocketAddr::from(([8, 8, 8, 8], 8888));
        let mut key = None;
        for _ in 0..4000 {
            if self.swarm.is_finished() {
                break;
            }
            if key.is_none_or(|key| !self.peers.contains_key(&key)) {
                key = self.connect_as(seed, Via::Accepted, true);
                self.settle();
                let Some(key) = key else {
                    self.let_pass(Duration::from_millis(250));
                    continue;
                };
                self.facts(key, vec![Fact::HaveAll, Fact::Unchoked]);
                self.settle();
            }
            let asked = key.and_then(|key| self.peers.get_mut(&key)).map(|peer| std::mem::take(&mut peer.asked));
            if let (Some(key), Some(asked)) = (key, asked) {
                self.deliver(key, asked, false);
            }
            self.settle();
            while !self.hashing.is_empty() || !self.writing.is_empty() || !self.testifying.is_empty() {
                self.judge(u8::MAX);
                self.evidence(1);
                self.write(u8::MAX);
                self.settle();
            }
            self.store_extents();
            self.settle();
            self.let_pass(Duration::from_millis(250));
        }
        while !self.hashing.is_empty() || !self.writing.is_empty() || !self.testifying.is_empty() {
            // What is wanted no longer is on its way all the same.
            self.judge(u8::MAX);
            self.evidence(1);
            self.write(u8::MAX);
            self.settle();
        }
        assert!(self.swarm.is_finished(), "an honest seed does not help: {:?}", self.swarm.stats(self.now));
        if let Some(key) = key {
            self.peers.remove(&key);
            self.swarm.handle_disconnected(self.now, key, Ending::Closed);
        }
        self.settle();
        self.let_pass(Duration::from_secs(200));
        assert_eq!(self.shared.memory_used(), 0, "memory does not come back: {:?}", self.swarm.stats(self.now));
        self.swarm.handle_stop(self.now);
        self.settle();
        assert!(self.leaving && self.connect_as(seed, Via::Accepted, true).is_none());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn after_any_history_the_books_agree_and_an_honest_seed_completes_the_torrent(
            data in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            history(&data);
        }
    }

    #[test]
    fn the_corpus_is_replayed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/swarm_history");
        let mut inputs = 0;
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            history(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "no corpus in {folder}");
    }
}
