//! How fast bytes move. Fed with bytes and ticks, so it needs no clock of its own.

use std::time::{Duration, Instant};

/// Weight of the newest sample: a rate follows a change within a few seconds.
const SMOOTHING: f64 = 0.4;
const SAMPLE: Duration = Duration::from_secs(1);

/// Smoothed bytes per second, and the total.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    total: u64,
    since: u64,
    started: Instant,
    per_second: f64,
    settled: bool,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { total: 0, since: 0, started: now, per_second: 0.0, settled: false }
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
        self.since = self.since.saturating_add(bytes);
    }

    /// Closes the current sample if it is at least a second old.
    pub(crate) fn tick(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.started);
        if age < SAMPLE {
            return;
        }
        let sample = as_f64(self.since) / age.as_secs_f64();
        self.per_second = if self.settled { self.per_second + SMOOTHING * (sample - self.per_second) } else { sample };
        self.settled = self.settled || self.since > 0;
        self.since = 0;
        self.started = now;
    }

    /// Bytes per second. Before the first sample is complete: what has come so far.
    pub(crate) fn per_second(&self) -> u64 {
        if self.settled { from_f64(self.per_second) } else { self.since }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
fn as_f64(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are finite and not negative")]
fn from_f64(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any instant will do: only differences count.
    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn follows_a_steady_stream_and_forgets_it() {
        let start = start();
        let mut rate = Rate::new(start);
        for second in 1..=10 {
            rate.add(1000);
            rate.tick(start + Duration::from_secs(second));
        }
        assert_eq!(rate.per_second(), 1000);
        assert_eq!(rate.total(), 10_000);
        for second in 11..=30 {
            rate.tick(start + Duration::from_secs(second));
        }
        assert_eq!(rate.per_second(), 0);
    }

    #[test]
    fn says_something_before_the_first_second_is_over() {
        let mut rate = Rate::new(start());
        rate.add(500);
        assert_eq!(rate.per_second(), 500);
    }
}
