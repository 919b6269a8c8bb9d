//! What a client is told when it starts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use torrent_tracker::AnnounceTo;
use torrent_wire::mse::Policy;

/// Settings of a [`Client`](crate::Client). `Default` is good on the open internet.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) listen: Listen,
    pub(crate) transports: Transports,
    pub(crate) encryption: Policy,
    pub(crate) memory: usize,
    pub(crate) max_peers: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_dialing: usize,
    pub(crate) upload_slots: usize,
    pub(crate) max_upload_slots: usize,
    pub(crate) announce_to: AnnounceTo,
    pub(crate) peer_id_prefix: [u8; 8],
}

/// Where to wait for peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listen {
    /// Exactly here; port 0 lets the system choose.
    At(SocketAddr),
    /// On this address, at the first free port from 6881 to 6889, or else any.
    Usual(IpAddr),
    /// Nowhere: only outgoing connections.
    Nowhere,
}

/// What carries connections to peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transports {
    /// TCP alone.
    Tcp,
    /// uTP alone (BEP 29).
    Utp,
    /// Both, on the same port. Peers are dialled over TCP first, and over uTP where that does not work; what has worked is remembered.
    #[default]
    Both,
}

impl Transports {
    pub(crate) const fn tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Both)
    }

    pub(crate) const fn utp(self) -> bool {
        matches!(self, Self::Utp | Self::Both)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::Usual(Ipv6Addr::UNSPECIFIED.into()),
            transports: Transports::Both,
            encryption: Policy::Preferred,
            memory: 16 << 20,
            max_peers: 50,
            max_connections: 500,
            max_dialing: 200,
            upload_slots: 8,
            max_upload_slots: 16,
            announce_to: AnnounceTo::FirstAnswer,
            peer_id_prefix: *b"-RT0001-",
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        impl Config {
            $($(#[$doc])*
            #[must_use]
            pub const fn $name(mut self, value: $type) -> Self {
                self.$name = value;
                self
            })*
        }
    };
}

setters! {
    /// Where to wait for peers. Default: IPv6 and IPv4, port 6881 or one of the next.
    listen: Listen,
    /// What carries connections. Default: TCP and uTP.
    transports: Transports,
    /// Whether connections are encrypted. Default: preferred.
    encryption: Policy,
    /// Bytes of memory for pieces in flight, of all torrents together. Default 16 MiB. More helps where bandwidth times
    /// round trip is more than that.
    memory: usize,
    /// Connections per torrent. Default 50. Each costs up to 260 KiB of receive buffer while it is fast, 2 KiB idle.
    max_peers: usize,
    /// Connections of all torrents together. Default 500, and never more than the process may have open files for.
    max_connections: usize,
    /// Connections being opened at a time, of all torrents together. Default 200, of which not more
    /// than 50 begin in a second.
    max_dialing: usize,
    /// Peers of a torrent that may download from us at a time. Default 8.
    upload_slots: usize,
    /// Peers of all torrents together that may download from us at a time. Default 16.
    max_upload_slots: usize,
    /// How many of its trackers a torrent tells of itself. Default: the first that answers, tier by tier. BEP 12.
    announce_to: AnnounceTo,
    /// How our peer ids begin. BEP 20. Default `-RT0001-`.
    peer_id_prefix: [u8; 8],
}
