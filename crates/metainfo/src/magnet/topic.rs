//! `xt`: which torrent. BEP 9 (`urn:btih`), BEP 52 (`urn:btmh`, a multihash).

use torrent_types::{InfoHash, InfoHashV2};

use super::{encoding::base32, error::MagnetError};

/// Multihash code of SHA2-256 and its length, 32, as hexadecimal digits.
pub(super) const SHA256_PREFIX: &str = "1220";

pub(super) enum Topic {
    V1(InfoHash),
    V2(InfoHashV2),
    /// A hash of another network, or another way to name a torrent.
    Other,
}

pub(super) fn parse(topic: &str) -> Result<Topic, MagnetError> {
    if let Some(hash) = strip_urn(topic, "urn:btih:") {
        let parsed = hash.parse().ok().or_else(|| base32(hash).map(InfoHash::new));
        return parsed.map(Topic::V1).ok_or(MagnetError::InfoHash);
    }
    let Some(multihash) = strip_urn(topic, "urn:btmh:") else { return Ok(Topic::Other) };
    match multihash.split_at_checked(SHA256_PREFIX.len()) {
        Some((SHA256_PREFIX, digest)) => digest.parse().map(Topic::V2).map_err(|_| MagnetError::InfoHash),
        _ => Err(MagnetError::Multihash),
    }
}

fn strip_urn<'a>(topic: &'a str, urn: &str) -> Option<&'a str> {
    let (head, tail) = topic.split_at_checked(urn.len())?;
    head.eq_ignore_ascii_case(urn).then_some(tail)
}
