//! What to tell one peer about the others, and how often; how often to listen. BEP 11 § "Message format" (at most 50
//! peers a message, at most one message a minute).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{Pex, PexFlags};

/// How long to wait between two messages.
const INTERVAL: Duration = Duration::from_secs(60);
/// Messages that come sooner than this after one another are not listened to; clocks and networks are not exact.
const MIN_INTERVAL: Duration = Duration::from_secs(45);
/// The most peers to add, and to drop, in one message.
const MAX_CHANGES: usize = 50;

/// Tells one peer whom we have met and lost since the last time.
///
/// It remembers whom the peer has been told of: 32 bytes for each connected peer of the torrent.
///
/// ```
/// # use std::{collections::BTreeMap, time::{Duration, Instant}};
/// # use torrent_wire::{Pex, PexFlags, PexOutlet};
/// # let now = Instant::now();
/// let mut outlet = PexOutlet::new();
/// let mut connected = BTreeMap::from([("192.0.2.7:6881".parse()?, PexFlags::UTP)]);
/// let payload = outlet.poll(now, &connected).unwrap();
/// assert_eq!(Pex::decode(&payload)?.added().count(), 1);
///
/// connected.clear();
/// assert_eq!(outlet.poll(now, &connected), None, "too soon");
/// let payload = outlet.poll(now + Duration::from_secs(60), &connected).unwrap();
/// assert_eq!(Pex::decode(&payload)?.dropped().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PexOutlet {
    told: BTreeSet<SocketAddr>,
    next: Option<Instant>,
}

impl PexOutlet {
    /// For a peer that has not been told anything.
    #[must_use]
    pub const fn new() -> Self {
        Self { told: BTreeSet::new(), next: None }
    }

    /// The payload to send now, if it is time and there is news: at most 50 peers of `connected` that are new to the
    /// peer, and at most 50 that are gone. What does not fit waits for the next message.
    ///
    /// Leave out of `connected` whom the peer should not hear of: itself, and local addresses if it is not local.
    #[must_use]
    pub fn poll(&mut self, now: Instant, connected: &BTreeMap<SocketAddr, PexFlags>) -> Option<Vec<u8>> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        let news = connected.iter().filter(|(peer, _)| !self.told.contains(peer));
        let added: Vec<_> = news.take(MAX_CHANGES).map(|(peer, flags)| (*peer, *flags)).collect();
        let gone = self.told.iter().filter(|peer| !connected.contains_key(peer));
        let dropped: Vec<_> = gone.take(MAX_CHANGES).copied().collect();
        if added.is_empty() && dropped.is_empty() {
            return None;
        }
        self.told.retain(|peer| !dropped.contains(peer));
        self.told.extend(added.iter().map(|(peer, _)| *peer));
        self.next = now.checked_add(INTERVAL);
        Some(Pex::encode(added, dropped))
    }

    /// When the next message may go out; `None` if at once.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

/// Listens to one peer's messages, but not to all of them if it sends them too often.
#[derive(Clone, Copy, Debug, Default)]
pub struct PexIntake {
    last: Option<Instant>,
}

impl PexIntake {
    /// For a peer that has not sent anything.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// Whether to heed a message that comes now. The peers of one that comes too soon are not to be used.
    #[must_use]
    pub fn admit(&mut self, now: Instant) -> bool {
        let early = self.last.is_some_and(|last| now.saturating_duration_since(last) < MIN_INTERVAL);
        if !early {
            self.last = Some(now);
        }
        !early
    }
}
