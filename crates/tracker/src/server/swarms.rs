//! All swarms of a tracker: announces in, counts and peers out.
//! Spec: BEP 3 § "trackers", BEP 21 § "Tracker Scrapes", BEP 48. In: who, where, what happened, when. Out: counts, packed peers.
//! Never: bytes of requests (see `udp` and `http`), clocks, locks.

use std::{
    cmp,
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::{BuildHasher, Hasher},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{SeedableRng as _, rngs::SmallRng};
use torrent_types::InfoHash;

use super::{
    config::ServerConfig,
    peers::{PeerSet, Role},
    siphash::Key,
};
use crate::message::{Event, ScrapeEntry};

/// The swarms of a tracker.
///
/// ```
/// use std::time::Instant;
/// use torrent_tracker::server::{Announcement, Peers, ServerConfig, Swarms};
///
/// let now = Instant::now();
/// let mut swarms = Swarms::new(ServerConfig::default(), now, [7; 32]);
/// let mut peers = Peers::default();
///
/// let seed = Announcement::new([1; 20].into(), "192.0.2.1:6881".parse()?, 0);
/// swarms.announce(now, &seed, &mut peers)?;
/// let leecher = Announcement::new([1; 20].into(), "192.0.2.2:6881".parse()?, 5);
/// let counts = swarms.announce(now, &leecher, &mut peers)?;
///
/// assert_eq!((counts.seeders, counts.leechers), (1, 1));
/// assert_eq!(peers.v4, [192, 0, 2, 1, 0x1a, 0xe1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Swarms {
    config: ServerConfig,
    key: Key,
    table: HashMap<[u8; 20], Swarm, Keyed>,
    peers: usize,
    totals: Arc<Totals>,
    rng: SmallRng,
    started: Instant,
    swept: u8,
}

/// What all shards of a tracker have together: the limits are the tracker's, wherever its peers are.
#[derive(Debug, Default)]
pub(super) struct Totals {
    peers: AtomicUsize,
    swarms: AtomicUsize,
}

#[derive(Default)]
struct Swarm {
    v4: PeerSet<6>,
    /// Most swarms have no IPv6 peers.
    v6: Option<Box<PeerSet<18>>>,
    downloaded: u32,
}

/// A peer speaks up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announcement {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// Where the peer is: the source address of its request with the port it names.
    pub address: SocketAddr,
    /// Bytes it lacks; 0 is a seed.
    pub left: u64,
    /// What happened.
    pub event: Option<Event>,
    /// How many peers it wants.
    pub num_want: Option<usize>,
    /// Addresses of which family it wants: only its own (UDP), or both (HTTP).
    pub both_families: bool,
}

impl Announcement {
    /// A regular announce.
    #[must_use]
    pub const fn new(info_hash: InfoHash, address: SocketAddr, left: u64) -> Self {
        Self { info_hash, address, left, event: None, num_want: None, both_families: true }
    }
}

/// Compact peers, appended by [`Swarms::announce`]. Keep it and [`clear`](Self::clear) it: no allocation per announce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peers {
    /// 6 bytes each. BEP 23.
    pub v4: Vec<u8>,
    /// 18 bytes each. BEP 7.
    pub v6: Vec<u8>,
}

impl Peers {
    /// Empties both.
    pub fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
    }
}

/// How many peers of each kind a swarm has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// With the whole content.
    pub seeders: u32,
    /// Without.
    pub leechers: u32,
    /// Downloads seen to finish.
    pub downloaded: u32,
}

/// The tracker has as many swarms or peers as its configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tracker is full")]
#[non_exhaustive]
pub struct Full;

