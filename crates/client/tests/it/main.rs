//! The client over real loopback sockets, against itself and against peers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "dht")]
mod dht;
mod fake;
mod fixture;
mod hostile;
mod magnets;
mod reading;
mod stalls;
mod storage;
mod trackers;
mod transfer;
