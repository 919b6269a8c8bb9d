//! Our own queries: which lookup may send the next one, what was sent and not answered yet, what answers lead to.
//! Spec: BEP 5 § "KRPC Protocol". Bounded: queries in flight, queries a second, lookups at once.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::Rng as _;
use torrent_bencode::RawValueBuf;
use torrent_types::{Datagram, Scope, time::after};

use super::{
    Event, Family, LookupId, Node, Owner, QueryId, Running,
    lookup::{MAX_NAMED, MAX_PEERS, Next, Search, StoreAt},
    table::K,
};
use crate::{
    bloom::BloomFilter,
    id::Id,
    item::{self, Item, SignedItem},
    krpc::{Body, Contact, MAX_TOKEN, Message, Method, Put, Query, RemoteError, Response, Signed, Want},
};

/// A query that is not answered after this will not be.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The same for a node that somebody asked for by address.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A lookup asks another node when one has not answered after this time at first, and within these bounds later.
const SLOW: Duration = Duration::from_millis(700);
const SLOW_LEAST: Duration = Duration::from_millis(200);
const SLOW_MOST: Duration = Duration::from_millis(1200);

/// What one node can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ask {
    /// Whether it is there.
    Ping,
    /// Its nodes closest to a target.
    FindNode(Id),
    /// Its peers of a torrent, and a token.
    GetPeers(Id),
    /// An item that it has.
    Get(Id),
    /// A sample of the info hashes that it has, and its nodes closest to a target. BEP 51.
    SampleInfohashes(Id),
    /// To store a peer. The token is from [`GetPeers`](Self::GetPeers).
    AnnouncePeer(Id, super::Announce, Vec<u8>),
}

/// What one node answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Its id.
    pub id: Id,
    /// Its client and version, as it wrote it.
    pub version: Option<Vec<u8>>,
    /// How long it took.
    pub rtt: Duration,
    /// The address by which it sees us. BEP 42.
    pub observed: Option<SocketAddr>,
    /// Nodes of both families.
    pub nodes: Vec<Contact>,
    /// Peers.
    pub peers: Vec<SocketAddr>,
    /// Allows a store.
    pub token: Option<Vec<u8>>,
    /// An encoded value. BEP 44. Not verified.
    pub value: Option<RawValueBuf>,
    /// A sample of info hashes, if the node knows BEP 51.
    pub samples: Option<Vec<Id>>,
    /// How many info hashes it has. BEP 51.
    pub stored: Option<u64>,
    /// Seconds until it has another sample. BEP 51.
    pub interval: Option<u64>,
}

/// Why a query to one node came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No answer.
    #[error("no answer")]
    TimedOut,
    /// The node answered with an error.
    #[error("the node answered with error {code}: {message}")]
    Remote {
        /// See [`krpc::code`](crate::krpc::code).
        code: i64,
        /// As far as it is text.
        message: String,
    },
    /// The answer cannot be understood.
    #[error("the answer cannot be understood")]
    Malformed,
    /// The address is of the other family, or the policy does not allow it.
    #[error("the address may not be contacted")]
    Refused,
    /// The DHT was shut down.
    #[error("the DHT is shut down")]
    Closed,
}

/// A query that was sent.
#[derive(Debug)]
pub(crate) struct InFlight {
    to: SocketAddr,
    id: Option<Id>,
    purpose: Purpose,
    sent: Instant,
    /// The entry in the list of deadlines.
    deadline: Instant,
    end: Instant,
}

#[derive(Clone, Debug)]
enum Purpose {
    Lookup(LookupId),
    Store(LookupId),
    Upkeep,
    Direct(QueryId, Ask),
}

/// How long answers take: RFC 6298's mean and deviation.
#[derive(Debug, Default)]
pub(crate) struct RoundTrips {
    mean: Option<f64>,
    deviation: f64,
}