impl Swarms {
    /// No swarms. The seed keys the tables and picks the samples.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant, seed: [u8; 32]) -> Self {
        Self::part_of(Arc::default(), config, now, seed)
    }

    /// One of several that keep the limits together.
    pub(super) fn part_of(totals: Arc<Totals>, config: ServerConfig, now: Instant, seed: [u8; 32]) -> Self {
        let (key, rest) = seed.split_first_chunk::<16>().expect("32 is more than 16");
        let rng = SmallRng::seed_from_u64(u64::from_le_bytes(*rest.first_chunk().expect("16 is more than 8")));
        let key = Key::from_seed(*key);
        Self { config, key, table: HashMap::with_hasher(Keyed(key)), peers: 0, totals, rng, started: now, swept: 0 }
    }

    /// How this tracker behaves.
    #[must_use]
    pub const fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Peers in all swarms.
    #[must_use]
    pub const fn peer_count(&self) -> usize {
        self.peers
    }

    /// Swarms with at least one peer, or that had a download finish since the last sweep.
    #[must_use]
    pub fn swarm_count(&self) -> usize {
        self.table.len()
    }

    /// A peer comes, stays or goes; addresses of others are appended to `peers`, never its own.
    ///
    /// # Errors
    /// [`Full`] if it is new and there is no room.
    pub fn announce(&mut self, now: Instant, who: &Announcement, peers: &mut Peers) -> Result<Counts, Full> {
        let tick = self.tick(now);
        let key = self.key;
        let hash = *who.info_hash.as_bytes();
        let stopped = who.event == Some(Event::Stopped);
        let full = self.totals.swarms.load(Ordering::Relaxed) >= self.config.max_swarms;
        let swarm = match self.table.entry(hash) {
            Entry::Occupied(swarm) => swarm.into_mut(),
            Entry::Vacant(_) if stopped => return Ok(Counts::default()),
            Entry::Vacant(_) if full => return Err(Full),
            Entry::Vacant(free) => {
                self.totals.swarms.fetch_add(1, Ordering::Relaxed);
                free.insert(Swarm::default())
            }
        };
        let before = swarm.len();
        let role = match (who.left, who.event) {
            // Some clients say `completed` with what was left before. The next announce tells.
            (0, _) | (_, Some(Event::Completed)) => Role::Seed,
            (_, Some(Event::Paused)) => Role::Paused,
            _ => Role::Leecher,
        };
        let (address, port) = (who.address.ip().to_canonical(), who.address.port().to_be_bytes());
        let mut own_v4 = [0; 6];
        let mut own_v6 = [0; 18];
        let is_new = match address {
            IpAddr::V4(ip) => {
                own_v4 = pack(&ip.octets(), port);
                !swarm.v4.contains(key, &own_v4)
            }
            IpAddr::V6(ip) => {
                own_v6 = pack(&ip.octets(), port);
                !swarm.v6.as_ref().is_some_and(|v6| v6.contains(key, &own_v6))
            }
        };
        // A port of 0 cannot be reached: such a peer may ask, but is not listed.
        let listed = !stopped && who.address.port() != 0;
        if listed && is_new && self.totals.peers.load(Ordering::Relaxed) >= self.config.max_peers {
            self.drop_if_empty(&hash);
            return Err(Full);
        }
        let was_seed = match address {
            IpAddr::V4(_) if listed => swarm.v4.insert(key, own_v4, role, tick),
            IpAddr::V6(_) if listed => swarm.v6.get_or_insert_default().insert(key, own_v6, role, tick),
            IpAddr::V4(_) => swarm.v4.remove(key, &own_v4),
            IpAddr::V6(_) => swarm.v6.as_mut().is_some_and(|v6| v6.remove(key, &own_v6)),
        };
        // A datagram may come twice, and is sent again if its answer is lost: who is a seed already has not finished anew.
        if who.event == Some(Event::Completed) && listed && !was_seed {
            swarm.downloaded = swarm.downloaded.saturating_add(1);
        }
        let after = swarm.len();
        self.peers = self.peers.saturating_add(after).saturating_sub(before);
        // One at most, in either direction.
        match after.cmp(&before) {
            cmp::Ordering::Greater => _ = self.totals.peers.fetch_add(1, Ordering::Relaxed),
            cmp::Ordering::Less => _ = self.totals.peers.fetch_sub(1, Ordering::Relaxed),
            cmp::Ordering::Equal => {}
        }
        let counts = swarm.counts();
        if stopped {
            self.drop_if_empty(&hash);
            return Ok(counts);
        }
        let want = who.num_want.unwrap_or(self.config.num_want).min(self.config.max_num_want);
        let for_seed = role == Role::Seed;
        if who.both_families || address.is_ipv4() {
            swarm.v4.sample(&mut self.rng, want, for_seed, &own_v4, &mut peers.v4);
        }
        if (who.both_families || address.is_ipv6())
            && let Some(v6) = &swarm.v6
        {
            v6.sample(&mut self.rng, want, for_seed, &own_v6, &mut peers.v6);
        }
        Ok(counts)
    }

    /// The counts of one swarm; `None` if it is not known.
    #[must_use]
    pub fn scrape(&self, info_hash: &InfoHash) -> Option<ScrapeEntry> {
        let swarm = self.table.get(info_hash.as_bytes())?;
        let counts = swarm.counts();
        let paused = swarm.v4.paused().saturating_add(swarm.v6.as_ref().map_or(0, |v6| v6.paused()));
        Some(ScrapeEntry {
            seeders: counts.seeders,
            leechers: counts.leechers,
            downloaded: counts.downloaded,
            downloaders: Some(counts.leechers.saturating_sub(paused)),
        })
    }

    /// Drops peers that have been silent for too long, and swarms without peers. Call it about once a minute; more often is cheap.
    pub fn handle_timeout(&mut self, now: Instant) {
        let tick = self.tick(now);
        if tick == self.swept {
            return;
        }
        self.swept = tick;
        let (key, max_age) = (self.key, MAX_AGE);
        let (mut gone, swarms) = (0usize, self.table.len());
        self.table.retain(|_, swarm| {
            gone = gone.saturating_add(swarm.v4.expire(key, tick, max_age));
            if let Some(v6) = &mut swarm.v6 {
                gone = gone.saturating_add(v6.expire(key, tick, max_age));
                if v6.len() == 0 {
                    swarm.v6 = None;
                }
            }
            swarm.len() > 0
        });
        self.peers = self.peers.saturating_sub(gone);
        self.totals.peers.fetch_sub(gone, Ordering::Relaxed);
        self.totals.swarms.fetch_sub(swarms.saturating_sub(self.table.len()), Ordering::Relaxed);
        if self.table.capacity() > self.table.len().saturating_mul(4) {
            self.table.shrink_to_fit();
        }
    }

    /// How often [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn sweep_interval(&self) -> Duration {
        self.config.expiry.div_f64(MAX_AGE.into()).max(Duration::from_millis(1))
    }

    /// Time in sweeps, modulo 256.
    fn tick(&self, now: Instant) -> u8 {
        let passed = now.saturating_duration_since(self.started).as_nanos();
        let ticks = passed.checked_div(self.sweep_interval().as_nanos()).unwrap_or_default();
        u8::try_from(ticks & 0xff).expect("a byte is left")
    }

    fn drop_if_empty(&mut self, hash: &[u8; 20]) {
        if self.table.get(hash).is_some_and(|swarm| swarm.len() == 0 && swarm.downloaded == 0) {
            self.table.remove(hash);
            self.totals.swarms.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Swarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swarms").field("swarms", &self.table.len()).field("peers", &self.peers).finish_non_exhaustive()
    }
}

