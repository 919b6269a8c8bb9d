//! Whole swarms in virtual time: every member is a real core, the network is `torrent-sim`, and some members have bad habits.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use torrent_sim::{Bottleneck, Delivery, Link, Node, NodeId, Parcel, Transmit, World};
use torrent_swarm::{
    Action, AttemptId, Candidate, Command, Config, Connected, DialFault, EXTENT, Ending, Fact, Goal, Limits,
    Obfuscation, Outcome, PeerKey, Privacy, Shared, Source, Swarm, Transport, Verdict, Via,
};
use torrent_types::{BLOCK_LENGTH, Bitfield, Block, Geometry, PeerId, PieceIndex, Scope};

/// What a member does that an honest, quick one does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Habit {
    #[default]
    Honest,
    /// Lets everybody request and answers nothing.
    Silent,
    /// Chokes at each request, and unchokes at once.
    Chokes,
    /// Every block of this number in its piece is garbage.
    Lies(u32),
    /// Hangs up after so many blocks.
    Leaves(u32),
    /// Keeps so many requests and drops the rest without a word.
    Forgets(usize),
}

/// What travels: a word on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    connection: u64,
    word: Word,
}

#[derive(Clone, Debug)]
enum Word {
    Hello(PeerId),
    Welcome(PeerId, Bitfield),
    Pieces(Bitfield),
    Say(Command),
    Data { block: Block, garbage: bool },
    Bye,
}

impl Parcel for Message {
    const DELIVERY: Delivery = Delivery::Reliable;
    const HEADERS: usize = 0;

    fn size(&self) -> usize {
        match &self.word {
            Word::Data { block, .. } => block.length() as usize + 13,
            Word::Welcome(_, field) | Word::Pieces(field) => field.len() as usize / 8 + 68,
            Word::Hello(_) => 68,
            Word::Say(_) | Word::Bye => 17,
        }
    }
}

struct Conn {
    to: SocketAddr,
    key: PeerKey,
}

pub(crate) struct Member {
    pub(crate) swarm: Swarm,
    pub(crate) shared: Shared,
    pub(crate) habit: Habit,
    pub(crate) finished: Option<Instant>,
    /// Bytes of blocks sent.
    pub(crate) sent: u64,
    pub(crate) cancels: u64,
    pub(crate) peak_memory: usize,
    id: PeerId,
    uplink: Bottleneck,
    out: VecDeque<Transmit<Message>>,
    connections: BTreeMap<u64, Conn>,
    by_key: BTreeMap<PeerKey, u64>,
    dials: BTreeMap<u64, (AttemptId, SocketAddr, Instant)>,
    next_connection: u64,
    serving: VecDeque<PeerKey>,
    given: BTreeMap<PeerKey, u32>,
    buffers: BTreeMap<PieceIndex, BTreeMap<u32, bool>>,
    geometry: Geometry,
}

impl Member {
    fn say(&mut self, connection: u64, word: Word) {
        if let Some(conn) = self.connections.get(&connection) {
            self.out.push_back(Transmit { to: conn.to, parcel: Message { connection, word } });
        }
    }

    fn facts(&mut self, now: Instant, key: PeerKey, facts: Vec<Fact>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.swarm.handle_facts(now, key, facts, &mut verdicts);
        verdicts
    }

    fn close(&mut self, now: Instant, connection: u64, ending: Ending) {
        if let Some(conn) = self.connections.remove(&connection) {
            self.by_key.remove(&conn.key);
            self.swarm.handle_disconnected(now, conn.key, ending);
        }
    }

    fn connected(&mut self, now: Instant, connection: u64, to: SocketAddr, id: PeerId, via: Via) -> bool {
        let connected = Connected {
            address: to,
            id,
            via,
            transport: Transport::Tcp,
            obfuscation: Obfuscation::Plain,
            fast: !matches!(self.habit, Habit::Chokes | Habit::Forgets(_)),
        };
        let admitted = self.swarm.handle_connected(now, connected);
        if let Ok(key) = admitted {
            self.connections.insert(connection, Conn { to, key });
            self.by_key.insert(key, connection);
        }
        admitted.is_ok()
    }

