//! What a node is told at its start, and every number that bounds it.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::{
    krpc::{Query, RemoteError, Role, code},
    snapshot::NodeSnapshot,
};

/// An address family. Each has a DHT of its own. BEP 32 § "Operation".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address. An IPv4 address mapped into IPv6 is an IPv6 address here: it belongs to neither DHT.
    #[must_use]
    pub const fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// How a [`Node`](super::Node) is set up.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "written by callers, with `..Config::new(family)`")]
pub struct Config {
    /// The DHT that it takes part in.
    pub family: Family,
    /// Whether it answers queries.
    pub role: Role,
    /// Nodes to begin with when the routing table has none. They are not put into it and nothing is stored on them. `None`:
    /// [`Node::handle_routers`](super::Node::handle_routers) will bring them, and lookups wait for that.
    pub routers: Option<Vec<SocketAddr>>,
    /// What [`Node::snapshot`](super::Node::snapshot) gave in an earlier life: id and nodes.
    pub snapshot: Option<NodeSnapshot>,
    /// The address by which others see it, if it is known; otherwise it is learned. BEP 42 § "Bootstrapping".
    pub external: Option<std::net::IpAddr>,
    /// The bounds.
    pub limits: Limits,
    /// The caller's say over queries and contacts.
    pub policy: Box<dyn Policy>,
}

impl Config {
    /// Defaults for the public network, without routers.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self {
            family,
            role: Role::Server,
            routers: Some(Vec::new()),
            snapshot: None,
            external: None,
            limits: Limits::default(),
            policy: Box::new(AnswerAll),
        }
    }
}

/// The caller's say over what comes in and with which nodes to talk. Every method has a default that allows.
pub trait Policy: fmt::Debug + Send + 'static {
    /// A query that is well-formed and within the rates, before it is answered. Indexers read here what others look for.
    fn on_query(&mut self, from: SocketAddr, query: &Query<'_>) -> Verdict {
        let _ = (from, query);
        Verdict::Answer
    }

    /// Whether to talk with this address at all. Asked for each datagram that comes in and each node that is named: a blocklist.
    fn may_contact(&mut self, address: SocketAddr) -> bool {
        let _ = address;
        true
    }
}

/// What to do with a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the node has to obey each")]
pub enum Verdict {
    /// Answer it.
    #[default]
    Answer,
    /// Say nothing.
    Ignore,
    /// Answer with this error.
    Refuse(RemoteError<'static>),
}

impl Verdict {
    /// An error that says the node does not want to.
    pub const REFUSE: Self = Self::Refuse(RemoteError { code: code::SERVER, message: b"refused" });
}

/// [`Policy`] without a wish.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AnswerAll;

impl Policy for AnswerAll {}

/// The bounds of a node. The defaults suit the public network.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "written by callers, with `..Limits::default()`")]
pub struct Limits {
    /// Queries a second that are sent, in all. Announces that are due and upkeep give way to lookups that somebody waits for.
    pub queries_per_second: f64,
    /// Of these, how many a second announces that are due and upkeep may use.
    pub background_per_second: f64,
    /// Queries that may be sent at once after a pause.
    pub burst: f64,
    /// Queries that wait for an answer at once.
    pub in_flight: usize,
    /// Lookups that run at once; the others wait in the order in which they came.
    pub lookups: usize,
    /// Lookups that wait.
    pub waiting: usize,
    /// Announces of the schedule that run at once.
    pub background_lookups: usize,
    /// How often the torrents of the schedule are announced. Nodes forget peers after 30 minutes or later.
    pub announce_interval: Duration,
    /// Queries a second from one address that are answered. Addresses of local networks count with their port.
    pub answers_per_second_per_source: f64,
    /// Queries from one address that are answered at once after a pause.
    pub answer_burst_per_source: f64,
    /// Bytes a second that are sent in answers to one address, which may not be the one that asked.
    pub answer_bytes_per_second_per_source: f64,
    /// Answers a second in all.
    pub answers_per_second: f64,
    /// Torrents whose peers are stored.
    pub stored_hashes: usize,
    /// Peers stored for one torrent.
    pub peers_per_hash: usize,
    /// Peers stored from one address, over all torrents. Addresses of local networks are not counted.
    pub peers_per_ip: usize,
    /// Peers stored in all.
    pub stored_peers: usize,
    /// How long a peer is stored after it was announced.
    pub peer_expiry: Duration,
    /// Items stored. BEP 44.
    pub stored_items: usize,
    /// How long an item is stored after it was put. BEP 44 § "Expiration".
    pub item_expiry: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A home router keeps a few ten thousand mappings for some 30 s each.
            queries_per_second: 400.0,
            background_per_second: 250.0,
            burst: 100.0,
            in_flight: 512,
            lookups: 48,
            waiting: 20_000,
            background_lookups: 64,
            announce_interval: Duration::from_secs(15 * 60),
            answers_per_second_per_source: 10.0,
            answer_burst_per_source: 60.0,
            answer_bytes_per_second_per_source: 2048.0,
            answers_per_second: 2_000.0,
            stored_hashes: 20_000,
            peers_per_hash: 2_000,
            peers_per_ip: 1_000,
            stored_peers: 200_000,
            peer_expiry: Duration::from_secs(30 * 60),
            stored_items: 2_000,
            item_expiry: Duration::from_secs(2 * 60 * 60),
        }
    }
}

impl Limits {
    /// For loopback and networks of one's own: rates that a machine can bear, everything else as by default.
    #[must_use]
    pub fn unpaced() -> Self {
        Self {
            queries_per_second: 1e6,
            background_per_second: 1e6,
            // Not more than a receive buffer of 200 KiB holds of small datagrams.
            burst: 256.0,
            in_flight: 128,
            answers_per_second_per_source: 1e6,
            answer_burst_per_source: 1e6,
            answer_bytes_per_second_per_source: 1e9,
            answers_per_second: 1e6,
            ..Self::default()
        }
    }
}
