//! The hashes that a torrent's metadata names, for those who compare: check, verify, disk.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use torrent_hash::{Expected, PieceHashes, V2Shape};
use torrent_metainfo::{Info, PieceLayers};
use torrent_types::PieceIndex;

/// The piece hashes of a torrent, v1, v2 or both.
///
/// A torrent of v2 that came by magnet link lacks the layers of long files: their pieces have no hashes until these
/// are [inserted](Self::replace_layers). A hybrid is judged by SHA-1 alone that long.
pub struct Hashes {
    info: Arc<Info>,
    layers: RwLock<PieceLayers>,
}

impl Hashes {
    /// The hashes of `info`, and those of `layers` for v2.
    #[must_use]
    pub fn new(info: impl Into<Arc<Info>>, layers: PieceLayers) -> Self {
        Self { info: info.into(), layers: RwLock::new(layers) }
    }

    /// More layers are known.
    pub fn replace_layers(&self, layers: PieceLayers) {
        *self.layers.write().unwrap_or_else(PoisonError::into_inner) = layers;
    }
}

impl PieceHashes for Hashes {
    fn expected(&self, piece: PieceIndex) -> Expected {
        let v2 = || {
            let place = self.info.v2_piece(piece)?;
            let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
            let node = layers.piece_hash(&self.info, piece)?;
            Some((node, V2Shape { content: place.length, height: place.height }))
        };
        Expected { v1: self.info.piece_hash(piece).copied(), v2: v2() }
    }
}

impl fmt::Debug for Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashes").field("info", &self.info).finish_non_exhaustive()
    }
}

/// A list of SHA-1 hashes, one per piece.
#[derive(Clone)]
pub struct Sha1Hashes(Arc<[[u8; 20]]>);

impl Sha1Hashes {
    /// The hashes of pieces 0, 1, ...
    #[must_use]
    pub fn new(hashes: impl Into<Arc<[[u8; 20]]>>) -> Self {
        Self(hashes.into())
    }
}

impl PieceHashes for Sha1Hashes {
    fn expected(&self, piece: PieceIndex) -> Expected {
        Expected { v1: self.0.get(piece.as_usize()).copied(), v2: None }
    }
}

impl fmt::Debug for Sha1Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha1Hashes({})", self.0.len())
    }
}
