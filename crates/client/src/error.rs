//! Why the client refuses or fails. Each error prints as one line: a cause is either part of the text or a source, not both.

use std::{io, net::SocketAddr, sync::Arc};

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
    #[error("the torrent's files cannot be laid out")]
    Layout(#[from] LayoutError),
    /// No peer can reach us there.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where we tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread or no randomness.
    #[error("the system refuses what a client needs")]
    System(#[source] io::Error),
    /// The client is stopped and takes no torrent any more.
    #[error("the client is stopped")]
    Stopped,
    /// The torrent has no v1 hashes, which this version needs to download.
    #[error("the torrent is v2 only, which cannot be downloaded yet")]
    V2Only,
    /// The metadata that a magnet link names is no torrent.
    #[error("the metadata of this link is no torrent")]
    Metadata(#[from] torrent_metainfo::Error),
    /// The torrent's files cannot be read or written.
    #[error("{0}")]
    Storage(Arc<StorageError>),
    /// The two info hashes of a magnet link are of different torrents.
    #[error("the info hashes of this link are of different torrents")]
    WrongMetadata,
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}
