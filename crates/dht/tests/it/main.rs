//! The public API of `torrent-dht`: single nodes, and networks of them in virtual time.

#![expect(clippy::unwrap_used, reason = "tests may, in their helpers too")]

#[cfg(feature = "tokio")]
mod driver;
#[cfg(feature = "mainline")]
mod mainline;
mod network;
mod node;
mod recall;
mod schedule;
