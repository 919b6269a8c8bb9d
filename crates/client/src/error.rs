//! Why the client refuses or fails.

use std::{io, net::SocketAddr};

use torrent_storage::{LayoutError, StorageError};
use torrent_types::InfoHash;

/// What can go wrong with a client or a torrent as a whole. Faults of single peers and trackers are events, not errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client has this torrent already.
    #[error("torrent {0} is added already")]
    Duplicate(InfoHash),
    /// The torrent's files cannot be laid out.
    #[error("the torrent's files cannot be laid out: {0}")]
    Layout(#[from] LayoutError),
    /// No peer can reach us there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where we tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread or no randomness.
    #[error("the system refuses what a client needs: {0}")]
    System(io::Error),
    /// The torrent has no v1 hashes, which this version needs to download.
    #[error("the torrent is v2 only, which cannot be downloaded yet")]
    V2Only,
    /// The metadata that a magnet link names is no torrent.
    #[error("the metadata of this link is no torrent: {0}")]
    Metadata(#[from] torrent_metainfo::Error),
    /// The torrent's files cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The two info hashes of a magnet link are of different torrents.
    #[error("the info hashes of this link are of different torrents")]
    WrongMetadata,
}