impl Swarm {
    fn len(&self) -> usize {
        self.v4.len().saturating_add(self.v6.as_ref().map_or(0, |v6| v6.len()))
    }

    fn counts(&self) -> Counts {
        let (seeders, leechers) = self.v6.as_ref().map_or((0, 0), |v6| (v6.seeds(), v6.leechers()));
        Counts {
            seeders: seeders.saturating_add(self.v4.seeds()),
            leechers: leechers.saturating_add(self.v4.leechers()),
            downloaded: self.downloaded,
        }
    }
}

fn pack<const A: usize, const N: usize>(ip: &[u8; A], port: [u8; 2]) -> [u8; N] {
    let mut packed = [0; N];
    for (to, from) in packed.iter_mut().zip(ip.iter().chain(&port)) {
        *to = *from;
    }
    packed
}

/// A peer's age is counted in so many parts of the expiry time. Far from 256, so that a late sweep cannot take old for new.
const MAX_AGE: u8 = 100;

/// Strangers choose info hashes: the table's hash has a key.
struct Keyed(Key);

struct KeyedHasher {
    key: Key,
    hash: u64,
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { key: self.0, hash: 0 }
    }
}

impl Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.hash ^= self.key.hash(bytes);
    }

    fn write_usize(&mut self, _length: usize) {
        // The length of an array that always has 20 bytes.
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}
