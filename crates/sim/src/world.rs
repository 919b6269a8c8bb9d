//! Nodes, what lies between them, and virtual time.
//! In: cores. Out: their lives, the same for the same seed. Never: sockets, threads, real time.

use std::{
    env, fmt,
    net::SocketAddr,
    ops::Index,
    thread,
    time::{Duration, Instant, SystemTime},
};

use rand::{SeedableRng as _, rngs::StdRng};

use crate::{
    agenda::Agenda,
    bottleneck::Bottleneck,
    link::Link,
    mesh::Mesh,
    network::{Journey, Network, Outcome},
    parcel::{Parcel, Transmit},
};

/// A core that sends parcels to addresses: the calls of every datagram core.
pub trait Node {
    /// What it sends and receives. Datagram cores have `Vec<u8>`.
    type Parcel: Parcel;

    /// A parcel arrives.
    fn handle_parcel(&mut self, now: Instant, from: SocketAddr, parcel: Self::Parcel);
    /// The deadline has come.
    fn handle_timeout(&mut self, now: Instant);
    /// The next parcel to send. Called until there is none, after each of the calls above.
    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<Self::Parcel>>;
    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is planned.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// Names a node of one world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What became of the parcels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Given to the network by nodes.
    pub sent: u64,
    /// Their bytes of payload.
    pub sent_bytes: u64,
    /// Arrived, duplicates included.
    pub delivered: u64,
    /// Lost on a link or in a full queue. For reliable parcels: sent again.
    pub dropped: u64,
    /// Sent to an address without a node.
    pub unreachable: u64,
}

/// A network and its nodes. The same seed and the same calls give the same world.
pub struct World<N: Node> {
    seed: u64,
    start: Instant,
    now: Instant,
    nodes: Vec<Option<Host<N>>>,
    network: Network<N::Parcel>,
    agenda: Agenda<Event<N::Parcel>>,
    /// Legs that [`Network::travel`] has planned and that are not on the agenda yet.
    planned: Vec<(Instant, Outcome<N::Parcel>)>,
    counts: Counts,
}

struct Host<N> {
    node: N,
    addresses: Vec<SocketAddr>,
    /// The earliest moment for which an alarm is on the agenda.
    alarm: Option<Instant>,
}

enum Event<P> {
    Alarm(NodeId),
    Hop(Journey<P>),
    Arrival(Journey<P>),
}

/// `TORRENT_SIM_SEED`, or `default`.
#[must_use]
pub fn seed(default: u64) -> u64 {
    seed_of_environment().unwrap_or(default)
}

/// Seeds for `count` runs of a test: 0, 1, 2 and so on. With `TORRENT_SIM_FRESH=1` they begin at a number that differs in every
/// run; with `TORRENT_SIM_SEED` there is only that one.
pub fn seeds(count: u64) -> impl Iterator<Item = u64> {
    #[expect(clippy::disallowed_methods, reason = "asked for: a different series in every run")]
    let fresh = env::var_os("TORRENT_SIM_FRESH")
        .and_then(|_| Some(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs() << 16));
    match seed_of_environment() {
        Some(seed) => seed..seed.saturating_add(1),
        None => fresh.unwrap_or(0)..fresh.unwrap_or(0).saturating_add(count),
    }
}

fn seed_of_environment() -> Option<u64> {
    env::var("TORRENT_SIM_SEED").ok()?.parse().ok()
}

/// A moment at which virtual time may start, for tests of a core without a world.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "`Instant` has no constant; everything after this is relative to it")]
pub fn start() -> Instant {
    Instant::now()
}

