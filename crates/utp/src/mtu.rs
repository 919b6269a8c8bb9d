//! Path MTU discovery (RFC 8899 in spirit): how long a datagram may be.
//! In: what became of probes. Out: the length to use and the next probe's length. uTP cannot cut a packet anew once it has a number, so a
//! probe is an ordinary packet with filler: if it is lost, the same payload goes out again without.

use crate::clock::{Micros, SECOND};

/// The search ends when the answer is known to this many bytes.
const PRECISION: u16 = 24;
/// A probe that is lost so often was too long. Once may be ordinary loss.
const ATTEMPTS: u8 = 2;
/// The path may have changed after this time.
const SEARCH_AGAIN: Micros = 600 * SECOND;
/// After a black hole the search waits this long, so that what is lost is sent again first.
const AFTER_BLACK_HOLE: Micros = 5 * SECOND;

/// How long datagrams may be, without IP and UDP headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathMtu {
    /// Every path carries this.
    floor: u16,
    /// We send nothing longer.
    ceiling: u16,
    /// This was carried.
    current: u16,
    /// This is too long, as far as we know; one more than the ceiling if nothing is known.
    too_long: u16,
    probing: bool,
    failures: u8,
    /// The last search has come to its end.
    settled: bool,
    search_at: Micros,
}

impl PathMtu {
    pub(crate) fn new(floor: u16, ceiling: u16) -> Self {
        let ceiling = ceiling.max(floor);
        let too_long = ceiling.saturating_add(1);
        Self { floor, ceiling, current: floor, too_long, probing: false, failures: 0, settled: false, search_at: 0 }
    }

    /// The length of datagrams now.
    pub(crate) const fn current(&self) -> u16 {
        self.current
    }

    /// The length of the next probe, if it is time for one.
    pub(crate) fn probe(&mut self, now: Micros) -> Option<u16> {
        if self.probing || now < self.search_at {
            return None;
        }
        if self.settled {
            self.settled = false;
            self.too_long = self.ceiling.saturating_add(1);
        }
        // The longest is tried first, as most paths carry it; then halves.
        let length = if self.too_long > self.ceiling { self.ceiling } else { self.current.midpoint(self.too_long) };
        if length <= self.current || self.too_long.saturating_sub(self.current) <= PRECISION {
            self.settled = true;
            self.search_at = now.saturating_add(SEARCH_AGAIN);
            return None;
        }
        Some(length)
    }

    pub(crate) const fn probe_sent(&mut self) {
        self.probing = true;
    }

    pub(crate) fn probe_arrived(&mut self, length: u16) {
        self.probing = false;
        self.failures = 0;
        self.current = self.current.max(length.min(self.ceiling));
    }

    pub(crate) fn probe_lost(&mut self, length: u16) {
        self.probing = false;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= ATTEMPTS {
            self.failures = 0;
            self.too_long = self.too_long.min(length.max(self.floor.saturating_add(1)));
        }
    }

    /// The system says that datagrams of this length do not leave it, or the network that they are too long.
    pub(crate) fn refused(&mut self, now: Micros, length: u16) {
        self.probing = false;
        self.failures = 0;
        self.too_long = self.too_long.min(length.max(self.floor.saturating_add(1)));
        if self.current >= self.too_long {
            self.current = self.floor;
        }
        self.settled = false;
        self.search_at = self.search_at.min(now);
    }

    /// Long datagrams have stopped to arrive although short ones do, or nothing arrives. Starts from the floor.
    pub(crate) fn black_hole(&mut self, now: Micros) {
        if self.current > self.floor {
            self.too_long = self.current;
            self.current = self.floor;
            self.failures = 0;
            self.probing = false;
            self.settled = false;
            self.search_at = now.saturating_add(AFTER_BLACK_HOLE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(carried: u16) -> (u16, u32) {
        let mut mtu = PathMtu::new(548, 1472);
        let mut probes = 0;
        while let Some(length) = mtu.probe(1) {
            mtu.probe_sent();
            assert_eq!(mtu.probe(1), None, "one at a time");
            if length <= carried {
                mtu.probe_arrived(length)
            } else {
                mtu.probe_lost(length)
            }
            probes += 1;
        }
        (mtu.current(), probes)
    }

    #[test]
    fn an_ordinary_path_is_known_after_one_probe() {
        assert_eq!(search(1472), (1472, 1));
    }

    #[test]
    fn any_path_is_found_to_a_few_bytes_with_few_probes() {
        for carried in 548..=1472 {
            let (found, probes) = search(carried);
            assert!(found <= carried && carried - found < PRECISION && probes < 16, "{carried}: {found} {probes}");
        }
    }

    #[test]
    fn a_black_hole_starts_the_search_from_the_floor() {
        let mut mtu = PathMtu::new(548, 1472);
        mtu.probe(0);
        mtu.probe_sent();
        mtu.probe_arrived(1472);
        mtu.black_hole(SECOND);
        assert_eq!((mtu.current(), mtu.probe(SECOND)), (548, None));
        assert!(mtu.probe(10 * SECOND).is_some_and(|length| length < 1472));
    }
}