impl RoundTrips {
    fn sample(&mut self, rtt: Duration) {
        let rtt = rtt.as_secs_f64();
        match &mut self.mean {
            None => (self.mean, self.deviation) = (Some(rtt), rtt / 2.0),
            Some(mean) => {
                self.deviation += ((rtt - *mean).abs() - self.deviation) / 16.0;
                *mean += (rtt - *mean) / 16.0;
            }
        }
    }

    fn slow(&self) -> Duration {
        let Some(mean) = self.mean else { return SLOW };
        Duration::from_secs_f64((mean + 4.0 * self.deviation).min(60.0)).clamp(SLOW_LEAST, SLOW_MOST)
    }
}

impl Node {
    /// Starts what may start and sends what may be sent.
    pub(crate) fn pump(&mut self, now: Instant) {
        self.start_lookups(now);
        while self.in_flight.len() < self.config.limits.in_flight {
            if !self.send_next(now) {
                break;
            }
        }
    }

    fn start_lookups(&mut self, now: Instant) {
        let limits = &self.config.limits;
        let (most, most_background) = (limits.lookups, limits.background_lookups);
        while self.active < most && self.may_look() {
            if let Some((hash, announce, closest)) = self.schedule.take_due(now, true) {
                self.start_announce(hash, announce, &closest, true);
            } else if let Some((id, search)) = self.waiting.pop_front() {
                let lookup = self.new_lookup(search, &[]);
                self.table.refreshed(now, &lookup.target);
                self.run(id, lookup, Owner::Caller);
            } else {
                break;
            }
        }
        while self.active_background < most_background && self.may_look() {
            let Some((hash, announce, closest)) = self.schedule.take_due(now, false) else { break };
            self.start_announce(hash, announce, &closest, false);
        }
    }

    fn start_announce(&mut self, hash: Id, announce: super::Announce, closest: &[Contact], urgent: bool) {
        let search = Search::GetPeers { info_hash: hash, announce: Some(announce), scrape: false };
        let owner = if urgent { Owner::Urgent(hash, announce) } else { Owner::Scheduled(hash, announce) };
        self.start(search, owner, closest);
    }

    pub(super) fn start(&mut self, search: Search, owner: Owner, closest: &[Contact]) {
        let id = self.next_lookup();
        let lookup = self.new_lookup(search, closest);
        self.run(id, lookup, owner);
    }

    fn run(&mut self, id: LookupId, lookup: super::Lookup, owner: Owner) {
        *self.active_mut(owner) += 1;
        self.lookups.insert(id, Running { lookup, owner, queued: true });
        self.ready_mut(owner).push_back(id);
    }

    const fn active_mut(&mut self, owner: Owner) -> &mut usize {
        if owner.is_background() { &mut self.active_background } else { &mut self.active }
    }

    const fn ready_mut(&mut self, owner: Owner) -> &mut std::collections::VecDeque<LookupId> {
        if owner.is_background() { &mut self.ready_background } else { &mut self.ready }
    }

    /// Something changed for this lookup: it may have something to send, or be over.
    fn wake(&mut self, id: LookupId) {
        let Some(running) = self.lookups.get_mut(&id) else { return };
        if !running.queued {
            running.queued = true;
            let owner = running.owner;
            self.ready_mut(owner).push_back(id);
        }
    }

    /// Sends one query, of those who wait longest and matter most. `false` if there is none, or no more may be sent now.
    fn send_next(&mut self, now: Instant) -> bool {
        let (rate, burst) = (self.config.limits.queries_per_second, self.config.limits.burst);
        // Ends need no token, so they are looked for first.
        while let Some(id) = self.ready.front().copied() {
            if !self.pace.take(now, 0.0, rate, burst) || !self.may_send(now) {
                return false;
            }
            self.ready.pop_front();
            if self.step(now, id) {
                self.pace.take(now, 1.0, rate, burst);
                return true;
            }
        }
        if !self.may_send(now) {
            return false;
        }
        if let Some((id, to, ask)) = self.direct.pop_front() {
            self.pace.take(now, 1.0, rate, burst);
            self.send_direct(now, id, to, ask);
            return true;
        }
        self.send_background(now)
    }

