//! What a delay sample says about the queue (RFC 6817, "base delay" and "current delay").
//! In: raw one-way delays of clocks that do not agree and drift. Out: how long packets wait in queues on the way to the peer.

use super::Ack;
use crate::clock::{Micros, SECOND};

/// One base delay is kept for each minute, for so many minutes.
const HISTORY: usize = 10;
const SLOT: Micros = 60 * SECOND;
/// The current delay is the least of so many samples: a single packet may be held up by a scheduler.
const FILTER: usize = 4;
/// Samples of longer ago say nothing about the current delay: on a slow link the queue has changed since.
const FILTER_TIME: Micros = 20_000;
/// A clock does not run away by more than this from one sample to the next, in microseconds.
const MAX_DRIFT_STEP: u32 = 10_000;

const fn earlier(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) > u32::MAX / 2
}

/// The least delay of the last minutes, with numbers that wrap.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    slots: [u32; HISTORY],
    used: usize,
    /// When the slot at the front was begun.
    begun: Micros,
}

impl Base {
    fn sample(&mut self, now: Micros, delay: u32) {
        if self.used == 0 || now.saturating_sub(self.begun) >= SLOT {
            self.slots.rotate_right(1);
            self.used = self.used.saturating_add(1).min(HISTORY);
            self.begun = now;
            if let Some(front) = self.slots.first_mut() {
                *front = delay;
            }
        } else if let Some(front) = self.slots.first_mut().filter(|front| earlier(delay, **front)) {
            *front = delay;
        }
    }

    fn get(&self) -> Option<u32> {
        self.slots.iter().take(self.used).copied().reduce(|a, b| if earlier(b, a) { b } else { a })
    }

    fn shift(&mut self, by: u32) {
        for slot in &mut self.slots {
            *slot = slot.wrapping_add(by);
        }
    }
}

/// Turns samples into queueing delay.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delays {
    ours: Base,
    theirs: Base,
    path: Base,
    /// The last samples, the latest first: when, one-way delay, delay of both ways.
    recent: [(Micros, u32, u32); FILTER],
    samples: usize,
}

impl Delays {
    /// The queueing delay on the way to the peer, in microseconds.
    pub(super) fn sample(&mut self, ack: &Ack) -> Option<u32> {
        let delay = ack.delay?;
        if let Some(reverse) = ack.reverse_delay {
            let before = self.theirs.get();
            self.theirs.sample(ack.now, reverse);
            // If packets from the peer never took so little time, its clock runs faster than ours, and the delay that it measures grows
            // by as much without any queue.
            if let (Some(before), Some(after)) = (before, self.theirs.get()) {
                let gained = before.wrapping_sub(after);
                if gained <= MAX_DRIFT_STEP {
                    self.ours.shift(gained);
                }
            }
        }
        self.ours.sample(ack.now, delay);
        let path = ack.path();
        if let Some(path) = path {
            self.path.sample(ack.now, path);
        }
        self.samples = self.samples.saturating_add(1).min(FILTER);
        self.recent.rotate_right(1);
        if let Some(front) = self.recent.first_mut() {
            *front = (ack.now, delay, path.unwrap_or(u32::MAX));
        }
        let fresh = |&&(at, ..): &&(Micros, u32, u32)| ack.now.saturating_sub(at) <= FILTER_TIME;
        let known = || self.recent.iter().take(self.samples).filter(fresh);
        let least = known().map(|sample| sample.1).reduce(|a, b| if earlier(b, a) { b } else { a })?;
        let one_way = least.wrapping_sub(self.ours.get()?);
        let one_way = if one_way > u32::MAX / 2 { 0 } else { one_way };
        // What waits on both ways together is an upper bound that no drift of clocks disturbs.
        let both = match (known().map(|sample| sample.2).min(), self.path.get()) {
            (Some(now), Some(base)) if now < u32::MAX => now.saturating_sub(base),
            _ => u32::MAX,
        };
        Some(one_way.min(both))
    }

    /// The round trip without queues, in microseconds.
    pub(super) fn base_path(&self) -> Option<u32> {
        self.path.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(now: Micros, delay: u32, reverse_delay: Option<u32>) -> Ack {
        Ack { now, bytes: 0, in_flight: 0, packet: 1000, rtt: 50_000, delay: Some(delay), reverse_delay }
    }

    #[test]
    fn the_least_of_the_last_minutes_is_the_base() {
        let mut delays = Delays::default();
        let offset = u32::MAX - 5_000;
        for (second, queue) in
            [(0, 20_000), (1, 0), (30, 40_000), (60, 50_000), (61, 50_000), (62, 50_000), (63, 50_000)]
        {
            let sample = delays.sample(&ack(second * SECOND, offset.wrapping_add(queue), None));
            if second == 63 {
                assert_eq!(sample, Some(50_000));
            }
        }
    }

    #[test]
    fn a_base_of_long_ago_is_forgotten() {
        let mut delays = Delays::default();
        delays.sample(&ack(0, 1_000, None));
        let mut last = None;
        for minute in 1..=12 {
            for second in 0..4 {
                last = delays.sample(&ack((minute * 60 + second) * SECOND, 9_000, None));
            }
        }
        assert_eq!(last, Some(0));
    }

    #[test]
    fn a_single_late_packet_is_no_queue() {
        let mut delays = Delays::default();
        for now in 0..8 {
            delays.sample(&ack(now, 1_000, None));
        }
        assert_eq!(delays.sample(&ack(9, 90_000, None)), Some(0));
    }

    #[test]
    fn clocks_that_drift_are_no_queue() {
        // The peer's clock gains 200 microseconds a second on ours, 12 ms a minute.
        let mut delays = Delays::default();
        for second in 0..600_u32 {
            let drift = second * 200;
            let sample = delays.sample(&ack(
                u64::from(second) * SECOND,
                5_000_u32.wrapping_add(drift),
                Some(7_000_u32.wrapping_sub(drift)),
            ));
            assert!(sample.is_some_and(|queue| queue < 2_000), "{sample:?} after {second} s");
        }
    }
}
