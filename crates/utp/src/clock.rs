//! The endpoint's clock: microseconds since it was made.
//! In: the `Instant`s that the driver passes. Out: plain numbers, which are what packets carry and what the arithmetic of
//! congestion control needs. Never: the system's clock.

use std::time::{Duration, Instant};

/// Microseconds on the endpoint's clock, which starts at zero.
pub type Micros = u64;

/// One millisecond.
pub(crate) const MILLI: Micros = 1_000;
/// One second.
pub(crate) const SECOND: Micros = 1_000_000;

/// Where the endpoint's time starts, and how it looks to others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    /// Added to timestamps in packets, so that they do not tell how long we have been running.
    offset: u32,
}

impl Clock {
    pub(crate) const fn new(epoch: Instant, offset: u32) -> Self {
        Self { epoch, offset }
    }

    pub(crate) fn micros(&self, now: Instant) -> Micros {
        u64::try_from(now.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn instant(&self, at: Micros) -> Option<Instant> {
        self.epoch.checked_add(Duration::from_micros(at))
    }

    /// The `timestamp_microseconds` of a packet that is sent now.
    #[expect(clippy::cast_possible_truncation, reason = "the field wraps")]
    pub(crate) const fn stamp(&self, now: Micros) -> u32 {
        (now as u32).wrapping_add(self.offset)
    }
}
