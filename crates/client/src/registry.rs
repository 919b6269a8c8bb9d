//! The torrents of a client, by info hash and by the names that encrypted connections use for them.
//! In: torrents that come and go. Out: the one that a peer or the application asks for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use torrent_types::InfoHash;
use torrent_wire::mse::{SkeyHash, SkeyIndex};

use crate::{Error, torrent::TorrentInner};

#[derive(Debug, Default)]
pub(crate) struct Registry {
    torrents: Mutex<Torrents>,
}

#[derive(Debug, Default)]
struct Torrents {
    /// Added and not stopped.
    by_hash: BTreeMap<InfoHash, Arc<TorrentInner>>,
    by_skey: SkeyIndex,
    /// No torrent is taken any more.
    closed: bool,
}

impl Registry {
    /// Adds a torrent, for incoming connections too.
    pub(crate) fn insert(&self, torrent: &Arc<TorrentInner>) -> Result<(), Error> {
        let mut torrents = self.lock();
        if torrents.closed {
            return Err(Error::Stopped);
        }
        if torrents.by_hash.contains_key(&torrent.info_hash) {
            return Err(Error::Duplicate(torrent.info_hash));
        }
        torrents.by_hash.insert(torrent.info_hash, Arc::clone(torrent));
        torrents.by_skey.insert(torrent.info_hash);
        Ok(())
    }

    /// The torrent of this hash.
    pub(crate) fn find(&self, info_hash: InfoHash) -> Option<Arc<TorrentInner>> {
        self.lock().by_hash.get(&info_hash).cloned()
    }

    pub(crate) fn find_skey(&self, skey: &SkeyHash) -> Option<InfoHash> {
        self.lock().by_skey.lookup(skey)
    }

    /// Peers do not find the torrent any more.
    pub(crate) fn remove(&self, torrent: &TorrentInner) {
        let mut torrents = self.lock();
        // Another one of this hash may have been added since.
        let same = torrents.by_hash.get(&torrent.info_hash).is_some_and(|known| known.key == torrent.key);
        if same {
            torrents.by_skey.remove(&torrent.info_hash);
            torrents.by_hash.remove(&torrent.info_hash);
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<TorrentInner>> {
        self.lock().by_hash.values().cloned().collect()
    }

    /// Takes no torrent from now on; says which there are.
    pub(crate) fn close(&self) -> Vec<Arc<TorrentInner>> {
        let mut torrents = self.lock();
        torrents.closed = true;
        torrents.by_hash.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Torrents> {
        self.torrents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
