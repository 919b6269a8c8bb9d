//! What a node does when nobody wants anything: the first nodes, quiet nodes, ranges with few nodes, what has expired.
//! Spec: BEP 5 § "Routing Table".

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{Rng as _, RngExt as _};
use torrent_types::time::after;

use super::{
    Event, Node, Owner,
    lookup::{Lookup, Outcome, Search},
    table::K,
};
use crate::id::Id;

/// How often the table is looked after.
const TICK: Duration = Duration::from_secs(5);
/// A range of ids that nobody looked for in so long is looked for. BEP 5 § "Routing Table".
const REFRESH: Duration = Duration::from_secs(15 * 60);
/// The first wait before another attempt to find nodes; it doubles up to [`MOST_PATIENT`].
const RETRY: Duration = Duration::from_secs(5);
const MOST_PATIENT: Duration = Duration::from_secs(5 * 60);
/// Nodes known by address alone that are kept for lookups while the table is nearly empty.
const MAX_KNOWN: usize = 32;
/// Nodes that wait for a ping.
const MAX_PINGS: usize = 128;
/// With fewer nodes in the table, each new one is asked at once whether it is there.
const CURIOUS: usize = 4 * K;
/// Nodes that never answered that are asked in one tick.
const ASKED_A_TICK: usize = 4;

#[derive(Debug)]
pub(crate) struct Upkeep {
    tick: Instant,
    swept: Instant,
    bootstrap: Option<Instant>,
    bootstrapping: bool,
    refreshing: usize,
    patience: Duration,
    ready: bool,
    known: Vec<SocketAddr>,
}

impl Upkeep {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            tick: now,
            swept: now,
            bootstrap: Some(now),
            bootstrapping: false,
            refreshing: 0,
            patience: RETRY,
            ready: false,
            known: Vec::new(),
        }
    }

    pub(crate) fn known(&mut self, address: SocketAddr) {
        if !self.known.contains(&address) {
            if self.known.len() >= MAX_KNOWN {
                self.known.remove(0);
            }
            self.known.push(address);
        }
    }

    pub(crate) const fn bootstrap_now(&mut self, now: Instant) {
        self.bootstrap = Some(now);
        self.patience = RETRY;
    }

    pub(crate) const fn is_bootstrapping(&self) -> bool {
        self.bootstrapping
    }
}

impl Node {
    /// Takes over what an earlier life knew.
    pub(crate) fn restore(&mut self, now: Instant) {
        let contacts = self.config.snapshot.take().map(|snapshot| snapshot.contacts).unwrap_or_default();
        for contact in contacts {
            if super::Family::of(contact.address) == self.config.family {
                self.table.heard(now, contact);
            }
        }
    }

    /// Whether lookups can begin: not while routers are still to come and nothing else is known.
    pub(crate) fn may_look(&self) -> bool {
        self.config.routers.is_some() || self.has_a_way_in()
    }

    fn has_a_way_in(&self) -> bool {
        self.table.len() > 0 || !self.routers().is_empty() || !self.upkeep.known.is_empty()
    }

    pub(crate) fn next_upkeep(&self) -> Option<Instant> {
        let bootstrap = self.upkeep.bootstrap.filter(|_| self.has_a_way_in() && !self.upkeep.bootstrapping);
        let stores = self.peers.hashes() > 0 || self.items.len() > 0;
        let tick = (self.table.len() > 0 || stores).then_some(self.upkeep.tick);
        bootstrap.into_iter().chain(tick).min()
    }

