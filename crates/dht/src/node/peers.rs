//! The peers that were announced to this node.
//! Spec: BEP 5 § "announce_peer", BEP 33 § "Changed announce accounting", BEP 51. In: announces whose token was good.
//! Out: samples of peers, filters, samples of info hashes. Bounded by hash, by address and in all; everything expires.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use rand::{RngExt as _, rngs::StdRng};
use torrent_types::Scope;

use super::config::{Family, Limits};
use crate::{
    bloom::BloomFilter,
    id::{Distance, Id},
};

/// Stores are swept for what has expired in steps of so many hashes.
const SWEEP: usize = 256;

/// Keyed by distance from this node: when it is full, the farthest hash goes, which others look for elsewhere.
#[derive(Debug)]
pub(crate) struct PeerStore {
    family: Family,
    start: Instant,
    swarms: BTreeMap<Distance, Swarm>,
    per_ip: BTreeMap<IpAddr, u32>,
    peers: usize,
    swept: Option<Distance>,
    samples: Samples,
}

/// Records of fixed length, packed: address, port, flags, and the second of the last announce.
#[derive(Debug, Default)]
struct Swarm(Vec<u8>);

#[derive(Clone, Copy, Debug)]
struct Stored {
    address: SocketAddr,
    seed: bool,
    second: u32,
}

#[derive(Debug, Default)]
struct Samples {
    hashes: Vec<u8>,
    until: Option<Instant>,
}

/// Seconds between two choices of samples. BEP 51 allows up to 6 hours.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Hashes in a sample.
const SAMPLE: usize = 20;

/// Which peers are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// How far away the asking node is.
    pub(crate) asker: Scope,
    pub(crate) noseed: bool,
    pub(crate) most: usize,
}

/// What became of an announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Stored,
    Full,
}

impl PeerStore {
    pub(crate) fn new(now: Instant, family: Family) -> Self {
        Self {
            family,
            start: now,
            swarms: BTreeMap::new(),
            per_ip: BTreeMap::new(),
            peers: 0,
            swept: None,
            samples: Samples::default(),
        }
    }

    pub(crate) fn hashes(&self) -> usize {
        self.swarms.len()
    }

    pub(crate) const fn peers(&self) -> usize {
        self.peers
    }

    /// Whether an announce for this hash would be stored: no token is given if not. BEP 33 § "Changed announce accounting".
    pub(crate) fn has_room(&self, distance: &Distance, ip: IpAddr, limits: &Limits) -> bool {
        let stride = self.stride();
        let swarm = self.swarms.get(distance).map_or(0, |swarm| swarm.0.len() / stride);
        swarm < limits.peers_per_hash && self.ip_has_room(ip, limits)
    }

    fn ip_has_room(&self, ip: IpAddr, limits: &Limits) -> bool {
        let count = self.per_ip.get(&ip).copied().unwrap_or_default();
        usize::try_from(count).is_ok_and(|count| count < limits.peers_per_ip)
    }

    pub(crate) fn insert(
        &mut self,
        now: Instant,
        distance: Distance,
        address: SocketAddr,
        seed: bool,
        limits: &Limits,
    ) -> Store {
        let second = self.second(now);
        let stride = self.stride();
        let record = Stored { address, seed, second };
        if let Some(swarm) = self.swarms.get_mut(&distance)
            && let Some(place) = swarm.find(address, stride)
        {
            record.write(place);
            return Store::Stored;
        }
        if !self.ip_has_room(address.ip(), limits) {
            return Store::Full;
        }
        let known = self.swarms.get(&distance).map(|swarm| swarm.0.len() / stride);
        if known.is_some_and(|peers| peers >= limits.peers_per_hash) {
            return Store::Full;
        }
        let full = self.peers >= limits.stored_peers || (known.is_none() && self.swarms.len() >= limits.stored_hashes);
        if full {
            match self.swarms.last_key_value() {
                Some((farthest, _)) if *farthest > distance => self.remove_farthest(),
                _ => return Store::Full,
            }
        }
        let swarm = self.swarms.entry(distance).or_default();
        let length = swarm.0.len();
        // Exactly as long as it needs to be: most torrents have one peer here.
        swarm.0.reserve_exact(if length < 8 * stride { stride } else { length / 2 });
        swarm.0.resize(length + stride, 0);
        if let Some(place) = swarm.0.get_mut(length..) {
            record.write(place);
        }
        self.peers += 1;
        if Scope::of(address.ip()) == Scope::Global {
            *self.per_ip.entry(address.ip()).or_default() += 1;
        }
        Store::Stored
    }

