//! The peers of one swarm, of one address family: a dense array of compact addresses, seeds first.
//! In: addresses coming, going, growing old. Out: counts, random samples. Memory: `N + 2` bytes per peer, and 4 to 8 more in swarms
//! over [`SMALL`]. Never: hashes of torrents, both families at once (see `swarms`).

use hashbrown::HashTable;
use rand::{RngExt as _, rngs::SmallRng};

use super::siphash::Key;

/// Peers whose compact address has `N` bytes.
#[derive(Default)]
pub(super) struct PeerSet<const N: usize> {
    /// Seeds, then leechers; in no order otherwise.
    entries: Vec<Entry<N>>,
    seeds: u32,
    paused: u32,
    /// Where an address is. Only for swarms that are too large to be searched from end to end.
    index: Option<Box<HashTable<u32>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry<const N: usize> {
    address: [u8; N],
    /// When it was last heard of, in ticks modulo 256.
    seen: u8,
    paused: bool,
}

/// What a peer is to its swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Seed,
    Leecher,
    /// A partial seed. BEP 21.
    Paused,
}

impl<const N: usize> PeerSet<N> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn seeds(&self) -> u32 {
        self.seeds
    }

    /// All that are not seeds.
    pub(super) fn leechers(&self) -> u32 {
        count(self.entries.len()).saturating_sub(self.seeds)
    }

    pub(super) fn paused(&self) -> u32 {
        self.paused
    }

    pub(super) fn contains(&self, key: Key, address: &[u8; N]) -> bool {
        self.position(key, address).is_some()
    }

    /// A peer announces itself. Whether it was here as a seed already.
    pub(super) fn insert(&mut self, key: Key, address: [u8; N], role: Role, tick: u8) -> bool {
        let Some(at) = self.position(key, &address) else {
            self.push(key, address, role, tick);
            return false;
        };
        let was_seed = at < self.seeds;
        if was_seed == (role == Role::Seed) {
            self.set_paused(at, role == Role::Paused);
            if let Some(entry) = self.entry(at) {
                entry.seen = tick;
            }
        } else {
            self.remove_at(key, at);
            self.push(key, address, role, tick);
        }
        was_seed
    }

    /// A peer has left. Whether it was there.
    pub(super) fn remove(&mut self, key: Key, address: &[u8; N]) -> bool {
        let position = self.position(key, address);
        if let Some(at) = position {
            self.remove_at(key, at);
            self.shrink();
        }
        position.is_some()
    }

    /// The first address, if there is any.
    pub(super) fn first(&self) -> Option<&[u8; N]> {
        self.entries.first().map(|entry| &entry.address)
    }

    /// Drops peers that have been silent for more than `max_age` ticks, and names them. Gives how many.
    pub(super) fn expire(&mut self, key: Key, tick: u8, max_age: u8, mut gone: impl FnMut(&[u8; N])) -> usize {
        let before = self.len();
        // Backwards: a removal moves an entry from behind into the gap, and that one has been looked at.
        for at in (0..count(before)).rev() {
            if let Some(entry) = self.entries.get(index(at))
                && tick.wrapping_sub(entry.seen) > max_age
            {
                gone(&entry.address);
                self.remove_at(key, at);
            }
        }
        self.shrink();
        before.saturating_sub(self.len())
    }

    /// Appends up to `want` addresses other than `except`, each at most once, any with about the same chance.
    /// A seed has no use for other seeds.
    pub(super) fn sample(&self, rng: &mut SmallRng, want: usize, for_seed: bool, except: &[u8; N], out: &mut Vec<u8>) {
        let first = if for_seed { index(self.seeds) } else { 0 };
        let candidates = self.entries.get(first..).unwrap_or_default();
        let wanted = candidates.len().min(want.saturating_add(1));
        if wanted == 0 {
            return;
        }
        // One out of each of `wanted` equal strata: random, without repetition, without a shuffle.
        out.reserve(wanted.saturating_mul(N));
        let limit = out.len().saturating_add(want.saturating_mul(N));
        let shift = rng.random_range(0..candidates.len());
        let stride = stratum(candidates.len(), wanted);
        for number in 0..wanted {
            let (start, end) = (stride(number), stride(number.saturating_add(1)));
            let within = if end.saturating_sub(start) > 1 { rng.random_range(start..end) } else { start };
            let at = within.saturating_add(shift).checked_rem(candidates.len()).unwrap_or_default();
            if let Some(entry) = candidates.get(at)
                && entry.address != *except
                && out.len() < limit
            {
                out.extend_from_slice(&entry.address);
            }
        }
    }

    fn position(&self, key: Key, address: &[u8; N]) -> Option<u32> {
        match &self.index {
            None => self.entries.iter().position(|entry| entry.address == *address).map(count),
            Some(table) => table.find(key.hash(address), |&at| address_at(&self.entries, at) == address).copied(),
        }
    }

    fn push(&mut self, key: Key, address: [u8; N], role: Role, tick: u8) {
        if self.entries.len() == self.entries.capacity() {
            // By an eighth: peers come slowly, and memory is what a tracker is made of.
            self.entries.reserve_exact((self.entries.len() / 8).max(1));
        }
        let at = count(self.entries.len());
        self.entries.push(Entry { address, seen: tick, paused: role == Role::Paused });
        self.paused = self.paused.saturating_add(u32::from(role == Role::Paused));
        match &mut self.index {
            Some(table) => {
                let entries = &self.entries;
                table.insert_unique(key.hash(&address), at, |&other| key.hash(address_at(entries, other)));
            }
            None if self.entries.len() > SMALL => self.build_index(key),
            None => {}
        }
        if role == Role::Seed {
            self.swap(key, at, self.seeds);
            self.seeds = self.seeds.saturating_add(1);
        }
    }

    fn remove_at(&mut self, key: Key, at: u32) {
        self.set_paused(at, false);
        let mut gap = at;
        if gap < self.seeds {
            // The last seed fills the gap, and leaves one on the border.
            self.seeds = self.seeds.saturating_sub(1);
            self.swap(key, gap, self.seeds);
            gap = self.seeds;
        }
        let last = count(self.entries.len().saturating_sub(1));
        self.swap(key, gap, last);
        if let Some(entry) = self.entries.pop()
            && let Some(table) = &mut self.index
            && let Ok(slot) = table.find_entry(key.hash(&entry.address), |&at| at == last)
        {
            slot.remove();
        }
    }

    fn swap(&mut self, key: Key, a: u32, b: u32) {
        if a == b {
            return;
        }
        if let Some(table) = &mut self.index {
            let (hash_a, hash_b) = (key.hash(address_at(&self.entries, a)), key.hash(address_at(&self.entries, b)));
            // Both slots are found before either is changed: in between, two slots would name one place.
            if let Some(slot) = table.find_mut(hash_a, |&at| at == a) {
                *slot = u32::MAX;
            }
            if let Some(slot) = table.find_mut(hash_b, |&at| at == b) {
                *slot = a;
            }
            if let Some(slot) = table.find_mut(hash_a, |&at| at == u32::MAX) {
                *slot = b;
            }
        }
        self.entries.swap(index(a), index(b));
    }

    fn set_paused(&mut self, at: u32, paused: bool) {
        if let Some(entry) = self.entry(at)
            && entry.paused != paused
        {
            entry.paused = paused;
            self.paused = if paused { self.paused.saturating_add(1) } else { self.paused.saturating_sub(1) };
        }
    }

    fn entry(&mut self, at: u32) -> Option<&mut Entry<N>> {
        self.entries.get_mut(index(at))
    }

    fn build_index(&mut self, key: Key) {
        let entries = &self.entries;
        let mut table = HashTable::with_capacity(entries.len());
        for (at, entry) in (0u32..).zip(entries) {
            table.insert_unique(key.hash(&entry.address), at, |&other| key.hash(address_at(entries, other)));
        }
        self.index = Some(Box::new(table));
    }

    fn shrink(&mut self) {
        let length = self.entries.len();
        if self.entries.capacity() > length.saturating_mul(2).max(4) {
            self.entries.shrink_to(length);
        }
        if length <= SMALL / 2 {
            self.index = None;
        }
    }
}

