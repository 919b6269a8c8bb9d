//! Trackers of which one at a time is asked: tiers, tried in order until one answers.
//! Spec: BEP 12 § "Order of Processing".

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use torrent_types::time::after;

use super::tracker::Tracker;
use crate::message::Event;

/// Tiers and the round that goes through them.
pub(super) struct Group {
    /// Indices of trackers, in the order in which they are tried.
    tiers: Vec<Vec<usize>>,
    round: Round,
    /// Rounds in a row in which nobody answered.
    failures: u32,
    /// `completed` has to be told to one of these trackers.
    owes_completed: bool,
}

enum Round {
    /// Not started, or nobody is left who may be asked.
    Off,
    /// The next round begins then.
    Waiting { at: Instant },
    /// Who is still to be tried in this round, and who is being asked now: one, and those that let us wait too long, from when
    /// on the next is asked.
    Trying { left: VecDeque<usize>, asking: Vec<usize>, impatient: Instant },
}

/// How patient the announces of a torrent are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// Never announce to a tracker more often than this, events apart, whatever it says. Default 60 s.
    pub min_interval: Duration,
    /// Longest pause after a round in which no tracker answered. Default one hour.
    pub max_backoff: Duration,
    /// A tracker that has not answered for so long is not given up, but the next one is asked, too. A silent UDP tracker would
    /// hold up a torrent for a minute. Not for `completed`, which is told once. Time in the client's own queue counts, too:
    /// behind a dead tracker it does not move. Default 5 s.
    /// Private torrents want more than an announce can take (BEP 27).
    pub patience: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            min_interval: Duration::from_secs(60),
            max_backoff: Duration::from_secs(60 * 60),
            patience: Duration::from_secs(5),
        }
    }
}

impl Schedule {
    /// The pause after the n-th round in a row without an answer: 5 s + n² · 12.5 s, as libtorrent has it.
    fn backoff(&self, failures: u32) -> Duration {
        let square = failures.saturating_mul(failures);
        let pause = Duration::from_millis(12_500).saturating_mul(square).saturating_add(Duration::from_secs(5));
        pause.min(self.max_backoff)
    }
}

impl Group {
    pub(super) fn new(tiers: Vec<Vec<usize>>) -> Self {
        Self { tiers, round: Round::Off, failures: 0, owes_completed: false }
    }

    pub(super) fn push_tier(&mut self, index: usize) {
        self.tiers.push(vec![index]);
        if let Round::Trying { left, .. } = &mut self.round {
            left.push_back(index);
        }
    }

    pub(super) fn tiers(&self) -> impl Iterator<Item = &[usize]> {
        self.tiers.iter().map(Vec::as_slice)
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.tiers.iter().any(|tier| tier.contains(&index))
    }

    pub(super) fn owes_completed(&self) -> bool {
        self.owes_completed
    }

    pub(super) fn start(&mut self, now: Instant) {
        self.round = Round::Waiting { at: now };
        self.failures = 0;
        self.owes_completed = false;
    }

    pub(super) fn complete(&mut self, now: Instant) {
        self.owes_completed = true;
        if let Round::Waiting { at } = &mut self.round {
            *at = now.min(*at);
        }
    }

    /// The next round begins as soon as the tracker that answered last permits.
    pub(super) fn hurry(&mut self, now: Instant, trackers: &[Tracker]) {
        if let Round::Waiting { at } = &mut self.round
            && self.failures == 0
        {
            let known = self.tiers.iter().flatten().filter_map(|&index| trackers.get(index)).filter(|t| t.knows_us());
            let permitted = known.filter_map(Tracker::min_at).max().unwrap_or(now).max(now);
            *at = permitted.min(*at);
        }
    }

    /// Who is to be asked now?
    pub(super) fn poll(&mut self, now: Instant, trackers: &[Tracker], schedule: &Schedule) -> Option<usize> {
        if let Round::Waiting { at } = self.round
            && at <= now
        {
            self.round = Round::Trying { left: self.order(trackers), asking: Vec::new(), impatient: now };
        }
        let Round::Trying { left, asking, impatient } = &mut self.round else { return None };
        if !asking.is_empty() && (self.owes_completed || now < *impatient) {
            return None;
        }
        while let Some(index) = left.pop_front() {
            let Some(tracker) = trackers.get(index).filter(|tracker| tracker.is_usable(now)) else { continue };
            asking.push(index);
            *impatient = after(now, schedule.patience);
            // It may still owe the answer of the round before.
            return (!tracker.is_asked()).then_some(index);
        }
        if asking.is_empty() {
            // Everybody asked for time or said `never`: BEP 31.
            let next = self.usable_from(now, trackers);
            self.round = next.map_or(Round::Off, |at| Round::Waiting { at });
        }
        None
    }

    /// Tier by tier. `completed` is for whom we told `started`, if that still answers: a dead first tier shall not keep it back
    /// until we are gone.
    fn order(&self, trackers: &[Tracker]) -> VecDeque<usize> {
        let mut order: Vec<_> = self.tiers.iter().flatten().copied().collect();
        if self.owes_completed {
            order.sort_by_key(|&index| !trackers.get(index).is_some_and(Tracker::works));
        }
        order.into()
    }

    /// § "Order of Processing": whoever answers is moved to the front of its tier.
    pub(super) fn answered(&mut self, now: Instant, index: usize, event: Option<Event>, next: Instant) {
        if let Some(tier) = self.tiers.iter_mut().find(|tier| tier.contains(&index))
            && let Some(position) = tier.iter().position(|&member| member == index)
            && let Some(before) = tier.get_mut(..=position)
        {
            before.rotate_right(1);
        }
        if event == Some(Event::Completed) {
            self.owes_completed = false;
        }
        let at = match &self.round {
            // An answer that comes after its round.
            Round::Trying { asking, .. } if !asking.contains(&index) => return,
            Round::Waiting { at } if self.failures == 0 => next.min(*at),
            _ if self.owes_completed => now,
            _ => next,
        };
        self.failures = 0;
        self.round = Round::Waiting { at };
    }

    pub(super) fn failed(&mut self, now: Instant, index: usize, trackers: &[Tracker], schedule: &Schedule) {
        let Round::Trying { left, asking, impatient } = &mut self.round else { return };
        let Some(position) = asking.iter().position(|&asked| asked == index) else { return };
        asking.swap_remove(position);
        *impatient = now;
        let is_usable = |index: &usize| trackers.get(*index).is_some_and(|tracker| tracker.is_usable(now));
        if !asking.is_empty() || left.iter().any(is_usable) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let backoff = after(now, schedule.backoff(self.failures));
        let next = self.usable_from(now, trackers);
        self.round = next.map_or(Round::Off, |at| Round::Waiting { at: at.max(backoff) });
    }

    /// From when on one of them may be asked.
    fn usable_from(&self, now: Instant, trackers: &[Tracker]) -> Option<Instant> {
        self.tiers.iter().flatten().filter_map(|&index| trackers.get(index)?.usable_from(now)).min()
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        match &self.round {
            Round::Waiting { at } => Some(*at),
            Round::Trying { left, impatient, .. } if !left.is_empty() && !self.owes_completed => Some(*impatient),
            Round::Off | Round::Trying { .. } => None,
        }
    }
}
