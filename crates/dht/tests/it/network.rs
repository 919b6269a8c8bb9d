//! A DHT in virtual time: honest nodes, which come and go, and hostile ones.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use torrent_dht::{
    Announce, AnnouncePort, Completeness, Config, Contact, Event, Family, Id, LookupId, Node, Outcome, Search,
    krpc::{Body, Decoder, Message, Method, Response},
};
use torrent_sim::{Mesh, NodeId, Transmit, World};

/// Who lives in the network.
pub(crate) enum Inhabitant {
    Honest(Box<Honest>),
    Hostile(Box<Hostile>),
}

pub(crate) struct Honest {
    pub(crate) node: Node,
    pub(crate) events: Vec<Event>,
    pub(crate) found: BTreeMap<LookupId, Vec<SocketAddr>>,
    pub(crate) finished: BTreeMap<LookupId, (Instant, Outcome)>,
}

/// A node that wants nobody to find anything.
pub(crate) struct Hostile {
    address: SocketAddr,
    id: Id,
    /// Claims to be next to whatever is looked for.
    lies_about_its_id: bool,
    /// The others, whom it names.
    accomplices: Vec<Contact>,
    rng: StdRng,
    out: Vec<Transmit<Vec<u8>>>,
}

impl Honest {
    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Peers { lookup, peers } => self.found.entry(lookup).or_default().extend(peers),
                Event::Finished { lookup, outcome } => drop(self.finished.insert(lookup, (now, *outcome))),
                other => self.events.push(other),
            }
        }
    }
}

impl Hostile {
    fn fake_id(target: &Id, ip: IpAddr) -> Id {
        let mut bytes = *target.as_bytes();
        let IpAddr::V4(ip) = ip else { unreachable!() };
        bytes[16..].iter_mut().zip(ip.octets()).for_each(|(byte, octet)| *byte ^= octet);
        Id::new(bytes)
    }

    /// An address where nobody is, whose id fits it and is as close to the target as a short search finds.
    fn phantom(&mut self, target: &Id) -> Contact {
        let ip = |rng: &mut StdRng| IpAddr::from(Ipv4Addr::from(rng.random_range(0x2000_0000u32..0x5000_0000)));
        let best = (0..30).map(|_| {
            let ip = ip(&mut self.rng);
            (Id::bound_to(ip, *target.as_bytes()), ip)
        });
        let (id, ip) = best.min_by_key(|(id, _)| target.distance(id)).unwrap();
        Contact { id, address: SocketAddr::new(ip, 6881) }
    }

    fn handle(&mut self, from: SocketAddr, payload: &[u8]) {
        let mut decoder = Decoder::default();
        let Ok(Message { transaction, body: Body::Query(query), .. }) = decoder.decode(payload) else { return };
        let target = match query.method {
            Method::FindNode { target, .. } | Method::Get { target, .. } => Some(target),
            Method::GetPeers { info_hash, .. } => Some(info_hash),
            _ => None,
        };
        let mut packed = Vec::new();
        let mut id = self.id;
        if let Some(target) = target {
            if self.lies_about_its_id {
                id = Self::fake_id(&target, self.address.ip());
            }
            for _ in 0..4 {
                self.phantom(&target).pack(&mut packed);
            }
            for accomplice in self.accomplices.clone().sample(&mut self.rng, 4) {
                let id = Self::fake_id(&target, accomplice.address.ip());
                Contact { id, ..*accomplice }.pack(&mut packed);
            }
        }
        let response = Response { id, nodes: Some(&packed), token: Some(b"welcome!"), ..Response::default() };
        let mut out = Vec::new();
        Message::new(transaction, Body::Response(response)).encode(&mut out);
        self.out.push(Transmit { to: from, parcel: out });
    }
}

impl torrent_sim::Node for Inhabitant {
    type Parcel = Vec<u8>;