    /// Carries out what the core wants.
    fn settle(&mut self, now: Instant) {
        while let Some(action) = self.swarm.poll_action() {
            self.peak_memory = self.peak_memory.max(self.shared.memory_used());
            match action {
                Action::Send(key, command) => {
                    if let Some(connection) = self.by_key.get(&key).copied() {
                        self.say(connection, Word::Say(command));
                    }
                }
                Action::Serve(key) => {
                    if !self.serving.contains(&key) {
                        self.serving.push_back(key);
                    }
                }
                Action::Disconnect(key, _) => {
                    if let Some(connection) = self.by_key.get(&key).copied() {
                        self.say(connection, Word::Bye);
                        self.close(now, connection, Ending::Ours);
                    }
                }
                Action::Dial(attempt) => {
                    self.next_connection += 1;
                    let connection = self.next_connection;
                    self.dials.insert(connection, (attempt.id, attempt.address, now + attempt.timeout));
                    let parcel = Message { connection, word: Word::Hello(self.id) };
                    self.out.push_back(Transmit { to: attempt.address, parcel });
                }
                Action::Finished => self.finished = Some(now),
                Action::Forget(piece) => {
                    self.buffers.remove(&piece);
                }
                Action::Testify(piece) => {
                    let copy = self.buffers.get(&piece).into_iter().flatten();
                    let digests = copy.map(|(index, garbage)| (*index, [u8::from(*garbage); 20])).collect();
                    self.swarm.handle_evidence(now, piece, digests);
                }
                Action::Write(piece) => {
                    self.buffers.remove(&piece);
                    self.swarm.handle_pieces_stored(now, &[piece]);
                }
                Action::Announce(_) | Action::Check | Action::Damaged(_) | Action::Leave => {}
                Action::Phase(_) | Action::RetryStorage => {}
            }
        }
    }

    fn data(&mut self, now: Instant, key: PeerKey, block: Block, garbage: bool) {
        if self.facts(now, key, vec![Fact::Received(block)])[0] == Verdict::Discard {
            return;
        }
        let piece = block.piece();
        let buffer = self.buffers.entry(piece).or_default();
        assert_eq!(buffer.insert(block.index(), garbage), None, "the same block was accepted twice");
        let per_extent = EXTENT / BLOCK_LENGTH;
        let extent = block.index() / per_extent;
        let blocks = self.geometry.block_count(piece);
        let range = extent * per_extent..((extent + 1) * per_extent).min(blocks);
        let filled = range.clone().all(|index| buffer.contains_key(&index));
        let full = buffer.len() == blocks as usize;
        let bad = buffer.values().any(|garbage| *garbage);
        if filled && blocks > per_extent {
            self.swarm.handle_extent_stored(now, piece, extent);
        }
        if full {
            self.swarm.handle_piece_hashed(now, piece, if bad { Outcome::Bad } else { Outcome::Good });
        }
    }

    fn word(&mut self, now: Instant, connection: u64, word: Word) {
        let Some(key) = self.connections.get(&connection).map(|conn| conn.key) else { return };
        let fact = match word {
            Word::Pieces(field) => Fact::Bitfield(field),
            Word::Data { block, garbage } => return self.data(now, key, block, garbage),
            Word::Bye => return self.close(now, connection, Ending::Closed),
            Word::Hello(_) | Word::Welcome(..) => return,
            Word::Say(command) => match command {
                Command::Cancel(block) => {
                    self.cancels += 1;
                    Fact::Cancelled(block)
                }
                Command::Choke => Fact::Choked,
                Command::DontHave(piece) => Fact::DontHave(piece),
                Command::Have(piece) => Fact::Have(piece),
                Command::Interested => Fact::Interested,
                Command::NotInterested => Fact::NotInterested,
                Command::Reject(block) => Fact::Rejected(block),
                Command::Unchoke => Fact::Unchoked,
                Command::Request(block) => match self.habit {
                    Habit::Silent => return,
                    Habit::Chokes => {
                        self.say(connection, Word::Say(Command::Choke));
                        self.say(connection, Word::Say(Command::Unchoke));
                        return;
                    }
                    Habit::Forgets(keeps) => {
                        let queue = self.swarm.peer(now, key).map_or(0, |peer| peer.upload_queue as usize);
                        if queue >= keeps {
                            return;
                        }
                        Fact::Requested(block)
                    }
                    _ => Fact::Requested(block),
                },
            },
        };
        self.facts(now, key, vec![fact]);
    }

