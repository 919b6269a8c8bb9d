#![doc = include_str!("../README.md")]

mod api;
mod bits;
mod blame;
mod choker;
mod config;
mod discovery;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod lifecycle;
mod peer;
mod picker;
mod pieces;
mod priority;
mod rarity;
mod rates;
mod requests;
mod shared;
mod stats;
mod torrent;
mod uploads;
mod wanted;

pub use api::{
    Action, Activity, Announce, Command, Connected, Direction, Ending, Fact, Failure, Goal, Order, Outcome, Parting,
    PeerKey, Phase, Priority, Privacy, Refused, Severity, Verdict, Via, Waiting,
};
pub use blame::BlockDigest;
pub use config::Config;
pub use discovery::{Attempt, AttemptId, Candidate, DialFault, Obfuscation, PexPeer, Source, Transport};
pub use priority::canonical_priority;
pub use shared::{Limits, Shared};
pub use stats::{PeerStats, Stats};
pub use torrent::Swarm;

/// Memory of pieces in flight is claimed and given back in units of this many bytes. Pieces that are no longer than this are
/// one extent.
pub const EXTENT: u32 = 1 << 20;
