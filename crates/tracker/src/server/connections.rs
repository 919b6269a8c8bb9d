//! The HTTP connections of a tracker: how many there may be, of one address and of all, and which one goes when there are too many.
//! In: connections that come, speak and go. Out: admission, and the one that has to make room. Never: sockets, time.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use torrent_types::Scope;

use super::shares::Network;

/// Open connections, by the order in which they were last active. `H` ends one.
#[derive(Debug)]
pub(super) struct Connections<H> {
    max: usize,
    max_per_address: u32,
    /// Counts admissions and requests. The smallest number belongs to the connection that has been idle for longest.
    clock: u64,
    by_activity: BTreeMap<u64, Entry<H>>,
    activity: HashMap<ConnectionId, u64>,
    networks: HashMap<Network, u32>,
}

#[derive(Debug)]
struct Entry<H> {
    id: ConnectionId,
    network: Option<Network>,
    handle: Option<H>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ConnectionId(u64);

impl<H> Connections<H> {
    pub(super) fn new(max: usize, max_per_address: u32) -> Self {
        Self {
            max: max.max(1),
            max_per_address: max_per_address.max(1),
            clock: 0,
            by_activity: BTreeMap::new(),
            activity: HashMap::new(),
            networks: HashMap::new(),
        }
    }

    /// A connection from `ip`. `None` if that address has enough. What has to be ended for it is the second part.
    ///
    /// Connections of this host are not counted by address: a proxy in front of the tracker has them all.
    pub(super) fn enter(&mut self, ip: IpAddr) -> Option<(ConnectionId, Option<H>)> {
        let network = (Scope::of(ip) != Scope::Host).then(|| Network::of(ip));
        if let Some(network) = network {
            let count = self.networks.entry(network).or_default();
            if *count >= self.max_per_address {
                return None;
            }
            *count = count.saturating_add(1);
        }
        let ended = if self.by_activity.len() >= self.max { self.end_oldest() } else { None };
        let id = ConnectionId(self.tick());
        self.activity.insert(id, id.0);
        self.by_activity.insert(id.0, Entry { id, network, handle: None });
        Some((id, ended))
    }

    /// How to end a connection.
    pub(super) fn set_handle(&mut self, id: ConnectionId, handle: H) {
        if let Some(entry) = self.activity.get(&id).and_then(|at| self.by_activity.get_mut(at)) {
            entry.handle = Some(handle);
        }
    }

    /// A request of the connection was answered.
    pub(super) fn touch(&mut self, id: ConnectionId) {
        let now = self.tick();
        if let Some(at) = self.activity.get_mut(&id)
            && let Some(entry) = self.by_activity.remove(at)
        {
            *at = now;
            self.by_activity.insert(now, entry);
        }
    }

    /// The connection has ended. Saying so twice does no harm.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        if let Some(at) = self.activity.get(&id) {
            self.remove(*at);
        }
    }

    /// Forgets the connection that has been idle for longest, and gives what ends it.
    pub(super) fn end_oldest(&mut self) -> Option<H> {
        let at = *self.by_activity.first_key_value()?.0;
        self.remove(at)
    }

    fn remove(&mut self, at: u64) -> Option<H> {
        let entry = self.by_activity.remove(&at)?;
        self.activity.remove(&entry.id);
        if let Some(network) = entry.network
            && let Some(count) = self.networks.get_mut(&network)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.networks.remove(&network);
            }
        }
        entry.handle
    }

    const fn tick(&mut self) -> u64 {
        self.clock = self.clock.wrapping_add(1);
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_connection_that_has_been_idle_for_longest_makes_room() {
        let mut connections = Connections::new(3, 100);
        let ids: Vec<_> = (1..=3u8)
            .map(|n| {
                let (id, ended) = connections.enter(ip(&format!("8.8.8.{n}"))).unwrap();
                connections.set_handle(id, n);
                assert_eq!(ended, None);
                id
            })
            .collect();
        connections.touch(ids[0]);
        assert_eq!(connections.enter(ip("8.8.8.4")).unwrap().1, Some(2));
        connections.leave(ids[1]);
        connections.leave(ids[2]);
        assert_eq!(connections.enter(ip("8.8.8.5")).unwrap().1, None);
        assert_eq!((connections.end_oldest(), connections.end_oldest()), (Some(1), None));
        assert_eq!(connections.activity.len(), connections.by_activity.len());
    }

    #[test]
    fn an_address_has_only_so_many_and_this_host_any_number() {
        let mut connections = Connections::<()>::new(1000, 2);
        for (first, others) in [("8.8.8.8", "::ffff:8.8.8.8"), ("2001:db8:1::1", "2001:db8:1:ffff::9")] {
            let (id, _) = connections.enter(ip(first)).unwrap();
            assert!(connections.enter(ip(others)).is_some());
            assert!(connections.enter(ip(others)).is_none(), "{others}");
            connections.leave(id);
            connections.leave(id);
            assert!(connections.enter(ip(others)).is_some());
            assert!(connections.enter(ip(others)).is_none());
        }
        assert!(connections.enter(ip("2001:db8:2::1")).is_some());
        assert!((0..100).all(|_| connections.enter(ip("127.0.0.1")).is_some()));
    }
}
