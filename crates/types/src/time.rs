//! Arithmetic on points in time that cannot panic.

use std::time::{Duration, Instant};

/// `delay` after `now`, or `now` where the clock has no room for that.
///
/// `Instant + Duration` panics on overflow, and delays often come from the network. Bound them first: the fallback keeps a core
/// alive, it does not make an absurd delay meaningful.
#[must_use]
pub fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or(now)
}
