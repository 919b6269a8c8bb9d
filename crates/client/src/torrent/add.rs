//! What an application says when it adds a torrent.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc};

use torrent_metainfo::Metainfo;
use torrent_storage::{FileStorage, Storage};

/// A torrent to add, and where its content lives.
pub struct AddTorrent {
    pub(crate) metainfo: Metainfo,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) use_trackers: bool,
}

impl AddTorrent {
    /// With its files below `folder`, which need not exist.
    pub fn new(metainfo: Metainfo, folder: impl Into<PathBuf>) -> Self {
        Self::with_storage(metainfo, Arc::new(FileStorage::new(folder.into())))
    }

    /// With its content in a storage of your own.
    pub fn with_storage(metainfo: Metainfo, storage: Arc<dyn Storage>) -> Self {
        Self { metainfo, storage, peers: Vec::new(), use_trackers: true }
    }

    /// Peers to connect to, besides those that trackers name. Default: none.
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.peers.extend(peers);
        self
    }

    /// Whether its trackers are asked and told. Default: yes.
    #[must_use]
    pub fn use_trackers(mut self, use_trackers: bool) -> Self {
        self.use_trackers = use_trackers;
        self
    }
}

impl fmt::Debug for AddTorrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddTorrent").field("storage", &self.storage).field("peers", &self.peers).finish_non_exhaustive()
    }
}
