//! The way of a parcel: uplink of the sender, the link between the two, downlink of the receiver.
//! In: parcels that depart, and those that reach the next queue. Out: when they reach a queue or their destination.
//!
//! A queue has to see parcels in the order in which they reach it, not in which they were sent: two links of different delay may
//! lead into one. So a parcel that reaches a queue in the future is put on the agenda and goes on from there.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::rngs::StdRng;

use crate::{
    bottleneck::Bottleneck,
    fault::Flight,
    link::{Link, Stage},
    mesh::Mesh,
    parcel::{Delivery, Parcel},
    world::NodeId,
};

/// A reliable parcel that is lost is sent again after this time, then after twice that, and so on up to 64 times it. The initial
/// value that Linux uses for TCP once it has measured a connection.
pub const RETRANSMIT: Duration = Duration::from_millis(200);

/// A parcel on its way.
#[derive(Clone)]
pub(crate) struct Journey<P> {
    from: NodeId,
    to: NodeId,
    source: SocketAddr,
    /// Reliable parcels: the place in the order of its pair. Others and injected ones: `None`.
    order: Option<u64>,
    stage: usize,
    losses: u32,
    parcel: P,
}

impl<P> Journey<P> {
    pub(crate) const fn to(&self) -> NodeId {
        self.to
    }
}

/// What happens to a parcel next.
pub(crate) enum Outcome<P> {
    /// It reaches a queue, or is sent again.
    Hop(Journey<P>),
    /// It reaches its node.
    Arrival(Journey<P>),
}

pub(crate) struct Network<P> {
    seed: u64,
    rng: StdRng,
    addresses: HashMap<SocketAddr, NodeId, BuildHasherDefault<QuickHasher>>,
    links: HashMap<(NodeId, NodeId), Link, BuildHasherDefault<QuickHasher>>,
    between: Between,
    edges: Vec<Edges>,
    orders: BTreeMap<(NodeId, NodeId), Order<P>>,
    /// In order now, behind the parcel that is being delivered.
    ready: VecDeque<(SocketAddr, P)>,
    scratch: Vec<Flight>,
}

/// What lies between nodes without a link of their own.
enum Between {
    Mesh(Mesh),
    Links(fn() -> Link),
}

#[derive(Default)]
struct Edges {
    up: Option<Bottleneck>,
    down: Option<Bottleneck>,
}

struct Order<P> {
    next_sent: u64,
    next_delivered: u64,
    early: BTreeMap<u64, (SocketAddr, P)>,
}

/// The next stage of a journey.
enum Next {
    Queue(Bottleneck),
    Link,
    Mesh,
    End,
}

