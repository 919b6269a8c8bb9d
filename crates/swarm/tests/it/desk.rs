//! One torrent core driven by hand: the test is its peers, its disk and its clock.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_swarm::{
    Action, Attempt, Command, Config, Connected, Fact, Goal, Limits, Obfuscation, Outcome, PeerKey, Priority, Privacy,
    Refused, Shared, Swarm, Transport, Verdict, Via,
};
use torrent_types::{Bitfield, Block, Geometry, PeerId, PieceIndex};

pub(crate) const B: u64 = 16 * 1024;

pub(crate) fn p(index: u32) -> PieceIndex {
    PieceIndex::new(index)
}

pub(crate) struct Desk {
    pub(crate) swarm: Swarm,
    pub(crate) shared: Shared,
    pub(crate) now: Instant,
    began: Instant,
    pub(crate) geometry: Geometry,
    /// Actions that are no messages.
    pub(crate) acts: Vec<Action>,
    sent: BTreeMap<PeerKey, Vec<Command>>,
    peers: u32,
    /// Blocks that are here of each copy: the stand-in of the disk.
    buffers: BTreeMap<PieceIndex, u32>,
}

impl Desk {
    /// A download of `pieces` pieces of `blocks` blocks, of which nothing is there.
    pub(crate) fn new(pieces: u64, blocks: u64) -> Self {
        Self::with(pieces, blocks, &Limits::default(), Config::default())
    }

    pub(crate) fn with(pieces: u64, blocks: u64, limits: &Limits, config: Config) -> Self {
        Self::sharing(pieces, blocks, Shared::new(limits), config)
    }

    pub(crate) fn sharing(pieces: u64, blocks: u64, shared: Shared, config: Config) -> Self {
        let geometry = Geometry::new(pieces * blocks * B, (blocks * B) as u32).unwrap();
        let mut desk = Self::raw(geometry, shared, config);
        desk.swarm.handle_goal(desk.now, Goal::Download);
        desk.begin(Bitfield::new(geometry.piece_count()));
        desk
    }

    /// A torrent that has everything.
    pub(crate) fn seed(pieces: u64, blocks: u64, limits: &Limits, config: Config) -> Self {
        let geometry = Geometry::new(pieces * blocks * B, (blocks * B) as u32).unwrap();
        let mut desk = Self::raw(geometry, Shared::new(limits), config);
        desk.begin(Bitfield::full(geometry.piece_count()));
        desk
    }

    /// A torrent without metadata.
    pub(crate) fn raw(geometry: Geometry, shared: Shared, config: Config) -> Self {
        let now = torrent_sim::start();
        let swarm = Swarm::new(now, 7, config, shared.clone());
        Self {
            swarm,
            shared,
            now,
            began: now,
            geometry,
            acts: Vec::new(),
            sent: BTreeMap::new(),
            peers: 0,
            buffers: BTreeMap::new(),
        }
    }

    pub(crate) fn begin(&mut self, have: Bitfield) {
        self.swarm.handle_metadata(self.now, self.geometry, Privacy::Public);
        self.swarm.handle_checked(self.now, Ok(have));
        self.drain();
        self.acts.clear();
    }

    /// Another address each time.
    pub(crate) fn address(index: u32) -> SocketAddr {
        SocketAddr::from(([9, 9, (index >> 8) as u8, index as u8], 6881))
    }

    /// A peer of an address of its own that dials us.
    pub(crate) fn peer(&mut self, fast: bool) -> PeerKey {
        self.peers += 1;
        self.connect(Self::address(self.peers), Via::Accepted, self.peers, fast).unwrap()
    }

    pub(crate) fn connect(&mut self, address: SocketAddr, via: Via, id: u32, fast: bool) -> Result<PeerKey, Refused> {
        let mut name = [b'-'; 20];
        name[..4].copy_from_slice(&id.to_be_bytes());
        let result = self.swarm.handle_connected(
            self.now,
            Connected {
                address,
                id: PeerId::new(name),
                via,
                transport: Transport::Tcp,
                obfuscation: Obfuscation::Plain,
                fast,
            },
        );
        self.drain();
        result
    }

    /// A seed that lets us request and has proven itself with one block, which it took from `next`.
    pub(crate) fn proven_seed(&mut self) -> PeerKey {
        let key = self.peer(true);
        let (_, first) = self.facts(key, [Fact::HaveAll, Fact::RequestQueue(500), Fact::Unchoked]);
        assert_eq!(first.len(), 1, "a peer that never gave a block gets one request");
        self.give(key, &first);
        key
    }

