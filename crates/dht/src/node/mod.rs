//! A node of the DHT for one address family, without sockets, clock or luck of its own.
//! In: datagrams, time, what to look for. Out: datagrams, events, the next deadline.
//!
//! Contract: after each call with `&mut self`, take everything from [`poll_transmit`](Node::poll_transmit) and
//! [`poll_event`](Node::poll_event), then ask [`poll_timeout`](Node::poll_timeout). Time never goes back.

mod bucket;
mod config;
mod external;
mod items;
mod limits;
mod lookup;
mod peers;
mod query;
mod schedule;
mod server;
mod stats;
mod table;
mod tokens;
mod upkeep;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use torrent_types::{Datagram, time::after};

use crate::{
    id::Id,
    item::Item,
    krpc::{Contact, Decoder},
    snapshot::NodeSnapshot,
};

pub use config::{AnswerAll, Config, Family, Limits, Policy, Verdict};
pub use lookup::{Announce, Completeness, Outcome, Scrape, Search};
pub use query::{Answer, Ask, QueryError};
pub use schedule::Urgency;
pub use stats::Stats;

use self::{
    bucket::TokenBucket,
    external::ExternalAddress,
    items::ItemStore,
    limits::AnswerLimits,
    lookup::Lookup,
    peers::PeerStore,
    query::InFlight,
    schedule::Schedule,
    table::{Choice, Table},
    tokens::Tokens,
};

/// Names a lookup of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(u64);

/// Names a query to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(u64);

/// What a node tells its caller.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Peers that this lookup has not brought before.
    Peers {
        /// The lookup.
        lookup: LookupId,
        /// The peers.
        peers: Vec<SocketAddr>,
    },
    /// An item, newer than what this lookup brought before.
    Item {
        /// The lookup.
        lookup: LookupId,
        /// The item.
        item: Item,
    },
    /// A lookup has ended.
    Finished {
        /// The lookup.
        lookup: LookupId,
        /// What it came to.
        outcome: Box<Outcome>,
    },
    /// A query has ended.
    Answered {
        /// The query.
        query: QueryId,
        /// The node that was asked.
        from: SocketAddr,
        /// What it answered.
        result: Result<Box<Answer>, QueryError>,
    },
    /// Peers of a torrent of the schedule.
    ScheduledPeers {
        /// The torrent.
        info_hash: Id,
        /// The peers.
        peers: Vec<SocketAddr>,
    },
    /// A torrent of the schedule was announced.
    Announced {
        /// The torrent.
        info_hash: Id,
        /// How many nodes stored it; 0: it is tried again soon.
        stored: u32,
    },
    /// The first nodes have answered: lookups go somewhere.
    Ready,
    /// Others see this node at another address than before. Its id may have changed with it. BEP 42.
    ExternalAddress(IpAddr),
    /// Nodes of the other family, named while this node was looking for its first ones. BEP 32 § "Bootstrapping".
    OtherFamily(Vec<Contact>),
}

/// A node of the DHT for one address family.
pub struct Node {
    config: Config,
    rng: StdRng,
    decoder: Decoder,
    table: Table,
    external: ExternalAddress,
    tokens: Tokens,
    peers: PeerStore,
    items: ItemStore,
    answers: AnswerLimits,

    // Queries.
    pace: TokenBucket,
    background: TokenBucket,
    in_flight: BTreeMap<u32, InFlight>,
    deadlines: BTreeSet<(Instant, u32)>,
    rtt: query::RoundTrips,
    direct: VecDeque<(QueryId, SocketAddr, Ask)>,
    pings: VecDeque<(SocketAddr, Option<Id>)>,
    last_answer: Option<Instant>,

    // Lookups.
    lookups: BTreeMap<LookupId, Running>,
    ready: VecDeque<LookupId>,
    ready_background: VecDeque<LookupId>,
    waiting: VecDeque<(LookupId, Search)>,
    active: usize,
    active_background: usize,
    next_id: u64,
    schedule: Schedule,

    upkeep: upkeep::Upkeep,
    transmits: VecDeque<Datagram>,
    events: VecDeque<Event>,
    stats: Stats,
    network_size: f64,
}

/// A lookup that runs, and for what.
#[derive(Debug)]
struct Running {
    lookup: Lookup,
    owner: Owner,
    /// It is in one of the ready queues.
    queued: bool,
}

/// For what a lookup runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Caller,
    /// A torrent of the schedule that somebody waits for.
    Urgent(Id, Announce),
    Scheduled(Id, Announce),
    Bootstrap,
    Refresh,
}

