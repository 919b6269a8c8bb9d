//! Which torrent does an incoming handshake ask for? One hash-map probe, however many torrents there are.

use std::{collections::HashMap, fmt};

use torrent_types::InfoHash;

use super::{HASH_LENGTH, keys};

/// HASH('req2', SKEY): how an initiator names a torrent without saying it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SkeyHash([u8; HASH_LENGTH]);

impl SkeyHash {
    /// The name of this torrent.
    #[must_use]
    pub fn of(info_hash: &InfoHash) -> Self {
        Self(keys::req2(info_hash))
    }

    pub(super) const fn new(bytes: [u8; HASH_LENGTH]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SkeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "SkeyHash({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// The torrents that a [`Responder`](super::Responder) serves, by [`SkeyHash`]. 40 bytes and a little for each.
#[derive(Clone, Debug, Default)]
pub struct SkeyIndex {
    torrents: HashMap<SkeyHash, InfoHash>,
}

impl SkeyIndex {
    /// An index without torrents.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves a torrent. Of a hybrid torrent, both its info hashes want to be inserted.
    pub fn insert(&mut self, info_hash: InfoHash) {
        self.torrents.insert(SkeyHash::of(&info_hash), info_hash);
    }

    /// Serves it no longer; whether it was served.
    pub fn remove(&mut self, info_hash: &InfoHash) -> bool {
        self.torrents.remove(&SkeyHash::of(info_hash)).is_some()
    }

    /// The torrent that goes by this name.
    #[must_use]
    pub fn lookup(&self, skey: &SkeyHash) -> Option<InfoHash> {
        self.torrents.get(skey).copied()
    }

    /// How many torrents are served.
    #[must_use]
    pub fn len(&self) -> usize {
        self.torrents.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.torrents.is_empty()
    }
}

impl Extend<InfoHash> for SkeyIndex {
    fn extend<T: IntoIterator<Item = InfoHash>>(&mut self, info_hashes: T) {
        for info_hash in info_hashes {
            self.insert(info_hash);
        }
    }
}

impl FromIterator<InfoHash> for SkeyIndex {
    fn from_iter<T: IntoIterator<Item = InfoHash>>(info_hashes: T) -> Self {
        let mut index = Self::new();
        index.extend(info_hashes);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_until_it_is_removed() {
        let torrent = |n: u8| InfoHash::new([n; 20]);
        let mut index: SkeyIndex = (0..100).map(torrent).collect();
        assert_eq!(index.len(), 100);
        assert_eq!(index.lookup(&SkeyHash::of(&torrent(42))), Some(torrent(42)));
        assert_eq!(index.lookup(&SkeyHash::of(&torrent(100))), None);
        assert!(index.remove(&torrent(42)));
        assert!(!index.remove(&torrent(42)));
        assert_eq!(index.lookup(&SkeyHash::of(&torrent(42))), None);
    }
}
