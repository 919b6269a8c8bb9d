//! Pacing: a window is spread over its round trip, so that a batch does not become a queue at the bottleneck.
//! In: the rate that congestion control allows, bytes that left. Out: how much may leave now, and when more may. Timers of operating
//! systems are good for a millisecond or two; what a link moves in that time may leave at once.

use crate::clock::{Micros, SECOND};

/// What may leave at once is what the rate moves in this time.
const BURST: Micros = 2_000;
/// And at least so many packets.
const MIN_BURST_PACKETS: u64 = 2;
/// Waiting for less than this is not worth a timer.
const GRAIN: Micros = 1_000;

/// A bucket of bytes that fills at a rate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pacer {
    /// Bytes that may leave, below zero after a packet that was larger than what was left.
    credit: i64,
    updated: Micros,
    /// Bytes a second; zero means without limit.
    rate: u64,
}

impl Pacer {
    pub(crate) fn set_rate(&mut self, now: Micros, rate: u64, packet: u64) {
        if self.rate == 0 {
            // The first packets do not wait.
            self.rate = rate;
            self.updated = now;
            self.credit = i64::try_from(self.capacity(packet)).unwrap_or(i64::MAX);
        }
        self.refill(now, packet);
        self.rate = rate;
    }

    /// Bytes that may leave now. A packet may leave if this is over zero, even a larger one.
    pub(crate) fn allowance(&mut self, now: Micros, packet: u64) -> u64 {
        if self.rate == 0 {
            return u64::MAX;
        }
        self.refill(now, packet);
        u64::try_from(self.credit).unwrap_or(0)
    }

    pub(crate) fn spend(&mut self, bytes: u64) {
        if self.rate > 0 {
            self.credit = self.credit.saturating_sub_unsigned(bytes);
        }
    }

    /// When a packet may leave, if not now. Not before a batch worth sending has gathered.
    pub(crate) fn next(&self, now: Micros, packet: u64) -> Option<Micros> {
        if self.rate == 0 || self.credit > 0 {
            return None;
        }
        let batch = (self.capacity(packet) / 2).min(self.bytes_in(GRAIN)).max(1);
        let missing = i128::from(batch).saturating_sub(i128::from(self.credit)).max(1).unsigned_abs();
        let wait = missing.saturating_mul(SECOND.into()).checked_div(self.rate.into()).unwrap_or(0);
        Some(now.saturating_add(u64::try_from(wait).unwrap_or(SECOND)).saturating_add(1))
    }

    fn bytes_in(&self, time: Micros) -> u64 {
        let bytes = u128::from(self.rate).saturating_mul(time.into()).checked_div(SECOND.into());
        u64::try_from(bytes.unwrap_or(0)).unwrap_or(u64::MAX)
    }

    fn capacity(&self, packet: u64) -> u64 {
        self.bytes_in(BURST).max(packet.saturating_mul(MIN_BURST_PACKETS))
    }

    fn refill(&mut self, now: Micros, packet: u64) {
        let gained = self.bytes_in(now.saturating_sub(self.updated).min(SECOND));
        // Rounded down to nothing, time is kept until it is worth a byte.
        if gained == 0 && self.rate > 0 {
            return;
        }
        self.updated = now;
        let most = i64::try_from(self.capacity(packet)).unwrap_or(i64::MAX);
        self.credit = self.credit.saturating_add_unsigned(gained).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as much as the pacer allows for a second, in packets of 1,000 bytes.
    fn sent_in_a_second(rate: u64) -> (u64, u64) {
        let mut pacer = Pacer::default();
        pacer.set_rate(0, rate, 1_000);
        let (mut now, mut sent, mut largest) = (0, 0, 0);
        while now < SECOND {
            let mut burst = 0;
            while pacer.allowance(now, 1_000) > 0 {
                pacer.spend(1_000);
                burst += 1_000;
            }
            sent += burst;
            largest = largest.max(burst);
            let next = pacer.next(now, 1_000).unwrap();
            assert!(next > now);
            now = next;
        }
        (sent, largest)
    }

    #[test]
    fn the_rate_is_kept_and_bursts_are_short() {
        for rate in [10_000, 125_000, 12_500_000, 1_250_000_000] {
            let (sent, burst) = sent_in_a_second(rate);
            assert!(sent.abs_diff(rate) <= rate / 50 + 3_000, "{sent} of {rate}");
            assert!(burst <= rate / 500 + 3_000, "{burst} at once at {rate}");
        }
    }
}
