//! Addresses that no torrent of the client talks to any more.

use std::{
    collections::{BTreeSet, VecDeque},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use torrent_types::Scope;

/// Bans that are remembered; the oldest is forgotten first.
const MAX_BANS: usize = 4096;
/// Addresses of our own that are remembered.
const MAX_OURS: usize = 32;

/// The party behind an address, as far as bans, blame and limits per address are concerned.
///
/// * An IPv4 address is one party, on the internet and in the local network.
/// * An IPv6 network of 64 bits is one party: its owner has all addresses of it.
/// * On this host, each port is a party of its own: all programs here share one address, and none is more trusted for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Host(SocketAddr);

impl Host {
    pub(crate) fn of(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        match ip {
            _ if Scope::of(ip) == Scope::Host => Self(SocketAddr::new(ip, address.port())),
            IpAddr::V4(_) => Self(SocketAddr::new(ip, 0)),
            IpAddr::V6(ip) => {
                let network = ip.to_bits() & !u128::from(u64::MAX);
                Self(SocketAddr::new(Ipv6Addr::from_bits(network).into(), 0))
            }
        }
    }

    fn of_ip(ip: IpAddr) -> Self {
        Self::of(SocketAddr::new(ip, 0))
    }

    /// How far away it is.
    pub(crate) fn scope(self) -> Scope {
        Scope::of(self.0.ip())
    }
}

/// The banned hosts of a client.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    hosts: BTreeSet<Host>,
    order: VecDeque<Host>,
    generation: u64,
    /// Addresses that turned out to be our own.
    ours: VecDeque<SocketAddr>,
}

impl Bans {
    pub(crate) fn add(&self, host: Host) {
        let mut inner = self.lock();
        if !inner.hosts.insert(host) {
            return;
        }
        inner.order.push_back(host);
        inner.generation += 1;
        if inner.order.len() > MAX_BANS
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.hosts.remove(&oldest);
        }
    }

    pub(crate) fn covers(&self, host: Host) -> bool {
        self.lock().hosts.contains(&host)
    }

    /// The address is our own: it is never dialled again.
    pub(crate) fn add_ours(&self, address: SocketAddr) {
        let mut inner = self.lock();
        if !inner.ours.contains(&address) {
            inner.ours.push_back(address);
            if inner.ours.len() > MAX_OURS {
                inner.ours.pop_front();
            }
        }
    }

    pub(crate) fn is_ours(&self, address: SocketAddr) -> bool {
        self.lock().ours.contains(&address)
    }

    /// Moves with each new ban.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    pub(crate) fn add_ip(&self, ip: IpAddr) {
        self.add(Host::of_ip(ip));
    }

    pub(crate) fn covers_ip(&self, ip: IpAddr) -> bool {
        self.covers(Host::of_ip(ip))
    }

    pub(crate) fn remove_ip(&self, ip: IpAddr) {
        let host = Host::of_ip(ip);
        let mut inner = self.lock();
        if inner.hosts.remove(&host) {
            inner.order.retain(|other| *other != host);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::of(text.parse().unwrap())
    }

    #[test]
    fn a_ban_holds_for_every_port_of_an_address_near_and_far() {
        let bans = Bans::default();
        for address in ["8.8.8.8:1", "192.168.1.2:1", "[2001:db8::1]:1"] {
            bans.add(host(address));
        }
        for address in ["8.8.8.8:2", "[::ffff:8.8.8.8]:3", "192.168.1.2:2", "[2001:db8::2]:9"] {
            assert!(bans.covers(host(address)), "{address}");
        }
        assert!(!bans.covers(host("[2001:db8:0:1::1]:1")));
    }

    #[test]
    fn programs_on_this_host_are_told_apart_by_their_port() {
        let bans = Bans::default();
        bans.add(host("127.0.0.1:1"));
        assert!(bans.covers(host("127.0.0.1:1")) && !bans.covers(host("127.0.0.1:2")));
    }

    #[test]
    fn the_oldest_ban_is_forgotten_when_there_are_too_many() {
        let bans = Bans::default();
        let ip = |index: u32| IpAddr::from((0x0800_0000 + index).to_be_bytes());
        (0..=MAX_BANS as u32).for_each(|index| bans.add_ip(ip(index)));
        assert!(!bans.covers_ip(ip(0)) && bans.covers_ip(ip(1)));
        bans.remove_ip(ip(1));
        assert!(!bans.covers_ip(ip(1)));
    }
}
