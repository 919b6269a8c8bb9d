//! What to fetch, and how: the settings of `fetch`.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use torrent_types::{InfoHash, InfoHashV2, PeerId};

use super::stream::now;
use crate::{MetadataFetch, mse::Policy};

/// How to fetch metadata.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    pub(super) peer_id: PeerId,
    pub(super) max_size: u32,
    pub(super) timeout: Duration,
    pub(super) encryption: Policy,
}

impl Default for FetchOptions {
    /// 30 s, 32 MiB, [`Policy::Preferred`], a random peer id.
    fn default() -> Self {
        let mut peer_id = *b"-to0100-____________";
        for (byte, random) in peer_id.iter_mut().skip(8).zip(random()) {
            // Letters from `a` to `p`.
            *byte = b'a'.saturating_add(random & 0x0f);
        }
        Self {
            peer_id: PeerId::new(peer_id),
            max_size: MetadataFetch::<()>::DEFAULT_MAX_SIZE,
            timeout: Duration::from_secs(30),
            encryption: Policy::default(),
        }
    }
}

impl FetchOptions {
    /// The peer id that we give. Default: a random one.
    #[must_use]
    pub const fn peer_id(mut self, peer_id: PeerId) -> Self {
        self.peer_id = peer_id;
        self
    }

    /// The largest metadata to accept, in bytes. Default: 32 MiB.
    #[must_use]
    pub const fn max_size(mut self, bytes: u32) -> Self {
        self.max_size = bytes;
        self
    }

    /// How long all of it may take. Default: 30 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether to encrypt. Default: [`Policy::Preferred`].
    #[must_use]
    pub const fn encryption(mut self, policy: Policy) -> Self {
        self.encryption = policy;
        self
    }

    pub(super) fn deadline(&self) -> Instant {
        let now = now();
        now.checked_add(self.timeout).unwrap_or(now)
    }
}

/// What metadata is to be checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetadataHash {
    /// SHA-1.
    V1(InfoHash),
    /// SHA-256.
    V2(InfoHashV2),
}

impl MetadataHash {
    pub(super) fn on_the_wire(&self) -> InfoHash {
        match self {
            Self::V1(hash) => *hash,
            Self::V2(hash) => hash.truncated(),
        }
    }

    pub(super) fn is_of(&self, metadata: &[u8]) -> bool {
        match self {
            Self::V1(hash) => Sha1::digest(metadata).as_slice() == hash.as_bytes(),
            Self::V2(hash) => Sha256::digest(metadata).as_slice() == hash.as_bytes(),
        }
    }
}

impl From<InfoHash> for MetadataHash {
    fn from(hash: InfoHash) -> Self {
        Self::V1(hash)
    }
}

impl From<InfoHashV2> for MetadataHash {
    fn from(hash: InfoHashV2) -> Self {
        Self::V2(hash)
    }
}

/// 32 bytes that differ from call to call and from process to process: the standard library draws the keys of its hash
/// maps from the operating system. Good enough for peer ids and for MSE, which is obfuscation.
pub(super) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    for chunk in bytes.as_chunks_mut::<8>().0 {
        *chunk = RandomState::new().build_hasher().finish().to_be_bytes();
    }
    bytes
}
