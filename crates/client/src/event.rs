//! What a torrent reports while it works.

use std::{net::SocketAddr, sync::Arc};

use torrent_storage::StorageError;

/// Something that happened to a torrent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// What was in storage at the start is checked.
    Checked {
        /// Pieces that are there and good.
        good: u32,
        /// Pieces of the torrent.
        total: u32,
    },
    /// Every piece is in storage.
    Finished,
    /// A peer is connected.
    PeerConnected(SocketAddr),
    /// A peer is gone.
    PeerGone {
        /// Who.
        address: SocketAddr,
        /// Why, for people.
        reason: Arc<str>,
    },
    /// A good piece cannot be written; downloading has stopped, uploads go on.
    StorageFailed(Arc<StorageError>),
    /// A tracker has answered.
    TrackerAnswered {
        /// Which.
        url: Arc<str>,
        /// How many addresses it gave.
        peers: usize,
    },
    /// A tracker has failed, or cannot be used.
    TrackerFailed {
        /// Which.
        url: Arc<str>,
        /// Why, for people.
        reason: Arc<str>,
    },
}

/// What a torrent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Looking at what is in storage.
    Checking {
        /// Pieces looked at.
        done: u32,
        /// Pieces of the torrent.
        total: u32,
    },
    /// Fetching pieces.
    Downloading,
    /// Has every piece and serves it.
    Seeding,
    /// Storage refuses good pieces; uploads go on.
    StorageFailed,
    /// Over.
    Stopped,
}
