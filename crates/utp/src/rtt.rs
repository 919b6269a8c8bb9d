//! Round trips and the retransmission timeout (BEP 29, "timeouts"; RFC 6298).
//! In: samples. Out: estimates. Samples of packets that were sent twice never come here.

use crate::clock::{MILLI, Micros, SECOND};

/// The timeout before anything was measured (BEP 29).
const INITIAL_TIMEOUT: Micros = SECOND;
/// The shortest timeout (BEP 29).
const MIN_TIMEOUT: Micros = 500 * MILLI;
/// The longest timeout, backed off or not.
pub(crate) const MAX_TIMEOUT: Micros = 60 * SECOND;
/// Time that a peer may hold an acknowledgement back: libutp waits up to 100 ms.
const ACK_DELAY: Micros = 100 * MILLI;

/// What is known about round trips, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rtt {
    smoothed: Option<Micros>,
    variance: Micros,
    least: Option<Micros>,
}

impl Rtt {
    pub(crate) fn sample(&mut self, rtt: Micros) {
        let rtt = rtt.clamp(1, MAX_TIMEOUT);
        self.least = Some(self.least.map_or(rtt, |least| least.min(rtt)));
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variance = rtt / 2;
            }
            Some(smoothed) => {
                let variance = self.variance.saturating_mul(3).saturating_add(smoothed.abs_diff(rtt));
                self.variance = variance / 4;
                self.smoothed = Some(smoothed.saturating_mul(7).saturating_add(rtt) / 8);
            }
        }
    }

    /// The smoothed round trip, once there is one.
    pub(crate) const fn smoothed(&self) -> Option<Micros> {
        self.smoothed
    }

    /// The shortest round trip of this connection.
    pub(crate) const fn least(&self) -> Option<Micros> {
        self.least
    }

    /// How long to wait for an ack before packets count as lost, after `backoff` timeouts in a row.
    pub(crate) fn timeout(&self, backoff: u32) -> Micros {
        let base = self.smoothed.map_or(INITIAL_TIMEOUT, |smoothed| {
            smoothed.saturating_add(self.variance.saturating_mul(4)).max(MIN_TIMEOUT)
        });
        base.saturating_mul(1 << backoff.min(16)).min(MAX_TIMEOUT)
    }

    /// How long to wait before the last packet is sent again to provoke an ack (RFC 8985, tail loss probe).
    pub(crate) fn probe_timeout(&self) -> Option<Micros> {
        self.smoothed.map(|smoothed| smoothed.saturating_mul(2).saturating_add(ACK_DELAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_has_a_floor_doubles_and_has_a_ceiling() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout(0), SECOND);
        for _ in 0..20 {
            rtt.sample(10 * MILLI);
        }
        assert_eq!(rtt.timeout(0), 500 * MILLI);
        assert_eq!(rtt.timeout(2), 2 * SECOND);
        assert_eq!(rtt.timeout(30), MAX_TIMEOUT);
    }

    #[test]
    fn the_estimate_follows_the_samples() {
        let mut rtt = Rtt::default();
        rtt.sample(100 * MILLI);
        for _ in 0..100 {
            rtt.sample(300 * MILLI);
        }
        assert!(rtt.smoothed().is_some_and(|smoothed| smoothed.abs_diff(300 * MILLI) < MILLI));
        assert_eq!(rtt.least(), Some(100 * MILLI));
    }
}