impl<P: Parcel> Network<P> {
    pub(crate) fn new(seed: u64, rng: StdRng) -> Self {
        Self {
            seed,
            rng,
            addresses: HashMap::default(),
            links: HashMap::default(),
            between: Between::Mesh(Mesh::new()),
            edges: Vec::new(),
            orders: BTreeMap::new(),
            ready: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn set_mesh(&mut self, mesh: Mesh) {
        self.between = Between::Mesh(mesh);
    }

    pub(crate) fn set_default_link(&mut self, link: fn() -> Link) {
        self.between = Between::Links(link);
    }

    pub(crate) fn set_link(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.links.insert((from, to), link);
    }

    pub(crate) fn set_uplink(&mut self, id: NodeId, bottleneck: &Bottleneck) {
        self.edges[id.index()].up = Some(bottleneck.clone());
    }

    pub(crate) fn set_downlink(&mut self, id: NodeId, bottleneck: &Bottleneck) {
        self.edges[id.index()].down = Some(bottleneck.clone());
    }

    pub(crate) fn add(&mut self, id: NodeId, address: SocketAddr) {
        self.claim(id, address);
        self.edges.push(Edges::default());
    }

    pub(crate) fn claim(&mut self, id: NodeId, address: SocketAddr) {
        assert!(self.addresses.insert(address, id).is_none(), "two nodes at {address}");
    }

    pub(crate) fn release(&mut self, address: SocketAddr) {
        self.addresses.remove(&address);
    }

    pub(crate) fn find(&self, address: SocketAddr) -> Option<NodeId> {
        self.addresses.get(&address).copied()
    }

    pub(crate) fn depart(&mut self, from: NodeId, to: NodeId, source: SocketAddr, parcel: P) -> Journey<P> {
        let order = (P::DELIVERY == Delivery::Reliable).then(|| {
            let order = self.orders.entry((from, to)).or_insert_with(Order::new);
            order.next_sent += 1;
            order.next_sent - 1
        });
        Journey { from, to, source, order, stage: 0, losses: 0, parcel }
    }

    /// A parcel from outside of the world.
    pub(crate) fn injected(&self, to: NodeId, source: SocketAddr, parcel: P) -> Journey<P> {
        Journey { from: to, to, source, order: None, stage: 0, losses: 0, parcel }
    }

    /// Moves a parcel on from where it is at `now`. Plans what happens next, and gives the number of losses.
    pub(crate) fn travel(
        &mut self,
        now: Instant,
        journey: Journey<P>,
        planned: &mut Vec<(Instant, Outcome<P>)>,
    ) -> u64 {
        let mut lost = 0;
        // More than one only after a duplication.
        let mut legs = vec![(now, journey)];
        while let Some((mut at, mut journey)) = legs.pop() {
            loop {
                let wire_size = journey.parcel.size() + P::HEADERS;
                let survivors = match self.next(&journey) {
                    Next::End => {
                        planned.push((at, Outcome::Arrival(journey)));
                        break;
                    }
                    Next::Queue(_) if at > now => {
                        planned.push((at, Outcome::Hop(journey)));
                        break;
                    }
                    Next::Queue(queue) => queue.enter(at, wire_size, P::DELIVERY).into_iter().collect(),
                    Next::Mesh => self.pass_mesh(at, &journey),
                    Next::Link => self.pass_link(at, &journey),
                };
                let Some((&first, copies)) = survivors.split_first() else {
                    lost += 1;
                    self.lose(at, journey, planned);
                    break;
                };
                journey.stage += 1;
                if P::DELIVERY == Delivery::Lossy {
                    legs.extend(copies.iter().map(|&at| (at, journey.clone())));
                }
                at = first;
            }
        }
        lost
    }

    /// Reliable parcels start again from the sender, others are gone.
    fn lose(&self, at: Instant, mut journey: Journey<P>, planned: &mut Vec<(Instant, Outcome<P>)>) {
        if P::DELIVERY == Delivery::Reliable {
            let pause = RETRANSMIT * (1 << journey.losses.min(6));
            journey.losses += 1;
            journey.stage = 0;
            planned.push((at + pause, Outcome::Hop(journey)));
        }
    }

    fn next(&mut self, journey: &Journey<P>) -> Next {
        let mut stage = journey.stage;
        if let Some(up) = &self.edges[journey.from.index()].up {
            if stage == 0 {
                return Next::Queue(up.clone());
            }
            stage -= 1;
        }
        let pair = (journey.from, journey.to);
        let length = match (self.links.get_mut(&pair), &self.between) {
            (Some(link), _) => match link.stage(stage) {
                Some(Stage::Queue(queue)) => return Next::Queue(queue.clone()),
                Some(Stage::Fault(_)) => return Next::Link,
                None => link.length(),
            },
            (None, Between::Mesh(_)) if stage == 0 => return Next::Mesh,
            (None, Between::Mesh(_)) => 1,
            (None, Between::Links(make)) => {
                self.links.insert(pair, make());
                return self.next(journey);
            }
        };
        match &self.edges[journey.to.index()].down {
            Some(down) if stage == length => Next::Queue(down.clone()),
            _ => Next::End,
        }
    }

    fn pass_mesh(&mut self, at: Instant, journey: &Journey<P>) -> Survivors {
        let Between::Mesh(mesh) = &self.between else { return Survivors::default() };
        let flight = Flight { at, size: journey.parcel.size() };
        let passed = mesh.pass(self.seed, (journey.from.0, journey.to.0), flight, &mut self.rng);
        passed.map(|flight| flight.at).into_iter().collect()
    }

    fn pass_link(&mut self, at: Instant, journey: &Journey<P>) -> Survivors {
        let up = usize::from(self.edges[journey.from.index()].up.is_some());
        let Some(link) = self.links.get_mut(&(journey.from, journey.to)) else { return Survivors::default() };
        let Some(Stage::Fault(fault)) = link.stage(journey.stage - up) else { return Survivors::default() };
        // Reliable parcels are cut to fit, so no size is too large for an MTU.
        let size = if P::DELIVERY == Delivery::Reliable { 0 } else { journey.parcel.size() };
        let mut out = mem::take(&mut self.scratch);
        fault.pass(Flight { at, size }, &mut self.rng, &mut out);
        let survivors = out.drain(..).map(|flight| flight.at).collect();
        self.scratch = out;
        survivors
    }

    /// A parcel reaches its node. What is delivered now: this one, or nothing if one before it is still on its way.
    pub(crate) fn arrive(&mut self, journey: Journey<P>) -> Option<(SocketAddr, P)> {
        let Journey { from, to, source, order, parcel, .. } = journey;
        let Some(number) = order else { return Some((source, parcel)) };
        let order = self.orders.entry((from, to)).or_insert_with(Order::new);
        order.early.insert(number, (source, parcel));
        while let Some(parcel) = order.early.remove(&order.next_delivered) {
            order.next_delivered += 1;
            self.ready.push_back(parcel);
        }
        self.ready.pop_front()
    }

    /// The next reliable parcel that [`arrive`](Self::arrive) has put in order.
    pub(crate) fn next_in_order(&mut self) -> Option<(SocketAddr, P)> {
        self.ready.pop_front()
    }
}

impl<P> Order<P> {
    const fn new() -> Self {
        Self { next_sent: 0, next_delivered: 0, early: BTreeMap::new() }
    }
}

/// Times at which copies of a parcel leave a stage. Rarely more than one, so nothing is allocated for the first.
#[derive(Default)]
struct Survivors {
    first: Option<Instant>,
    rest: Vec<Instant>,
}

impl FromIterator<Instant> for Survivors {
    fn from_iter<I: IntoIterator<Item = Instant>>(times: I) -> Self {
        let mut times = times.into_iter();
        Self { first: times.next(), rest: times.collect() }
    }
}

impl Survivors {
    fn split_first(&self) -> Option<(&Instant, &[Instant])> {
        Some((self.first.as_ref()?, &self.rest))
    }
}

/// Keys here are chosen by tests, not by attackers: a multiplication per word is enough.
#[derive(Default)]
pub(crate) struct QuickHasher(u64);

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        // hashbrown looks at the upper bits, too, but the low ones of a product depend on few others.
        self.0 ^ (self.0 >> 32)
    }
}
