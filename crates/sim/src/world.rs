//! Nodes, links and the heap of what happens when.
//! In: cores that speak in datagrams. Out: their lives, in virtual time. Never: sockets, threads, real time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    env, fmt,
    net::SocketAddr,
    ops::Index,
    thread,
    time::{Duration, Instant},
};

use rand::{SeedableRng as _, rngs::StdRng};

use crate::link::Link;

/// A core that speaks in datagrams.
pub trait Node {
    /// A datagram arrives.
    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, payload: &[u8]);
    /// The deadline has come.
    fn handle_timeout(&mut self, now: Instant);
    /// The next datagram to send. Asked until there is none, after each of the calls above.
    fn poll_transmit(&mut self, now: Instant) -> Option<Datagram>;
    /// When [`handle_timeout`](Self::handle_timeout) is due.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "written by every node")]
pub struct Datagram {
    /// The address of another node.
    pub to: SocketAddr,
    /// What is sent.
    pub payload: Vec<u8>,
}

/// Names a node of one world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// What became of the datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Handed to the network.
    pub sent: u64,
    /// Arrived, duplicates among them.
    pub delivered: u64,
    /// Lost on a link.
    pub dropped: u64,
    /// Sent to an address where nobody is.
    pub unreachable: u64,
}

/// A network and those who live in it. The same seed and the same calls give the same world.
pub struct World<N> {
    seed: u64,
    rng: StdRng,
    start: Instant,
    now: Instant,
    nodes: Vec<Inhabitant<N>>,
    addresses: HashMap<SocketAddr, NodeId>,
    links: BTreeMap<(NodeId, NodeId), Link>,
    default_link: fn() -> Link,
    happenings: BinaryHeap<Reverse<Happening>>,
    next_sequence: u64,
    counts: Counts,
}

struct Inhabitant<N> {
    node: N,
    address: SocketAddr,
    /// The deadline for which a happening is on the heap.
    alarm: Option<Instant>,
}

/// Ordered by time, then by when it was planned.
struct Happening {
    at: Instant,
    sequence: u64,
    what: What,
}

enum What {
    Alarm(NodeId),
    Arrival { at: NodeId, from: SocketAddr, payload: Vec<u8> },
}