    /// Facts in; verdicts, and the requests that the peer got since it was last looked at.
    pub(crate) fn facts(&mut self, key: PeerKey, facts: impl IntoIterator<Item = Fact>) -> (Vec<Verdict>, Vec<Block>) {
        let mut verdicts = Vec::new();
        self.swarm.handle_facts(self.now, key, facts, &mut verdicts);
        self.drain();
        (verdicts, self.requests(key))
    }

    /// The peer sends these blocks. What is complete is hashed and stored. Returns how many were kept.
    pub(crate) fn give(&mut self, key: PeerKey, blocks: &[Block]) -> usize {
        self.deliver(key, blocks, Outcome::Good)
    }

    pub(crate) fn deliver(&mut self, key: PeerKey, blocks: &[Block], outcome: Outcome) -> usize {
        let mut verdicts = Vec::new();
        self.swarm.handle_facts(self.now, key, blocks.iter().map(|block| Fact::Received(*block)), &mut verdicts);
        self.drain();
        let mut kept = 0;
        for (block, verdict) in blocks.iter().zip(verdicts) {
            if verdict == Verdict::Buffer {
                kept += 1;
                let count = self.buffers.entry(block.piece()).or_insert(0);
                *count += 1;
                if *count == self.geometry.block_count(block.piece()) {
                    self.swarm.handle_piece_hashed(self.now, block.piece(), outcome);
                    self.drain();
                }
            }
        }
        kept
    }

    /// Takes the actions out, and does the work of a disk that never fails.
    pub(crate) fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            match action {
                Action::Send(key, command) => self.sent.entry(key).or_default().push(command),
                Action::Forget(piece) => {
                    self.buffers.remove(&piece);
                    self.acts.push(Action::Forget(piece));
                }
                Action::Write(piece) => {
                    self.buffers.remove(&piece);
                    self.acts.push(Action::Write(piece));
                    self.swarm.handle_pieces_stored(self.now, &[piece]);
                }
                other => self.acts.push(other),
            }
        }
    }

    /// What the peer was told since it was last looked at.
    pub(crate) fn told(&mut self, key: PeerKey) -> Vec<Command> {
        self.sent.remove(&key).unwrap_or_default()
    }

    /// The requests among that.
    pub(crate) fn requests(&mut self, key: PeerKey) -> Vec<Block> {
        let request = |command: Command| match command {
            Command::Request(block) => Some(block),
            _ => None,
        };
        self.told(key).into_iter().filter_map(request).collect()
    }

    pub(crate) fn dials(&mut self) -> Vec<Attempt> {
        let mut dials = Vec::new();
        self.acts.retain(|action| match action {
            Action::Dial(attempt) => {
                dials.push(*attempt);
                false
            }
            _ => true,
        });
        dials
    }

    pub(crate) fn parted(&self, key: PeerKey) -> bool {
        self.acts.iter().any(|action| matches!(action, Action::Disconnect(other, _) if *other == key))
    }

    /// Time passes, and the core does what it has planned for it.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.swarm.poll_timeout().filter(|at| *at <= end) {
            let before = (self.swarm.poll_timeout(), at);
            self.now = self.now.max(at);
            self.swarm.handle_timeout(self.now);
            self.drain();
            assert_ne!(self.swarm.poll_timeout(), before.0, "a deadline does not move on");
        }
        self.now = end;
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    pub(crate) fn block(&self, piece: u32, index: u32) -> Block {
        self.geometry.nth_block(p(piece), index).unwrap()
    }

    /// An honest, complete newcomer delivers at once whatever it is asked for. The pieces that stay missing.
    pub(crate) fn newcomer_finishes(&mut self) -> Vec<u32> {
        let key = self.peer(true);
        let (_, mut todo) = self.facts(key, [Fact::HaveAll, Fact::RequestQueue(500), Fact::Unchoked]);
        for _ in 0..400 {
            if self.swarm.is_finished() {
                break;
            }
            if todo.is_empty() {
                self.seconds(1);
            } else {
                self.give(key, &todo);
            }
            todo = self.requests(key);
        }
        let missing =
            |piece: &u32| !self.swarm.have().get(p(*piece)) && self.swarm.priority(p(*piece)) != Priority::Skip;
        (0..self.geometry.piece_count()).filter(missing).collect()
    }
}