impl Owner {
    const fn is_background(self) -> bool {
        matches!(self, Self::Scheduled(..) | Self::Refresh)
    }
}

impl Node {
    /// A node that is not known to anybody yet. `seed` is all its luck: take it from the operating system.
    #[must_use]
    pub fn new(now: Instant, seed: [u8; 32], config: Config) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let saved = config.snapshot.as_ref().map(|snapshot| snapshot.id);
        let mut random = [0; 20];
        rng.fill_bytes(&mut random);
        let id = match (saved, config.external) {
            (Some(id), None) => id,
            (Some(id), Some(ip)) if id.is_bound_to(ip) => id,
            (_, Some(ip)) => Id::bound_to(ip, random),
            (None, None) => Id::new(random),
        };
        let mut node = Self {
            rng: StdRng::from_rng(&mut rng),
            decoder: Decoder::default(),
            table: Table::new(id),
            external: ExternalAddress::new(config.external),
            tokens: Tokens::new(now, &mut rng),
            peers: PeerStore::new(now, config.family),
            items: ItemStore::default(),
            answers: AnswerLimits::new(now, &config.limits),
            pace: TokenBucket::full(now, config.limits.burst),
            background: TokenBucket::full(now, config.limits.burst),
            in_flight: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            rtt: query::RoundTrips::default(),
            direct: VecDeque::new(),
            pings: VecDeque::new(),
            last_answer: None,
            lookups: BTreeMap::new(),
            ready: VecDeque::new(),
            ready_background: VecDeque::new(),
            waiting: VecDeque::new(),
            active: 0,
            active_background: 0,
            next_id: 0,
            schedule: Schedule::default(),
            upkeep: upkeep::Upkeep::new(now),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
            network_size: 0.0,
            config,
        };
        node.restore(now);
        node.pump(now);
        node
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &Id {
        self.table.own()
    }

