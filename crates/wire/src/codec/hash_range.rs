//! A run of hashes in a file's merkle tree. BEP 52 § "hash request".

use std::{error, fmt};

/// Bytes of a SHA-256 hash.
pub const HASH_LENGTH: usize = 32;

pub(super) const ENCODED_LENGTH: usize = HASH_LENGTH + 4 * 4;

/// The most hashes that one request may ask for. BEP 52 lets responders refuse more than 512; libtorrent takes 8192.
const MAX_HASHES: u32 = 8192;
/// A tree over 2^63 bytes in blocks of 16 KiB is not higher than this.
const MAX_LAYERS: u32 = 49;

/// Hashes of one layer of a file's merkle tree, and how many layers of proof go with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire format has these five fields and no room for more")]
pub struct HashRange {
    /// Root of the tree, as the metainfo names it.
    pub pieces_root: [u8; HASH_LENGTH],
    /// Layer of the requested hashes; 0 is the layer of the 16 KiB blocks.
    pub base_layer: u32,
    /// First hash, counted from the beginning of the layer.
    pub index: u32,
    /// How many hashes.
    pub length: u32,
    /// How many layers of proof, counted from the base layer.
    pub proof_layers: u32,
}

impl HashRange {
    /// Whether an honest peer may ask for this: a power of two of 2 to 8192 hashes, the index a multiple of it. More
    /// than 512 may be rejected all the same.
    ///
    /// # Errors
    /// What is wrong with it.
    pub const fn check(&self) -> Result<(), HashRangeError> {
        if !self.length.is_power_of_two() || self.length < 2 || self.length > MAX_HASHES {
            return Err(HashRangeError::Length);
        }
        if !self.index.is_multiple_of(self.length) {
            return Err(HashRangeError::Index);
        }
        if self.base_layer > MAX_LAYERS || self.proof_layers > MAX_LAYERS {
            return Err(HashRangeError::Layers);
        }
        Ok(())
    }

    /// The range at the beginning of `payload`, and what follows it.
    pub(super) fn split_from(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (pieces_root, rest) = payload.split_first_chunk()?;
        let (numbers, rest) = rest.split_first_chunk::<16>()?;
        let [base_layer, index, length, proof_layers] = numbers.as_chunks().0 else { return None };
        let range = Self {
            pieces_root: *pieces_root,
            base_layer: u32::from_be_bytes(*base_layer),
            index: u32::from_be_bytes(*index),
            length: u32::from_be_bytes(*length),
            proof_layers: u32::from_be_bytes(*proof_layers),
        };
        Some((range, rest))
    }
}

/// Why a request for hashes is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashRangeError {
    /// The index is not a multiple of the length.
    Index,
    /// More layers than a tree can have.
    Layers,
    /// The length is not a power of two from 2 to 8192.
    Length,
}

impl fmt::Display for HashRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Index => "the index is not a multiple of the length",
            Self::Layers => "more layers than a tree can have",
            Self::Length => "the length is not a power of two from 2 to 8192",
        })
    }
}

impl error::Error for HashRangeError {}