    /// Sends one block if the uplink is free.
    fn serve(&mut self, now: Instant) {
        if self.uplink.idle_at().is_some_and(|at| at > now) || !self.out.is_empty() {
            return;
        }
        for _ in 0..self.serving.len() {
            let Some(key) = self.serving.pop_front() else { return };
            let mut blocks = Vec::new();
            let more = self.swarm.take_uploads(key, 1, &mut blocks) > 0;
            if more {
                self.serving.push_back(key);
            }
            let Some(block) = blocks.pop() else { continue };
            let length = u64::from(block.length());
            self.swarm.handle_uploaded(now, key, length);
            let Some(connection) = self.by_key.get(&key).copied() else { continue };
            self.sent += length;
            let garbage = matches!(self.habit, Habit::Lies(index) if index == block.index());
            self.say(connection, Word::Data { block, garbage });
            let given = self.given.entry(key).or_insert(0);
            *given += 1;
            if matches!(self.habit, Habit::Leaves(after) if *given >= after) {
                self.say(connection, Word::Bye);
                self.close(now, connection, Ending::Ours);
            }
            return;
        }
    }
}

impl Node for Member {
    type Parcel = Message;

    fn handle_parcel(&mut self, now: Instant, from: SocketAddr, Message { connection, word }: Message) {
        match word {
            Word::Hello(id) => {
                let have = self.swarm.have().clone();
                if self.connected(now, connection, from, id, Via::Accepted) {
                    self.say(connection, Word::Welcome(self.id, have));
                } else {
                    self.out.push_back(Transmit { to: from, parcel: Message { connection, word: Word::Bye } });
                }
            }
            Word::Welcome(id, field) => {
                let Some((attempt, ..)) = self.dials.remove(&connection) else { return };
                let have = self.swarm.have().clone();
                if self.connected(now, connection, from, id, Via::Dialed(attempt)) {
                    self.say(connection, Word::Pieces(have));
                    self.word(now, connection, Word::Pieces(field));
                } else {
                    self.out.push_back(Transmit { to: from, parcel: Message { connection, word: Word::Bye } });
                }
            }
            Word::Bye if self.dials.contains_key(&connection) => {
                if let Some((attempt, ..)) = self.dials.remove(&connection) {
                    self.swarm.handle_dial_failed(now, attempt, DialFault::WrongTorrent);
                }
            }
            word => self.word(now, connection, word),
        }
        self.settle(now);
        self.serve(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let late: Vec<_> = self.dials.iter().filter(|(_, (.., at))| *at <= now).map(|(id, _)| *id).collect();
        for connection in late {
            if let Some((attempt, ..)) = self.dials.remove(&connection) {
                self.swarm.handle_dial_failed(now, attempt, DialFault::Unreachable);
            }
        }
        if self.swarm.poll_timeout().is_some_and(|at| at <= now) {
            self.swarm.handle_timeout(now);
        }
        self.settle(now);
        self.serve(now);
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit<Message>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let dial = self.dials.values().map(|(.., at)| *at).min();
        // What waits to be transmitted goes first, and moves that moment.
        let serve = if self.serving.is_empty() || !self.out.is_empty() { None } else { self.uplink.idle_at() };
        [self.swarm.poll_timeout(), dial, serve].into_iter().flatten().min()
    }
}

/// A swarm of members on links with a delay.
pub(crate) struct Sea {
    pub(crate) world: World<Member>,
    pub(crate) geometry: Geometry,
}

impl Sea {
    pub(crate) fn new(seed: u64, geometry: Geometry) -> Self {
        let mut world = World::seeded(seed);
        world.default_link(|| Link::new().delay(Duration::from_millis(20)));
        Self { world, geometry }
    }

