//! Names to addresses, remembered for a while, so that 10,000 torrents of one tracker ask once.
//! Out: only addresses that the URL may reach; the dialer connects to these and to no others.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
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

/// An async lock: whoever asks for the same name waits for the same lookup.
type Slot = Arc<tokio::sync::Mutex<Option<Entry>>>;

#[derive(Debug)]
struct Entry {
    from: Instant,
    lifetime: Duration,
    result: Result<Vec<IpAddr>, io::ErrorKind>,
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

    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let slot = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MAX_NAMES {
                known.retain(|_, slot| Arc::strong_count(slot) > 1);
            }
            if known.len() >= MAX_NAMES {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            Arc::clone(known.entry(host.into()).or_default())
        };
        let mut entry = slot.lock().await;
        if let Some(entry) = entry.as_ref().filter(|entry| entry.from.elapsed() < entry.lifetime) {
            return entry.result.clone().map_err(Into::into);
        }
        let _turn = self.lookups.acquire().await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        let result = match timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 0))).await {
            Ok(Ok(addresses)) => Ok(addresses.map(|address| address.ip()).take(MAX_ADDRESSES).collect()),
            Ok(Err(error)) => Err(error.kind()),
            Err(_) => Err(io::ErrorKind::TimedOut),
        };
        let lifetime = if result.is_ok() { LIFETIME } else { FAILURE_LIFETIME };
        *entry = Some(Entry { from: Instant::now(), lifetime, result: result.clone() });
        result.map_err(Into::into)
    }
}

/// Can a name be passed on to a proxy, which resolves it where we cannot see?
pub(super) fn check_unresolved(url: &TrackerUrl) -> Result<(), Refused> {
    match url.host().parse() {
        Ok(ip) => url.check_address(ip),
        Err(_) if url.host().eq_ignore_ascii_case("localhost") => url.check_address([127, 0, 0, 1].into()),
        Err(_) => Ok(()),
    }
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
