//! A tracker in memory: who is in which swarm, told over HTTP and UDP.
//! `peers` ─ one family of one swarm, packed · `swarms` ─ all swarms, `shards` ─ behind locks · `udp`, `http` ─ bytes in, bytes out · `driver` ─ the sockets.

mod config;
#[cfg(feature = "tokio")]
mod driver;
mod http;
mod peers;
mod shards;
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