    /// Whether a token is there. Does not take it.
    fn may_send(&mut self, now: Instant) -> bool {
        let limits = &self.config.limits;
        let enough = self.pace.take(now, 1.0, limits.queries_per_second, limits.burst);
        if enough {
            self.pace.take(now, -1.0, limits.queries_per_second, limits.burst);
        }
        enough
    }

    fn send_background(&mut self, now: Instant) -> bool {
        let (rate, most) = (self.config.limits.queries_per_second, self.config.limits.burst);
        let limits = &self.config.limits;
        let (slow, burst) = (limits.background_per_second, limits.burst.min(limits.background_per_second));
        loop {
            if self.pings.is_empty() && self.ready_background.is_empty() {
                return false;
            }
            if !self.background.take(now, 1.0, slow, burst) {
                return false;
            }
            let sent = if let Some((to, id)) = self.pings.pop_front() {
                // A query for a random id of its neighbourhood would bring new nodes; our own id keeps the neighbours known.
                let method = Method::FindNode { target: *self.table.own(), want: self.want() };
                self.send(now, to, id, method, Purpose::Upkeep)
            } else if let Some(id) = self.ready_background.pop_front() {
                self.step(now, id)
            } else {
                false
            };
            if sent {
                self.pace.take(now, 1.0, rate, most);
                return true;
            }
            self.background.take(now, -1.0, slow, burst);
        }
    }

    /// Lets a lookup send its next query. `false` if it has none now; it may be over.
    fn step(&mut self, now: Instant, id: LookupId) -> bool {
        let Some(running) = self.lookups.get_mut(&id) else { return false };
        running.queued = false;
        match running.lookup.next() {
            Next::Wait => false,
            Next::Done => {
                self.finish(now, id);
                false
            }
            Next::Ask(to, node) => {
                running.lookup.asked(to);
                let method = self.traversal(id);
                let sent = self.send(now, to, node, method, Purpose::Lookup(id));
                if !sent && let Some(running) = self.lookups.get_mut(&id) {
                    running.lookup.failed(to);
                }
                self.wake(id);
                sent
            }
            Next::Store(at) => {
                let sent = self.send_store(now, id, &at);
                if !sent && let Some(running) = self.lookups.get_mut(&id) {
                    running.lookup.stored(Err(None));
                }
                self.wake(id);
                sent
            }
        }
    }