    /// Peers at random that the asking node may be told of, those that are not seeds first if wanted so.
    pub(crate) fn sample(
        &self,
        now: Instant,
        distance: &Distance,
        Wish { asker, noseed, most }: Wish,
        rng: &mut StdRng,
        limits: &Limits,
    ) -> Vec<SocketAddr> {
        let fresh = self.fresh(now, limits);
        let Some(swarm) = self.swarms.get(distance) else { return Vec::new() };
        let stride = self.stride();
        let records = swarm.0.len() / stride;
        let first = if records > most { rng.random_range(0..records) } else { 0 };
        let mut seeds = Vec::new();
        let mut chosen = Vec::new();
        // From a random place once around.
        let (head, tail) = swarm.0.split_at(first * stride);
        for stored in tail.chunks_exact(stride).chain(head.chunks_exact(stride)).filter_map(Stored::read) {
            if chosen.len() >= most {
                break;
            }
            if !fresh(&stored) || !is_for(asker, stored.address.ip()) {
                continue;
            }
            if noseed && stored.seed { &mut seeds } else { &mut chosen }.push(stored.address);
        }
        seeds.truncate(most.saturating_sub(chosen.len()));
        chosen.extend(seeds);
        chosen
    }

    /// Seeds and others of a torrent, if there are any.
    pub(crate) fn filters(
        &self,
        now: Instant,
        distance: &Distance,
        limits: &Limits,
    ) -> Option<(BloomFilter, BloomFilter)> {
        let fresh = self.fresh(now, limits);
        let swarm = self.swarms.get(distance)?;
        let (mut seeds, mut leeches) = (BloomFilter::new(), BloomFilter::new());
        for stored in swarm.0.chunks_exact(self.stride()).filter_map(Stored::read).filter(|stored| fresh(stored)) {
            if stored.seed { &mut seeds } else { &mut leeches }.insert(stored.address.ip());
        }
        Some((seeds, leeches))
    }

    /// Some info hashes, packed, and the seconds until there are others. BEP 51.
    pub(crate) fn hash_samples(&mut self, now: Instant, own: &Id, rng: &mut StdRng) -> (&[u8], u64) {
        let until = match self.samples.until {
            Some(until) if until > now => until,
            _ => {
                self.choose_samples(own, rng);
                let until = torrent_types::time::after(now, SAMPLE_INTERVAL);
                self.samples.until = Some(until);
                until
            }
        };
        (&self.samples.hashes, until.saturating_duration_since(now).as_secs())
    }

    fn choose_samples(&mut self, own: &Id, rng: &mut StdRng) {
        let mut chosen = Vec::<Distance>::with_capacity(SAMPLE);
        for (seen, distance) in self.swarms.keys().enumerate() {
            if chosen.len() < SAMPLE {
                chosen.push(*distance);
            } else if let Some(place) = chosen.get_mut(rng.random_range(0..=seen)) {
                *place = *distance;
            }
        }
        self.samples.hashes.clear();
        for distance in chosen {
            self.samples.hashes.extend_from_slice(own.at(&distance).as_bytes());
        }
    }

    /// Drops what has expired, a part of the store at a time.
    pub(crate) fn sweep(&mut self, now: Instant, limits: &Limits) {
        let oldest = self.oldest(now, limits);
        let stride = self.stride();
        let from = self.swept.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let step: Vec<Distance> =
            self.swarms.range((from, std::ops::Bound::Unbounded)).map(|(key, _)| *key).take(SWEEP).collect();
        self.swept = if step.len() < SWEEP { None } else { step.last().copied() };
        for distance in step {
            let Some(swarm) = self.swarms.get_mut(&distance) else { continue };
            let (gone, per_ip) = (&mut 0, &mut self.per_ip);
            swarm.retain(stride, |stored| {
                let keep = stored.second >= oldest;
                if !keep {
                    *gone += 1;
                    forget_ip(per_ip, stored.address.ip());
                }
                keep
            });
            self.peers -= *gone;
            if swarm.0.is_empty() {
                self.swarms.remove(&distance);
            }
        }
    }

