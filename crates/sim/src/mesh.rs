//! What lies between any two nodes that no link joins. Keeps nothing per pair, so that 10,000 nodes can talk to each other.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};

use crate::fault::Flight;

/// Delay and loss between all pairs of nodes. Without any setting, parcels arrive at once.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Mesh {
    shortest: Duration,
    longest: Duration,
    jitter: Duration,
    loss: f64,
}

impl Mesh {
    /// A perfect network.
    pub fn new() -> Self {
        Self::default()
    }

    /// One way between two nodes takes a time in this range. It is the same in both directions and at all times, and follows from
    /// the seed of the world and the two nodes.
    pub fn delay(self, shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, ..self }
    }

    /// A random time up to `most` in addition, which may reorder.
    pub fn jitter(self, most: Duration) -> Self {
        Self { jitter: most, ..self }
    }

    /// This part of the parcels (0 to 1) is lost.
    pub fn loss(self, chance: f64) -> Self {
        Self { loss: chance, ..self }
    }

    pub(crate) fn pass(&self, seed: u64, pair: (u32, u32), flight: Flight, rng: &mut StdRng) -> Option<Flight> {
        if self.loss > 0.0 && rng.random_bool(self.loss) {
            return None;
        }
        let mut at = flight.at + self.shortest;
        if self.longest > self.shortest {
            at += (self.longest - self.shortest).mul_f64(position(seed, pair));
        }
        if !self.jitter.is_zero() {
            at += self.jitter.mul_f64(rng.random());
        }
        Some(Flight { at, ..flight })
    }
}

/// A number from 0 to 1 for an unordered pair: the finalizer of SplitMix64 over its two halves.
fn position(seed: u64, (a, b): (u32, u32)) -> f64 {
    let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
    let mut bits = seed.wrapping_add(pair.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) as f64 / u64::MAX as f64
}
