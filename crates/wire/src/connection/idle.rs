//! Keep-alives, and peers that have fallen silent. BEP 3 § "peer messages".

use std::time::{Duration, Instant};

use crate::PeerFault;

#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    sent: Instant,
    heard: Instant,
    keep_alive_after: Duration,
    silent_after: Duration,
}

impl Idle {
    pub(super) const fn new(now: Instant, keep_alive_after: Duration, silent_after: Duration) -> Self {
        Self { sent: now, heard: now, keep_alive_after, silent_after }
    }

    pub(super) const fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let keep_alive = self.sent.checked_add(self.keep_alive_after);
        let silent = self.heard.checked_add(self.silent_after);
        // `None` would come first in the order of options.
        keep_alive.into_iter().chain(silent).min()
    }

    /// Whether a keep-alive is due.
    pub(super) fn handle_timeout(&self, now: Instant) -> Result<bool, PeerFault> {
        if now.saturating_duration_since(self.heard) >= self.silent_after {
            return Err(PeerFault::Silent);
        }
        Ok(now.saturating_duration_since(self.sent) >= self.keep_alive_after)
    }
}