    pub(crate) fn keep_up(&mut self, now: Instant) {
        if self.upkeep.bootstrap.is_some_and(|at| at <= now) && self.has_a_way_in() && !self.upkeep.bootstrapping {
            self.begin_bootstrap(now);
        }
        if self.upkeep.tick > now {
            return;
        }
        self.upkeep.tick = after(now, TICK.mul_f64(self.rng.random_range(0.8..1.2)));
        for _ in 0..ASKED_A_TICK {
            let Some(contact) = self.table.next_to_ask(now) else { break };
            self.ping(contact.address, Some(contact.id));
        }
        if self.upkeep.ready && self.upkeep.refreshing == 0 && !self.upkeep.bootstrapping {
            let mut random = [0; 20];
            self.rng.fill_bytes(&mut random);
            if let Some(target) = self.table.next_to_refresh(now, REFRESH, &Id::new(random)) {
                self.upkeep.refreshing += 1;
                self.start(Search::FindNode { target }, Owner::Refresh, &[]);
            }
        }
        self.peers.sweep(now, &self.config.limits);
        if now.saturating_duration_since(self.upkeep.swept) > Duration::from_secs(60) {
            self.upkeep.swept = now;
            self.items.sweep(now, &self.config.limits);
        }
        if self.table.good() == 0 && self.upkeep.bootstrap.is_none() && !self.upkeep.bootstrapping {
            self.upkeep.bootstrap = Some(after(now, self.upkeep.patience));
        }
    }

    fn begin_bootstrap(&mut self, now: Instant) {
        self.upkeep.bootstrap = None;
        self.upkeep.bootstrapping = true;
        let target = *self.table.own();
        self.table.refreshed(now, &target);
        self.start(Search::FindNode { target }, Owner::Bootstrap, &[]);
    }

    /// The lookup for our own id has ended.
    pub(crate) fn bootstrapped(&mut self, now: Instant, outcome: &Outcome) {
        self.upkeep.bootstrapping = false;
        if outcome.answers == 0 {
            // Without any answer there is nobody to look for.
            self.upkeep.bootstrap = Some(after(now, self.upkeep.patience));
            self.upkeep.patience = (self.upkeep.patience * 2).min(MOST_PATIENT);
            return;
        }
        self.upkeep.patience = RETRY;
        if !self.upkeep.ready {
            self.upkeep.ready = true;
            self.events.push_back(Event::Ready);
        }
        // The answers may have brought it another id: then the neighbours of that one are looked for, too, a moment later.
        if self.upkeep.bootstrap.is_some_and(|at| at <= now) {
            self.upkeep.bootstrap = Some(after(now, Duration::from_secs(1)));
        }
        if outcome.closest.len() < K && self.table.good() < K {
            self.upkeep.bootstrap = Some(after(now, MOST_PATIENT));
        }
    }

    pub(crate) const fn refreshed(&mut self) {
        self.upkeep.refreshing = self.upkeep.refreshing.saturating_sub(1);
    }

    /// A lookup with the nodes to begin with.
    pub(crate) fn new_lookup(&self, search: Search, closest: &[crate::krpc::Contact]) -> Lookup {
        let mut lookup = Lookup::new(search);
        for contact in closest {
            lookup.add_known(*contact);
        }
        let known = self.table.closest(&lookup.target, 2 * K, super::Choice::Any);
        for contact in &known {
            lookup.add_known(*contact);
        }
        if known.len() + closest.len() < K {
            for address in self.upkeep.known.iter().chain(self.routers()) {
                let router = self.routers().contains(address);
                lookup.add_unknown(*address, router);
            }
        }
        lookup
    }

    /// Puts a node on the list of those to ask whether they are there.
    pub(crate) fn ping(&mut self, address: SocketAddr, id: Option<Id>) {
        if self.pings.len() < MAX_PINGS && !self.pings.iter().any(|(other, _)| *other == address) {
            self.pings.push_back((address, id));
        }
    }

    /// A node asked us, or was named: it may get into the table.
    pub(crate) fn meet(&mut self, now: Instant, contact: crate::krpc::Contact) {
        // A node that knows few is curious; one that knows many asks when it has time.
        if !self.routers().contains(&contact.address) && self.table.heard(now, contact) && self.table.len() < CURIOUS {
            self.ping(contact.address, Some(contact.id));
        }
    }
}