    fn handle_parcel(&mut self, now: Instant, from: SocketAddr, parcel: Vec<u8>) {
        match self {
            Self::Honest(honest) => {
                honest.node.handle_datagram(now, from, &parcel);
                honest.take_events(now);
            }
            Self::Hostile(hostile) => hostile.handle(from, &parcel),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Honest(honest) = self {
            honest.node.handle_timeout(now);
            honest.take_events(now);
        }
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit<Vec<u8>>> {
        match self {
            Self::Honest(honest) => honest.node.poll_transmit().map(Transmit::from),
            Self::Hostile(hostile) => hostile.out.pop(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Honest(honest) => honest.node.poll_timeout(),
            Self::Hostile(_) => None,
        }
    }
}

/// A network that grows, lives and is asked.
pub(crate) struct Network {
    pub(crate) world: World<Inhabitant>,
    pub(crate) rng: StdRng,
    pub(crate) alive: Vec<NodeId>,
    next_address: u32,
    family: Family,
}

impl Network {
    pub(crate) fn new(seed: u64, loss: f64) -> Self {
        let mut world = World::seeded(seed);
        world.mesh(Mesh::new().delay(Duration::from_millis(10), Duration::from_millis(150)).loss(loss));
        let rng = StdRng::seed_from_u64(world.seed());
        Self { world, rng, alive: Vec::new(), next_address: 0, family: Family::V4 }
    }

    pub(crate) fn v6(seed: u64) -> Self {
        Self { family: Family::V6, ..Self::new(seed, 0.0) }
    }

    /// Each address is in a network of its own.
    fn address(&mut self) -> SocketAddr {
        self.next_address += 1;
        let n = self.next_address;
        match self.family {
            Family::V4 => SocketAddr::new(Ipv4Addr::from(0x0100_0001 + (n << 8)).into(), 6881),
            Family::V6 => {
                SocketAddr::new(std::net::Ipv6Addr::from((0x2a01u128 << 112) | (u128::from(n) << 64) | 1).into(), 6881)
            }
        }
    }

    pub(crate) fn honest(&self, id: NodeId) -> &Honest {
        match &self.world[id] {
            Inhabitant::Honest(honest) => honest,
            Inhabitant::Hostile(_) => panic!("a hostile node"),
        }
    }

    pub(crate) fn act<R>(&mut self, id: NodeId, act: impl FnOnce(&mut Node, Instant) -> R) -> R {
        self.world.with(id, |inhabitant, now| {
            let Inhabitant::Honest(honest) = inhabitant else { panic!("a hostile node") };
            let result = act(&mut honest.node, now);
            honest.take_events(now);
            result
        })
    }

    /// A node comes, and knows one that is there.
    pub(crate) fn join(&mut self) -> NodeId {
        let address = self.address();
        let config = Config { external: Some(address.ip()), ..Config::new(self.family) };
        self.join_as(address, config)
    }

    pub(crate) fn join_as(&mut self, address: SocketAddr, config: Config) -> NodeId {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let friends: Vec<SocketAddr> = self.alive.sample(&mut self.rng, 2).map(|id| self.world.address(*id)).collect();
        let node = Node::new(self.world.now(), seed, config);
        let honest = Honest { node, events: Vec::new(), found: BTreeMap::new(), finished: BTreeMap::new() };
        let id = self.world.add(address, Inhabitant::Honest(Box::new(honest)));
        for friend in friends {
            self.act(id, |node, now| node.handle_node(now, friend));
        }
        self.alive.push(id);
        id
    }

    /// Grows by so many nodes, some a second.
    pub(crate) fn grow(&mut self, nodes: usize) {
        let pause = Duration::from_millis(if self.alive.len() + nodes > 1000 { 10 } else { 50 });
        for _ in 0..nodes {
            self.join();
            self.world.run_for(pause);
        }
    }

    /// Hostile nodes come, which make up this part of all ids.
    pub(crate) fn infest(&mut self, part: f64) {
        let count = (self.alive.len() as f64 * part / (1.0 - part)).round() as usize;
        let accomplices: Vec<Contact> = (0..count)
            .map(|_| {
                let address = self.address();
                let mut random = [0; 20];
                self.rng.fill_bytes(&mut random);
                Contact { id: Id::bound_to(address.ip(), random), address }
            })
            .collect();
        for (n, Contact { id, address }) in accomplices.iter().copied().enumerate() {
            let known: Vec<Contact> = accomplices.sample(&mut self.rng, 50).copied().collect();
            let rng = StdRng::seed_from_u64(n as u64);
            let hostile =
                Hostile { address, id, lies_about_its_id: n % 2 == 0, accomplices: known, rng, out: Vec::new() };
            self.world.add(address, Inhabitant::Hostile(Box::new(hostile)));
        }
        // They make themselves known to everybody nearby.
        let honest = self.alive.clone();
        for Contact { id, address } in &accomplices {
            for victim in honest.sample(&mut self.rng, 20) {
                let to = self.world.address(*victim);
                let method = Method::FindNode { target: *id, want: torrent_dht::krpc::Want::Same };
                let query = torrent_dht::krpc::Query { id: *id, role: torrent_dht::Role::Server, method };
                let mut payload = Vec::new();
                Message::new(b"abcd", Body::Query(query)).encode(&mut payload);
                self.world.inject(*address, to, payload);
            }
        }
    }

    /// Time passes, in which this part of the nodes an hour is replaced by others.
    pub(crate) fn live(&mut self, time: Duration, churn_per_hour: f64) {
        let changes = (self.alive.len() as f64 * churn_per_hour * time.as_secs_f64() / 3600.0).round() as u32;
        if changes == 0 {
            return self.world.run_for(time);
        }
        for _ in 0..changes {
            self.world.run_for(time / changes);
            let gone = self.alive.swap_remove(self.rng.random_range(0..self.alive.len()));
            self.world.remove(gone);
            self.join();
        }
    }

    pub(crate) fn random_id(&mut self) -> Id {
        let mut bytes = [0; 20];
        self.rng.fill_bytes(&mut bytes);
        Id::new(bytes)
    }

    pub(crate) fn random_node(&mut self) -> NodeId {
        *self.alive.choose(&mut self.rng).unwrap()
    }

    pub(crate) fn announce(&mut self, id: NodeId, info_hash: Id) -> LookupId {
        let announce = Announce { port: AnnouncePort::Explicit(6882), completeness: Completeness::Leech };
        self.search(id, Search::GetPeers { info_hash, announce: Some(announce), scrape: false })
    }

    pub(crate) fn get_peers(&mut self, id: NodeId, info_hash: Id) -> LookupId {
        self.search(id, Search::GetPeers { info_hash, announce: None, scrape: false })
    }

    pub(crate) fn search(&mut self, id: NodeId, search: Search) -> LookupId {
        self.act(id, |node, now| node.handle_search(now, search).unwrap())
    }

    /// Runs until a lookup has ended.
    pub(crate) fn outcome(&mut self, id: NodeId, lookup: LookupId) -> Outcome {
        for _ in 0..600 {
            if let Some((_, outcome)) = self.honest(id).finished.get(&lookup) {
                return outcome.clone();
            }
            self.world.run_for(Duration::from_millis(100));
        }
        panic!("a lookup does not end");
    }

    /// The peer that a node announces itself as.
    pub(crate) fn peer(&self, id: NodeId) -> SocketAddr {
        SocketAddr::new(self.world.address(id).ip(), 6882)
    }
}
