//! What an application says when it adds a torrent.

use std::{fmt, path::PathBuf, sync::Arc};

use torrent_metainfo::{Magnet, Metainfo};
use torrent_storage::Storage;

use crate::PeerAddress;

/// A torrent to add, and where its content lives.
pub struct AddTorrent {
    pub(crate) what: What,
    pub(crate) place: Place,
    pub(crate) peers: Vec<PeerAddress>,
    pub(crate) trackers: Vec<Vec<String>>,
    pub(crate) use_trackers: bool,
}

/// What is known of a torrent when it is added.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(crate) enum What {
    Metainfo(Metainfo),
    Magnet(Magnet),
}

/// Where content lives.
pub(crate) enum Place {
    /// In files below this folder.
    Folder(PathBuf),
    /// Where the application says.
    Storage(Arc<dyn Storage>),
}

impl AddTorrent {
    /// With its files below `folder`, which need not exist.
    pub fn new(metainfo: Metainfo, folder: impl Into<PathBuf>) -> Self {
        Self::of(What::Metainfo(metainfo), Place::Folder(folder.into()))
    }

    /// With its content in a storage of your own.
    pub fn with_storage(metainfo: Metainfo, storage: Arc<dyn Storage>) -> Self {
        Self::of(What::Metainfo(metainfo), Place::Storage(storage))
    }

    /// A magnet link, with its files below `folder`. The metadata comes from peers; until then the torrent is in
    /// [`Phase::Metadata`](crate::Phase::Metadata).
    pub fn magnet(magnet: Magnet, folder: impl Into<PathBuf>) -> Self {
        Self::of(What::Magnet(magnet), Place::Folder(folder.into()))
    }

    /// A magnet link, with its content in a storage of your own.
    pub fn magnet_with_storage(magnet: Magnet, storage: Arc<dyn Storage>) -> Self {
        Self::of(What::Magnet(magnet), Place::Storage(storage))
    }

    fn of(what: What, place: Place) -> Self {
        Self { what, place, peers: Vec::new(), trackers: Vec::new(), use_trackers: true }
    }

    /// Peers to connect to, besides those that trackers and the link name. Host names are looked up, again and again while
    /// nobody knows them. Default: none.
    #[must_use]
    pub fn peers<P: Into<PeerAddress>>(mut self, peers: impl IntoIterator<Item = P>) -> Self {
        self.peers.extend(peers.into_iter().map(Into::into));
        self
    }

    /// Trackers besides those of the torrent or the link, as one more tier. Default: none.
    #[must_use]
    pub fn trackers<U: Into<String>>(mut self, trackers: impl IntoIterator<Item = U>) -> Self {
        self.trackers.push(trackers.into_iter().map(Into::into).collect());
        self
    }

    /// Whether trackers are asked and told. Default: yes.
    #[must_use]
    pub fn use_trackers(mut self, use_trackers: bool) -> Self {
        self.use_trackers = use_trackers;
        self
    }
}

impl fmt::Debug for AddTorrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddTorrent").field("what", &self.what).field("peers", &self.peers).finish_non_exhaustive()
    }
}
