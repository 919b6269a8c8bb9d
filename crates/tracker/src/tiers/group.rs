//! Trackers of which one at a time is asked: tiers, tried in order until one answers.
//! Spec: BEP 12 § "Order of Processing". In: time, answers and failures of its trackers. Out: which one to ask next.

use std::{collections::VecDeque, time::Instant};

use torrent_types::time::after;

use super::{Schedule, tracker::Tracker};
use crate::message::Event;

/// Tiers and the round that goes through them.
pub(super) struct Group {
    /// Indices of trackers, in the order in which they are tried.
    tiers: Vec<Vec<usize>>,
    round: Round,
    /// Rounds in a row in which no tracker answered.
    failures: u32,
    /// `completed` has to be told to one of these trackers.
    owes_completed: bool,
    /// The last answer.
    answered_at: Option<Instant>,
    /// Rounds in a row that began early because peers were wanted.
    early: u32,
}

enum Round {
    /// Not started, or no tracker is left that may be asked.
    Off,
    /// The next round begins at that time; early if peers are wanted.
    Waiting { at: Instant, is_early: bool },
    /// The trackers that are left to try in this round, and those that are being asked: one, and the ones that let us wait too long.
    /// `next_at`: when the next one is asked in addition.
    Trying { left: VecDeque<usize>, asking: Vec<usize>, next_at: Option<Instant> },
}

impl Group {
    pub(super) fn new(tiers: Vec<Vec<usize>>) -> Self {
        Self { tiers, round: Round::Off, failures: 0, owes_completed: false, answered_at: None, early: 0 }
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

    /// `completed` is not told any more.
    pub(super) const fn waive_completed(&mut self) {
        self.owes_completed = false;
    }

    pub(super) fn start(&mut self, now: Instant) {
        self.round = Round::Waiting { at: now, is_early: false };
        (self.failures, self.early) = (0, 0);
        self.owes_completed = false;
        self.answered_at = None;
    }

    pub(super) fn complete(&mut self, now: Instant) {
        self.owes_completed = true;
        if let Round::Waiting { at, .. } = &mut self.round {
            *at = now.min(*at);
        }
    }

    /// The next round begins as soon as the trackers permit, and not sooner than twice the pause of the early round before:
    /// a torrent without peers is no reason to ask every minute for days.
    pub(super) fn hurry(&mut self, now: Instant, trackers: &[Tracker], schedule: &Schedule) {
        if let Round::Waiting { at, is_early } = &mut self.round
            && self.failures == 0
        {
            let known = self.tiers.iter().flatten().filter_map(|&index| trackers.get(index)).filter(|t| t.knows_us());
            let permitted = known.filter_map(Tracker::min_at).max().unwrap_or(now).max(now);
            let pause = schedule.min_interval.saturating_mul(1 << self.early.min(16));
            let spaced = self.answered_at.map_or(now, |answered| after(answered, pause));
            let early = permitted.max(spaced);
            if early < *at {
                (*at, *is_early) = (early, true);
            }
        }
    }

    /// The tracker to ask now, if there is one.
    pub(super) fn poll(&mut self, now: Instant, trackers: &[Tracker], schedule: &Schedule) -> Option<usize> {
        if let Round::Waiting { at, is_early } = self.round
            && at <= now
        {
            self.early = if is_early { self.early.saturating_add(1) } else { 0 };
            self.round = Round::Trying { left: self.order(trackers), asking: Vec::new(), next_at: None };
        }
        let Round::Trying { left, asking, next_at } = &mut self.round else { return None };
        if !asking.is_empty() && (self.owes_completed || next_at.is_none_or(|at| now < at)) {
            return None;
        }
        while let Some(index) = left.pop_front() {
            let Some(tracker) = trackers.get(index).filter(|tracker| tracker.is_usable(now)) else { continue };
            asking.push(index);
            *next_at = schedule.patience.map(|patience| after(now, patience));
            // It may still owe the answer of the round before.
            return (!tracker.is_asked()).then_some(index);
        }
        if asking.is_empty() {
            // All of them asked for time or said `never`: BEP 31.
            let next = self.usable_from(now, trackers);
            self.round = next.map_or(Round::Off, |at| Round::Waiting { at, is_early: false });
        }
        None
    }

    /// Tier by tier. `completed` goes first to the tracker that was told `started`, if that still answers: a dead first tier could
    /// keep it back until we are gone.
    fn order(&self, trackers: &[Tracker]) -> VecDeque<usize> {
        let mut order: Vec<_> = self.tiers.iter().flatten().copied().collect();
        if self.owes_completed {
            order.sort_by_key(|&index| !trackers.get(index).is_some_and(Tracker::works));
        }
        order.into()
    }

    /// § "Order of Processing": a tracker that answers is moved to the front of its tier.
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
            Round::Waiting { at, .. } if self.failures == 0 => next.min(*at),
            _ if self.owes_completed => now,
            _ => next,
        };
        self.failures = 0;
        self.answered_at = Some(now);
        self.round = Round::Waiting { at, is_early: false };
    }

    pub(super) fn failed(&mut self, now: Instant, index: usize, trackers: &[Tracker], schedule: &Schedule) {
        let Round::Trying { left, asking, next_at } = &mut self.round else { return };
        let Some(position) = asking.iter().position(|&asked| asked == index) else { return };
        asking.swap_remove(position);
        *next_at = Some(now);
        let is_usable = |index: &usize| trackers.get(*index).is_some_and(|tracker| tracker.is_usable(now));
        if !asking.is_empty() || left.iter().any(is_usable) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let backoff = after(now, schedule.backoff(self.failures));
        let next = self.usable_from(now, trackers);
        self.round = next.map_or(Round::Off, |at| Round::Waiting { at: at.max(backoff), is_early: false });
    }

    /// The first moment at which one of them may be asked.
    fn usable_from(&self, now: Instant, trackers: &[Tracker]) -> Option<Instant> {
        self.tiers.iter().flatten().filter_map(|&index| trackers.get(index)?.usable_from(now)).min()
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        match &self.round {
            Round::Waiting { at, .. } => Some(*at),
            Round::Trying { left, next_at, .. } if !left.is_empty() && !self.owes_completed => *next_at,
            Round::Off | Round::Trying { .. } => None,
        }
    }
}