impl<N: Node> World<N> {
    /// An empty world with a perfect network. `TORRENT_SIM_SEED` overrides `default_seed`.
    #[must_use]
    pub fn seeded(default_seed: u64) -> Self {
        let (seed, now) = (seed(default_seed), start());
        Self {
            seed,
            start: now,
            now,
            nodes: Vec::new(),
            network: Network::new(seed, StdRng::seed_from_u64(seed)),
            agenda: Agenda::new(),
            planned: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// The seed that this world has.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// What lies between nodes that no [`link`](Self::link) joins, without state per pair: for worlds with many nodes.
    pub fn mesh(&mut self, mesh: Mesh) {
        self.network.set_mesh(mesh);
    }

    /// What lies between nodes that no [`link`](Self::link) joins. Each direction of each pair that talks gets its own, which is
    /// kept. Set it before they do.
    pub fn default_link(&mut self, link: fn() -> Link) {
        self.network.set_default_link(link);
    }

    /// Adds a node at `address`.
    ///
    /// # Panics
    /// If another node has that address.
    pub fn add(&mut self, address: SocketAddr, node: N) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than four billion nodes"));
        self.network.add(id, address);
        self.nodes.push(Some(Host { node, addresses: vec![address], alarm: None }));
        self.settle(id);
        id
    }

    /// Gives a node one more address, for example of the other family. A node sends from its first address of the family that it
    /// sends to.
    ///
    /// # Panics
    /// If a node has that address.
    pub fn also_at(&mut self, id: NodeId, address: SocketAddr) {
        self.network.claim(id, address);
        self.host_mut(id).addresses.push(address);
    }

    /// Takes a node out of the world, without a farewell. Parcels that are on their way to it are lost.
    pub fn remove(&mut self, id: NodeId) -> N {
        let host = self.nodes.get_mut(id.index()).and_then(Option::take).expect("the node is in the world");
        for address in host.addresses {
            self.network.release(address);
        }
        host.node
    }

    /// Gives a node a new first address. What is on its way to the old one is still delivered, what is sent there later is not.
    ///
    /// # Panics
    /// If another node has that address.
    pub fn move_to(&mut self, id: NodeId, address: SocketAddr) {
        let old = self.address(id);
        self.network.release(old);
        self.network.claim(id, address);
        self.host_mut(id).addresses[0] = address;
    }

    /// Lays a link in each direction between two nodes, in place of the ones that are there.
    pub fn link(&mut self, a: NodeId, b: NodeId, link: impl Fn() -> Link) {
        self.one_way(a, b, link());
        self.one_way(b, a, link());
    }

    /// Lays a link in one direction, in place of the one that is there.
    pub fn one_way(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.network.set_link(from, to, link);
    }

    /// Everything that a node sends goes through `bottleneck` first. Several nodes may share one.
    pub fn uplink(&mut self, id: NodeId, bottleneck: &Bottleneck) {
        self.network.set_uplink(id, bottleneck);
    }

    /// Everything that a node receives goes through `bottleneck` last. Several nodes may share one.
    pub fn downlink(&mut self, id: NodeId, bottleneck: &Bottleneck) {
        self.network.set_downlink(id, bottleneck);
    }

    /// The first address of a node.
    #[must_use]
    pub fn address(&self, id: NodeId) -> SocketAddr {
        self.host(id).addresses[0]
    }

    /// The node at an address.
    #[must_use]
    pub fn node_at(&self, address: SocketAddr) -> Option<NodeId> {
        self.network.find(address)
    }

    /// All nodes, in the order in which they were added.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &N)> {
        (0..).map(NodeId).zip(&self.nodes).filter_map(|(id, host)| Some((id, &host.as_ref()?.node)))
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

    /// What became of the parcels so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Does something to a node, and sends what that makes it send.
    pub fn with<R>(&mut self, id: NodeId, act: impl FnOnce(&mut N, Instant) -> R) -> R {
        let now = self.now;
        let result = act(&mut self.host_mut(id).node, now);
        self.settle(id);
        result
    }

    /// Delivers a parcel at once, with any source address: like the internet, the network does not check it.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, parcel: N::Parcel) {
        match self.network.find(to) {
            Some(at) => {
                let journey = self.network.injected(at, from, parcel);
                self.plan(self.now, Event::Arrival(journey));
            }
            None => self.counts.unreachable += 1,
        }
    }

    /// Lets the next event happen, if there is one before `until` of virtual time since the beginning. Whether there was.
    pub fn step(&mut self, until: Duration) -> bool {
        let end = self.start + until;
        if self.agenda.next().is_none_or(|next| self.start + Duration::from_nanos(next) > end) {
            self.now = self.now.max(end);
            return false;
        }
        let Some((at, event)) = self.agenda.pop() else { return false };
        self.now = self.now.max(self.start + Duration::from_nanos(at));
        match event {
            Event::Alarm(id) => self.alarm(id),
            Event::Hop(journey) => self.travel(journey),
            Event::Arrival(journey) => self.arrive(journey),
        }
        true
    }

