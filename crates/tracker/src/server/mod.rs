//! A tracker in memory: which peers are in which swarm, told over HTTP and UDP.
//! `peers` ─ one family of one swarm, packed · `swarms` ─ all swarms, `shards` ─ behind locks, `shares` ─ peers per address ·
//! `udp`, `http` ─ bytes in, bytes out · `driver` ─ the sockets, `connections` ─ which of them may stay.
//!
//! The cores deviate from the contract of the others in one point: `handle_datagram` and `handle_bytes` append their answer to a
//! buffer of the caller instead of keeping it for `poll_transmit`. One call answers one question and keeps nothing, so there is
//! nothing to poll, and an announce allocates nothing.

mod config;
#[cfg(feature = "tokio")]
mod connections;
#[cfg(feature = "tokio")]
mod driver;
#[cfg(feature = "tokio")]
mod files;
mod http;
mod peers;
mod shards;
mod shares;
mod siphash;
mod swarms;
mod udp;

pub use config::ServerConfig;
#[cfg(feature = "tokio")]
pub use driver::{Server, ServerStats};
pub use http::{HttpAnswer, HttpTracker, MAX_HEAD};
pub use shards::Shards;
pub use swarms::{Announcement, Counts, Full, Peers, Swarms};
pub use udp::UdpTracker;
