//! What a link may do to a datagram. Each fault is a small machine of its own; a link is a row of them.
//! In: a datagram on its way. Out: the same, later, twice, or not at all. Luck comes from the world's generator.

use std::{
    fmt,
    time::{Duration, Instant},
};

use rand::{RngExt as _, rngs::StdRng};

/// A datagram on its way through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flight {
    /// When it leaves the fault.
    pub at: Instant,
    /// Bytes of payload.
    pub size: usize,
}

/// Something that happens to datagrams.
pub trait Fault: fmt::Debug {
    /// Pushes onto `out` what comes out at the other end.
    fn pass(&mut self, flight: Flight, rng: &mut StdRng, out: &mut Vec<Flight>);
}

/// Every datagram is later by the same time.
#[derive(Debug)]
pub(crate) struct Delay(pub(crate) Duration);

impl Fault for Delay {
    fn pass(&mut self, mut flight: Flight, _rng: &mut StdRng, out: &mut Vec<Flight>) {
        flight.at += self.0;
        out.push(flight);
    }
}

/// Every datagram is later by a random time, but none overtakes another.
#[derive(Debug)]
pub(crate) struct Jitter {
    pub(crate) most: Duration,
    pub(crate) last: Option<Instant>,
}

impl Fault for Jitter {
    fn pass(&mut self, mut flight: Flight, rng: &mut StdRng, out: &mut Vec<Flight>) {
        flight.at += self.most.mul_f64(rng.random());
        flight.at = self.last.map_or(flight.at, |last| flight.at.max(last));
        self.last = Some(flight.at);
        out.push(flight);
    }
}

/// Some datagrams are held back, so that others overtake them.
#[derive(Debug)]
pub(crate) struct Reorder {
    pub(crate) chance: f64,
    pub(crate) by: Duration,
}

impl Fault for Reorder {
    fn pass(&mut self, mut flight: Flight, rng: &mut StdRng, out: &mut Vec<Flight>) {
        if rng.random_bool(self.chance) {
            flight.at += self.by.mul_f64(rng.random());
        }
        out.push(flight);
    }
}

/// Some datagrams are lost, each for itself.
#[derive(Debug)]
pub(crate) struct Drop(pub(crate) f64);

impl Fault for Drop {
    fn pass(&mut self, flight: Flight, rng: &mut StdRng, out: &mut Vec<Flight>) {
        if !rng.random_bool(self.0) {
            out.push(flight);
        }
    }
}

/// Datagrams are lost in bursts: a Gilbert–Elliott channel that loses everything while it is bad.
#[derive(Debug)]
pub(crate) struct Burst {
    pub(crate) begin: f64,
    pub(crate) end: f64,
    pub(crate) bad: bool,
}

impl Fault for Burst {
    fn pass(&mut self, flight: Flight, rng: &mut StdRng, out: &mut Vec<Flight>) {
        self.bad = rng.random_bool(if self.bad { 1.0 - self.end } else { self.begin });
        if !self.bad {
            out.push(flight);
        }
    }
}

/// Some datagrams arrive twice, the second a little later.
#[derive(Debug)]
pub(crate) struct Duplicate {
    pub(crate) chance: f64,
    pub(crate) within: Duration,
}

impl Fault for Duplicate {
    fn pass(&mut self, flight: Flight, rng: &mut StdRng, out: &mut Vec<Flight>) {
        out.push(flight);
        if rng.random_bool(self.chance) {
            out.push(Flight { at: flight.at + self.within.mul_f64(rng.random()), ..flight });
        }
    }
}

/// Datagrams over a size are lost.
#[derive(Debug)]
pub(crate) struct Mtu(pub(crate) usize);

impl Fault for Mtu {
    fn pass(&mut self, flight: Flight, _rng: &mut StdRng, out: &mut Vec<Flight>) {
        if flight.size <= self.0 {
            out.push(flight);
        }
    }
}

/// Bytes take time, those behind wait in a queue, and what finds it full is lost.
#[derive(Debug)]
pub(crate) struct Rate {
    pub(crate) bytes_per_second: u64,
    pub(crate) queue: usize,
    pub(crate) busy_until: Option<Instant>,
}

impl Fault for Rate {
    fn pass(&mut self, mut flight: Flight, _rng: &mut StdRng, out: &mut Vec<Flight>) {
        let rate = self.bytes_per_second.max(1) as f64;
        // Headers of IP and UDP take their share of a link.
        let size = (flight.size + 28) as f64;
        let start = self.busy_until.map_or(flight.at, |busy| busy.max(flight.at));
        let waiting = (start - flight.at).as_secs_f64() * rate;
        if waiting + size > self.queue as f64 && waiting > 0.0 {
            return;
        }
        flight.at = start + Duration::from_secs_f64(size / rate);
        self.busy_until = Some(flight.at);
        out.push(flight);
    }
}
