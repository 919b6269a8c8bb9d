//! Why a block was not kept.

use std::{error, fmt};

/// Why [`Slot::put`](crate::Slot::put) did not take a block. Nothing is lost by any of these: the block is here already, or
/// nobody counts on it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutError {
    /// The same block was put before.
    Duplicate,
    /// This copy of the piece has ended: it was stored, forgotten or lost, or the torrent stops.
    Late,
    /// It is no block of this piece, or its data has another length.
    Outside,
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "the block was put before",
            Self::Late => "this copy of the piece has ended",
            Self::Outside => "it is no block of this piece",
        })
    }
}

impl error::Error for PutError {}
