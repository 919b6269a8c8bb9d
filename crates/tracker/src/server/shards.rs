//! Swarms behind locks, cut by info hash so that two cores rarely want the same one.
//! Never: a lock held over anything but one announce or one sweep of one shard.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use torrent_types::InfoHash;

use super::{
    config::ServerConfig,
    siphash::Key,
    swarms::{Swarms, Totals},
};

/// The swarms of a tracker that several threads serve.
#[derive(Debug)]
pub struct Shards {
    config: ServerConfig,
    shards: Box<[Mutex<Swarms>]>,
    secret: Key,
    started: Instant,
}

impl Shards {
    /// No swarms. The seed keys all tables and connection ids: give it 32 bytes from the operating system.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let totals = Arc::new(Totals::new(Key::from_seed(rng.random())));
        let mut shard = |_| Mutex::new(Swarms::part_of(Arc::clone(&totals), config.clone(), now, rng.random()));
        let shards = (0..SHARDS).map(&mut shard).collect();
        Self { config, shards, secret: Key::from_seed(rng.random()), started: now }
    }

    /// How this tracker behaves.
    #[must_use]
    pub const fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// The shard that has this swarm, locked.
    pub(super) fn of(&self, info_hash: &InfoHash) -> MutexGuard<'_, Swarms> {
        // Keyed: strangers choose info hashes, and could put all of theirs into one shard otherwise.
        let hash = self.secret.hash(info_hash.as_bytes());
        self.shard(usize::try_from(hash % SHARDS).unwrap_or_default())
    }

    /// Drops old peers. Call it every [`sweep_interval`](Self::sweep_interval).
    pub fn handle_timeout(&self, now: Instant) {
        for number in 0..self.shards.len() {
            self.shard(number).handle_timeout(now);
        }
    }

    /// See [`Swarms::sweep_interval`].
    #[must_use]
    pub fn sweep_interval(&self) -> Duration {
        self.shard(0).sweep_interval()
    }

    /// Swarms and peers.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (0..self.shards.len()).map(|number| self.shard(number)).fold((0, 0), |(swarms, peers), shard| {
            (shard.swarm_count().saturating_add(swarms), shard.peer_count().saturating_add(peers))
        })
    }

    /// BEP 15 § "UDP connections / spoofing": a cookie over the address, valid for two minutes and up to one more.
    pub(super) fn connection_id(&self, now: Instant, from: std::net::SocketAddr, windows_ago: u64) -> Option<u64> {
        let minute = now.saturating_duration_since(self.started).as_secs() / 60;
        let minute = minute.checked_sub(windows_ago)?;
        let mut bytes = [0; 26];
        let ip = match from.ip() {
            std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            std::net::IpAddr::V6(ip) => ip.octets(),
        };
        let parts = ip.into_iter().chain(from.port().to_be_bytes()).chain(minute.to_be_bytes());
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        Some(self.secret.hash(&bytes))
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Swarms> {
        let number = number.checked_rem(self.shards.len()).unwrap_or_default();
        let shard = self.shards.get(number).expect("a remainder is smaller");
        // A panic while it was held cannot have left more than one peer half announced.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SHARDS: u64 = 32;
