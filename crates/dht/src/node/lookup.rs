//! One traversal: asks nodes that are closer and closer to a target, until the closest have answered; then stores there.
//! Spec: BEP 5 § "get_peers", § "announce_peer"; BEP 42 § "Enforcement"; BEP 44. In: answers, silence. Out: whom to ask what.
//!
//! What hostile nodes name is never believed further than it has been seen to work: silent or wrong nodes count against the node
//! that named them; nodes whose id does not fit their address are asked, but do not end the search.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use torrent_types::Scope;

use super::{
    limits::Source,
    table::{K, network},
};
use crate::{
    bloom::BloomFilter,
    id::{Distance, Id},
    item::Item,
    krpc::{AnnouncePort, Contact},
};

/// Queries of one traversal that wait for an answer at once.
pub(crate) const ALPHA: usize = 4;
/// Nodes that are kept for one traversal, the closest.
const MAX_CANDIDATES: usize = 80;
/// Queries of one traversal.
pub(crate) const MAX_QUERIES: u32 = 256;
/// Nodes that are taken from one answer. Most send 8, some 20.
pub(crate) const MAX_NAMED: usize = 20;
/// Peers that one traversal brings.
pub(crate) const MAX_PEERS: usize = 4096;
/// Nodes from one address among the candidates.
const MAX_SAME_SOURCE: usize = 2;
/// Failures among the nodes that one node named, after which the others of these wait behind all the rest.
const MAX_STRIKES: u8 = 3;

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Search {
    /// The nodes closest to a target.
    FindNode {
        /// The target.
        target: Id,
    },
    /// The peers of a torrent.
    GetPeers {
        /// Its info hash.
        info_hash: Id,
        /// Announces it to the closest nodes, too.
        announce: Option<Announce>,
        /// Counts its peers, too. BEP 33.
        scrape: bool,
    },
    /// An item. BEP 44.
    Get {
        /// Where it is stored.
        target: Id,
        /// The salt of a mutable item.
        salt: crate::item::Salt,
        /// Values that are not newer are not wanted.
        seq: Option<i64>,
    },
    /// Stores an item on the closest nodes. BEP 44.
    Put {
        /// The item.
        item: Item,
        /// Only where this is the sequence number of what is stored.
        cas: Option<i64>,
    },
}

/// How a torrent is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "written by callers")]
pub struct Announce {
    /// Where its peers reach us.
    pub port: AnnouncePort,
    /// What we have of it.
    pub completeness: Completeness,
}

/// Whether a peer has all of a torrent. BEP 33 § "New ANNOUNCE_PEER semantics".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Completeness {
    /// It has not.
    #[default]
    Leech,
    /// It has.
    Seed,
}

impl Search {
    /// The id that is looked for.
    #[must_use]
    pub fn target(&self) -> Id {
        match self {
            Self::FindNode { target } | Self::Get { target, .. } => *target,
            Self::GetPeers { info_hash, .. } => *info_hash,
            Self::Put { item, .. } => item.target(),
        }
    }
}

/// How many peers a torrent has. BEP 33.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scrape {
    /// Seeds.
    pub seeds: BloomFilter,
    /// Others.
    pub leeches: BloomFilter,
    /// Nodes that sent filters.
    pub answers: u32,
}

/// What a traversal came to.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The closest nodes that answered, the closest first: up to 8 whose id fits their address and up to 8 of all.
    pub closest: Vec<Contact>,
    /// Queries sent, stores among them.
    pub queries: u32,
    /// Nodes that answered.
    pub answers: u32,
    /// How many nodes named one another on the way to the closest: 1 if it was in the routing table.
    pub hops: u8,
    /// Different peers found.
    pub peers: u32,
    /// Nodes that stored the announce or the item.
    pub stored: u32,
    /// The last error with which a node refused to store.
    pub refused: Option<(i64, String)>,
    /// The filters of all nodes together, if they were asked for.
    pub scrape: Option<Scrape>,
    /// The item found: of a mutable one, the newest.
    pub item: Option<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Asked,
    /// Asked, and silent for longer than most: others are asked meanwhile.
    Slow,
    Answered,
    Failed,
}

