//! Names to addresses, remembered for a while, so that 10,000 torrents of one tracker ask once.
//! Out: only addresses that the URL may reach; the dialer connects to these and to no others.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::config::Family;
use crate::{
    error::{Error, Refused},
    url::TrackerUrl,
};

#[derive(Debug)]
pub(super) struct Resolver {
    known: Mutex<HashMap<Box<str>, Slot>>,
    lookups: Semaphore,
    family: Family,
}

/// An async lock: requests for the same name wait for the same lookup.
type Slot = Arc<tokio::sync::Mutex<Option<Entry>>>;

#[derive(Debug)]
struct Entry {
    from: Instant,
    lifetime: Duration,
    /// `None` if the name cannot be resolved.
    addresses: Option<Vec<IpAddr>>,
}

impl Resolver {
    pub(super) fn new(family: Family) -> Self {
        Self { known: Mutex::default(), lookups: Semaphore::new(LOOKUPS), family }
    }

    /// Where `url` leads, in the order of the system's preference.
    pub(super) async fn resolve(&self, url: &TrackerUrl) -> Result<Vec<SocketAddr>, Error> {
        let addresses = match url.host().parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => self.lookup(url.host()).await?,
        };
        let mut refused = None;
        let mut allowed = Vec::new();
        for ip in addresses.into_iter().filter(|&ip| self.family.admits(ip)) {
            match url.check_address(ip) {
                Ok(()) => allowed.push(SocketAddr::new(ip, url.port())),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if allowed.is_empty() => Err(error.into()),
            None if allowed.is_empty() => Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into()),
            _ => Ok(allowed),
        }
    }

    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        let slot = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MAX_NAMES {
                known.retain(|_, slot| Arc::strong_count(slot) > 1);
            }
            if known.len() >= MAX_NAMES {
                return Err(Refused::Busy.into());
            }
            Arc::clone(known.entry(host.into()).or_default())
        };
        let mut entry = slot.lock().await;
        if let Some(entry) = entry.as_ref().filter(|entry| entry.from.elapsed() < entry.lifetime) {
            return entry.addresses.clone().ok_or(Error::Unresolved);
        }
        let _turn = self.lookups.acquire().await.map_err(|_| Refused::Busy)?;
        let addresses = match timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 0))).await {
            Ok(Ok(addresses)) => Some(addresses.map(|address| address.ip()).take(MAX_ADDRESSES).collect()),
            Ok(Err(error)) => {
                tracing::debug!(host, %error, "not resolved");
                None
            }
            Err(_) => None,
        };
        let lifetime = if addresses.is_some() { LIFETIME } else { FAILURE_LIFETIME };
        *entry = Some(Entry { from: Instant::now(), lifetime, addresses: addresses.clone() });
        addresses.ok_or(Error::Unresolved)
    }
}

/// Can a name be passed on to a proxy, which resolves it where we cannot see?
pub(super) fn check_unresolved(url: &TrackerUrl) -> Result<(), Refused> {
    match written_address(url.host()) {
        Some(ip) => url.check_address(ip),
        None => Ok(()),
    }
}

/// The address that a host stands for with any resolver, where its text says so.
pub(super) fn written_address(host: &str) -> Option<IpAddr> {
    if let Ok(ip) = host.parse() {
        return Some(ip);
    }
    let last_label = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    // No top-level domain begins with a digit: `127.1`, `2130706433` and `0x7f000001` are addresses for many resolvers.
    let is_number = last_label.starts_with(|c: char| c.is_ascii_digit());
    (is_number || last_label == "localhost").then_some(Ipv4Addr::LOCALHOST.into())
}

/// Names that are remembered.
const MAX_NAMES: usize = 4096;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Lookups at a time. Each holds a thread of the runtime's blocking pool.
const LOOKUPS: usize = 8;

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// The system does not tell how long a name is good for. This is short enough for trackers that move.
const LIFETIME: Duration = Duration::from_secs(60);
const FAILURE_LIFETIME: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_disguise_are_taken_for_local() {
        for host in
            ["localhost", "localhost.", "a.localhost", "127.1", "2130706433", "0x7f000001", "0x7f.1", "127.0.0.1."]
        {
            assert_eq!(written_address(host), Some(Ipv4Addr::LOCALHOST.into()), "{host}");
        }
        assert_eq!(written_address("192.0.2.1"), Some([192, 0, 2, 1].into()));
        for name in ["tracker.example", "1337.example", "xn--p1ai", "localhost.example"] {
            assert_eq!(written_address(name), None, "{name}");
        }
    }
}
