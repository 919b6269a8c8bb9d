//! Where peers come from besides trackers: a DHT, the local network. In: public torrents that run. Out: addresses.
//! Never: private torrents (BEP 27), whether an address is dialled (the swarm says).

use std::{fmt, net::SocketAddr, sync::Weak};

use torrent_swarm::Source;
use torrent_types::{HostPort, InfoHash};

use crate::torrent::TorrentInner;

/// A source of peers for all torrents of a client. Its methods are called from tasks and must not block.
pub trait Discovery: fmt::Debug + Send + Sync + 'static {
    /// A public torrent runs from now on: look for peers, and tell others of us if the seeker has a port.
    fn start(&self, seeker: Seeker);

    /// The torrent has fewer peers than it could use: look again soon.
    fn need_peers(&self, info_hash: InfoHash);

    /// The torrent is stopped, or has turned out to be private.
    fn stop(&self, info_hash: InfoHash);

    /// The UDP port of its node, if it is a DHT: then peers are told so, and tell us of their nodes.
    /// BEP 5 § "BitTorrent Protocol Extension".
    fn dht_port(&self) -> Option<u16> {
        None
    }

    /// A peer, a torrent or a link says that there is a DHT node. BEP 5 § "BitTorrent Protocol Extension", § "Torrent File
    /// Extensions".
    fn handle_node(&self, node: &HostPort) {
        let _ = node;
    }
}

/// A torrent that looks for peers. Cheap to clone; it does not keep the torrent alive.
#[derive(Clone)]
pub struct Seeker {
    info_hash: InfoHash,
    port: Option<u16>,
    torrent: Weak<TorrentInner>,
}

impl Seeker {
    pub(crate) fn new(info_hash: InfoHash, port: Option<u16>, torrent: Weak<TorrentInner>) -> Self {
        Self { info_hash, port, torrent }
    }

    /// The torrent.
    #[must_use]
    pub const fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    /// The port on which peers reach it; `None` if they do not.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Gives peers to the torrent. They are dialled when there is room.
    pub fn found(&self, source: Source, addresses: impl IntoIterator<Item = SocketAddr>) {
        if let Some(torrent) = self.torrent.upgrade() {
            torrent.add_addresses(source, addresses);
        }
    }
}

impl fmt::Debug for Seeker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seeker").field("info_hash", &self.info_hash).field("port", &self.port).finish_non_exhaustive()
    }
}
