//! What to tell one peer about the others, and how often; how often to listen. BEP 11 § "Message format" (at most 50
//! peers a message, at most one message a minute). In: who has come and gone. Out: payloads. Never: whom a peer may hear of.

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
/// The most news of either kind that wait to be told. In a swarm in which more happens a peer hears of enough others.
const MAX_WAITING: usize = 200;

/// Tells one peer which others we have met and lost since the last time.
///
/// It is told of changes and does nothing while there are none. It holds only what the peer has not been told yet: at most
/// 200 addresses that came and 200 that went; what is more than that is not told.
///
/// ```
/// # use std::time::{Duration, Instant};
/// # use torrent_wire::{Pex, PexFlags, PexOutlet};
/// # let now = Instant::now();
/// let mut outlet = PexOutlet::new();
/// assert_eq!(outlet.poll_timeout(), None, "there is nothing to tell");
/// outlet.handle_added(now, "192.0.2.7:6881".parse()?, PexFlags::UTP);
/// let payload = outlet.poll_payload().unwrap();
/// assert_eq!(Pex::decode(&payload)?.added().count(), 1);
///
/// outlet.handle_dropped(now, "192.0.2.7:6881".parse()?);
/// assert_eq!(outlet.poll_payload(), None, "too soon");
/// let later = outlet.poll_timeout().unwrap();
/// assert_eq!(later, now + Duration::from_secs(60));
/// outlet.handle_timeout(later);
/// let payload = outlet.poll_payload().unwrap();
/// assert_eq!(Pex::decode(&payload)?.dropped().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PexOutlet {
    added: BTreeMap<SocketAddr, PexFlags>,
    dropped: BTreeSet<SocketAddr>,
    /// When the next message may go out.
    next: Option<Instant>,
    /// The time of the last call that told it.
    now: Option<Instant>,
}

impl PexOutlet {
    /// For a peer that has not been told anything.
    #[must_use]
    pub const fn new() -> Self {
        Self { added: BTreeMap::new(), dropped: BTreeSet::new(), next: None, now: None }
    }

    /// We have met a peer, or know more about it. Leave out those that this peer should not hear of: itself, and local
    /// addresses if it is not local.
    pub fn handle_added(&mut self, now: Instant, peer: SocketAddr, flags: PexFlags) {
        self.now = Some(now);
        self.dropped.remove(&peer);
        if self.added.len() < MAX_WAITING || self.added.contains_key(&peer) {
            self.added.insert(peer, flags);
        }
    }

    /// We have lost a peer.
    pub fn handle_dropped(&mut self, now: Instant, peer: SocketAddr) {
        self.now = Some(now);
        // One that came and went between two messages has never been there.
        if self.added.remove(&peer).is_none() && self.dropped.len() < MAX_WAITING {
            self.dropped.insert(peer);
        }
    }

    /// The payload to send now, if it is time and there are news: at most 50 peers of each kind. What does not fit waits
    /// for the next message. To be sent as [`ExtensionId::PEX`](crate::ExtensionId::PEX); poll it only once the peer takes
    /// that.
    #[must_use]
    pub fn poll_payload(&mut self) -> Option<Vec<u8>> {
        let now = self.now?;
        if self.is_empty() || self.next.is_some_and(|next| now < next) {
            return None;
        }
        let added: Vec<_> = std::iter::from_fn(|| self.added.pop_first()).take(MAX_CHANGES).collect();
        let dropped: Vec<_> = std::iter::from_fn(|| self.dropped.pop_first()).take(MAX_CHANGES).collect();
        self.next = now.checked_add(INTERVAL);
        Some(Pex::encode(added, dropped))
    }

    /// When to call [`Self::handle_timeout`] and poll again; `None` while there is nothing to tell.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_empty() { None } else { self.next.or(self.now) }
    }

    /// Time has passed.
    pub const fn handle_timeout(&mut self, now: Instant) {
        self.now = Some(now);
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }
}

/// Listens to one peer's messages, but not to all of them if it sends them too often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PexIntake {
    last: Option<Instant>,
}

impl PexIntake {
    pub(crate) const fn new() -> Self {
        Self { last: None }
    }

    /// Whether a message comes too soon after the last one: its peers are not to be used.
    pub(crate) fn is_early(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) < MIN_INTERVAL)
    }

    /// A message has been listened to.
    pub(crate) const fn heard(&mut self, now: Instant) {
        self.last = Some(now);
    }
}
