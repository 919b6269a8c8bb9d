//! How many connections a client opens at a time, and how many a second.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A limit of attempts under way, and a bucket of attempts that fills up with time.
#[derive(Debug)]
pub(crate) struct Dials {
    half_open: usize,
    per_second: u32,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    open: usize,
    /// Attempts that may begin now.
    tokens: u32,
    /// When the bucket was last filled.
    filled: Option<Instant>,
}

/// What came of asking for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MayDial {
    Now,
    /// Ask again then.
    At(Instant),
}

impl Dials {
    pub(crate) fn new(half_open: usize, per_second: u32) -> Self {
        let inner = Inner { open: 0, tokens: per_second.saturating_mul(2), filled: None };
        Self { half_open, per_second: per_second.max(1), inner: Mutex::new(inner) }
    }

    /// Asks for an attempt; each that is granted must be given back with [`Dials::end`].
    pub(crate) fn begin(&self, now: Instant) -> MayDial {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = *inner.filled.get_or_insert(now);
        let gained = now.saturating_duration_since(filled).as_millis() * u128::from(self.per_second) / 1000;
        if gained > 0 {
            let gained = u32::try_from(gained).unwrap_or(u32::MAX);
            inner.tokens = inner.tokens.saturating_add(gained).min(self.per_second.saturating_mul(2));
            inner.filled = Some(now);
        }
        let pause = Duration::from_millis(1000 / u64::from(self.per_second).min(1000)).max(Duration::from_millis(20));
        if inner.open >= self.half_open {
            // Attempts of other torrents end without a word to this one.
            return MayDial::At(now + pause * 5);
        }
        if inner.tokens == 0 {
            return MayDial::At(now + pause);
        }
        inner.tokens -= 1;
        inner.open += 1;
        MayDial::Now
    }

    /// An attempt is over.
    pub(crate) fn end(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.open = inner.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn a_burst_then_a_rate_and_never_too_many_at_once() {
        let mut now = Instant::now();
        let dials = Dials::new(50, 10);
        let granted = |now| std::iter::repeat_with(|| dials.begin(now)).take_while(|may| *may == MayDial::Now).count();
        assert_eq!(granted(now), 20);
        now += Duration::from_secs(1);
        assert_eq!(granted(now), 10);
        now += Duration::from_secs(100);
        assert_eq!(granted(now), 20, "50 are under way");
        now += Duration::from_secs(100);
        assert_eq!(granted(now), 0);
        dials.end();
        assert_eq!(granted(now), 1);
    }
}
