//! What a link may do to a parcel. Each fault is a small machine of its own; a link is a row of them.
//! In: a parcel on its way. Out: the same, later, twice, or not at all. Randomness comes from the world's generator.

use std::{
    fmt,
    time::{Duration, Instant},
};

use rand::{RngExt as _, rngs::StdRng};

/// A parcel on its way through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flight {
    /// When it leaves the fault.
    pub at: Instant,
    /// Bytes of payload.
    pub size: usize,
}

/// Something that happens to parcels.
pub trait Fault: fmt::Debug {
    /// Pushes onto `out` what comes out at the other end. Nothing: the parcel is lost.
    fn pass(&mut self, flight: Flight, rng: &mut StdRng, out: &mut Vec<Flight>);
}

/// Every parcel is later by the same time.
#[derive(Debug)]
pub(crate) struct Delay(pub(crate) Duration);

impl Fault for Delay {
    fn pass(&mut self, mut flight: Flight, _rng: &mut StdRng, out: &mut Vec<Flight>) {
        flight.at += self.0;
        out.push(flight);
    }
}

/// Every parcel is later by a random time, but none overtakes another.
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

/// Some parcels are held back, so that others overtake them.
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

/// Some parcels are lost, independently of each other.
#[derive(Debug)]
pub(crate) struct Drop(pub(crate) f64);

impl Fault for Drop {
    fn pass(&mut self, flight: Flight, rng: &mut StdRng, out: &mut Vec<Flight>) {
        if !rng.random_bool(self.0) {
            out.push(flight);
        }
    }
}

/// Parcels are lost in bursts: a Gilbert–Elliott channel that loses everything while it is in its bad state.
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

/// Some parcels arrive twice, the second time a little later.
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

/// Parcels over a size are lost.
#[derive(Debug)]
pub(crate) struct Mtu(pub(crate) usize);

impl Fault for Mtu {
    fn pass(&mut self, flight: Flight, _rng: &mut StdRng, out: &mut Vec<Flight>) {
        if flight.size <= self.0 {
            out.push(flight);
        }
    }
}