#[derive(Debug)]
struct Candidate {
    distance: Distance,
    /// Unknown for routers and nodes that were given by address.
    id: Option<Id>,
    address: SocketAddr,
    state: State,
    depth: u8,
    /// Its id fits its address. BEP 42.
    bound: bool,
    /// Nothing is stored on routers.
    router: bool,
    namer: Option<SocketAddr>,
    token: Option<Box<[u8]>>,
    /// The sequence number of the item that it has.
    seq: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) search: Search,
    pub(crate) target: Id,
    candidates: Vec<Candidate>,
    /// Nodes that named nodes which then failed.
    strikes: Vec<(SocketAddr, u8)>,
    in_flight: usize,
    slow: usize,
    asked_unbound_last: bool,
    pub(crate) seen_peers: BTreeSet<SocketAddr>,
    stores: Option<Stores>,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Default)]
struct Stores {
    waiting: Vec<StoreAt>,
    in_flight: usize,
}

/// A node on which to store, and what it needs.
#[derive(Debug)]
pub(crate) struct StoreAt {
    pub(crate) contact: Contact,
    pub(crate) token: Box<[u8]>,
    /// It has a value, of this sequence number.
    pub(crate) seq: Option<i64>,
}

#[derive(Debug)]
pub(crate) enum Next {
    /// Ask this node; its id, if it is known.
    Ask(SocketAddr, Option<Id>),
    Store(StoreAt),
    Wait,
    Done,
}

impl Lookup {
    pub(crate) fn new(search: Search) -> Self {
        let target = search.target();
        let mut outcome = Outcome::default();
        if let Search::GetPeers { scrape: true, .. } = &search {
            outcome.scrape = Some(Scrape::default());
        }
        Self {
            search,
            target,
            candidates: Vec::new(),
            strikes: Vec::new(),
            in_flight: 0,
            slow: 0,
            asked_unbound_last: false,
            seen_peers: BTreeSet::new(),
            stores: None,
            outcome,
        }
    }

    /// Adds a node of our own table, or of the saved ones.
    pub(crate) fn add_known(&mut self, contact: Contact) {
        self.add(Some(contact.id), contact.address, 1, None, false);
    }

    /// Adds a node of which only the address is known. It is asked when there are not enough others.
    pub(crate) fn add_unknown(&mut self, address: SocketAddr, router: bool) {
        self.add(None, address, 1, None, router);
    }

    /// Adds nodes that an answering node named.
    pub(crate) fn add_named(&mut self, namer: SocketAddr, contact: Contact) {
        let depth =
            self.candidates.iter().find(|candidate| candidate.address == namer).map_or(0, |candidate| candidate.depth);
        self.add(Some(contact.id), contact.address, depth.saturating_add(1), Some(namer), false);
    }

    fn add(&mut self, id: Option<Id>, address: SocketAddr, depth: u8, namer: Option<SocketAddr>, router: bool) {
        let distance = id.map_or(Distance::MAX, |id| self.target.distance(&id));
        let global = Scope::of(address.ip()) == Scope::Global;
        let source = Source::of(address);
        let mut same_source = 0;
        let discredited = namer.is_some_and(|namer| self.is_discredited(namer));
        let strikes = &self.strikes;
        for candidate in &mut self.candidates {
            if candidate.address == address && (candidate.id == id || candidate.state != State::Fresh) {
                // A better witness for it.
                if !discredited && candidate.namer.is_some_and(|old| is_discredited(strikes, old)) {
                    candidate.namer = namer;
                }
                return;
            }
            if global && candidate.state != State::Failed && Source::of(candidate.address) == source {
                same_source += 1;
            }
        }
        if same_source >= MAX_SAME_SOURCE {
            return;
        }
        let place = self.candidates.partition_point(|candidate| candidate.distance <= distance);
        if place >= MAX_CANDIDATES {
            return;
        }
        let bound = id.is_some_and(|id| id.is_bound_to(address.ip()));
        let candidate = Candidate {
            distance,
            id,
            address,
            state: State::Fresh,
            depth,
            bound,
            router,
            namer,
            token: None,
            seq: None,
        };
        self.candidates.insert(place, candidate);
        if self.candidates.len() > MAX_CANDIDATES {
            // The farthest that nothing is known of yet.
            if let Some(last) = self.candidates.iter().rposition(|candidate| candidate.state == State::Fresh) {
                self.candidates.remove(last);
            }
        }
    }

    fn is_discredited(&self, namer: SocketAddr) -> bool {
        is_discredited(&self.strikes, namer)
    }

