//! Why text is not a magnet link.

use std::{error, fmt};

use super::HashError;

/// Why text is not a magnet link to a torrent, nor an info hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MagnetError {
    /// `xt` has a BitTorrent hash of the wrong length or alphabet.
    InfoHash {
        /// Which `xt` of the link; the first is 1. 0 for a hash without a link around it.
        topic: usize,
        /// What is wrong with it.
        fault: HashError,
    },
    /// No `xt` with `urn:btih` or `urn:btmh`.
    NoInfoHash,
    /// Neither begins with `magnet:?` nor is an info hash.
    NotMagnet,
    /// `so` is not a list of numbers and ranges.
    Selection,
    /// More than one link.
    SeveralLinks {
        /// How many there are.
        found: usize,
    },
    /// Longer than [`MAX_MAGNET_LENGTH`](crate::magnet::MAX_MAGNET_LENGTH).
    TooLong,
    /// Two different hashes of the same kind.
    TwoTorrents,
}

impl fmt::Display for MagnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InfoHash { topic: 0, fault } => return write!(f, "not an info hash: {fault}"),
            Self::InfoHash { topic, fault } => return write!(f, "xt number {topic}: not an info hash: {fault}"),
            Self::SeveralLinks { found } => return write!(f, "{found} links where one is expected"),
            Self::NoInfoHash => "xt: no info hash (urn:btih or urn:btmh), so it is not a link to a torrent",
            Self::NotMagnet => "not a magnet link: it does not begin with \"magnet:?\"",
            Self::Selection => "so: not a list of file numbers and ranges, such as 0,2,4-6",
            Self::TooLong => "the magnet link is longer than 256 KiB",
            Self::TwoTorrents => "xt: two different info hashes of one kind",
        })
    }
}

impl error::Error for MagnetError {}
