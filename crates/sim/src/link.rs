//! A way from one node to another: faults and queues, in the order in which they were named.

use std::time::Duration;

use crate::{
    bottleneck::Bottleneck,
    fault::{Burst, Delay, Drop, Duplicate, Fault, Jitter, Mtu, Reorder},
};

/// A pipe in one direction. Without any stage, parcels arrive at once and in order.
#[derive(Debug, Default)]
#[must_use]
pub struct Link {
    stages: Vec<Stage>,
}

#[derive(Debug)]
pub(crate) enum Stage {
    Fault(Box<dyn Fault>),
    Queue(Bottleneck),
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

    /// A random time up to `most` in addition, without reordering.
    pub fn jitter(self, most: Duration) -> Self {
        self.fault(Jitter { most, last: None })
    }

    /// This part of the parcels (0 to 1) is held back by up to `by`, so that others overtake them.
    pub fn reorder(self, chance: f64, by: Duration) -> Self {
        self.fault(Reorder { chance, by })
    }

    /// This part of the parcels (0 to 1) is lost, independently of each other.
    pub fn drop(self, chance: f64) -> Self {
        self.fault(Drop(chance))
    }

    /// Losses come in bursts, which begin and end with these chances at each parcel.
    pub fn burst(self, begin: f64, end: f64) -> Self {
        self.fault(Burst { begin, end, bad: false })
    }

    /// This part of the parcels (0 to 1) arrives twice, up to 10 ms apart.
    pub fn duplicate(self, chance: f64) -> Self {
        self.fault(Duplicate { chance, within: Duration::from_millis(10) })
    }

    /// Longer payloads, in bytes, are lost.
    pub fn mtu(self, bytes: usize) -> Self {
        self.fault(Mtu(bytes))
    }

    /// A rate in bytes per second, headers included, behind a queue of so many bytes. The queue belongs to this link alone.
    pub fn rate(self, bytes_per_second: u64, queue: usize) -> Self {
        self.through(&Bottleneck::new(bytes_per_second, queue))
    }

    /// A queue that other links share.
    pub fn through(mut self, bottleneck: &Bottleneck) -> Self {
        self.stages.push(Stage::Queue(bottleneck.clone()));
        self
    }

    /// A fault of your own.
    pub fn fault(mut self, fault: impl Fault + 'static) -> Self {
        self.stages.push(Stage::Fault(Box::new(fault)));
        self
    }

    pub(crate) fn length(&self) -> usize {
        self.stages.len()
    }

    pub(crate) fn stage(&mut self, index: usize) -> Option<&mut Stage> {
        self.stages.get_mut(index)
    }
}
