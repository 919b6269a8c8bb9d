#![doc = include_str!("../README.md")]

mod announce;
mod brain;
mod client;
mod clock;
mod config;
mod connect;
mod disk;
mod error;
mod event;
mod handshake;
mod magnet;
mod peer;
mod torrent;

pub use client::Client;
pub use config::{Config, Listen};
pub use error::Error;
pub use event::{Event, Phase};
pub use magnet::peers_of;
pub use torrent::{AddTorrent, Torrent};
pub use torrent_metainfo::{Magnet, Metainfo};
pub use torrent_storage::{ErrorKind as StorageErrorKind, Storage, StorageError};
pub use torrent_swarm::{PeerStats, Stats};
pub use torrent_tracker::{AnnounceTo, SwarmSize};
pub use torrent_wire::mse::Policy as Encryption;