    /// What a traversal asks.
    fn traversal(&self, id: LookupId) -> Method<'static> {
        let want = self.want();
        let search = self.lookups.get(&id).map(|running| &running.lookup.search);
        match search {
            Some(Search::GetPeers { info_hash, scrape, .. }) => {
                Method::GetPeers { info_hash: *info_hash, want, noseed: false, scrape: *scrape }
            }
            Some(Search::Get { target, seq, .. }) => Method::Get { target: *target, seq: *seq, want },
            Some(Search::Put { item, .. }) => Method::Get { target: item.target(), seq: item.seq(), want },
            Some(Search::FindNode { target }) => Method::FindNode { target: *target, want },
            None => Method::Ping,
        }
    }

    /// While it looks for its first nodes, a node wants those of the other family, too. BEP 32 § "Bootstrapping".
    const fn want(&self) -> Want {
        if self.upkeep.is_bootstrapping() { Want::Both } else { Want::Same }
    }

    fn send_store(&mut self, now: Instant, id: LookupId, at: &StoreAt) -> bool {
        let Some(running) = self.lookups.get(&id) else { return false };
        let (contact, purpose) = (at.contact, Purpose::Store(id));
        match running.lookup.search.clone() {
            Search::GetPeers { info_hash, announce: Some(announce), .. } => {
                let seed = announce.completeness == super::Completeness::Seed;
                let method = Method::AnnouncePeer { info_hash, port: announce.port, seed, token: &at.token };
                self.send(now, contact.address, Some(contact.id), method, purpose)
            }
            Search::Put { item, cas } => {
                let signed = if let Item::Mutable(item) = &item { Some(item.signed()) } else { None };
                // Not where there is nothing to compare with. BEP 44 § "CAS".
                let cas = cas.filter(|_| at.seq.is_some());
                let method = Method::Put(Put { token: &at.token, value: item.value(), signed, cas });
                self.send(now, contact.address, Some(contact.id), method, purpose)
            }
            _ => false,
        }
    }

    fn send_direct(&mut self, now: Instant, id: QueryId, to: SocketAddr, ask: Ask) {
        let want = Want::Same;
        let kept = ask.clone();
        let method = match &ask {
            Ask::Ping => Method::Ping,
            Ask::FindNode(target) => Method::FindNode { target: *target, want },
            Ask::GetPeers(hash) => Method::GetPeers { info_hash: *hash, want, noseed: false, scrape: false },
            Ask::Get(target) => Method::Get { target: *target, seq: None, want },
            Ask::SampleInfohashes(target) => Method::SampleInfohashes { target: *target, want },
            Ask::AnnouncePeer(hash, announce, token) => Method::AnnouncePeer {
                info_hash: *hash,
                port: announce.port,
                seed: announce.completeness == super::Completeness::Seed,
                token,
            },
        };
        if !self.send(now, to, None, method, Purpose::Direct(id, kept)) {
            self.events.push_back(Event::Answered { query: id, from: to, result: Err(QueryError::Refused) });
        }
    }

    /// Sends one query, unless the address may not be contacted.
    fn send(&mut self, now: Instant, to: SocketAddr, id: Option<Id>, method: Method<'_>, purpose: Purpose) -> bool {
        if Family::of(to) != self.config.family || !self.config.policy.may_contact(to) {
            return false;
        }
        let mut transaction = self.rng.next_u32();
        while self.in_flight.contains_key(&transaction) {
            transaction = transaction.wrapping_add(1);
        }
        let query = Query { id: *self.table.own(), role: self.config.role, method };
        let mut payload = Vec::with_capacity(160);
        // Exactly four bytes: some nodes answer no others.
        Message::new(&transaction.to_be_bytes(), Body::Query(query)).encode(&mut payload);
        self.transmits.push_back(Datagram::new(to, payload));
        self.stats.queries_out += 1;
        let end = after(now, if matches!(purpose, Purpose::Direct(..)) { DIRECT_TIMEOUT } else { TIMEOUT });
        let deadline = if matches!(purpose, Purpose::Lookup(_)) { after(now, self.rtt.slow()) } else { end };
        self.in_flight.insert(transaction, InFlight { to, id, purpose, sent: now, deadline, end });
        self.deadlines.insert((deadline, transaction));
        true
    }

    /// Queries whose time has passed are slow at first, and lost in the end.
    pub(crate) fn expire_queries(&mut self, now: Instant) {
        while let Some((at, transaction)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.pop_first();
            let Some(query) = self.in_flight.get_mut(&transaction) else { continue };
            if query.deadline < query.end {
                query.deadline = query.end;
                let (end, to) = (query.end, query.to);
                self.deadlines.insert((end, transaction));
                if let Purpose::Lookup(id) = query.purpose {
                    if let Some(running) = self.lookups.get_mut(&id) {
                        running.lookup.slow(to);
                    }
                    self.wake(id);
                }
            } else if let Some(query) = self.in_flight.remove(&transaction) {
                self.stats.timeouts += 1;
                self.lost(now, query, QueryError::TimedOut);
            }
        }
    }

    /// A query came to nothing.
    fn lost(&mut self, now: Instant, query: InFlight, why: QueryError) {
        // A node that answers with an error is there.
        if !matches!(why, QueryError::Remote { .. }) && self.is_online(now) {
            self.table.failed(query.to);
        }
        match query.purpose {
            Purpose::Lookup(id) => {
                if let Some(running) = self.lookups.get_mut(&id) {
                    running.lookup.failed(query.to);
                }
                self.wake(id);
            }
            Purpose::Store(id) => {
                if let Some(running) = self.lookups.get_mut(&id) {
                    let refused =
                        if let QueryError::Remote { code, message } = why { Some((code, message)) } else { None };
                    running.lookup.stored(Err(refused));
                }
                self.wake(id);
            }
            Purpose::Upkeep => {}
            Purpose::Direct(id, _) => {
                self.events.push_back(Event::Answered { query: id, from: query.to, result: Err(why) });
            }
        }
    }

    /// Takes the query that a datagram answers, if one waits for exactly that.
    fn take_query(&mut self, from: SocketAddr, transaction: &[u8]) -> Option<InFlight> {
        let transaction = u32::from_be_bytes(transaction.try_into().ok()?);
        if self.in_flight.get(&transaction)?.to != from {
            return None;
        }
        let query = self.in_flight.remove(&transaction)?;
        self.deadlines.remove(&(query.deadline, transaction));
        Some(query)
    }

    pub(crate) fn handle_error(&mut self, now: Instant, from: SocketAddr, transaction: &[u8], error: &RemoteError<'_>) {
        let Some(query) = self.take_query(from, transaction) else {
            self.stats.unsolicited += 1;
            return;
        };
        self.stats.errors_in += 1;
        let message = String::from_utf8_lossy(error.message.get(..200).unwrap_or(error.message)).into_owned();
        self.lost(now, query, QueryError::Remote { code: error.code, message });
    }

    pub(crate) fn handle_nonsense(&mut self, now: Instant, from: SocketAddr, transaction: &[u8]) {
        match self.take_query(from, transaction) {
            Some(query) => self.lost(now, query, QueryError::Malformed),
            None => self.stats.unsolicited += 1,
        }
    }

    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: &[u8],
        version: Option<&[u8]>,
        response: Response<'_>,
    ) {
        let Some(query) = self.take_query(from, transaction) else {
            self.stats.unsolicited += 1;
            return;
        };
        self.stats.answered += 1;
        self.last_answer = Some(now);
        let rtt = now.saturating_duration_since(query.sent);
        self.rtt.sample(rtt);
        self.learn_address(now, from, &response);
        let contact = Contact { id: response.id, address: from };
        let expected = query.id.is_none_or(|id| id == response.id);
        if expected && response.id != *self.table.own() && !self.routers().contains(&from) {
            self.table.answered(now, contact);
        } else if !expected {
            self.table.failed(from);
        }
        match query.purpose {
            Purpose::Lookup(id) => self.advance(id, contact, &response),
            Purpose::Store(id) => {
                if let Some(running) = self.lookups.get_mut(&id) {
                    running.lookup.stored(Ok(()));
                }
                self.wake(id);
            }
            Purpose::Upkeep => {
                for contact in self.named(from, &response) {
                    self.meet(now, contact);
                }
            }
            Purpose::Direct(id, ask) => {
                let result = Ok(Box::new(answer(&ask, &response, version, rtt)));
                self.events.push_back(Event::Answered { query: id, from, result });
            }
        }
    }

    /// The nodes of our family that an answer names and that its sender may name.
    fn named(&mut self, from: SocketAddr, response: &Response<'_>) -> Vec<Contact> {
        let scope = Scope::of(from.ip());
        let own = *self.table.own();
        let mut named: Vec<Contact> = match self.config.family {
            Family::V4 => response.contacts_v4().take(MAX_NAMED).collect(),
            Family::V6 => response.contacts_v6().take(MAX_NAMED).collect(),
        };
        named.retain(|contact| {
            contact.id != own && scope.may_name(contact.address) && self.config.policy.may_contact(contact.address)
        });
        named
    }

    /// A node of a traversal answered.
    fn advance(&mut self, id: LookupId, contact: Contact, response: &Response<'_>) {
        let named = self.named(contact.address, response);
        let Some(running) = self.lookups.get_mut(&id) else { return };
        let lookup = &mut running.lookup;
        let token = response.token.filter(|token| token.len() <= MAX_TOKEN);
        if !lookup.answered(contact, token, response.seq) {
            return self.wake(id);
        }
        for other in named {
            lookup.add_named(contact.address, other);
        }
        self.gather(id, contact, response);
        if self.upkeep.is_bootstrapping() {
            self.pass_on_other_family(contact.address, response);
        }
        self.wake(id);
    }

    /// What a traversal was started for.
    fn gather(&mut self, id: LookupId, contact: Contact, response: &Response<'_>) {
        let Some(running) = self.lookups.get_mut(&id) else { return };
        let owner = running.owner;
        let lookup = &mut running.lookup;
        if let Some(item) = found_item(&lookup.search, response) {
            let newer = lookup.outcome.item.as_ref().is_none_or(|known| known.seq() < item.seq());
            if newer {
                lookup.outcome.item = Some(item.clone());
                self.events.push_back(Event::Item { lookup: id, item });
            }
            return;
        }
        if !matches!(lookup.search, Search::GetPeers { .. }) {
            return;
        }
        let scope = Scope::of(contact.address.ip());
        let mut fresh = Vec::new();
        for peer in &response.values {
            let same = Family::of(*peer) == self.config.family;
            if same && scope.may_name(*peer) && lookup.seen_peers.len() < MAX_PEERS && lookup.seen_peers.insert(*peer) {
                fresh.push(*peer);
            }
        }
        if let Some(scrape) = &mut lookup.outcome.scrape {
            count_peers(scrape, response);
        }
        lookup.outcome.peers = u32::try_from(lookup.seen_peers.len()).unwrap_or(u32::MAX);
        if !fresh.is_empty() {
            self.events.push_back(match owner {
                Owner::Scheduled(info_hash, _) | Owner::Urgent(info_hash, _) => {
                    Event::ScheduledPeers { info_hash, peers: fresh }
                }
                _ => Event::Peers { lookup: id, peers: fresh },
            });
        }
    }

    fn pass_on_other_family(&mut self, from: SocketAddr, response: &Response<'_>) {
        let scope = Scope::of(from.ip());
        let others: Vec<Contact> = match self.config.family {
            Family::V4 => response.contacts_v6().take(K).filter(|contact| scope.may_name(contact.address)).collect(),
            Family::V6 => response.contacts_v4().take(K).filter(|contact| scope.may_name(contact.address)).collect(),
        };
        if !others.is_empty() {
            self.events.push_back(Event::OtherFamily(others));
        }
    }

    fn learn_address(&mut self, now: Instant, from: SocketAddr, response: &Response<'_>) {
        let Some(seen) = response.observed.map(|address| address.ip().to_canonical()) else { return };
        let global = |ip| Scope::of(ip) == Scope::Global;
        if !global(from.ip()) || !global(seen) || seen.is_ipv4() != (self.config.family == Family::V4) {
            return;
        }
        if let Some(ip) = self.external.vote(from, seen) {
            if !self.table.own().is_bound_to(ip) {
                let mut random = [0; 20];
                self.rng.fill_bytes(&mut random);
                self.set_id(now, Id::bound_to(ip, random));
            }
            self.events.push_back(Event::ExternalAddress(ip));
        }
    }

    /// A lookup is over.
    fn finish(&mut self, now: Instant, id: LookupId) {
        let Some(mut running) = self.remove_lookup(id) else { return };
        let outcome = std::mem::take(&mut running.lookup.outcome);
        self.stats.lookups_finished += 1;
        self.estimate_size(&running.lookup.target, &outcome.closest);
        match running.owner {
            Owner::Caller => self.events.push_back(Event::Finished { lookup: id, outcome: Box::new(outcome) }),
            Owner::Scheduled(info_hash, announce) | Owner::Urgent(info_hash, announce) => {
                let interval = self.config.limits.announce_interval;
                let stored = outcome.stored;
                self.stats.announces_stored += u64::from(stored > 0);
                let result = (stored, outcome.closest);
                self.schedule.finished(now, (info_hash, announce), result, interval, &mut self.rng);
                self.events.push_back(Event::Announced { info_hash, stored });
            }
            Owner::Bootstrap => self.bootstrapped(now, &outcome),
            Owner::Refresh => {}
        }
        self.start_lookups(now);
    }

    /// Takes a lookup away. Queries that it has in flight are still good for the table.
    pub(super) fn remove_lookup(&mut self, id: LookupId) -> Option<Running> {
        let running = self.lookups.remove(&id)?;
        if running.queued {
            self.ready_mut(running.owner).retain(|other| *other != id);
        }
        let active = self.active_mut(running.owner);
        *active = active.saturating_sub(1);
        if running.owner == Owner::Refresh {
            self.refreshed();
        }
        Some(running)
    }

    /// From how close the closest nodes are: the nth of N evenly spread ids lies n/N of the whole away.
    fn estimate_size(&mut self, target: &Id, closest: &[Contact]) {
        if closest.len() < K {
            return;
        }
        let mut distances: Vec<f64> = closest.iter().map(|contact| fraction(&target.distance(&contact.id))).collect();
        distances.sort_by(f64::total_cmp);
        let pairs = (1u32..).zip(distances.iter().take(K));
        let (squares, products) = pairs.fold((0.0, 0.0), |(squares, products), (n, distance)| {
            (squares + f64::from(n * n), products + f64::from(n) * distance)
        });
        if products > 0.0 {
            let size = squares / products;
            self.network_size += if self.network_size == 0.0 { size } else { (size - self.network_size) / 8.0 };
        }
    }
}

