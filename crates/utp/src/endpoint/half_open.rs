//! SYNs of strangers that were answered and not confirmed (BEP 29, "connection setup").
//! Anybody can send a SYN with any address. So one costs an entry of this table and an answer that is no longer than itself, nothing is
//! sent again, and when the table is full the oldest entry goes.

use std::collections::{BTreeMap, VecDeque};

use super::Route;
use crate::{
    clock::{Micros, SECOND},
    packet::Header,
    seq::SeqNr,
};

/// An answer is waited for no longer than this.
const LIFETIME: Micros = 10 * SECOND;

#[derive(Clone, Copy, Debug)]
pub(super) struct HalfOpen {
    at: Micros,
    /// The number of the SYN.
    pub(super) syn: SeqNr,
    /// The number that our answer carried.
    pub(super) seq: SeqNr,
}

#[derive(Debug, Default)]
pub(super) struct HalfOpens {
    entries: BTreeMap<Route, HalfOpen>,
    /// In the order of their arrival; some are gone.
    order: VecDeque<(Micros, Route)>,
}

impl HalfOpens {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry for a SYN: the one that it has already, or a new one with the number `seq`.
    pub(super) fn admit(&mut self, now: Micros, route: Route, syn: SeqNr, seq: SeqNr, most: usize) -> Option<HalfOpen> {
        if let Some(entry) = self.entries.get(&route).filter(|entry| entry.syn == syn && !is_old(now, entry.at)) {
            return Some(*entry);
        }
        while self.entries.len() >= most || self.order.len() >= most.saturating_mul(2) || self.oldest_is_old(now) {
            self.drop_oldest()?;
        }
        let entry = HalfOpen { at: now, syn, seq };
        self.entries.insert(route, entry);
        self.order.push_back((now, route));
        Some(entry)
    }

    /// Takes the entry that this packet confirms. It must acknowledge the number of our answer, or the one before: most implementations do
    /// not count the answer as a packet.
    pub(super) fn confirm(&mut self, now: Micros, route: &Route, header: &Header) -> Option<HalfOpen> {
        let entry = *self.entries.get(route)?;
        let known = header.ack == entry.seq || header.ack == entry.seq.minus(1);
        if !known || is_old(now, entry.at) {
            return None;
        }
        self.entries.remove(route)
    }

    fn oldest_is_old(&self, now: Micros) -> bool {
        self.order.front().is_some_and(|&(at, _)| is_old(now, at))
    }

    fn drop_oldest(&mut self) -> Option<()> {
        let (at, route) = self.order.pop_front()?;
        if self.entries.get(&route).is_some_and(|entry| entry.at == at) {
            self.entries.remove(&route);
        }
        Some(())
    }
}

const fn is_old(now: Micros, at: Micros) -> bool {
    now.saturating_sub(at) > LIFETIME
}
