//! How many listed peers each address has, in all swarms together, so that no address can fill the tracker.
//! In: addresses that come and go. Out: whether one has its share already. Never: which peers those are.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use torrent_types::Scope;

use super::siphash::Key;

/// Counters that addresses are spread over by a keyed hash: 64 KiB, whatever the number of peers. Addresses that meet in a counter
/// share it, which a limit of thousands has room for; the key keeps an attacker from choosing which.
pub(super) struct Shares {
    key: Key,
    counters: Box<[AtomicU32]>,
}

impl Shares {
    pub(super) fn new(key: Key) -> Self {
        Self { key, counters: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect() }
    }

    /// The peers of an address and of those that share its counter. 0 for this host: programs here have other ways to do harm.
    pub(super) fn of(&self, ip: IpAddr) -> u32 {
        if Scope::of(ip) == Scope::Host { 0 } else { self.counter(ip).load(Ordering::Relaxed) }
    }

    pub(super) fn add(&self, ip: IpAddr) {
        self.counter(ip).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, ip: IpAddr) {
        self.counter(ip).fetch_sub(1, Ordering::Relaxed);
    }

    fn counter(&self, ip: IpAddr) -> &AtomicU32 {
        let hash = match Network::of(ip) {
            Network::V4(bytes) => self.key.hash(&bytes),
            Network::V6(bytes) => self.key.hash(&bytes),
        };
        let at = usize::try_from(hash % COUNTERS).unwrap_or_default();
        self.counters.get(at).expect("a remainder is smaller")
    }
}

/// What one client may have to itself: an IPv4 address, or the IPv6 network with the first 48 bits, which are given away for free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Network {
    V4([u8; 4]),
    V6([u8; 6]),
}

impl Network {
    pub(super) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => Self::V6(*ip.octets().first_chunk().expect("16 is more than 6")),
        }
    }
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shares")
    }
}

const COUNTERS: u64 = 1 << 14;
