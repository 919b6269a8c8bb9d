//! A token bucket: so many a second, and so many at once after a pause.
//! In: time. Out: now, or when.

use std::time::{Duration, Instant};

use torrent_types::time::after;

#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    tokens: f32,
    filled: Instant,
}

impl TokenBucket {
    pub(crate) const fn full(now: Instant, burst: f64) -> Self {
        Self { tokens: burst as f32, filled: now }
    }

    fn fill(&mut self, now: Instant, rate: f64, burst: f64) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (f64::from(self.tokens) + passed * rate).min(burst) as f32;
        self.filled = self.filled.max(now);
    }

    /// Takes `cost`, if there is so much.
    pub(crate) fn take(&mut self, now: Instant, cost: f64, rate: f64, burst: f64) -> bool {
        self.fill(now, rate, burst);
        let enough = f64::from(self.tokens) >= cost;
        if enough {
            self.tokens -= cost as f32;
        }
        enough
    }

    /// Takes `cost` if anything is left, even if that is less: what is owed is paid by later refusals.
    pub(crate) fn owe(&mut self, now: Instant, cost: f64, rate: f64, burst: f64) -> bool {
        self.fill(now, rate, burst);
        let any = self.tokens > 0.0;
        if any {
            self.tokens -= cost as f32;
        }
        any
    }

    /// When one token is there.
    pub(crate) fn next(&self, rate: f64) -> Instant {
        let missing = (1.0 - f64::from(self.tokens)).max(0.0);
        // A little more, so that rounding does not wake too early, again and again.
        after(self.filled, Duration::from_secs_f64((missing / rate.max(1e-6)).min(3600.0)) + Duration::from_micros(100))
    }

    /// Whether it is as full as it gets.
    pub(crate) fn is_full(&mut self, now: Instant, rate: f64, burst: f64) -> bool {
        self.fill(now, rate, burst);
        f64::from(self.tokens) >= burst
    }
}
