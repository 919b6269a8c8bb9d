//! How long a handshake may take. In: when it began. Out: when it is too late. Never: a clock.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    began: Instant,
    timeout: Duration,
}

impl Deadline {
    pub(super) const fn new(now: Instant, timeout: Duration) -> Self {
        Self { began: now, timeout }
    }

    pub(super) const fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// `None` if the timeout is longer than the clock can tell.
    pub(super) fn instant(&self) -> Option<Instant> {
        self.began.checked_add(self.timeout)
    }
}
