//! A made-up network of real cores. Links have a delay; nodes have an upload rate, and habits.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use torrent_swarm::{Action, Budget, Command, Config, Direction, Fact, PeerKey, Swarm, Verdict};
use torrent_types::{Bitfield, Block, Geometry, PeerId, PieceIndex};

pub(crate) type NodeId = usize;

/// What a node does that an honest, quick one does not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// Every block of this number in its piece is garbage.
    pub(crate) corrupts: Option<u32>,
    /// Answers no request.
    pub(crate) silent: bool,
}

pub(crate) struct Node {
    pub(crate) swarm: Swarm,
    pub(crate) habits: Habits,
    pub(crate) finished: Option<Duration>,
    /// Bytes of blocks sent.
    pub(crate) sent: u64,
    pub(crate) requests_received: u64,
    pub(crate) cancels_received: u64,
    /// The most memory that was ever taken from the budget.
    pub(crate) peak_memory: usize,
    rate: u64,
    busy_until: Instant,
    budget: Budget,
    /// The other end of each connection.
    ends: BTreeMap<PeerKey, (NodeId, PeerKey)>,
    /// Blocks that are here of pieces that are not complete, and whether they are garbage.
    blocks: BTreeMap<PieceIndex, BTreeMap<u32, bool>>,
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    geometry: Geometry,
    start: Instant,
    now: Instant,
    delay: Duration,
    sequence: u64,
    mail: BinaryHeap<Reverse<(Instant, u64, Letter)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Letter {
    to: NodeId,
    key: PeerKey,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have(PieceIndex),
    Request(Block),
    Cancel(Block),
    Reject(Block),
    Data {
        block: Block,
        garbage: bool,
    },
    /// The node's uplink is free again.
    Uplink,
    Closed,
}

impl World {
    pub(crate) fn new(geometry: Geometry, delay: Duration) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
        let start = Instant::now();
        Self { nodes: Vec::new(), geometry, start, now: start, delay, sequence: 0, mail: BinaryHeap::new() }
    }

    pub(crate) fn seed(&mut self, rate: u64) -> NodeId {
        self.node(rate, Bitfield::full(self.geometry.piece_count()), Config::default())
    }

    pub(crate) fn leech(&mut self, rate: u64) -> NodeId {
        self.node(rate, Bitfield::new(self.geometry.piece_count()), Config::default())
    }

    /// `rate`: bytes per second that it can send.
    pub(crate) fn node(&mut self, rate: u64, have: Bitfield, config: Config) -> NodeId {
        let id = self.nodes.len();
        let budget = Budget::new(16 << 20);
        let config = config.local_id(Self::peer_id(id)).max_peers(200);
        let swarm = Swarm::new(self.now, self.geometry, have, config, budget.clone(), id as u64);
        self.nodes.push(Node {
            swarm,
            habits: Habits::default(),
            finished: None,
            sent: 0,
            requests_received: 0,
            cancels_received: 0,
            peak_memory: 0,
            rate,
            busy_until: self.now,
            budget,
            ends: BTreeMap::new(),
            blocks: BTreeMap::new(),
        });
        id
    }