    /// Its address family.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.config.family
    }

    /// The address by which others see it, once it is known.
    #[must_use]
    pub const fn external(&self) -> Option<IpAddr> {
        self.external.known()
    }

    /// What to begin with next time.
    #[must_use]
    pub fn snapshot(&self) -> NodeSnapshot {
        NodeSnapshot { family: self.config.family, id: *self.table.own(), contacts: self.table.contacts() }
    }

    /// The nodes in the routing table that are closest to a target and answer, the closest first.
    #[must_use]
    pub fn closest(&self, target: &Id, count: usize) -> Vec<Contact> {
        self.table.closest(target, count, Choice::Good)
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self, now: Instant) -> Stats {
        Stats {
            nodes: self.table.len(),
            good_nodes: self.table.good(),
            in_flight: self.in_flight.len(),
            lookups: self.lookups.len(),
            waiting: self.waiting.len(),
            scheduled: self.schedule.len(),
            late: self.schedule.late(now),
            stored_hashes: self.peers.hashes(),
            stored_peers: self.peers.peers(),
            stored_items: self.items.len(),
            network_size: self.network_size as u64,
            ..self.stats
        }
    }

    /// Begins to look for something. Ends with [`Event::Finished`], unless it is cancelled.
    ///
    /// # Errors
    /// If too many lookups wait already: [`Limits::waiting`].
    pub fn handle_search(&mut self, now: Instant, search: Search) -> Result<LookupId, Busy> {
        if self.waiting.len() >= self.config.limits.waiting {
            return Err(Busy);
        }
        let id = self.next_lookup();
        self.waiting.push_back((id, search));
        self.pump(now);
        Ok(id)
    }

    /// Nobody waits for this lookup any more. What it still has to store is not stored.
    pub fn handle_cancel(&mut self, now: Instant, lookup: LookupId) {
        if self.lookups.contains_key(&lookup) {
            self.remove_lookup(lookup);
        } else {
            self.waiting.retain(|(id, _)| *id != lookup);
        }
        self.pump(now);
    }

    /// Asks one node. Ends with [`Event::Answered`].
    ///
    /// # Errors
    /// If too many queries wait already: [`Limits::waiting`].
    pub fn handle_ask(&mut self, now: Instant, node: SocketAddr, ask: Ask) -> Result<QueryId, Busy> {
        if self.direct.len() >= self.config.limits.waiting {
            return Err(Busy);
        }
        self.next_id += 1;
        let id = QueryId(self.next_id);
        self.direct.push_back((id, node, ask));
        self.pump(now);
        Ok(id)
    }

    /// Keeps a torrent announced until [`handle_unschedule`](Self::handle_unschedule), or changes how it is announced.
    ///
    /// # Errors
    /// If there are 200,000 of them already.
    pub fn handle_schedule(
        &mut self,
        now: Instant,
        info_hash: Id,
        announce: Announce,
        urgency: Urgency,
    ) -> Result<(), Busy> {
        let inserted = self.schedule.insert(now, info_hash, announce, urgency);
        self.pump(now);
        if inserted { Ok(()) } else { Err(Busy) }
    }

    /// A torrent is not announced any more; nodes forget it within the hour.
    pub fn handle_unschedule(&mut self, now: Instant, info_hash: &Id) {
        self.schedule.remove(info_hash);
        let running = |running: &Running| matches!(running.owner, Owner::Scheduled(hash, _) | Owner::Urgent(hash, _) if hash == *info_hash);
        let lookup = self.lookups.iter().find(|(_, lookup)| running(lookup)).map(|(id, _)| *id);
        if let Some(id) = lookup {
            self.remove_lookup(id);
        }
        self.pump(now);
    }

    /// A node that somebody else knows: a PORT message, a torrent's `nodes`, a link's `x.pe`. It is asked before it is believed.
    pub fn handle_node(&mut self, now: Instant, address: SocketAddr) {
        if Family::of(address) == self.config.family && address.port() != 0 {
            self.upkeep.known(address);
            self.ping(address, None);
            self.pump(now);
        }
    }

    /// Nodes of this family that another node named, with their ids.
    pub fn handle_contacts(&mut self, now: Instant, contacts: &[Contact]) {
        for contact in contacts.iter().take(64) {
            if Family::of(contact.address) == self.config.family && contact.address.port() != 0 {
                self.ping(contact.address, Some(contact.id));
            }
        }
        self.pump(now);
    }

    /// Replaces the routers.
    pub fn handle_routers(&mut self, now: Instant, routers: Vec<SocketAddr>) {
        let ours = |router: &SocketAddr| Family::of(*router) == self.config.family && router.port() != 0;
        self.config.routers = Some(routers.into_iter().filter(ours).collect());
        self.upkeep.bootstrap_now(now);
        self.pump(now);
    }

    /// What became due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_queries(now);
        self.keep_up(now);
        self.pump(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. `None`: nothing is planned.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let limits = &self.config.limits;
        let room = self.in_flight.len() < limits.in_flight;
        let waits = |queue: bool, bucket: &TokenBucket, rate| (room && queue).then(|| bucket.next(rate));
        let foreground = !self.ready.is_empty() || !self.direct.is_empty();
        let background = !self.ready_background.is_empty() || !self.pings.is_empty();
        let pace = waits(foreground, &self.pace, limits.queries_per_second);
        let slow = waits(background, &self.background, limits.background_per_second)
            .map(|at| at.max(self.pace.next(limits.queries_per_second)));
        let may_look = self.may_look();
        let due = self.schedule.next_due().filter(|_| may_look && self.active_background < limits.background_lookups);
        let urgent = self.schedule.next_urgent().filter(|_| may_look && self.active < limits.lookups);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        [pace, slow, due, urgent, deadline, self.next_upkeep()].into_iter().flatten().min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        let datagram = self.transmits.pop_front()?;
        self.stats.datagrams_out += 1;
        self.stats.bytes_out += datagram.payload.len() as u64;
        Some(datagram)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    const fn next_lookup(&mut self) -> LookupId {
        self.next_id += 1;
        LookupId(self.next_id)
    }

    fn routers(&self) -> &[SocketAddr] {
        self.config.routers.as_deref().unwrap_or_default()
    }

    /// Whether we have heard from anybody lately: if not, it is us who are gone, and no node is blamed.
    fn is_online(&self, now: Instant) -> bool {
        self.last_answer.is_some_and(|at| now.saturating_duration_since(at) < Duration::from_secs(20))
    }

    fn set_id(&mut self, now: Instant, id: Id) {
        let old = *self.table.own();
        self.peers.rekey(&old, &id);
        self.items.rekey(&old, &id);
        self.table.rekey(id);
        self.upkeep.bootstrap_now(after(now, Duration::ZERO));
    }
}

/// Too much waits already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many lookups wait already")]
#[non_exhaustive]
pub struct Busy;

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("family", &self.config.family)
            .field("id", self.table.own())
            .field("nodes", &self.table.len())
            .field("lookups", &self.lookups.len())
            .finish_non_exhaustive()
    }
}
