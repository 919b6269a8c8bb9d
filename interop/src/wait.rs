//! Waiting for something to become true.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything here may take. Generous: the suite runs on two busy cores, and a test that passes never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until `found` gives something; `None` after [`PATIENCE`].
pub fn until<T>(found: impl FnMut() -> Option<T>) -> Option<T> {
    until_after(PATIENCE, found)
}

/// Looks until `found` gives something; `None` after `patience`.
#[expect(clippy::disallowed_methods, reason = "foreign processes live in real time")]
pub fn until_after<T>(patience: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let this = found();
        if this.is_some() || start.elapsed() > patience {
            return this;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
