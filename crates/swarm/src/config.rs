//! The policy of one torrent. Protocol constants are not here: they are no choice.

use std::time::Duration;

use torrent_types::PeerId;

/// Limits and habits of a [`Swarm`](crate::Swarm). `Default` is good on the open internet.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) local_id: PeerId,
    pub(crate) max_peers: usize,
    pub(crate) max_dialing: usize,
    pub(crate) max_known: usize,
    pub(crate) upload_slots: usize,
    pub(crate) request_queue: u32,
    pub(crate) max_requests: u32,
    pub(crate) request_time: Duration,
    pub(crate) snub_after: Duration,
    pub(crate) disconnect_redundant: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_id: PeerId::new([0; 20]),
            max_peers: 50,
            max_dialing: 25,
            max_known: 3000,
            upload_slots: 8,
            request_queue: 500,
            max_requests: 500,
            request_time: Duration::from_secs(3),
            snub_after: Duration::from_secs(20),
            disconnect_redundant: true,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        impl Config {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, value: $type) -> Self {
                self.$name = value;
                self
            })*
        }
    };
}

setters! {
    /// Our own peer id: connections to ourselves are recognized by it. Default: zeros.
    local_id: PeerId,
    /// Connections at a time. Default 50. Each costs about a kilobyte here, and one bit per piece.
    max_peers: usize,
    /// Connections being opened at a time. Default 25.
    max_dialing: usize,
    /// Addresses remembered. Default 3000, about 64 bytes each.
    max_known: usize,
    /// Peers that may request at a time, one of them by luck. Default 8.
    upload_slots: usize,
    /// Requests kept per peer, as told to it by BEP 10 `reqq`. Default 500, 12 bytes each.
    request_queue: u32,
    /// Requests in flight to one peer, whatever its `reqq` says. Default 500: 8 MiB.
    max_requests: u32,
    /// How many seconds of a peer's rate to keep requested. Default 3 s.
    request_time: Duration,
    /// Without a block for so long, a peer's requests are given to others. Default 20 s.
    snub_after: Duration,
    /// Close connections between two seeds. Default true.
    disconnect_redundant: bool,
}
