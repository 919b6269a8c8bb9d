//! What a torrent reports while it works.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use tokio::sync::broadcast;
use torrent_storage::StorageError;
use torrent_types::{HostPort, PieceIndex};

use crate::Error;

/// Something that happened to a torrent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Peers have given the metadata of a magnet link: names, files and pieces are known.
    Metadata,
    /// What was in storage at the start is checked.
    Checked {
        /// Pieces that are there and good.
        good: u32,
        /// Pieces of the torrent.
        total: u32,
    },
    /// Every wanted piece is in storage.
    Finished,
    /// The torrent cannot go on and stops. [`Torrent::failure`](crate::Torrent::failure) has the error from now on.
    Failed(Arc<Error>),
    /// No connected peer has this piece right: each copy of it failed its check.
    PieceDamaged(PieceIndex),
    /// The name of a peer, from the user or a magnet link, cannot be looked up now. It is tried again.
    NameUnknown {
        /// The name.
        peer: HostPort,
        /// What the system said.
        reason: Arc<str>,
    },
    /// A peer is connected.
    PeerConnected(SocketAddr),
    /// A peer is gone.
    PeerGone {
        /// Its address.
        address: SocketAddr,
        /// What ended the connection, for people.
        reason: Arc<str>,
    },
    /// A good piece cannot be written, or a piece that was there cannot be read; downloading has stopped, uploads go on.
    StorageFailed(Arc<StorageError>),
    /// A tracker has answered.
    TrackerAnswered {
        /// Its URL.
        url: Arc<str>,
        /// How many addresses it gave.
        peers: usize,
        /// What it wants people to know, if anything. It comes from the tracker: not to be printed as it is.
        warning: Option<Arc<str>>,
    },
    /// A tracker has failed, or cannot be used.
    TrackerFailed {
        /// Its URL.
        url: Arc<str>,
        /// What went wrong, for people. It may be the tracker's own text: not to be printed as it is.
        reason: Arc<str>,
    },
}

/// A channel that exists once somebody listens: ten thousand torrents that nobody watches keep no queues.
#[derive(Debug)]
pub(crate) struct Lazy<T>(OnceLock<broadcast::Sender<T>>);

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Clone> Lazy<T> {
    /// What is sent from now on. `kept`: how many a slow listener may be behind; only the first call counts.
    pub(crate) fn subscribe(&self, kept: usize) -> broadcast::Receiver<T> {
        self.0.get_or_init(|| broadcast::Sender::new(kept)).subscribe()
    }

    pub(crate) fn send(&self, event: impl FnOnce() -> T) {
        if let Some(sender) = self.0.get().filter(|sender| sender.receiver_count() > 0) {
            // The last listener may have gone just now.
            let _ = sender.send(event());
        }
    }
}

/// What a torrent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// A magnet link whose metadata no peer has given yet.
    Metadata,
    /// Looking at what is in storage.
    Checking {
        /// Pieces looked at.
        done: u32,
        /// Pieces of the torrent.
        total: u32,
    },
    /// Serves what it has and fetches nothing, though pieces are missing.
    Serving,
    /// Fetches wanted pieces.
    Downloading,
    /// Has every wanted piece, but not every piece, and serves what it has.
    Finished,
    /// Has every piece and serves it.
    Seeding,
    /// Paused by the user: no connections.
    Paused,
    /// Storage refuses good pieces; uploads go on.
    StorageFailed,
    /// Says goodbye, and writes what was accepted.
    Leaving,
    /// Over.
    Stopped,
}

impl Phase {
    /// Whether every wanted piece is in storage.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Finished | Self::Seeding)
    }

    /// Whether the torrent has ended.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Stopped)
    }
}
