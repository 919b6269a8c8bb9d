//! What comes of fetching metadata: events, the whole, faults.

use std::{error, fmt};

/// What a [`MetadataFetch`](super::MetadataFetch) has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to act on each of them")]
pub enum MetadataEvent<P> {
    /// The metadata is complete, and perhaps right. Hash it, outside of any lock; if the hash is wrong, give it back to
    /// [`handle_refuted`](super::MetadataFetch::handle_refuted), and go on.
    Assembled(Assembled),
    /// All of an assembly that was refuted came from this peer. It is not asked any more; ban it.
    Liar(P),
}

/// Metadata that is complete, and perhaps right.
#[derive(Clone, PartialEq, Eq)]
pub struct Assembled {
    /// Which attempt it is the result of.
    pub(super) id: u64,
    pub(super) bytes: Vec<u8>,
}

impl Assembled {
    /// The bytes, to be hashed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, if they are right.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Assembled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assembled({} bytes)", self.bytes.len())
    }
}

/// What a peer did wrong about metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataFault {
    /// It claims a size of 0, or one that is larger than allowed.
    ImpossibleSize,
    /// It has claimed more sizes than any honest peer would.
    TooManySizes,
    /// It has sent a block that it was not asked for: honest peers may do so long after they were asked.
    Unrequested,
    /// The block has the wrong length, or comes with another size than the peer has claimed.
    WrongLength,
}

impl fmt::Display for MetadataFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ImpossibleSize => "metadata of no or too large a size",
            Self::TooManySizes => "too many different sizes of the metadata",
            Self::Unrequested => "a block of metadata that was not asked for",
            Self::WrongLength => "a block of metadata of the wrong length",
        })
    }
}

impl error::Error for MetadataFault {}