    fn remove_farthest(&mut self) {
        let stride = self.stride();
        if let Some((_, swarm)) = self.swarms.pop_last() {
            for stored in swarm.0.chunks_exact(stride).filter_map(Stored::read) {
                self.peers -= 1;
                forget_ip(&mut self.per_ip, stored.address.ip());
            }
        }
    }

    /// The node has another id.
    pub(crate) fn rekey(&mut self, old: &Id, new: &Id) {
        let swarms = std::mem::take(&mut self.swarms);
        self.swarms = swarms.into_iter().map(|(distance, swarm)| (new.distance(&old.at(&distance)), swarm)).collect();
        self.swept = None;
        self.samples = Samples::default();
    }

    fn second(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.start).as_secs()).unwrap_or(u32::MAX)
    }

    /// What was announced before this second has expired.
    fn oldest(&self, now: Instant, limits: &Limits) -> u32 {
        self.second(now).saturating_sub(u32::try_from(limits.peer_expiry.as_secs()).unwrap_or(u32::MAX))
    }

    fn fresh(&self, now: Instant, limits: &Limits) -> impl Fn(&Stored) -> bool + use<> {
        let oldest = self.oldest(now, limits);
        move |stored| stored.second >= oldest
    }

    const fn stride(&self) -> usize {
        match self.family {
            Family::V4 => 11,
            Family::V6 => 23,
        }
    }
}

fn forget_ip(per_ip: &mut BTreeMap<IpAddr, u32>, ip: IpAddr) {
    if let Some(count) = per_ip.get_mut(&ip) {
        *count -= 1;
        if *count == 0 {
            per_ip.remove(&ip);
        }
    }
}

/// Peers on a local network are for askers on one.
fn is_for(asker: Scope, peer: IpAddr) -> bool {
    let peer = Scope::of(peer);
    peer == Scope::Global || (peer.is_local() && (asker == Scope::Host || asker == peer))
}

impl Swarm {
    /// One address has one place; on a local network, where many may share an address, one socket address has.
    fn find(&mut self, address: SocketAddr, stride: usize) -> Option<&mut [u8]> {
        let with_port = Scope::of(address.ip()).is_local();
        let mut key = Vec::with_capacity(18);
        torrent_types::compact::encode(address, &mut key);
        if !with_port {
            key.truncate(key.len() - 2);
        }
        self.0.chunks_exact_mut(stride).find(|record| record.starts_with(&key))
    }

    fn retain(&mut self, stride: usize, mut keep: impl FnMut(&Stored) -> bool) {
        let mut kept = Vec::new();
        for record in self.0.chunks_exact(stride) {
            if Stored::read(record).is_some_and(|stored| keep(&stored)) {
                kept.extend_from_slice(record);
            }
        }
        if kept.len() != self.0.len() {
            kept.shrink_to_fit();
            self.0 = kept;
        }
    }
}

impl Stored {
    fn read(record: &[u8]) -> Option<Self> {
        let (rest, second) = record.split_last_chunk::<4>()?;
        let (flags, rest) = rest.split_last()?;
        let (ip, port) = rest.split_last_chunk::<2>()?;
        let ip = match ip.len() {
            4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
            _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
        };
        Some(Self {
            address: SocketAddr::new(ip, u16::from_be_bytes(*port)),
            seed: *flags != 0,
            second: u32::from_be_bytes(*second),
        })
    }

