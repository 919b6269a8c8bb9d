#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod bloom;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod id;
mod item;
pub mod krpc;
#[cfg(feature = "mainline")]
mod mainline;
#[cfg(feature = "tokio")]
mod net;
mod node;
mod snapshot;

pub use bloom::BloomFilter;
pub use id::{Distance, Id};
pub use item::{Item, ItemError, KeyPair, PublicKey, Salt, SignedItem};
pub use krpc::{AnnouncePort, Contact, Role};
#[cfg(feature = "tokio")]
pub use net::{
    Announced, Announcer, Builder, DatagramSocket, Dht, Engine, Follow, LookupError, NodeStatus, PUBLIC_ROUTERS, Peers,
    PutError, Report, StartError, Testnet, Update,
};
pub use node::{
    Announce, Answer, AnswerAll, Ask, Busy, Completeness, Config, Event, Family, Limits, LookupId, Node, Outcome,
    Policy, QueryError, QueryId, Scrape, Search, Stats, Urgency, Verdict,
};
pub use snapshot::{NodeSnapshot, Snapshot, SnapshotError};
