//! When something is due. A torrent in which nothing moves has no tick: it wakes for what is planned, or not at all.

use std::time::{Duration, Instant};

use super::Swarm;
use crate::{Action, Command};

/// How often rates, deadlines and slots are looked at while something moves.
const TICK: Duration = Duration::from_secs(1);
/// How often peers hear of pieces that came: each wake of a connection costs more than the message.
const NEWS_PAUSE: Duration = Duration::from_millis(200);
/// That we want nothing of a peer any more is said after so long.
const BORED: Duration = Duration::from_secs(5);
/// While readers wait, slow requests are looked at this often.
const URGENT_PAUSE: Duration = Duration::from_millis(250);

/// What is planned, and what is not to happen earlier.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) tick: Option<Instant>,
    pub(super) sweep: Option<Instant>,
    pub(super) dial: Option<Instant>,
    pub(super) slots: Option<Instant>,
    pub(super) news: Option<Instant>,
    pub(super) urgent: Option<Instant>,
    pub(super) bored: Option<Instant>,
    pub(super) next_sweep: Instant,
    pub(super) next_reclaim: Instant,
    pub(super) next_turnover: Instant,
    pub(super) next_need_peers: Instant,
    next_news: Instant,
    pub(super) want_sweep: bool,
    pub(super) want_dial: bool,
    pub(super) want_slots: bool,
    pub(super) want_bored: bool,
    /// Refusals of memory to any torrent that were seen.
    refusals: usize,
}

impl Times {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            tick: None,
            sweep: None,
            dial: None,
            slots: None,
            news: None,
            urgent: None,
            bored: None,
            next_sweep: now,
            next_reclaim: now,
            next_turnover: now,
            next_need_peers: now,
            next_news: now,
            want_sweep: false,
            want_dial: false,
            want_slots: false,
            want_bored: false,
            refusals: 0,
        }
    }
}

impl Swarm {
    /// When to call [`Swarm::handle_timeout`]. `None`: nothing is planned. Any `handle` method may change it; reading it costs
    /// next to nothing.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let Times { tick, sweep, dial, slots, news, urgent, bored, .. } = self.times;
        [tick, sweep, dial, slots, news, urgent, bored, self.life.poll_timeout()].into_iter().flatten().min()
    }

    /// Does what is due. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        let retry = self.life.handle_timeout(now);
        self.retry(now, retry);
        if due(self.times.tick) {
            self.tick(now);
        }
        if due(self.times.slots) {
            self.manage_slots(now);
        }
        if due(self.times.news) {
            self.tell_news(now);
        }
        if due(self.times.urgent) {
            self.times.urgent = None;
            self.take_over_urgent(now);
        }
        if due(self.times.bored) {
            self.tell_boredom(now);
        }
        if due(self.times.sweep) {
            self.sweep(now);
        }
        self.settle(now);
    }

    fn tick(&mut self, now: Instant) {
        self.times.tick = None;
        self.down.tick(now);
        self.up.tick(now);
        let (time, max) = (self.config.request_time, self.config.max_requests);
        let mut working = 0;
        for (key, peer) in &mut self.peers {
            peer.giving.rate.tick(now);
            peer.taking.rate.tick(now);
            let rate = peer.giving.rate.per_second();
            peer.giving.requests.tick(rate, time, max);
            if peer.is_open() {
                working += 1;
                if peer.giving.requests.room(now, u32::MAX) > 0 {
                    self.hungry.insert(*key);
                    self.times.want_sweep = true;
                }
            }
        }
        self.working = working;
        self.pieces.memory_mut().set_wants(working > 0);
        self.expire(now);
        self.check_solos(now);
        self.give_up_abandoned(now);
        self.apply_bans();
        let refusals = self.shared.memory.refusals();
        if std::mem::replace(&mut self.times.refusals, refusals) != refusals && now >= self.times.next_reclaim {
            // Some torrent of the client is short of memory: what does not move here may be what it lacks.
            self.reclaim(now);
        }
    }

    /// Plans the next tick if something moves, and whatever else was asked for.
    pub(super) fn plan_tick(&mut self, now: Instant) {
        if self.times.tick.is_none() && self.moves() {
            self.times.tick = Some(now + TICK);
        }
        if self.times.want_slots {
            self.times.want_slots = false;
            let at = self.times.slots.unwrap_or(now + Duration::from_millis(100));
            self.times.slots = Some(at);
        }
        if self.wanted.has_urgent() && self.times.urgent.is_none() && self.working > 0 {
            self.times.urgent = Some(now + URGENT_PAUSE);
        }
        if self.times.want_dial {
            self.times.want_dial = false;
            self.times.dial = Some(now);
        }
        if std::mem::take(&mut self.times.want_bored) {
            // Nothing will be wanted again soon when everything is here or nothing is fetched.
            let pause = if self.pieces.is_complete() || !self.life.fetches() { Duration::ZERO } else { BORED };
            for peer in self.peers.values_mut() {
                if peer.giving.told_interested && !peer.giving.am_interested {
                    peer.giving.bored.get_or_insert(now + pause);
                }
            }
            self.tell_boredom(now);
        }
    }

    /// Peers of which nothing was wanted for long enough hear so.
    fn tell_boredom(&mut self, now: Instant) {
        let bored = |at: Instant| now >= at;
        let told: Vec<_> =
            self.peers.iter().filter(|(_, peer)| peer.giving.bored.is_some_and(bored)).map(|(key, _)| *key).collect();
        for key in told {
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.giving.bored = None;
            }
            self.tell_interest(key);
        }
        self.times.bored = self.peers.values().filter_map(|peer| peer.giving.bored).min();
    }

    fn moves(&self) -> bool {
        self.pieces.open_count() > 0
            || self.working > 0
            || self.down.per_second() > 0
            || self.up.per_second() > 0
            || self.slots.held() > 0
            || (!self.peers.is_empty() && self.shared.bans.generation() != self.bans_seen)
    }

    /// Peers will hear of new pieces soon.
    pub(super) fn plan_news(&mut self, now: Instant) {
        if self.times.news.is_none() {
            self.times.news = Some(self.times.next_news.max(now));
        }
        if self.times.news.is_some_and(|at| at <= now) {
            self.tell_news(now);
        }
    }

    fn tell_news(&mut self, now: Instant) {
        self.times.news = None;
        self.times.next_news = now + NEWS_PAUSE;
        let news = std::mem::take(&mut self.news);
        for (key, peer) in &self.peers {
            if peer.leaving {
                continue;
            }
            // A peer that has a piece needs no news of it.
            for piece in news.iter().filter(|piece| !peer.has(**piece)) {
                self.actions.push_back(Action::Send(*key, Command::Have(*piece)));
            }
        }
        self.times.want_slots |= !news.is_empty() && self.slots.held() == 0;
    }
}
