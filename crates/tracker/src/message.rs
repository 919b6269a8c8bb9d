//! What a tracker is asked and what it answers, over any transport.
//! Spec: BEP 3 § "trackers", BEP 7, BEP 21 § "Tracker Announce", BEP 24, BEP 48.
//! Never: bytes (see `http` and `udp`).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use torrent_types::{InfoHash, PeerId, Scope};

/// One announce: our identity, how far the torrent is, what just happened to it.
///
/// ```
/// use torrent_tracker::{AnnounceRequest, Event};
///
/// let mut request = AnnounceRequest::new([1; 20].into(), (*b"-RT0001-abcdefghijkl").into(), 6881);
/// request.left = Some(0);
/// request.event = Some(Event::Started);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnounceRequest {
    /// v1 info hash, or the truncated v2 one (BEP 52). A hybrid torrent announces both, one after the other.
    pub info_hash: InfoHash,
    /// Our id in this swarm.
    pub peer_id: PeerId,
    /// The port on which we accept peers.
    pub port: u16,
    /// Bytes of payload sent since `started`.
    pub uploaded: u64,
    /// Bytes of payload received since `started`.
    pub downloaded: u64,
    /// Bytes that are still missing. `None`: unknown, as for a magnet link. Trackers are told [`UNKNOWN_LEFT`] then.
    pub left: Option<u64>,
    /// What happened, if anything.
    pub event: Option<Event>,
    /// A number by which the tracker knows us again when our address changes. BEP 7 § "Tracker Hostname Resolution".
    pub key: u32,
    /// How many peers we want; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// Our IPv4 address for a tracker that we reach over IPv6 (HTTP only). Give it away only to private trackers.
    pub ipv4: Option<Ipv4Addr>,
    /// Our IPv6 address for a tracker that we reach over IPv4 (HTTP only).
    pub ipv6: Option<Ipv6Addr>,
    /// What this tracker called itself in an earlier answer (HTTP only).
    pub tracker_id: Option<Vec<u8>>,
}

impl AnnounceRequest {
    /// A request without event that says nothing was transferred yet and an unknown amount is left.
    #[must_use]
    pub const fn new(info_hash: InfoHash, peer_id: PeerId, port: u16) -> Self {
        Self {
            info_hash,
            peer_id,
            port,
            uploaded: 0,
            downloaded: 0,
            left: None,
            event: None,
            key: 0,
            num_want: None,
            ipv4: None,
            ipv6: None,
            tracker_id: None,
        }
    }

    /// Writes how far the torrent is. Do that at the moment of sending: a tracker adds up what `completed` and `stopped` say.
    pub const fn set_amounts(&mut self, amounts: Amounts) {
        let Amounts { uploaded, downloaded, left } = amounts;
        (self.uploaded, self.downloaded, self.left) = (uploaded, downloaded, left);
    }

    /// The number of missing bytes that goes to the tracker.
    pub(crate) fn told_left(&self) -> u64 {
        self.left.unwrap_or(UNKNOWN_LEFT)
    }
}

/// What trackers are told of missing bytes while the number is unknown: one block, as libtorrent says. 0 would make us a seed, and there are
/// trackers that do not read the largest numbers.
pub const UNKNOWN_LEFT: u64 = 16 * 1024;

/// How far a torrent is. See [`AnnounceRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the three amounts of BEP 3")]
pub struct Amounts {
    /// Bytes of payload sent.
    pub uploaded: u64,
    /// Bytes of payload received.
    pub downloaded: u64,
    /// Bytes missing; `None` while it is unknown.
    pub left: Option<u64>,
}

/// Why an announce happens when it does. BEP 3 § "trackers".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The download finished just now. A seed never says it.
    Completed,
    /// We are a partial seed: not complete, and not downloading any more. BEP 21 § "Tracker Announce". UDP has no number for it.
    Paused,
    /// First announce to this tracker.
    Started,
    /// The torrent stops.
    Stopped,
}

impl Event {
    /// As the HTTP parameter has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Paused => "paused",
            Self::Started => "started",
            Self::Stopped => "stopped",
        }
    }
}

/// The answer to an announce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnounceResponse {
    /// Time until the next regular announce.
    pub interval: Duration,
    /// Never announce sooner than this, not even on demand.
    pub min_interval: Option<Duration>,
    /// Peers, IPv4 and IPv6, those with port 0 left out.
    pub peers: Vec<SocketAddr>,
    /// Peers with the whole content (`complete`).
    pub seeders: Option<u32>,
    /// Peers without the whole content (`incomplete`).
    pub leechers: Option<u32>,
    /// Downloads that the tracker has seen finish (`downloaded`).
    pub downloaded: Option<u32>,
    /// To be repeated in later announces to this tracker.
    pub tracker_id: Option<Vec<u8>>,
    /// For the user to read.
    pub warning: Option<String>,
    /// Our own address as the tracker sees it. BEP 24. A tracker may lie: take votes.
    pub external_ip: Option<IpAddr>,
    /// How far away the tracker is. It names any address as a peer; connect only where [`Scope::may_name`] of this allows it.
    /// `Global` where the answer does not tell, which allows least.
    pub scope: Scope,
}

/// One torrent in the answer to a scrape. BEP 48 § "Scrape Response".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrapeEntry {
    /// Peers with the whole content (`complete`).
    pub seeders: u32,
    /// Peers without the whole content (`incomplete`), partial seeds among them.
    pub leechers: u32,
    /// Downloads that have ever finished (`downloaded`).
    pub downloaded: u32,
    /// Leechers that are not partial seeds. BEP 21 § "Tracker Scrapes".
    pub downloaders: Option<u32>,
}

/// How large a swarm is, as far as trackers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwarmSize {
    /// Peers with the whole content.
    pub seeders: Option<u32>,
    /// Peers without the whole content.
    pub leechers: Option<u32>,
    /// Downloads that have ever finished.
    pub downloaded: Option<u32>,
}

impl SwarmSize {
    /// What this does not say, from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            seeders: self.seeders.or(other.seeders),
            leechers: self.leechers.or(other.leechers),
            downloaded: self.downloaded.or(other.downloaded),
        }
    }

    /// The larger number of each. The peers of one tracker are mostly those of the others, so they do not add up.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            seeders: self.seeders.max(other.seeders),
            leechers: self.leechers.max(other.leechers),
            downloaded: self.downloaded.max(other.downloaded),
        }
    }
}

impl From<&AnnounceResponse> for SwarmSize {
    fn from(response: &AnnounceResponse) -> Self {
        Self { seeders: response.seeders, leechers: response.leechers, downloaded: response.downloaded }
    }
}

impl From<&ScrapeEntry> for SwarmSize {
    fn from(entry: &ScrapeEntry) -> Self {
        Self { seeders: Some(entry.seeders), leechers: Some(entry.leechers), downloaded: Some(entry.downloaded) }
    }
}