    /// Lets `time` of virtual time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.elapsed() + time;
        while self.step(end) {}
    }

    /// Runs until `done`, at most until `deadline` of virtual time since the beginning. Whether it was done. `done` is called after
    /// every event, so it has to be quick.
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

    fn alarm(&mut self, id: NodeId) {
        let now = self.now;
        let Some(Some(host)) = self.nodes.get_mut(id.index()) else { return };
        // An earlier deadline may have replaced the one for which this alarm was planned.
        if host.alarm.is_none_or(|alarm| alarm > now) {
            return;
        }
        host.alarm = None;
        if host.node.poll_timeout().is_some_and(|deadline| deadline <= now) {
            host.node.handle_timeout(now);
            let deadline = host.node.poll_timeout();
            assert!(deadline.is_none_or(|deadline| deadline > now), "a node's deadline does not move on");
        }
        self.settle(id);
    }

    fn arrive(&mut self, journey: Journey<N::Parcel>) {
        let to = journey.to();
        let mut arrived = self.network.arrive(journey);
        while let Some((source, parcel)) = arrived.take() {
            if let Some(Some(host)) = self.nodes.get_mut(to.index()) {
                self.counts.delivered += 1;
                host.node.handle_parcel(self.now, source, parcel);
                self.settle(to);
            } else {
                self.counts.unreachable += 1;
            }
            // Reliable parcels that had to wait for this one.
            arrived = self.network.next_in_order();
        }
    }

    /// Takes from a node what it wants to send, and plans its deadline.
    fn settle(&mut self, id: NodeId) {
        let now = self.now;
        while let Some(transmit) = self.host_mut(id).node.poll_transmit(now) {
            self.send(id, transmit);
        }
        let host = self.host_mut(id);
        // A deadline that moves later keeps its alarm: it is looked at again when that rings. So the agenda does not fill with
        // alarms of nodes that put off their deadline with every parcel.
        if let Some(deadline) = host.node.poll_timeout().map(|deadline| deadline.max(now))
            && host.alarm.is_none_or(|alarm| deadline < alarm)
        {
            host.alarm = Some(deadline);
            self.plan(deadline, Event::Alarm(id));
        }
    }

    fn send(&mut self, from: NodeId, Transmit { to, parcel }: Transmit<N::Parcel>) {
        self.counts.sent += 1;
        self.counts.sent_bytes += parcel.size() as u64;
        let Some(at) = self.network.find(to) else {
            self.counts.unreachable += 1;
            return;
        };
        let addresses = &self.host(from).addresses;
        let same_family = addresses.iter().find(|address| address.is_ipv4() == to.is_ipv4());
        let source = *same_family.unwrap_or(&addresses[0]);
        let journey = self.network.depart(from, at, source, parcel);
        self.travel(journey);
    }

    fn travel(&mut self, journey: Journey<N::Parcel>) {
        self.counts.dropped += self.network.travel(self.now, journey, &mut self.planned);
        while let Some((at, outcome)) = self.planned.pop() {
            let event = match outcome {
                Outcome::Hop(journey) => Event::Hop(journey),
                Outcome::Arrival(journey) => Event::Arrival(journey),
            };
            self.plan(at, event);
        }
    }

    fn plan(&mut self, at: Instant, event: Event<N::Parcel>) {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        self.agenda.plan(u64::try_from(nanos).expect("virtual time ends after 584 years"), event);
    }

    fn host(&self, id: NodeId) -> &Host<N> {
        self.nodes.get(id.index()).and_then(Option::as_ref).expect("the node is in the world")
    }

    fn host_mut(&mut self, id: NodeId) -> &mut Host<N> {
        self.nodes.get_mut(id.index()).and_then(Option::as_mut).expect("the node is in the world")
    }
}

impl<N: Node> Index<NodeId> for World<N> {
    type Output = N;

    fn index(&self, id: NodeId) -> &N {
        &self.host(id).node
    }
}

impl<N: Node> fmt::Debug for World<N> {
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
impl<N: Node> Drop for World<N> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("TORRENT_SIM_SEED={} after {:?} of virtual time", self.seed, self.now - self.start);
        }
    }
}