    fn write(&self, place: &mut [u8]) {
        let mut record = Vec::with_capacity(place.len());
        match self.address.ip() {
            IpAddr::V4(ip) => record.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => record.extend_from_slice(&ip.octets()),
        }
        record.extend_from_slice(&self.address.port().to_be_bytes());
        record.push(u8::from(self.seed));
        record.extend_from_slice(&self.second.to_be_bytes());
        if record.len() == place.len() {
            place.copy_from_slice(&record);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    const ALL: Wish = Wish { asker: Scope::Global, noseed: false, most: 50 };

    fn distance(n: u32) -> Distance {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        Id::default().distance(&Id::new(bytes))
    }

    fn global(n: u32) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from(0x0800_0000 + n).into(), 6881)
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn store() -> (Instant, PeerStore, StdRng, Limits) {
        let now = Instant::now();
        (now, PeerStore::new(now, Family::V4), StdRng::seed_from_u64(1), Limits::default())
    }

    #[test]
    fn an_address_is_stored_once_with_its_last_port_and_expires() {
        let (now, mut store, mut rng, limits) = store();
        let hash = distance(1);
        store.insert(now, hash, global(1), false, &limits);
        store.insert(now, hash, SocketAddr::new(global(1).ip(), 7), true, &limits);
        assert_eq!(store.peers(), 1);
        let ask = |store: &PeerStore, now, rng: &mut StdRng| store.sample(now, &hash, ALL, rng, &limits);
        assert_eq!(ask(&store, now, &mut rng), [SocketAddr::new(global(1).ip(), 7)]);
        let later = now + Duration::from_secs(31 * 60);
        assert!(ask(&store, later, &mut rng).is_empty());
        store.sweep(later, &limits);
        assert_eq!((store.peers(), store.hashes(), store.per_ip.len()), (0, 0, 0));
    }

    #[test]
    fn each_bound_holds() {
        let (now, mut store, _, mut limits) = store();
        limits.peers_per_hash = 10;
        limits.peers_per_ip = 5;
        limits.stored_hashes = 20;
        limits.stored_peers = 100;
        for n in 0..100 {
            store.insert(now, distance(1), global(n), false, &limits);
        }
        assert_eq!(store.peers(), 10, "per hash");
        assert!(!store.has_room(&distance(1), global(200).ip(), &limits));
        for n in 0..100 {
            store.insert(now, distance(100 + n), global(500), false, &limits);
        }
        assert_eq!(store.peers(), 15, "per address");
        for n in 0..100 {
            store.insert(now, distance(1000 - n), global(1000 + n), false, &limits);
        }
        assert_eq!(store.hashes(), 20);
        assert!(store.swarms.keys().all(|key| *key <= distance(914)), "the nearest are kept");
        for n in 0..10_000 {
            store.insert(now, distance(n % 20), global(5000 + n), false, &limits);
        }
        assert!(store.peers() <= 100, "in all");
        let counted: usize = store.swarms.values().map(|swarm| swarm.0.len() / 11).sum();
        assert_eq!(counted, store.peers());
    }

    #[test]
    fn local_peers_are_not_told_to_the_internet() {
        let (now, mut store, mut rng, limits) = store();
        let local: SocketAddr = "192.168.1.2:6881".parse().unwrap();
        store.insert(now, distance(1), local, false, &limits);
        let mut ask = |scope| store.sample(now, &distance(1), Wish { asker: scope, ..ALL }, &mut rng, &limits);
        assert!(ask(Scope::Global).is_empty());
        assert_eq!(ask(Scope::Local), [local]);
    }

    #[test]
    fn seeds_come_last_where_they_are_not_wanted() {
        let (now, mut store, mut rng, limits) = store();
        for n in 0..20 {
            store.insert(now, distance(1), global(n), n % 2 == 0, &limits);
        }
        let chosen = store.sample(now, &distance(1), Wish { noseed: true, most: 12, ..ALL }, &mut rng, &limits);
        assert_eq!(chosen.len(), 12);
        assert!(chosen[..10].iter().all(|peer| u32::from_be_bytes(match peer.ip() {
            IpAddr::V4(ip) => ip.octets(),
            IpAddr::V6(_) => unreachable!(),
        }) % 2
            == 1));
        let (seeds, leeches) = store.filters(now, &distance(1), &limits).unwrap();
        assert!((seeds.estimate() - 10.0).abs() < 1.0 && (leeches.estimate() - 10.0).abs() < 1.0);
    }

    #[test]
    fn another_id_keeps_what_is_stored() {
        let (now, mut store, mut rng, limits) = store();
        let (old, new, hash) = (Id::new([1; 20]), Id::new([9; 20]), Id::new([5; 20]));
        store.insert(now, old.distance(&hash), global(1), false, &limits);
        store.rekey(&old, &new);
        assert_eq!(store.sample(now, &new.distance(&hash), ALL, &mut rng, &limits), [global(1)]);
        assert_eq!(store.hash_samples(now, &new, &mut rng).0, hash.as_bytes());
    }
}
