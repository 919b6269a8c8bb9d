//! How a tracker behaves: what clients are told, and how much of everything there is.

use std::time::Duration;

/// How a tracker behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What clients are told to wait between announces. Default 30 minutes.
    pub interval: Duration,
    /// What they are told to wait at least. Default 60 s.
    pub min_interval: Duration,
    /// Peers that have been silent for this long are dropped, at the latest a hundredth of it later. Default 50 minutes.
    pub expiry: Duration,
    /// Peers in an answer to a client that names no number. Default 50.
    pub num_want: usize,
    /// Peers of each family in an answer at most. Default 200, 1200 bytes of IPv4.
    pub max_num_want: usize,
    /// Most peers of all swarms together. Default 8 million: about 160 MB over IPv4.
    pub max_peers: usize,
    /// Most swarms. Default one million: about 200 MB if there is one peer in each.
    pub max_swarms: usize,
    /// Most HTTP connections at a time. Default 10,000. Each has buffers of at most about 64 KiB.
    pub max_connections: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            min_interval: Duration::from_secs(60),
            expiry: Duration::from_secs(50 * 60),
            num_want: 50,
            max_num_want: 200,
            max_peers: 8 << 20,
            max_swarms: 1 << 20,
            max_connections: 10_000,
        }
    }
}