/// The distance as a part of the largest there is.
fn fraction(distance: &crate::id::Distance) -> f64 {
    let head = Id::default().at(distance);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(head.as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
    u64::from_be_bytes(bytes) as f64 / u64::MAX as f64
}

/// The item in a response, if it is the one that is looked for and its signature is valid.
fn found_item(search: &Search, response: &Response<'_>) -> Option<Item> {
    let (target, salt) = match search {
        Search::Get { target, salt, .. } => (*target, salt.clone()),
        Search::Put { item, .. } => (
            item.target(),
            match item {
                Item::Mutable(item) => item.salt().clone(),
                Item::Immutable(_) => item::Salt::default(),
            },
        ),
        _ => return None,
    };
    let value = response.value?;
    if let (Some(key), Some(signature), Some(seq)) = (response.key, response.signature, response.seq) {
        if item::target(key, salt.as_bytes()) != target {
            return None;
        }
        let signed = Signed { key, signature, seq, salt: salt.as_bytes() };
        return SignedItem::new(&signed, value).ok().map(Item::Mutable);
    }
    (item::immutable_target(value.as_bytes()) == target).then(|| Item::Immutable(value.to_buf()))
}

/// BEP 33: filters are united; peers of nodes that know none count as peers, unless they are known as seeds.
fn count_peers(scrape: &mut super::Scrape, response: &Response<'_>) {
    let filters: [Option<&BloomFilter>; 2] = [response.seeds.as_deref(), response.leeches.as_deref()];
    if let [None, None] = filters {
        for peer in &response.values {
            if !scrape.seeds.may_contain(peer.ip()) {
                scrape.leeches.insert(peer.ip());
            }
        }
        return;
    }
    scrape.answers = scrape.answers.saturating_add(1);
    if let [Some(seeds), _] = filters {
        scrape.seeds.union(seeds);
    }
    if let [_, Some(leeches)] = filters {
        scrape.leeches.union(leeches);
    }
}

fn answer(ask: &Ask, response: &Response<'_>, version: Option<&[u8]>, rtt: Duration) -> Answer {
    let samples = response.samples.filter(|_| matches!(ask, Ask::SampleInfohashes(_)));
    Answer {
        id: response.id,
        version: version.map(Vec::from),
        rtt,
        observed: response.observed,
        nodes: response.contacts_v4().chain(response.contacts_v6()).collect(),
        peers: response.values.clone(),
        token: response.token.map(Vec::from),
        value: response.value.map(|value| value.to_buf()),
        samples: samples.map(|_| response.sampled().collect()),
        stored: response.stored,
        interval: response.interval,
    }
}
