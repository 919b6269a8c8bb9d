#![doc = include_str!("../README.md")]

mod addresses;
mod blame;
mod budget;
mod choker;
mod config;
mod fact;
mod peer;
mod picker;
mod pieces;
mod priority;
mod rarity;
mod rates;
mod requests;
mod stats;
mod torrent;
mod uploads;

pub use addresses::is_local;
pub use blame::BlockDigest;
pub use budget::Budget;
pub use config::Config;
pub use fact::{Action, Command, Fact, Parting, PeerKey, Verdict};
pub use peer::Direction;
pub use priority::canonical_priority;
pub use stats::{PeerStats, Stats};
pub use torrent::{Refused, Swarm};
