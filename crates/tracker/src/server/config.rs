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
    /// Most swarms. Default one million: about 200 MB if there is one peer in each. When there are that many, or that many peers,
    /// swarms of a single peer make room for new ones, those first whose peer is at an address with many.
    pub max_swarms: usize,
    /// Most peers of one address in all swarms together, and so most swarms that one address can keep alive: an IPv4 address, or
    /// the 2⁸⁰ IPv6 addresses with the same first 48 bits. Not for addresses of this host. Default 16,384.
    pub max_peers_per_address: u32,
    /// Most HTTP connections at a time. Default 10,000, as far as the process may open files. Each has buffers of at most about
    /// 64 KiB. When there are that many, the one that has been idle for longest makes room for a new one.
    pub max_connections: usize,
    /// Most HTTP connections of one address at a time, counted like peers. Default 100.
    pub max_connections_per_address: u32,
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
            max_peers_per_address: 1 << 14,
            max_connections: 10_000,
            max_connections_per_address: 100,
        }
    }
}
