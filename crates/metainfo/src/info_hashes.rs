//! The one or two names of a torrent. BEP 3 § "metainfo files", BEP 52 § "Infohash", § "Upgrade Path".

use std::fmt;

use torrent_types::{InfoHash, InfoHashV2};

/// The info hashes of one torrent: v1, v2, or both where it is a hybrid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashes {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
}

impl InfoHashes {
    /// A placeholder until one is known; never handed out.
    pub(crate) const EMPTY: Self = Self { v1: None, v2: None };

    /// `None` if both are.
    #[must_use]
    pub const fn new(v1: Option<InfoHash>, v2: Option<InfoHashV2>) -> Option<Self> {
        if v1.is_none() && v2.is_none() { None } else { Some(Self { v1, v2 }) }
    }

    /// SHA-1, of v1 and hybrid torrents.
    #[must_use]
    pub const fn v1(&self) -> Option<InfoHash> {
        self.v1
    }

    /// SHA-256, of v2 and hybrid torrents.
    #[must_use]
    pub const fn v2(&self) -> Option<InfoHashV2> {
        self.v2
    }

    /// The 20 bytes for handshakes, trackers and the DHT: v1 if there is one, else the beginning of v2.
    #[must_use]
    pub fn short(&self) -> InfoHash {
        self.v1.or_else(|| self.v2.map(|hash| hash.truncated())).unwrap_or_else(|| InfoHash::new([0; 20]))
    }

    /// All names of 20 bytes by which the swarm may call it: one, or two for a hybrid.
    pub fn all_short(&self) -> impl Iterator<Item = InfoHash> + use<> {
        self.v1.into_iter().chain(self.v2.map(|hash| hash.truncated()))
    }

    /// Whether it has both names.
    #[must_use]
    pub const fn is_hybrid(&self) -> bool {
        self.v1.is_some() && self.v2.is_some()
    }

    /// Whether they may be names of one torrent: none contradicts the other, and one at least is the same.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let v1 = self.v1.zip(other.v1).map(|(a, b)| a == b);
        let v2 = self.v2.zip(other.v2).map(|(a, b)| a == b);
        v1 != Some(false) && v2 != Some(false) && (v1.is_some() || v2.is_some())
    }
}

impl From<InfoHash> for InfoHashes {
    fn from(hash: InfoHash) -> Self {
        Self { v1: Some(hash), v2: None }
    }
}

impl From<InfoHashV2> for InfoHashes {
    fn from(hash: InfoHashV2) -> Self {
        Self { v1: None, v2: Some(hash) }
    }
}

/// The hashes in hexadecimal, v1 first, with `+` between them.
impl fmt::Display for InfoHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.v1, self.v2) {
            (Some(v1), Some(v2)) => write!(f, "{v1}+{v2}"),
            (Some(v1), None) => v1.fmt(f),
            (None, Some(v2)) => v2.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for InfoHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.v1).entries(self.v2).finish()
    }
}
