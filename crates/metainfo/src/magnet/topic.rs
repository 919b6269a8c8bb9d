//! `xt`: which torrent. BEP 9 (`urn:btih`), BEP 52 (`urn:btmh`, a multihash).

use torrent_types::{InfoHash, InfoHashV2};

use super::hash::{self, HashError, strip_prefix};

pub(super) enum Topic {
    V1(InfoHash),
    V2(InfoHashV2),
    /// A hash of another network, or another way to name a torrent.
    Other,
}

pub(super) fn parse(topic: &str) -> Result<Topic, HashError> {
    if let Some(digits) = strip_prefix(topic, "urn:btih:") {
        return hash::v1(digits).map(Topic::V1);
    }
    match strip_prefix(topic, "urn:btmh:") {
        Some(digits) => hash::multihash(digits).map(Topic::V2),
        None => Ok(Topic::Other),
    }
}