    /// A query that [`next`](Self::next) gave was sent.
    pub(crate) fn asked(&mut self, address: SocketAddr) {
        self.outcome.queries = self.outcome.queries.saturating_add(1);
        if let Some(candidate) = self.candidates.iter_mut().find(|candidate| candidate.is(address, State::Fresh)) {
            candidate.state = State::Asked;
            self.asked_unbound_last = !candidate.bound;
            self.in_flight += 1;
        }
    }

    /// The node has been silent for longer than most.
    pub(crate) fn slow(&mut self, address: SocketAddr) {
        if let Some(candidate) = self.candidates.iter_mut().find(|candidate| candidate.is(address, State::Asked)) {
            candidate.state = State::Slow;
            self.in_flight = self.in_flight.saturating_sub(1);
            self.slow += 1;
        }
    }

    /// The node will not answer, or answered nonsense.
    pub(crate) fn failed(&mut self, address: SocketAddr) {
        let Some(place) = self.settle(address) else { return };
        let Some(candidate) = self.candidates.get_mut(place) else { return };
        candidate.state = State::Failed;
        let Some(namer) = candidate.namer else { return };
        match self.strikes.iter_mut().find(|(address, _)| *address == namer) {
            Some((_, strikes)) => *strikes = strikes.saturating_add(1),
            None => self.strikes.push((namer, 1)),
        }
    }

    /// The node answered. Returns whether it may be believed: its id is the one that it was named with.
    pub(crate) fn answered(&mut self, contact: Contact, token: Option<&[u8]>, seq: Option<i64>) -> bool {
        let Some(place) = self.candidates.iter().position(|candidate| candidate.is_awaited(contact.address)) else {
            return false;
        };
        let Some(candidate) = self.candidates.get(place) else { return false };
        if candidate.id.is_some_and(|id| id != contact.id) {
            self.failed(contact.address);
            return false;
        }
        self.settle(contact.address);
        let mut candidate = self.candidates.remove(place);
        candidate.state = State::Answered;
        candidate.token = token.map(Box::from);
        candidate.seq = seq;
        if candidate.id.is_none() {
            candidate.id = Some(contact.id);
            candidate.distance = self.target.distance(&contact.id);
            candidate.bound = contact.id.is_bound_to(contact.address.ip());
        }
        self.outcome.answers = self.outcome.answers.saturating_add(1);
        let place = self.candidates.partition_point(|other| other.distance < candidate.distance);
        self.candidates.insert(place, candidate);
        true
    }

    /// The query to this node waits no longer.
    fn settle(&mut self, address: SocketAddr) -> Option<usize> {
        let place = self.candidates.iter().position(|candidate| candidate.is_awaited(address))?;
        match self.candidates.get(place)?.state {
            State::Asked => self.in_flight = self.in_flight.saturating_sub(1),
            _ => self.slow = self.slow.saturating_sub(1),
        }
        Some(place)
    }

    /// A store that [`next`](Self::next) gave was answered, or will not be.
    pub(crate) fn stored(&mut self, result: Result<(), Option<(i64, String)>>) {
        if let Some(stores) = &mut self.stores {
            stores.in_flight = stores.in_flight.saturating_sub(1);
        }
        match result {
            Ok(()) => self.outcome.stored = self.outcome.stored.saturating_add(1),
            Err(Some(refused)) => self.outcome.refused = Some(refused),
            Err(None) => {}
        }
    }

    /// What to do now.
    pub(crate) fn next(&mut self) -> Next {
        if let Some(stores) = &mut self.stores {
            return match stores.waiting.pop() {
                Some(at) => {
                    stores.in_flight += 1;
                    self.outcome.queries = self.outcome.queries.saturating_add(1);
                    Next::Store(at)
                }
                None if stores.in_flight > 0 => Next::Wait,
                None => Next::Done,
            };
        }
        match self.to_ask() {
            // Slow ones leave their place to others, but not endlessly.
            Ok(_) if self.in_flight >= ALPHA || self.slow >= 4 * ALPHA => Next::Wait,
            Ok((address, id)) => Next::Ask(address, id),
            Err(()) if self.in_flight + self.slow > 0 && self.awaits_a_close_one() => Next::Wait,
            Err(()) => {
                self.finish();
                if self.stores.is_some() { self.next() } else { Next::Done }
            }
        }
    }

