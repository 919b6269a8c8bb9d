//! How a client reaches trackers.

use std::{net::IpAddr, time::Duration};

use super::proxy::Proxy;

/// How a [`Client`](super::Client) reaches trackers. The default is good on the open internet.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) user_agent: String,
    pub(super) timeout: Duration,
    pub(super) udp_timeout: Duration,
    pub(super) connections: usize,
    pub(super) connections_per_tracker: usize,
    pub(super) proxy: Option<Proxy>,
    pub(super) bind: Vec<IpAddr>,
    pub(super) interface: Option<String>,
    pub(super) family: Family,
    pub(super) roots: Vec<Vec<u8>>,
}

/// Over which internet protocol trackers are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Whatever the tracker has.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    pub(super) fn admits(self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            user_agent: concat!("torrent-tracker/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(30),
            udp_timeout: Duration::from_secs(60),
            connections: 50,
            connections_per_tracker: 4,
            proxy: None,
            bind: Vec::new(),
            interface: None,
            family: Family::Any,
            roots: Vec::new(),
        }
    }
}

impl Config {
    /// The `User-Agent` of HTTP requests. Private trackers admit clients by it. Default: this crate and its version.
    /// Control characters are left out.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self.user_agent.retain(|c| c.is_ascii_graphic() || c == ' ');
        self
    }

    /// How long an HTTP announce may take, redirects and all, from when it has its turn. Default 30 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a UDP announce may take. Default 60 s: sent at 0 s, 15 s and 45 s. BEP 15's whole schedule takes two hours, which
    /// is too long where other trackers could be asked meanwhile.
    #[must_use]
    pub const fn udp_timeout(mut self, timeout: Duration) -> Self {
        self.udp_timeout = timeout;
        self
    }

    /// HTTP requests under way at a time, to all trackers. Others wait their turn. Default 50, at least 1.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// HTTP connections to one tracker at a time. Thousands of torrents share them. Default 4, at least 1.
    #[must_use]
    pub fn connections_per_tracker(mut self, connections: usize) -> Self {
        self.connections_per_tracker = connections.max(1);
        self
    }

    /// Goes through a proxy. UDP trackers are then refused rather than reached around it. Default: none.
    #[must_use]
    pub fn proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Speaks from this local address to trackers of its family. Call it twice for both families; trackers of a family without an
    /// address are then not reached. Default: the system chooses.
    #[must_use]
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.bind.push(address);
        self
    }

    /// Speaks through this network interface only (Linux, Android, Fuchsia). Default: the system chooses.
    #[must_use]
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.interface = Some(name.into());
        self
    }

    /// Over which internet protocol. Default: either.
    #[must_use]
    pub const fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Trusts one more certificate authority (DER), beside Mozilla's. For trackers with a private one.
    #[must_use]
    pub fn root_certificate(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.roots.push(der.into());
        self
    }

    /// The local address to speak from to `ip`: `Err` if the user has named some, but none of that family.
    pub(super) fn bind_for(&self, ip: IpAddr) -> Result<Option<IpAddr>, std::io::Error> {
        match self.bind.iter().find(|local| local.is_ipv4() == ip.is_ipv4()) {
            Some(&local) => Ok(Some(local)),
            None if self.bind.is_empty() => Ok(None),
            None => Err(std::io::ErrorKind::AddrNotAvailable.into()),
        }
    }
}
