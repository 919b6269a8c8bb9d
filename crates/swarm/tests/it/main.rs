//! Swarms of swarms in virtual time: every node is the real core, only the network is made up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod endgame;
mod faults;
mod uploading;
mod whole;
mod world;
