#![doc = include_str!("../README.md")]

mod client;
mod clock;
mod config;
#[cfg(feature = "dht")]
mod dht;
mod discovery;
mod error;
mod event;
mod names;
pub mod net;
mod peer;
mod registry;
mod scheduler;
mod torrent;

pub use client::{Client, ClientBuilder};
pub use config::{Config, Listen, Transports};
#[cfg(feature = "dht")]
pub use dht::DhtDiscovery;
pub use discovery::{Discovery, Seeker};
pub use error::Error;
pub use event::{Event, Phase};
pub use names::PeerAddress;
pub use torrent::{AddTorrent, File, ReadError, Reader, Torrent};
pub use torrent_metainfo::{Magnet, Metainfo};
pub use torrent_storage::{ErrorKind as StorageErrorKind, Storage, StorageError};
pub use torrent_swarm::{PeerStats, Priority, Source, Stats, Waiting};
pub use torrent_tracker::{AnnounceTo, SwarmSize};
pub use torrent_wire::mse::Policy as Encryption;
