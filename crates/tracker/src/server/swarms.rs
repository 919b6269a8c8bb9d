//! All swarms of a tracker: announces in, counts and peers out.
//! Spec: BEP 3 § "trackers", BEP 21 § "Tracker Scrapes", BEP 48. In: announces, time. Out: counts, packed peers.
//! Never: bytes of requests (see `udp` and `http`), clocks, locks.

use std::{
    cmp, fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hashbrown::HashTable;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use torrent_types::InfoHash;

use super::{
    config::ServerConfig,
    peers::{PeerSet, Role},
    shares::Shares,
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
    /// Strangers choose info hashes: the hashes of the table have a key.
    key: Key,
    table: HashTable<Slot>,
    peers: usize,
    totals: Arc<Totals>,
    rng: SmallRng,
    started: Instant,
    swept: u8,
}

/// What all shards of a tracker have together: the limits are the tracker's, wherever its peers are.
#[derive(Debug)]
pub(super) struct Totals {
    peers: AtomicUsize,
    swarms: AtomicUsize,
    shares: Shares,
}

impl Totals {
    pub(super) fn new(key: Key) -> Self {
        Self { peers: AtomicUsize::new(0), swarms: AtomicUsize::new(0), shares: Shares::new(key) }
    }
}

struct Slot {
    hash: [u8; 20],
    swarm: Swarm,
}

#[derive(Default)]
struct Swarm {
    v4: PeerSet<6>,
    /// Most swarms have no IPv6 peers.
    v6: Option<Box<PeerSet<18>>>,
    downloaded: u32,
}

/// An announce of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announcement {
    /// The swarm.
    pub info_hash: InfoHash,
    /// Where the peer is: the source address of its request with the port it names.
    pub address: SocketAddr,
    /// Bytes that it lacks; 0 is a seed.
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

/// Why a new peer is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Full {
    /// The tracker has as many swarms or peers as its configuration allows, and none of a few swarms that were looked at has only
    /// one peer.
    #[error("the tracker is full")]
    Tracker,
    /// The address has as many peers as its configuration allows one address.
    #[error("too many torrents from this address")]
    Address,
}

