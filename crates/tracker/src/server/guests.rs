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
pub(super) struct Guests<H> {
    max: usize,
    max_per_address: u32,
    /// Counts admissions and requests. The smallest number belongs to the connection that has been idle for longest.
    clock: u64,
    by_activity: BTreeMap<u64, Guest<H>>,
    activity: HashMap<GuestId, u64>,
    networks: HashMap<Network, u32>,
}

#[derive(Debug)]
struct Guest<H> {
    id: GuestId,
    network: Option<Network>,
    handle: Option<H>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct GuestId(u64);

impl<H> Guests<H> {
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
    pub(super) fn enter(&mut self, ip: IpAddr) -> Option<(GuestId, Option<H>)> {
        let network = (Scope::of(ip) != Scope::Host).then(|| Network::of(ip));
        if let Some(network) = network {
            let count = self.networks.entry(network).or_default();
            if *count >= self.max_per_address {
                return None;
            }
            *count = count.saturating_add(1);
        }
        let ended = if self.by_activity.len() >= self.max { self.end_oldest() } else { None };
        let id = GuestId(self.tick());
        self.activity.insert(id, id.0);
        self.by_activity.insert(id.0, Guest { id, network, handle: None });
        Some((id, ended))
    }

    /// How to end a connection.
    pub(super) fn set_handle(&mut self, id: GuestId, handle: H) {
        if let Some(guest) = self.activity.get(&id).and_then(|at| self.by_activity.get_mut(at)) {
            guest.handle = Some(handle);
        }
    }

    /// A request of the connection was answered.
    pub(super) fn touch(&mut self, id: GuestId) {
        let now = self.tick();
        if let Some(at) = self.activity.get_mut(&id)
            && let Some(guest) = self.by_activity.remove(at)
        {
            *at = now;
            self.by_activity.insert(now, guest);
        }
    }

    /// The connection has ended. Saying so twice does no harm.
    pub(super) fn leave(&mut self, id: GuestId) {
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
        let guest = self.by_activity.remove(&at)?;
        self.activity.remove(&guest.id);
        if let Some(network) = guest.network
            && let Some(count) = self.networks.get_mut(&network)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.networks.remove(&network);
            }
        }
        guest.handle
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
        let mut guests = Guests::new(3, 100);
        let ids: Vec<_> = (1..=3u8)
            .map(|n| {
                let (id, ended) = guests.enter(ip(&format!("8.8.8.{n}"))).unwrap();
                guests.set_handle(id, n);
                assert_eq!(ended, None);
                id
            })
            .collect();
        guests.touch(ids[0]);
        assert_eq!(guests.enter(ip("8.8.8.4")).unwrap().1, Some(2));
        guests.leave(ids[1]);
        guests.leave(ids[2]);
        assert_eq!(guests.enter(ip("8.8.8.5")).unwrap().1, None);
        assert_eq!((guests.end_oldest(), guests.end_oldest()), (Some(1), None));
        assert_eq!(guests.activity.len(), guests.by_activity.len());
    }

    #[test]
    fn an_address_has_only_so_many_and_this_host_any_number() {
        let mut guests = Guests::<()>::new(1000, 2);
        for (first, others) in [("8.8.8.8", "::ffff:8.8.8.8"), ("2001:db8:1::1", "2001:db8:1:ffff::9")] {
            let (id, _) = guests.enter(ip(first)).unwrap();
            assert!(guests.enter(ip(others)).is_some());
            assert!(guests.enter(ip(others)).is_none(), "{others}");
            guests.leave(id);
            guests.leave(id);
            assert!(guests.enter(ip(others)).is_some());
            assert!(guests.enter(ip(others)).is_none());
        }
        assert!(guests.enter(ip("2001:db8:2::1")).is_some());
        assert!((0..100).all(|_| guests.enter(ip("127.0.0.1")).is_some()));
    }
}
