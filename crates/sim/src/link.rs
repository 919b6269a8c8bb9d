//! A way from one node to another: faults, one behind the other, in the order in which they were named.

use std::{
    mem,
    time::{Duration, Instant},
};

use rand::rngs::StdRng;

use crate::fault::{Burst, Delay, Drop, Duplicate, Fault, Flight, Jitter, Mtu, Rate, Reorder};

/// A pipe of faults in one direction. Without any, datagrams arrive at once and in order.
#[derive(Debug, Default)]
#[must_use]
pub struct Link {
    faults: Vec<Box<dyn Fault>>,
}

impl Link {
    /// A perfect link.
    pub fn new() -> Self {
        Self::default()
    }

    /// One way takes this long.
    pub fn delay(self, delay: Duration) -> Self {
        self.fault(Delay(delay))
    }

    /// Up to so much longer, at random, in order.
    pub fn jitter(self, most: Duration) -> Self {
        self.fault(Jitter { most, last: None })
    }

    /// This part of the datagrams (0 to 1) is held back by up to `by`, so that others overtake.
    pub fn reorder(self, chance: f64, by: Duration) -> Self {
        self.fault(Reorder { chance, by })
    }

    /// This part of the datagrams (0 to 1) is lost, each for itself.
    pub fn drop(self, chance: f64) -> Self {
        self.fault(Drop(chance))
    }

    /// Losses come in bursts, which begin and end with these chances at each datagram.
    pub fn burst(self, begin: f64, end: f64) -> Self {
        self.fault(Burst { begin, end, bad: false })
    }

    /// This part of the datagrams (0 to 1) arrives twice, up to 10 ms apart.
    pub fn duplicate(self, chance: f64) -> Self {
        self.fault(Duplicate { chance, within: Duration::from_millis(10) })
    }

    /// Longer payloads, in bytes, are lost.
    pub fn mtu(self, bytes: usize) -> Self {
        self.fault(Mtu(bytes))
    }

    /// So many bytes a second, headers included, behind a queue of so many bytes.
    pub fn rate(self, bytes_per_second: u64, queue: usize) -> Self {
        self.fault(Rate { bytes_per_second, queue, busy_until: None })
    }

    /// Something of your own.
    pub fn fault(mut self, fault: impl Fault + 'static) -> Self {
        self.faults.push(Box::new(fault));
        self
    }

    /// When copies of a datagram of `size` bytes, sent at `now`, arrive.
    pub(crate) fn pass(&mut self, now: Instant, size: usize, rng: &mut StdRng) -> Vec<Flight> {
        let mut flights = vec![Flight { at: now, size }];
        let mut out = Vec::new();
        for fault in &mut self.faults {
            for flight in flights.drain(..) {
                fault.pass(flight, rng, &mut out);
            }
            mem::swap(&mut flights, &mut out);
        }
        flights
    }
}