impl Swarms {
    /// No swarms. The seed keys the tables and picks the samples.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant, seed: [u8; 32]) -> Self {
        let (key, _) = seed.split_last_chunk::<16>().expect("32 is more than 16");
        let totals = Totals::new(Key::from_seed(*key.first_chunk().expect("16 are left")));
        Self::part_of(Arc::new(totals), config, now, seed)
    }

    /// One of several that keep the limits together.
    pub(super) fn part_of(totals: Arc<Totals>, config: ServerConfig, now: Instant, seed: [u8; 32]) -> Self {
        let (key, rest) = seed.split_first_chunk::<16>().expect("32 is more than 16");
        let rng = SmallRng::seed_from_u64(u64::from_le_bytes(*rest.first_chunk().expect("16 is more than 8")));
        let key = Key::from_seed(*key);
        Self { config, key, table: HashTable::new(), peers: 0, totals, rng, started: now, swept: 0 }
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
    pub fn announce(&mut self, now: Instant, announcement: &Announcement, peers: &mut Peers) -> Result<Counts, Full> {
        let (tick, key) = (self.tick(now), self.key);
        let hash = *announcement.info_hash.as_bytes();
        let stopped = announcement.event == Some(Event::Stopped);
        let role = match (announcement.left, announcement.event) {
            // Some clients say `completed` with what was left before. The next announce tells.
            (0, _) | (_, Some(Event::Completed)) => Role::Seed,
            (_, Some(Event::Paused)) => Role::Paused,
            _ => Role::Leecher,
        };
        let (address, port) = (announcement.address.ip().to_canonical(), announcement.address.port().to_be_bytes());
        let (own_v4, own_v6) = match address {
            IpAddr::V4(ip) => (pack(&ip.octets(), port), [0; 18]),
            IpAddr::V6(ip) => ([0; 6], pack(&ip.octets(), port)),
        };
        // A port of 0 cannot be reached: such a peer may ask, but is not listed.
        let listed = !stopped && announcement.address.port() != 0;
        let place = key.hash(&hash);
        let is_same = |slot: &Slot| slot.hash == hash;
        // Most announces are of peers that are known: they cost one search in the table.
        let mut found = self.table.find_bucket_index(place, is_same);
        let swarm = found.and_then(|at| self.table.get_bucket(at)).map(|slot| &slot.swarm);
        let known = swarm.map(|swarm| match address {
            IpAddr::V4(_) => swarm.v4.contains(key, &own_v4),
            IpAddr::V6(_) => swarm.v6.as_ref().is_some_and(|v6| v6.contains(key, &own_v6)),
        });
        match known {
            // A peer that is not listed makes no swarm.
            None if !listed => return Ok(Counts::default()),
            Some(true) => {}
            known => {
                self.admit(&hash, place, address, listed, known.is_none())?;
                found = self.table.find_bucket_index(place, is_same);
            }
        }
        let Some(Slot { swarm, .. }) = found.and_then(|at| self.table.get_bucket_mut(at)) else {
            return Ok(Counts::default());
        };
        let before = swarm.len();
        let was_seed = match address {
            IpAddr::V4(_) if listed => swarm.v4.insert(key, own_v4, role, tick),
            IpAddr::V6(_) if listed => swarm.v6.get_or_insert_default().insert(key, own_v6, role, tick),
            IpAddr::V4(_) => swarm.v4.remove(key, &own_v4),
            IpAddr::V6(_) => swarm.v6.as_mut().is_some_and(|v6| v6.remove(key, &own_v6)),
        };
        // A datagram may come twice, and is sent again if its answer is lost: a peer that is a seed already has not finished anew.
        if announcement.event == Some(Event::Completed) && listed && !was_seed {
            swarm.downloaded = swarm.downloaded.saturating_add(1);
        }
        let (after, counts) = (swarm.len(), swarm.counts());
        if !stopped {
            let want = announcement.num_want.unwrap_or(self.config.num_want).min(self.config.max_num_want);
            let for_seed = role == Role::Seed;
            if announcement.both_families || address.is_ipv4() {
                swarm.v4.sample(&mut self.rng, want, for_seed, &own_v4, &mut peers.v4);
            }
            if (announcement.both_families || address.is_ipv6())
                && let Some(v6) = &swarm.v6
            {
                v6.sample(&mut self.rng, want, for_seed, &own_v6, &mut peers.v6);
            }
        }
        self.count(address, before, after);
        if stopped {
            self.drop_if_empty(&hash);
        }
        Ok(counts)
    }

    /// Finds room for a peer that is not in its swarm, and for the swarm if that is new.
    fn admit(
        &mut self,
        hash: &[u8; 20],
        place: u64,
        ip: IpAddr,
        is_listed: bool,
        is_new_swarm: bool,
    ) -> Result<(), Full> {
        if is_listed && self.totals.shares.of(ip) >= self.config.max_peers_per_address {
            return Err(Full::Address);
        }
        let no_swarms = is_new_swarm && self.totals.swarms.load(Ordering::Relaxed) >= self.config.max_swarms;
        let no_peers = is_listed && self.totals.peers.load(Ordering::Relaxed) >= self.config.max_peers;
        if (no_swarms || no_peers) && !self.evict(hash) {
            return Err(Full::Tracker);
        }
        if is_new_swarm {
            self.totals.swarms.fetch_add(1, Ordering::Relaxed);
            let slot = Slot { hash: *hash, swarm: Swarm::default() };
            self.table.insert_unique(place, slot, |slot| self.key.hash(&slot.hash));
        }
        Ok(())
    }

    /// Drops a swarm of at most one peer other than `except`: of a few at random, the one whose peer is at the address with most.
    /// A flood from a hundred addresses so displaces itself, and not the torrents of others.
    fn evict(&mut self, except: &[u8; 20]) -> bool {
        let buckets = self.table.num_buckets();
        let mut worst: Option<(u32, usize)> = None;
        for _ in 0..EVICTION_PROBES.min(buckets) {
            let at = self.rng.random_range(0..buckets);
            let Some(Slot { hash, swarm }) = self.table.get_bucket(at) else { continue };
            if swarm.len() > 1 || hash == except {
                continue;
            }
            let share = swarm.first().map_or(u32::MAX, |ip| self.totals.shares.of(ip));
            if worst.is_none_or(|(most, _)| share > most) {
                worst = Some((share, at));
            }
        }
        let Some((_, at)) = worst else { return false };
        let Ok(found) = self.table.get_bucket_entry(at) else { return false };
        let (Slot { swarm, .. }, _) = found.remove();
        self.totals.swarms.fetch_sub(1, Ordering::Relaxed);
        if let Some(ip) = swarm.first() {
            self.count(ip, 1, 0);
        }
        true
    }

    /// The number of peers has changed by at most one: that of `ip`.
    fn count(&mut self, ip: IpAddr, before: usize, after: usize) {
        self.peers = self.peers.saturating_add(after).saturating_sub(before);
        match after.cmp(&before) {
            cmp::Ordering::Greater => {
                self.totals.peers.fetch_add(1, Ordering::Relaxed);
                self.totals.shares.add(ip);
            }
            cmp::Ordering::Less => {
                self.totals.peers.fetch_sub(1, Ordering::Relaxed);
                self.totals.shares.remove(ip);
            }
            cmp::Ordering::Equal => {}
        }
    }

    fn find(&self, hash: &[u8; 20]) -> Option<&Swarm> {
        self.table.find(self.key.hash(hash), |slot| slot.hash == *hash).map(|slot| &slot.swarm)
    }

    /// The counts of one swarm; `None` if it is not known.
    #[must_use]
    pub fn scrape(&self, info_hash: &InfoHash) -> Option<ScrapeEntry> {
        let swarm = self.find(info_hash.as_bytes())?;
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
        let (key, shares) = (self.key, &self.totals.shares);
        let (mut gone, swarms) = (0usize, self.table.len());
        self.table.retain(|Slot { swarm, .. }| {
            gone = gone.saturating_add(swarm.v4.expire(key, tick, MAX_AGE, |peer| shares.remove(ip_v4(peer))));
            if let Some(v6) = &mut swarm.v6 {
                gone = gone.saturating_add(v6.expire(key, tick, MAX_AGE, |peer| shares.remove(ip_v6(peer))));
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
            self.table.shrink_to_fit(|slot| key.hash(&slot.hash));
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
        let is_empty = |slot: &Slot| slot.hash == *hash && slot.swarm.len() == 0 && slot.swarm.downloaded == 0;
        if let Ok(found) = self.table.find_entry(self.key.hash(hash), is_empty) {
            found.remove();
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

    /// The address of one of its peers.
    fn first(&self) -> Option<IpAddr> {
        self.v4.first().map(ip_v4).or_else(|| self.v6.as_ref()?.first().map(ip_v6))
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

fn ip_v4([a, b, c, d, ..]: &[u8; 6]) -> IpAddr {
    Ipv4Addr::new(*a, *b, *c, *d).into()
}

fn ip_v6(peer: &[u8; 18]) -> IpAddr {
    Ipv6Addr::from(*peer.first_chunk::<16>().expect("18 is more than 16")).into()
}

/// A peer's age is counted in so many parts of the expiry time. Far from 256, so that a late sweep cannot take old for new.
const MAX_AGE: u8 = 100;

/// Places of the table that are looked at for a swarm to drop. A table is at least 7/16 full once it has grown, so a flood of
/// single peers is found nearly always.
const EVICTION_PROBES: usize = 32;
