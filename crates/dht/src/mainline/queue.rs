//! Which job is next. One on a target at a time; those that somebody waits for before those that are due.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::MAX_RUNNING;
use crate::{Announced, LookupError, PublicKey, Report, Salt, Urgency, id::Id, item::Item, node::Announce};

/// Jobs that wait.
const MAX_WAITING: usize = 20_000;
/// Torrents that are kept announced.
const MAX_SCHEDULED: usize = 20_000;
/// How often.
const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// How soon again after a failure.
const RETRY: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Peers(Option<Announce>),
    Get,
    GetMutable(PublicKey, Salt),
    Put(Item, Option<i64>),
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) found: Option<mpsc::UnboundedSender<SocketAddr>>,
    pub(crate) done: oneshot::Sender<Result<Report, LookupError>>,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<(Id, Work, Vec<Listener>)>,
    running: BTreeMap<Id, Running>,
    torrents: BTreeMap<Id, Scheduled>,
    due: BTreeSet<(Instant, Id)>,
    closed: bool,
}

#[derive(Debug)]
struct Running {
    work: Work,
    listeners: Vec<Listener>,
    seen: Vec<SocketAddr>,
    told: bool,
}

#[derive(Debug)]
struct Scheduled {
    announce: Announce,
    due: Instant,
    events: mpsc::Sender<Announced>,
}

impl Queue {
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn scheduled(&self) -> usize {
        self.torrents.len()
    }

    pub(crate) fn add(&mut self, target: Id, work: Work, listener: Listener) {
        if self.closed {
            return drop(listener.done.send(Err(LookupError::Closed)));
        }
        // The same job is done once for all.
        if let Some(running) = self.running.get_mut(&target)
            && running.work == work
            && !running.told
        {
            if let Some(found) = &listener.found {
                pass_on(found, &running.seen);
            }
            return running.listeners.push(listener);
        }
        if let Some((_, _, listeners)) =
            self.waiting.iter_mut().find(|(other, same, _)| *other == target && *same == work)
        {
            return listeners.push(listener);
        }
        if self.waiting.len() >= MAX_WAITING {
            return drop(listener.done.send(Err(LookupError::Busy)));
        }
        self.waiting.push_back((target, work, vec![listener]));
    }

    /// The next job that may begin. Its target is taken until [`release`](Self::release).
    pub(crate) fn next(&mut self, now: Instant) -> Option<(Id, Work)> {
        if self.running.len() >= MAX_RUNNING {
            return None;
        }
        let place = self.waiting.iter().position(|(target, ..)| !self.running.contains_key(target));
        if let Some((target, work, listeners)) = place.and_then(|place| self.waiting.remove(place)) {
            self.running.insert(target, Running { work: work.clone(), listeners, seen: Vec::new(), told: false });
            return Some((target, work));
        }
        let (_, hash) =
            *self.due.iter().take_while(|(at, _)| *at <= now).find(|(_, hash)| !self.running.contains_key(hash))?;
        let torrent = self.torrents.get(&hash)?;
        self.due.remove(&(torrent.due, hash));
        let work = Work::Peers(Some(torrent.announce));
        self.running.insert(hash, Running { work: work.clone(), listeners: Vec::new(), seen: Vec::new(), told: false });
        Some((hash, work))
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.running.len() >= MAX_RUNNING {
            return None;
        }
        self.due.iter().find(|(_, hash)| !self.running.contains_key(hash)).map(|(at, _)| *at)
    }

    pub(crate) fn found(&mut self, target: &Id, peers: &[SocketAddr]) {
        if let Some(torrent) = self.torrents.get(target) {
            let event = Announced::Peers { info_hash: (*target).into(), peers: peers.to_vec() };
            drop(torrent.events.try_send(event));
        }
        let Some(running) = self.running.get_mut(target) else { return };
        running.seen.extend(peers);
        for found in running.listeners.iter().filter_map(|listener| listener.found.as_ref()) {
            pass_on(found, peers);
        }
    }

    pub(crate) fn tell(&mut self, target: &Id, result: &Result<Report, LookupError>) {
        let Some(running) = self.running.get_mut(target) else { return };
        running.told = true;
        for listener in running.listeners.drain(..) {
            drop(listener.done.send(result.clone()));
        }
    }

    pub(crate) fn release(&mut self, target: &Id) {
        self.running.remove(target);
    }

    pub(crate) fn schedule(
        &mut self,
        now: Instant,
        hash: Id,
        announce: Announce,
        urgency: Urgency,
        events: mpsc::Sender<Announced>,
    ) -> Result<(), LookupError> {
        if self.closed {
            return Err(LookupError::Closed);
        }
        if self.torrents.len() >= MAX_SCHEDULED && !self.torrents.contains_key(&hash) {
            return Err(LookupError::Busy);
        }
        let known = self.torrents.get(&hash);
        if known.is_some_and(|known| known.announce == announce) && urgency == Urgency::InTurn {
            return Ok(());
        }
        self.unschedule(&hash);
        // What somebody waits for goes before all that are due.
        let due = if urgency == Urgency::Now { now.checked_sub(INTERVAL).unwrap_or(now) } else { now };
        self.torrents.insert(hash, Scheduled { announce, due, events });
        self.due.insert((due, hash));
        Ok(())
    }

    pub(crate) fn unschedule(&mut self, hash: &Id) {
        if let Some(torrent) = self.torrents.remove(hash) {
            self.due.remove(&(torrent.due, *hash));
        }
    }

    /// A job of the schedule has ended.
    pub(crate) fn announced(&mut self, now: Instant, hash: &Id, stored: u32) {
        let Some(torrent) = self.torrents.get_mut(hash) else { return };
        if self.due.contains(&(torrent.due, *hash)) {
            return;
        }
        torrent.due = now + if stored > 0 { INTERVAL } else { RETRY };
        self.due.insert((torrent.due, *hash));
        drop(torrent.events.try_send(Announced::Announced { info_hash: (*hash).into(), stored }));
    }

    pub(crate) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }
}

/// Nothing is lost if nobody reads any more.
fn pass_on(found: &mpsc::UnboundedSender<SocketAddr>, peers: &[SocketAddr]) {
    for peer in peers {
        let _ = found.send(*peer);
    }
}
