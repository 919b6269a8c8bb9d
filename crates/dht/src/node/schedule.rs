//! Which torrents are announced when, so that thousands are kept announced at a bounded rate.
//! In: torrents, outcomes of their announces. Out: the next one that is due. Never more at once than the node has room for.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::{RngExt as _, rngs::StdRng};
use torrent_types::time::after;

use super::lookup::Announce;
use crate::{id::Id, krpc::Contact};

/// Torrents that can be kept announced.
pub(crate) const MAX_SCHEDULED: usize = 200_000;
/// An announce that no node took is tried again after this, at first; twice as long each time, up to the interval.
const RETRY: Duration = Duration::from_secs(20);

/// How soon a torrent of the schedule is announced for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Urgency {
    /// Now, as a lookup that somebody waits for: a download that begins.
    Now,
    /// When its turn comes: one of many torrents of a session that starts.
    InTurn,
}

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    torrents: BTreeMap<Id, Scheduled>,
    due: BTreeSet<(Instant, Id)>,
    /// Torrents that have priority, in the order in which they came.
    urgent: BTreeSet<(Instant, Id)>,
}

#[derive(Debug)]
struct Scheduled {
    announce: Announce,
    due: Option<Instant>,
    urgent: bool,
    failures: u32,
    /// The nodes of the last time, from which the next traversal starts.
    closest: Box<[Contact]>,
}

impl Schedule {
    pub(crate) fn len(&self) -> usize {
        self.torrents.len()
    }

    /// Adds a torrent, or changes how it is announced. `false` if there are too many.
    pub(crate) fn insert(&mut self, now: Instant, hash: Id, announce: Announce, urgency: Urgency) -> bool {
        if let Some(known) = self.torrents.get_mut(&hash) {
            let changed = known.announce != announce;
            known.announce = announce;
            if urgency == Urgency::Now || changed {
                self.plan(hash, now, urgency == Urgency::Now);
            }
            return true;
        }
        if self.torrents.len() >= MAX_SCHEDULED {
            return false;
        }
        let scheduled = Scheduled { announce, due: None, urgent: false, failures: 0, closest: Box::default() };
        self.torrents.insert(hash, scheduled);
        self.plan(hash, now, urgency == Urgency::Now);
        true
    }

    pub(crate) fn remove(&mut self, hash: &Id) -> bool {
        self.unplan(hash);
        self.torrents.remove(hash).is_some()
    }

    fn plan(&mut self, hash: Id, at: Instant, urgent: bool) {
        self.unplan(&hash);
        if let Some(torrent) = self.torrents.get_mut(&hash) {
            torrent.due = Some(at);
            torrent.urgent = urgent;
            if urgent { &mut self.urgent } else { &mut self.due }.insert((at, hash));
        }
    }

    fn unplan(&mut self, hash: &Id) {
        if let Some(torrent) = self.torrents.get_mut(hash)
            && let Some(at) = torrent.due.take()
        {
            if torrent.urgent { &mut self.urgent } else { &mut self.due }.remove(&(at, *hash));
        }
    }

    /// The next torrent to announce and the nodes to start from. It is not due again before [`finished`](Self::finished).
    pub(crate) fn take_due(&mut self, now: Instant, urgent: bool) -> Option<(Id, Announce, Box<[Contact]>)> {
        let (at, hash) = *if urgent { &self.urgent } else { &self.due }.first()?;
        if at > now {
            return None;
        }
        self.unplan(&hash);
        let torrent = self.torrents.get_mut(&hash)?;
        Some((hash, torrent.announce, std::mem::take(&mut torrent.closest)))
    }

    /// Its announce is over.
    pub(crate) fn finished(
        &mut self,
        now: Instant,
        (hash, announced): (Id, Announce),
        (stored, closest): (u32, Vec<Contact>),
        interval: Duration,
        rng: &mut StdRng,
    ) {
        let Some(torrent) = self.torrents.get_mut(&hash) else { return };
        torrent.closest = closest.into();
        if torrent.due.is_some() {
            return;
        }
        if torrent.announce != announced {
            return self.plan(hash, now, false);
        }
        let wait = if stored > 0 {
            torrent.failures = 0;
            // Spread, so that what began together does not stay together.
            interval.mul_f64(rng.random_range(0.9..1.0))
        } else {
            torrent.failures = torrent.failures.saturating_add(1);
            RETRY.saturating_mul(1 << torrent.failures.min(10)).min(interval)
        };
        self.plan(hash, after(now, wait), false);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(crate) fn next_urgent(&self) -> Option<Instant> {
        self.urgent.first().map(|(at, _)| *at)
    }

    /// Torrents whose time has passed.
    pub(crate) fn late(&self, now: Instant) -> usize {
        self.due.range(..=(now, Id::new([0xff; 20]))).count() + self.urgent.len()
    }
}