/// Start of the n-th of `parts` equal strata of `length`.
fn stratum(length: usize, parts: usize) -> impl Fn(usize) -> usize {
    move |number| length.saturating_mul(number).checked_div(parts).unwrap_or_default()
}

fn address_at<const N: usize>(entries: &[Entry<N>], at: u32) -> &[u8; N] {
    entries.get(index(at)).map_or(&[0; N], |entry| &entry.address)
}

/// Swarms are bounded far below 2³² peers (see `ServerConfig::max_peers`).
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// Up to here a search from end to end is as fast as a hash table.
const SMALL: usize = 32;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use rand::SeedableRng as _;

    use super::*;

    const KEY: Key = Key(1, 2);

    fn addresses<const N: usize>(bytes: &[u8]) -> Vec<[u8; N]> {
        bytes.as_chunks().0.to_vec()
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_twin(ops in proptest::collection::vec((0u8..8, 0u8..90, 0u8..20), 0..400)) {
            let mut peers = PeerSet::<6>::default();
            let mut twin = BTreeMap::<u8, (Role, u8)>::new();
            let mut tick = 250u8;
            for (op, name, arg) in ops {
                let address = [name, 0, 0, 0, 0, 1];
                match op {
                    0..=4 => {
                        let role = [Role::Seed, Role::Leecher, Role::Paused][usize::from(arg % 3)];
                        let before = twin.insert(name, (role, tick));
                        let was_seed = before.is_some_and(|(role, _)| role == Role::Seed);
                        prop_assert_eq!(peers.insert(KEY, address, role, tick), was_seed);
                    }
                    5 => prop_assert_eq!(peers.remove(KEY, &address), twin.remove(&name).is_some()),
                    6 => tick = tick.wrapping_add(1),
                    _ => {
                        let before = twin.len();
                        twin.retain(|_, (_, seen)| tick.wrapping_sub(*seen) <= arg);
                        let mut gone = 0;
                        prop_assert_eq!(peers.expire(KEY, tick, arg, |_| gone += 1), before - twin.len());
                        prop_assert_eq!(gone, before - twin.len());
                    }
                }
                let count = |role| u32::try_from(twin.values().filter(|entry| entry.0 == role).count()).unwrap();
                prop_assert_eq!(peers.len(), twin.len());
                prop_assert_eq!(peers.seeds(), count(Role::Seed));
                prop_assert_eq!(peers.paused(), count(Role::Paused));
                prop_assert_eq!(peers.leechers(), count(Role::Leecher) + count(Role::Paused));
                for name in 0..90 {
                    prop_assert_eq!(peers.contains(KEY, &[name, 0, 0, 0, 0, 1]), twin.contains_key(&name));
                }
            }
        }

        #[test]
        fn samples_have_no_repetition_no_self_and_the_size_wanted(count in 0usize..200, seeds in 0usize..200, want in 0usize..80, seed: u64) {
            let mut peers = PeerSet::<6>::default();
            for number in 0..count {
                let role = if number < seeds { Role::Seed } else { Role::Leecher };
                peers.insert(KEY, [u8::try_from(number).unwrap(), 0, 0, 0, 0, 1], role, 0);
            }
            let asker = [199, 0, 0, 0, 0, 1];
            for for_seed in [false, true] {
                let mut out = Vec::new();
                peers.sample(&mut SmallRng::seed_from_u64(seed), want, for_seed, &asker, &mut out);
                let sampled = addresses::<6>(&out);
                let candidates = (0..count).filter(|&n| n != 199 && !(for_seed && n < seeds)).count();
                prop_assert_eq!(sampled.len(), candidates.min(want));
                prop_assert_eq!(sampled.iter().collect::<BTreeSet<_>>().len(), sampled.len());
                prop_assert!(sampled.iter().all(|a| *a != asker && !(for_seed && usize::from(a[0]) < seeds)));
            }
        }
    }

    #[test]
    fn every_peer_is_sampled_sooner_or_later() {
        let mut peers = PeerSet::<18>::default();
        for number in 0..100 {
            peers.insert(KEY, [number; 18], Role::Leecher, 0);
        }
        let mut rng = SmallRng::seed_from_u64(1);
        let mut seen = BTreeMap::<u8, u32>::new();
        for _ in 0..1000 {
            let mut out = Vec::new();
            peers.sample(&mut rng, 10, false, &[255; 18], &mut out);
            for address in addresses::<18>(&out) {
                *seen.entry(address[0]).or_default() += 1;
            }
        }
        assert_eq!(seen.len(), 100);
        assert!(seen.values().all(|&times| (50..200).contains(&times)), "{seen:?}");
    }

    #[test]
    fn an_entry_is_as_small_as_promised() {
        assert_eq!((size_of::<Entry<6>>(), size_of::<Entry<18>>()), (8, 20));
    }
}
