//! The client over real loopback sockets, against itself and against peers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod hostile;
mod storage;
mod trackers;
mod transfer;