    /// The closest node that is worth a query, if there is one.
    fn to_ask(&self) -> Result<(SocketAddr, Option<Id>), ()> {
        if self.outcome.queries >= MAX_QUERIES {
            return Err(());
        }
        let mut best = None;
        let mut fallback = None;
        let mut reach = Reach::default();
        for candidate in &self.candidates {
            if reach.is_full() {
                break;
            }
            match candidate.state {
                State::Answered => reach.count(candidate),
                State::Fresh if !reach.wants(candidate) => {}
                State::Fresh if candidate.namer.is_some_and(|namer| self.is_discredited(namer)) => {
                    fallback = fallback.or(Some(candidate));
                }
                State::Fresh => {
                    // Nodes with ids of their own choice take every second query at most while there are others.
                    if candidate.bound || !self.asked_unbound_last {
                        best = Some(candidate);
                        break;
                    }
                    fallback = fallback.or(Some(candidate));
                }
                State::Asked | State::Slow | State::Failed => {}
            }
        }
        // What only liars named is asked when nothing else could answer any more.
        let idle = self.in_flight == 0;
        let choice = best
            .or(fallback.filter(|candidate| idle || !candidate.namer.is_some_and(|namer| self.is_discredited(namer))));
        choice.map(|candidate| (candidate.address, candidate.id)).ok_or(())
    }

    /// Whether a node that was asked and may still answer would be among the closest.
    fn awaits_a_close_one(&self) -> bool {
        let mut reach = Reach::default();
        for candidate in &self.candidates {
            match candidate.state {
                State::Answered => reach.count(candidate),
                State::Asked | State::Slow if reach.wants(candidate) => return true,
                _ => {}
            }
        }
        false
    }

    /// The traversal is over: the closest are known, and what is to be stored can be.
    fn finish(&mut self) {
        let mut reach = Reach::default();
        let mut chosen = Vec::new();
        for candidate in
            self.candidates.iter().filter(|candidate| candidate.state == State::Answered && !candidate.router)
        {
            if reach.wants(candidate) {
                reach.count(candidate);
                chosen.push(candidate);
            }
        }
        self.outcome.hops = chosen.first().map_or(0, |candidate| candidate.depth);
        let contact = |candidate: &&Candidate| Some(Contact { id: candidate.id?, address: candidate.address });
        self.outcome.closest = chosen.iter().filter_map(contact).collect();
        let stores = matches!(self.search, Search::GetPeers { announce: Some(_), .. } | Search::Put { .. });
        if stores {
            let at = |candidate: &Candidate| {
                let contact = Contact { id: candidate.id?, address: candidate.address };
                Some(StoreAt { contact, token: candidate.token.clone()?, seq: candidate.seq })
            };
            // The closest first, from the end.
            let waiting = chosen.iter().rev().filter_map(|candidate| at(candidate)).collect();
            self.stores = Some(Stores { waiting, in_flight: 0 });
        }
        self.candidates = Vec::new();
    }
}

fn is_discredited(strikes: &[(SocketAddr, u8)], namer: SocketAddr) -> bool {
    strikes.iter().any(|(address, strikes)| *address == namer && *strikes >= MAX_STRIKES)
}

impl Candidate {
    fn is(&self, address: SocketAddr, state: State) -> bool {
        self.address == address && self.state == state
    }

    fn is_awaited(&self, address: SocketAddr) -> bool {
        self.address == address && matches!(self.state, State::Asked | State::Slow)
    }
}

/// How much of what ends a traversal is there: the closest [`K`] of all, and the closest [`K`] whose id fits their address.
/// One network counts once in each.
#[derive(Default)]
struct Reach {
    all: Vec<u64>,
    bound: Vec<u64>,
}

impl Reach {
    fn is_full(&self) -> bool {
        self.bound.len() >= K && self.all.len() >= K
    }

    fn wants(&self, candidate: &Candidate) -> bool {
        let key = key(candidate.address);
        let room = |taken: &Vec<u64>| taken.len() < K && !taken.contains(&key);
        room(&self.all) || (candidate.bound && room(&self.bound))
    }

    fn count(&mut self, candidate: &Candidate) {
        if candidate.router {
            return;
        }
        let key = key(candidate.address);
        if self.all.len() < K && !self.all.contains(&key) {
            self.all.push(key);
        }
        if candidate.bound && self.bound.len() < K && !self.bound.contains(&key) {
            self.bound.push(key);
        }
    }
}

/// A network; on local networks an address with its port.
fn key(address: SocketAddr) -> u64 {
    let ip = address.ip();
    if Scope::of(ip) == Scope::Global {
        return network(ip);
    }
    let bits = match ip {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip) as u64,
    };
    bits << 16 ^ u64::from(address.port()) ^ 1 << 63
}
