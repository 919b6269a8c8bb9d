//! The end of a torrent: every tracker that may know us is told `stopped` once, in bounded time.
//! Spec: BEP 3 § "trackers" (events). In: time, answers that are still under way. Out: the last announces.

use std::time::Instant;

use torrent_types::time::after;

use super::{Phase, Schedule, Tiers, tracker::Tracker};
use crate::message::Event;

/// The two deadlines of a farewell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    last_answers: Instant,
    end: Instant,
}

impl Leaving {
    pub(super) fn new(now: Instant, schedule: &Schedule) -> Self {
        let end = after(now, schedule.farewell);
        Self { last_answers: after(now, schedule.last_answers).min(end), end }
    }
}

impl Tiers {
    pub(super) fn advance_leaving(&mut self, now: Instant, leaving: Leaving) {
        let in_time = now < leaving.last_answers;
        if now < leaving.end {
            for at in 0..self.groups.len() {
                self.say_goodbye(at, in_time);
            }
        }
        if now >= leaving.end || self.trackers.iter().all(Tracker::is_gone) {
            self.phase = Phase::Stopped;
            self.due.clear();
            for tracker in &mut self.trackers {
                tracker.forget_session();
            }
            self.wake = None;
        } else {
            let is_waiting = in_time && self.trackers.iter().any(Tracker::wants_farewell);
            self.wake = Some(if is_waiting { leaving.last_answers } else { leaving.end });
        }
    }

    /// Tells `stopped` to the trackers of a group. An announce that is under way is waited for: if it arrived later than `stopped`,
    /// it would bring us back. One tracker is told `completed` first if that is owed.
    fn say_goodbye(&mut self, at: usize, in_time: bool) {
        let Some(group) = self.groups.get(at) else { return };
        let mut owes_completed = in_time && group.owes_completed();
        let members: Vec<_> = group.tiers().flatten().copied().collect();
        let is_told = |index: &usize| self.trackers.get(*index).is_some_and(Tracker::is_told_completed);
        owes_completed &= !members.iter().any(is_told);
        for index in members {
            let Some(tracker) = self.trackers.get(index) else { continue };
            if !tracker.wants_farewell() || (in_time && tracker.is_asked()) {
                continue;
            }
            let event = if owes_completed { Event::Completed } else { Event::Stopped };
            owes_completed = false;
            self.ask(index, Some(event));
        }
    }
}