    pub(crate) fn seed(&mut self, rate: u64, habit: Habit) -> NodeId {
        self.member(rate, habit, Bitfield::full(self.geometry.piece_count()), Config::default().upload_slots(100))
    }

    pub(crate) fn leech(&mut self, rate: u64) -> NodeId {
        self.member(rate, Habit::Honest, Bitfield::new(self.geometry.piece_count()), Config::default())
    }

    /// `rate`: bytes per second that it can send.
    pub(crate) fn member(&mut self, rate: u64, habit: Habit, have: Bitfield, config: Config) -> NodeId {
        let number = self.world.nodes().count() as u32;
        let mut id = [b'-'; 20];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let now = self.world.now();
        let shared = Shared::new(&Limits { upload_slots: 1000, ..Limits::default() });
        let config = config.local_id(PeerId::new(id)).openings([Obfuscation::Plain]).max_peers(200);
        let mut swarm = Swarm::new(now, u64::from(number), config, shared.clone());
        swarm.handle_goal(now, Goal::Download);
        swarm.handle_metadata(now, self.geometry, Privacy::Public);
        swarm.handle_checked(now, Ok(have));
        let uplink = Bottleneck::new(rate, 1 << 30);
        let member = Member {
            swarm,
            shared,
            habit,
            finished: None,
            sent: 0,
            cancels: 0,
            peak_memory: 0,
            id: PeerId::new(id),
            uplink: uplink.clone(),
            out: VecDeque::new(),
            connections: BTreeMap::new(),
            by_key: BTreeMap::new(),
            dials: BTreeMap::new(),
            next_connection: u64::from(number) << 32,
            serving: VecDeque::new(),
            given: BTreeMap::new(),
            buffers: BTreeMap::new(),
            geometry: self.geometry,
        };
        let address = SocketAddr::new(Ipv4Addr::from(0x0800_0000 + (number << 8)).into(), 6881);
        let node = self.world.add(address, member);
        self.world.uplink(node, &uplink);
        node
    }

    /// A tracker tells `node` of these.
    pub(crate) fn tell(&mut self, node: NodeId, others: &[NodeId]) {
        let addresses: Vec<_> = others.iter().map(|other| Candidate::from(self.world.address(*other))).collect();
        self.world.with(node, |member, now| {
            member.swarm.handle_addresses(now, Source::Tracker(Scope::Global), addresses);
            member.settle(now);
        });
    }

    /// Each of `nodes` hears of all others.
    pub(crate) fn tell_all(&mut self, nodes: &[NodeId]) {
        let all: Vec<_> = self.world.nodes().map(|(id, _)| id).collect();
        for node in nodes {
            let others: Vec<_> = all.iter().copied().filter(|other| other != node).collect();
            self.tell(*node, &others);
        }
    }

    /// Runs until these are complete; the time that the last one needed.
    pub(crate) fn complete(&mut self, limit: Duration, nodes: &[NodeId]) -> Duration {
        let began = self.world.elapsed();
        let done = self.world.run_until(limit, |world| nodes.iter().all(|id| world[*id].swarm.is_complete()));
        let stats = || nodes.iter().map(|id| self.world[*id].swarm.stats(self.world.now())).collect::<Vec<_>>();
        assert!(done, "not complete after {limit:?}: {:#?}", stats());
        self.world.elapsed() - began
    }

    pub(crate) fn member_of(&self, id: NodeId) -> &Member {
        &self.world[id]
    }

    /// Whether `a` is connected to `b`.
    pub(crate) fn are_connected(&self, a: NodeId, b: NodeId) -> bool {
        let address = self.world.address(b);
        self.world[a].swarm.peers(self.world.now()).any(|peer| peer.address == address)
    }
}
