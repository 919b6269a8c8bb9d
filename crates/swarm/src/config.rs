//! The policy of one torrent. Protocol constants are not here: they are no choice.

use std::time::Duration;

use torrent_types::PeerId;

use crate::{Obfuscation, Transport};

/// Limits and habits of a [`Swarm`](crate::Swarm). `Default` suits the open internet. What all torrents of a client share is
/// in [`Limits`](crate::Limits).
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
    pub(crate) disconnect_redundant: bool,
    pub(crate) openings: Vec<Obfuscation>,
    pub(crate) transports: Vec<Transport>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_id: PeerId::new([0; 20]),
            max_peers: 50,
            max_dialing: 200,
            max_known: 3000,
            upload_slots: 8,
            request_queue: 500,
            max_requests: 500,
            request_time: Duration::from_secs(3),
            disconnect_redundant: true,
            openings: vec![Obfuscation::Mse, Obfuscation::Plain],
            transports: vec![Transport::Tcp],
        }
    }
}

impl Config {
    /// Our own peer id: connections to ourselves are recognized by it. Default: zeros.
    #[must_use]
    pub fn local_id(mut self, id: PeerId) -> Self {
        self.local_id = id;
        self
    }

    /// Connections at a time. Default 50. Each costs about a kilobyte, and one bit per piece unless the peer is a seed.
    /// Incoming ones get three quarters while something is missing, so that there is room to dial.
    #[must_use]
    pub fn max_peers(mut self, peers: usize) -> Self {
        self.max_peers = peers;
        self
    }

    /// Connections being opened at a time, while fewer than ten peers are connected; an eighth of it afterwards. Most addresses
    /// of a swarm are dead, so that a few at a time would take minutes to find a living one. Default 200.
    #[must_use]
    pub fn max_dialing(mut self, attempts: usize) -> Self {
        self.max_dialing = attempts;
        self
    }

    /// Addresses remembered. Default 3000, about 150 bytes each. No source gets more than two thirds of them.
    #[must_use]
    pub fn max_known(mut self, addresses: usize) -> Self {
        self.max_known = addresses;
        self
    }

    /// Peers that may request at a time, one of them chosen at random. Default 8. The client's limit holds as well.
    #[must_use]
    pub fn upload_slots(mut self, slots: usize) -> Self {
        self.upload_slots = slots;
        self
    }

    /// Requests kept per peer, as told to it by BEP 10 `reqq`. Default 500, 12 bytes each.
    #[must_use]
    pub fn request_queue(mut self, requests: u32) -> Self {
        self.request_queue = requests;
        self
    }

    /// Requests in flight to one peer, whatever its `reqq` says. Default 500: 8 MiB.
    #[must_use]
    pub fn max_requests(mut self, requests: u32) -> Self {
        self.max_requests = requests;
        self
    }

    /// How many seconds of a peer's rate to keep requested. Default 3 s.
    #[must_use]
    pub fn request_time(mut self, time: Duration) -> Self {
        self.request_time = time;
        self
    }

    /// Whether connections between two peers that want nothing of each other are closed. Default true.
    #[must_use]
    pub fn disconnect_redundant(mut self, disconnect: bool) -> Self {
        self.disconnect_redundant = disconnect;
        self
    }

    /// How to begin connections, in this order: the second only where the transport connected and the first was not
    /// understood. An empty list dials nobody. Default: obfuscated, then plain.
    #[must_use]
    pub fn openings(mut self, openings: impl IntoIterator<Item = Obfuscation>) -> Self {
        self.openings = openings.into_iter().collect();
        self
    }

    /// What to dial over, in this order: the second where the first did not connect. An empty list dials nobody.
    /// Default: TCP only.
    #[must_use]
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }
}