    pub(crate) fn address(id: NodeId) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from(0x0800_0000 + id as u32).into(), 6881)
    }

    pub(crate) fn peer_id(id: NodeId) -> PeerId {
        let mut name = [b'-'; 20];
        name[12..].copy_from_slice(&(id as u64).to_be_bytes());
        PeerId::new(name)
    }

    /// `a` dials `b`.
    pub(crate) fn connect(&mut self, a: NodeId, b: NodeId) {
        let (id_a, id_b) = (Self::peer_id(a), Self::peer_id(b));
        let now = self.now;
        let key_b = self.nodes[a].swarm.connected(now, Self::address(b), id_b, Direction::Outgoing, true).unwrap();
        let key_a = self.nodes[b].swarm.connected(now, Self::address(a), id_a, Direction::Incoming, true).unwrap();
        self.nodes[a].ends.insert(key_b, (b, key_a));
        self.nodes[b].ends.insert(key_a, (a, key_b));
        for (me, key, other) in [(a, key_b, b), (b, key_a, a)] {
            let have = self.nodes[other].swarm.have().clone();
            self.facts(me, key, [Fact::Bitfield(have), Fact::RequestQueue(500)]);
        }
    }

    pub(crate) fn connect_all(&mut self) {
        for a in 0..self.nodes.len() {
            (0..a).for_each(|b| self.connect(a, b));
        }
    }

    /// Hands facts to a node as if its peer had said them.
    pub(crate) fn facts(&mut self, id: NodeId, key: PeerKey, facts: impl IntoIterator<Item = Fact>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        self.nodes[id].swarm.handle(self.now, key, facts, &mut verdicts);
        self.obey(id);
        verdicts
    }

    /// The requests that a node makes upon these facts. They go nowhere.
    pub(crate) fn requests(&mut self, id: NodeId, key: PeerKey, facts: impl IntoIterator<Item = Fact>) -> Vec<Block> {
        let request = |action: Action| match action {
            Action::Send(_, Command::Request(block)) => Some(block),
            _ => None,
        };
        self.actions(id, key, facts).into_iter().filter_map(request).collect()
    }

    /// What a node wants upon these facts. Nothing of it is done.
    pub(crate) fn actions(&mut self, id: NodeId, key: PeerKey, facts: impl IntoIterator<Item = Fact>) -> Vec<Action> {
        self.nodes[id].swarm.handle(self.now, key, facts, &mut Vec::new());
        self.nodes[id].swarm.drain_actions().collect()
    }

    pub(crate) fn disconnect(&mut self, id: NodeId, key: PeerKey) {
        self.deliver(Letter { to: id, key, what: What::Closed });
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The connection of `a` to `b`, as `a` knows it.
    pub(crate) fn key(&self, a: NodeId, b: NodeId) -> Option<PeerKey> {
        self.nodes[a].ends.iter().find(|(_, (other, _))| *other == b).map(|(key, _)| *key)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Runs until `done`, or fails after `limit` of virtual time.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(self.elapsed() < limit, "not done after {limit:?}");
            let tick = self.nodes.iter().map(|node| node.swarm.poll_timeout()).min().unwrap();
            match self.mail.peek() {
                Some(Reverse((at, _, _))) if *at <= tick => {
                    let Reverse((at, _, letter)) = self.mail.pop().unwrap();
                    self.now = at.max(self.now);
                    self.deliver(letter);
                }
                _ => {
                    self.now = tick.max(self.now);
                    for id in 0..self.nodes.len() {
                        if self.nodes[id].swarm.poll_timeout() <= self.now {
                            self.nodes[id].swarm.handle_timeout(self.now);
                            self.obey(id);
                        }
                    }
                }
            }
        }
    }

    pub(crate) fn run_until_complete(&mut self, limit: Duration, nodes: impl IntoIterator<Item = NodeId>) {
        let nodes: Vec<_> = nodes.into_iter().collect();
        self.run_until(limit, |world| nodes.iter().all(|id| world.nodes[*id].swarm.is_complete()));
    }

    fn post(&mut self, at: Instant, letter: Letter) {
        self.sequence += 1;
        self.mail.push(Reverse((at, self.sequence, letter)));
    }

    fn deliver(&mut self, Letter { to, key, what }: Letter) {
        if !self.nodes[to].ends.contains_key(&key) {
            return;
        }
        let fact = match what {
            What::Choke => Fact::Choked,
            What::Unchoke => Fact::Unchoked,
            What::Interested => Fact::Interested,
            What::NotInterested => Fact::NotInterested,
            What::Have(piece) => Fact::Have(piece),
            What::Request(block) => {
                self.nodes[to].requests_received += 1;
                if self.nodes[to].habits.silent {
                    return;
                }
                Fact::Requested(block)
            }
            What::Cancel(block) => {
                self.nodes[to].cancels_received += 1;
                Fact::Cancelled(block)
            }
            What::Reject(block) => Fact::Rejected(block),
            What::Data { block, garbage } => return self.data(to, key, block, garbage),
            What::Uplink => return self.upload(to, key),
            What::Closed => {
                self.nodes[to].ends.remove(&key);
                self.nodes[to].swarm.disconnected(self.now, key);
                return self.obey(to);
            }
        };
        self.facts(to, key, [fact]);
    }

    fn data(&mut self, to: NodeId, key: PeerKey, block: Block, garbage: bool) {
        let verdict = self.facts(to, key, [Fact::Received(block)])[0];
        let node = &mut self.nodes[to];
        node.peak_memory = node.peak_memory.max(node.budget.used());
        if verdict == Verdict::Discard {
            return;
        }
        let piece = block.piece();
        let blocks = node.blocks.entry(piece).or_default();
        assert_eq!(blocks.insert(block.index(), garbage), None, "the same block was accepted twice");
        if blocks.len() < self.geometry.block_count(piece) as usize {
            return;
        }
        let blocks = node.blocks.remove(&piece).unwrap();
        let good = blocks.values().all(|garbage| !garbage);
        let digest = |index: u32| blocks.get(&index).map(|garbage| [u8::from(*garbage); 20]);
        if node.swarm.piece_hashed(self.now, piece, good, digest) {
            node.swarm.pieces_stored(self.now, &[piece]);
        }
        self.obey(to);
    }

    /// Does what the core wants.
    fn obey(&mut self, id: NodeId) {
        let actions: Vec<_> = self.nodes[id].swarm.drain_actions().collect();
        for action in actions {
            match action {
                Action::Send(key, command) => {
                    let Some((to, end)) = self.nodes[id].ends.get(&key).copied() else { continue };
                    let what = match command {
                        Command::Cancel(block) => What::Cancel(block),
                        Command::Choke => What::Choke,
                        Command::Have(piece) => What::Have(piece),
                        Command::Interested => What::Interested,
                        Command::NotInterested => What::NotInterested,
                        Command::Reject(block) => What::Reject(block),
                        Command::Request(block) => What::Request(block),
                        Command::Unchoke => What::Unchoke,
                        _ => unreachable!(),
                    };
                    self.post(self.now + self.delay, Letter { to, key: end, what });
                }
                Action::Serve(key) => self.upload(id, key),
                Action::Disconnect(key, _) => {
                    let Some((to, end)) = self.nodes[id].ends.get(&key).copied() else { continue };
                    self.post(self.now + self.delay, Letter { to, key: end, what: What::Closed });
                    self.post(self.now, Letter { to: id, key, what: What::Closed });
                }
                Action::Finished => self.nodes[id].finished = Some(self.now - self.start),
                _ => {}
            }
        }
    }

    /// Sends the next block of a peer's queue when the uplink is free.
    fn upload(&mut self, id: NodeId, key: PeerKey) {
        let node = &mut self.nodes[id];
        let Some((to, end)) = node.ends.get(&key).copied() else { return };
        if node.busy_until > self.now {
            let at = node.busy_until;
            return self.post(at, Letter { to: id, key, what: What::Uplink });
        }
        let mut blocks = Vec::new();
        node.swarm.take_uploads(key, 1, &mut blocks);
        let Some(block) = blocks.pop() else { return };
        let length = u64::from(block.length());
        node.sent += length;
        node.swarm.uploaded(key, length);
        node.busy_until = self.now + Duration::from_secs_f64(length as f64 / node.rate as f64);
        let (free, garbage) = (node.busy_until, node.habits.corrupts == Some(block.index()));
        self.post(free + self.delay, Letter { to, key: end, what: What::Data { block, garbage } });
        self.post(free, Letter { to: id, key, what: What::Uplink });
    }
}

/// Every node's bytes sent, for asserting who did the work.
pub(crate) fn sent(world: &World, nodes: impl IntoIterator<Item = NodeId>) -> u64 {
    nodes.into_iter().map(|id| world.nodes[id].sent).sum()
}

/// The addresses that a node is connected to.
pub(crate) fn connected(world: &World, id: NodeId) -> BTreeSet<SocketAddr> {
    world.nodes[id].swarm.peers().map(|peer| peer.address).collect()
}