/// `TORRENT_SIM_SEED`, or `default`.
#[must_use]
pub fn seed(default: u64) -> u64 {
    env::var("TORRENT_SIM_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl<N: Node> World<N> {
    /// An empty world. `TORRENT_SIM_SEED` overrides `default_seed`.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one moment that virtual time starts from; `Instant` has no other"
    )]
    pub fn seeded(default_seed: u64) -> Self {
        let seed = seed(default_seed);
        let now = Instant::now();
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            start: now,
            now,
            nodes: Vec::new(),
            addresses: HashMap::new(),
            links: BTreeMap::new(),
            default_link: Link::new,
            happenings: BinaryHeap::new(),
            next_sequence: 0,
            counts: Counts::default(),
        }
    }

    /// What lies between nodes that no [`link`](Self::link) names. Set it before they speak. Default: a perfect link.
    pub fn default_link(&mut self, link: fn() -> Link) {
        self.default_link = link;
    }

    /// A node comes to live at `address`.
    ///
    /// # Panics
    /// If somebody lives there.
    pub fn node(&mut self, address: SocketAddr, node: N) -> NodeId {
        let id = NodeId(self.nodes.len());
        assert!(self.addresses.insert(address, id).is_none(), "two nodes at {address}");
        self.nodes.push(Inhabitant { node, address, alarm: None });
        self.settle(id);
        id
    }

    /// Lays a link in each direction between two nodes.
    pub fn link(&mut self, a: NodeId, b: NodeId, link: impl Fn() -> Link) {
        self.one_way(a, b, link());
        self.one_way(b, a, link());
    }

    /// Lays a link in one direction.
    pub fn one_way(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.links.insert((from, to), link);
    }

    /// Where a node lives.
    #[must_use]
    pub fn address(&self, id: NodeId) -> SocketAddr {
        self.nodes[id.0].address
    }

    /// A node moves; what is on its way to the old address is still delivered, what is sent there later is not.
    pub fn move_to(&mut self, id: NodeId, address: SocketAddr) {
        self.addresses.remove(&self.nodes[id.0].address);
        assert!(self.addresses.insert(address, id).is_none(), "two nodes at {address}");
        self.nodes[id.0].address = address;
    }

    /// All nodes, in the order in which they came.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &N)> {
        self.nodes.iter().enumerate().map(|(index, inhabitant)| (NodeId(index), &inhabitant.node))
    }

    /// Now, in virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// What became of the datagrams so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Does something to a node, and sends what that makes it send.
    pub fn with<R>(&mut self, id: NodeId, act: impl FnOnce(&mut N, Instant) -> R) -> R {
        let result = act(&mut self.nodes[id.0].node, self.now);
        self.settle(id);
        result
    }

    /// A datagram with whatever source address: the network does not check it, as the internet does not.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, payload: Vec<u8>) {
        match self.addresses.get(&to) {
            Some(&at) => self.plan(self.now, What::Arrival { at, from, payload }),
            None => self.counts.unreachable += 1,
        }
    }

    /// The next thing happens, if there is one before `until` of virtual time. Did it?
    pub fn step(&mut self, until: Duration) -> bool {
        let end = self.start + until;
        match self.happenings.peek() {
            Some(Reverse(next)) if next.at <= end => {}
            _ => {
                self.now = self.now.max(end);
                return false;
            }
        }
        let Some(Reverse(Happening { at, what, .. })) = self.happenings.pop() else { return false };
        self.now = self.now.max(at);
        match what {
            What::Alarm(id) => {
                let inhabitant = &mut self.nodes[id.0];
                if inhabitant.alarm == Some(at) {
                    inhabitant.alarm = None;
                    inhabitant.node.handle_timeout(self.now);
                    let deadline = inhabitant.node.poll_timeout();
                    assert!(deadline.is_none_or(|deadline| deadline > at), "a node's deadline does not move on");
                    self.settle(id);
                }
            }
            What::Arrival { at, from, payload } => {
                self.counts.delivered += 1;
                self.nodes[at.0].node.handle_datagram(self.now, from, &payload);
                self.settle(at);
            }
        }
        true
    }

    /// Lets `time` of virtual time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.elapsed() + time;
        while self.step(end) {}
    }

    /// Runs until `done`, at most until `deadline` of virtual time since the beginning. Was it done?
    pub fn run_until(&mut self, deadline: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            if !self.step(deadline) {
                return done(self);
            }
        }
    }

    /// Takes from a node what it wants to send, and notes its deadline.
    fn settle(&mut self, id: NodeId) {
        while let Some(datagram) = self.nodes[id.0].node.poll_transmit(self.now) {
            self.send(id, datagram);
        }
        let deadline = self.nodes[id.0].node.poll_timeout().map(|deadline| deadline.max(self.now));
        if deadline != self.nodes[id.0].alarm {
            self.nodes[id.0].alarm = deadline;
            if let Some(at) = deadline {
                self.plan(at, What::Alarm(id));
            }
        }
    }

    fn send(&mut self, from: NodeId, Datagram { to, payload }: Datagram) {
        self.counts.sent += 1;
        let Some(&at) = self.addresses.get(&to) else {
            self.counts.unreachable += 1;
            return;
        };
        let link = self.links.entry((from, at)).or_insert_with(self.default_link);
        let flights = link.pass(self.now, payload.len(), &mut self.rng);
        if flights.is_empty() {
            self.counts.dropped += 1;
        }
        let from = self.nodes[from.0].address;
        for flight in flights {
            self.plan(flight.at, What::Arrival { at, from, payload: payload.clone() });
        }
    }

    fn plan(&mut self, at: Instant, what: What) {
        self.next_sequence += 1;
        self.happenings.push(Reverse(Happening { at, sequence: self.next_sequence, what }));
    }
}

impl<N> Index<NodeId> for World<N> {
    type Output = N;

    fn index(&self, id: NodeId) -> &N {
        &self.nodes[id.0].node
    }
}

impl<N> fmt::Debug for World<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("elapsed", &(self.now - self.start))
            .field("nodes", &self.nodes.len())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// A test that fails says how to fail again.
impl<N> Drop for World<N> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("TORRENT_SIM_SEED={} after {:?} of virtual time", self.seed, self.now - self.start);
        }
    }
}

impl PartialEq for Happening {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Happening {}

impl PartialOrd for Happening {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Happening {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
