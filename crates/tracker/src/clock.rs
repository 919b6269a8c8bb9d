//! Adding to points in time without a panic.

use std::time::{Duration, Instant};

/// `delay` after `now`. Delays here are bounded (days, hours), so a clock without room for them does not exist; if it did, `now`.
pub(crate) fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or(now)
}
