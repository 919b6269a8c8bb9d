//! Why text is not a magnet link.

use std::{error, fmt};

/// Why text is not a magnet link to a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MagnetError {
    /// `xt` has a BitTorrent hash of the wrong length or alphabet.
    InfoHash,
    /// `urn:btmh` with another hash function than SHA2-256.
    Multihash,
    /// No `xt` with `urn:btih` or `urn:btmh`.
    NoInfoHash,
    /// Does not begin with `magnet:?`.
    NotMagnet,
    /// `so` is not a list of numbers and ranges.
    Selection,
    /// Longer than [`MAX_MAGNET_LENGTH`](crate::magnet::MAX_MAGNET_LENGTH).
    TooLong,
    /// Two different hashes of the same kind.
    TwoTorrents,
}

impl fmt::Display for MagnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InfoHash => "xt: neither 40 hexadecimal nor 32 base32 digits, nor a multihash of 32 bytes",
            Self::Multihash => "xt: a multihash other than SHA2-256",
            Self::NoInfoHash => "xt: no info hash, so it is not a link to a torrent",
            Self::NotMagnet => "not a magnet link: it does not begin with \"magnet:?\"",
            Self::Selection => "so: not a list of file numbers and ranges, such as 0,2,4-6",
            Self::TooLong => "the magnet link is longer than 256 KiB",
            Self::TwoTorrents => "xt: two different info hashes of one kind",
        })
    }
}

impl error::Error for MagnetError {}
