//! Addresses of peers that we could connect to: whom to dial next, whom never again.
//! Order: fewest failures first, then BEP 40. In: addresses from trackers, PEX, the user. Out: the next to dial.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use crate::priority::canonical_priority;

/// Wait after a failure, doubled by each further one.
const RETRY: Duration = Duration::from_secs(15);
/// The same for a peer that the user named: it may be starting just now.
const KEPT_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(900);
/// An address that failed so often in a row is forgotten.
const MAX_FAILURES: u8 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { not_before: Option<Instant> },
    Dialing,
    Connected,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    state: State,
    failures: u8,
    priority: u32,
    /// Named by the user: never forgotten.
    kept: bool,
}

#[derive(Debug)]
pub(crate) struct Addresses {
    known: BTreeMap<SocketAddr, Known>,
    banned_ips: BTreeSet<IpAddr>,
    banned: BTreeSet<SocketAddr>,
    max_known: usize,
    dialing: usize,
    local: Option<SocketAddr>,
}

impl Addresses {
    pub(crate) fn new(max_known: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            banned_ips: BTreeSet::new(),
            banned: BTreeSet::new(),
            max_known,
            dialing: 0,
            local: None,
        }
    }

    /// Our address as others see it: priorities depend on it.
    pub(crate) fn set_local(&mut self, local: SocketAddr) {
        self.local = Some(local);
        for (address, known) in &mut self.known {
            known.priority = canonical_priority(*address, local);
        }
    }

    /// Learns an address. `kept`: the user named it.
    pub(crate) fn add(&mut self, address: SocketAddr, kept: bool) {
        let full = self.known.len() >= self.max_known && !kept;
        if address.port() == 0
            || address.ip().is_unspecified()
            || address.ip().is_multicast()
            || self.is_banned(address)
        {
            return;
        }
        if let Some(known) = self.known.get_mut(&address) {
            known.kept |= kept;
        } else if !full {
            let priority = self.local.map_or(0, |local| canonical_priority(address, local));
            self.known.insert(address, Known { state: State::Idle { not_before: None }, failures: 0, priority, kept });
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn dialing(&self) -> usize {
        self.dialing
    }

    /// The best address that may be dialled now; it counts as being dialled from now on.
    pub(crate) fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        let ready = |known: &Known| match known.state {
            State::Idle { not_before } => not_before.is_none_or(|time| now >= time),
            State::Dialing | State::Connected => false,
        };
        let order = |known: &Known| (!known.kept, known.failures, std::cmp::Reverse(known.priority));
        let best = self.known.iter().filter(|(_, known)| ready(known)).min_by_key(|(_, known)| order(known));
        let address = best.map(|(address, _)| *address)?;
        self.set(address, State::Dialing);
        Some(address)
    }

    pub(crate) fn connected(&mut self, address: SocketAddr) {
        if let Some(known) = self.known.get_mut(&address) {
            known.failures = 0;
        }
        self.set(address, State::Connected);
    }

    /// The attempt failed, or the connection ended; `useful` if it had moved bytes.
    pub(crate) fn gone(&mut self, now: Instant, address: SocketAddr, useful: bool) {
        let Some(known) = self.known.get_mut(&address) else { return };
        known.failures = if useful { 0 } else { known.failures.saturating_add(1) };
        if known.failures >= MAX_FAILURES && !known.kept {
            self.set(address, State::Idle { not_before: None });
            self.known.remove(&address);
            return;
        }
        let first = if known.kept { KEPT_RETRY } else { RETRY };
        let wait = first.saturating_mul(1 << known.failures.saturating_sub(1).min(6)).min(MAX_RETRY);
        self.set(address, State::Idle { not_before: Some(now + wait) });
    }

    /// Never again. One address that many may share is banned with its port only.
    pub(crate) fn ban(&mut self, address: SocketAddr) {
        self.set(address, State::Idle { not_before: None });
        self.known.remove(&address);
        if is_local(address.ip()) {
            self.banned.insert(address);
        } else {
            self.banned_ips.insert(address.ip().to_canonical());
        }
    }

    pub(crate) fn is_banned(&self, address: SocketAddr) -> bool {
        self.banned.contains(&address) || self.banned_ips.contains(&address.ip().to_canonical())
    }

    fn set(&mut self, address: SocketAddr, state: State) {
        let Some(known) = self.known.get_mut(&address) else { return };
        let before = std::mem::replace(&mut known.state, state);
        self.dialing = self.dialing + usize::from(state == State::Dialing) - usize::from(before == State::Dialing);
    }
}

/// Whether it is a loopback, private or link-local address: one machine or one household, with several clients behind it,
/// and something else or nothing elsewhere.
#[must_use]
pub fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn failures_wait_longer_each_time_and_are_forgotten_at_last() {
        let mut now = start();
        let mut addresses = Addresses::new(10);
        addresses.add(at("1.1.1.1:1"), false);
        for _ in 0..MAX_FAILURES {
            assert_eq!(addresses.next(now), Some(at("1.1.1.1:1")));
            assert_eq!(addresses.dialing(), 1);
            addresses.gone(now, at("1.1.1.1:1"), false);
            assert_eq!((addresses.next(now), addresses.dialing()), (None, 0));
            now += MAX_RETRY;
        }
        assert_eq!(addresses.len(), 0);
    }

    #[test]
    fn named_peers_come_first_and_stay() {
        let mut now = start();
        let mut addresses = Addresses::new(1);
        addresses.add(at("1.1.1.1:1"), false);
        addresses.add(at("2.2.2.2:2"), true);
        addresses.add(at("3.3.3.3:3"), false);
        assert_eq!(addresses.len(), 2, "the third does not fit");
        assert_eq!(addresses.next(now), Some(at("2.2.2.2:2")));
        for _ in 0..20 {
            addresses.gone(now, at("2.2.2.2:2"), false);
            now += MAX_RETRY;
        }
        assert_eq!(addresses.next(now), Some(at("2.2.2.2:2")));
    }

    #[test]
    fn a_ban_covers_the_address_but_not_the_household() {
        let mut addresses = Addresses::new(10);
        addresses.ban(at("8.8.8.8:1"));
        addresses.ban(at("192.168.1.2:1"));
        addresses.add(at("8.8.8.8:2"), true);
        assert_eq!(addresses.len(), 0);
        assert!(!addresses.is_banned(at("192.168.1.2:2")));
    }

    #[test]
    fn nonsense_is_not_learnt() {
        let mut addresses = Addresses::new(10);
        for bad in ["1.1.1.1:0", "0.0.0.0:5", "[::]:5", "224.0.0.1:5"] {
            addresses.add(at(bad), false);
        }
        assert_eq!(addresses.len(), 0);
    }
}
