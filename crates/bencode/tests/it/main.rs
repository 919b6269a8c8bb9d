//! torrent-bencode from outside.

#![expect(clippy::unwrap_used, reason = "tests")]

mod conformance;
mod encode;
mod errors;
mod limits;
mod navigation;
#[cfg(feature = "serde")]
mod serde;
