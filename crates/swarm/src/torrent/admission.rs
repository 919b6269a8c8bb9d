//! Which connections are admitted, and which one makes room when there are too many.

use std::time::{Duration, Instant};

use torrent_types::{PeerId, Scope};

use super::Swarm;
use crate::{Connected, Direction, Parting, PeerKey, Refused, Source, Via, discovery::Gone, peer::Peer, shared::Host};

/// Connections that one address on the internet may have: a peer that dials while it is dialled has two for a moment.
const MAX_PER_PUBLIC_HOST: u32 = 2;
/// The same in the local network, where several clients may share an address.
const MAX_PER_LOCAL_HOST: u32 = 8;
/// Of two connections to one peer that begin within this time, both sides keep the same one. Later, the older one stays.
const SIMULTANEOUS: Duration = Duration::from_secs(10);
/// A connection of no use makes room after this time, one that may become of use after the longer ones.
const LEAST_AGE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(20), Duration::from_secs(60)];
/// A connection over which a block came or went within this time is of use.
const RECENTLY: Duration = Duration::from_secs(60);

impl Swarm {
    /// A peer has completed its handshakes.
    ///
    /// # Errors
    /// If the connection must be closed at once. There is nothing to report about it afterwards.
    pub fn handle_connected(&mut self, now: Instant, connected: Connected) -> Result<PeerKey, Refused> {
        let attempt = match connected.via {
            Via::Accepted => None,
            Via::Dialed(id) if self.book.knows(id) => {
                self.shared.dials.end();
                self.book.opened(id)
            }
            Via::Dialed(_) => None,
        };
        let admitted = self.admit(now, &connected);
        let result = match admitted {
            Ok(()) => Ok(self.enter(now, &connected, attempt.map_or(Source::Incoming, |(_, source)| source))),
            Err(refused) => {
                if refused == Refused::Ourselves {
                    self.shared.bans.add_ours(connected.address);
                    self.book.remove(connected.address);
                }
                Err(refused)
            }
        };
        if let Some((address, _)) = attempt {
            match result {
                Ok(key) => self.book.connected(address, key),
                Err(Refused::Full | Refused::NotActive) => self.book.gone(now, address, Gone::NoRoom),
                Err(Refused::Duplicate) => self.book.gone(now, address, Gone::NotNow),
                Err(_) => {}
            }
        }
        self.settle(now);
        result
    }

    fn enter(&mut self, now: Instant, connected: &Connected, source: Source) -> PeerKey {
        let key = PeerKey(self.next_key);
        self.next_key = self.next_key.wrapping_add(1);
        let pieces = self.pieces.geometry().piece_count();
        let peer = Peer::new(now, connected, source, pieces);
        *self.hosts.entry(peer.host).or_insert(0) += 1;
        self.peers.insert(key, peer);
        self.pex_generation += 1;
        key
    }

    fn admit(&mut self, now: Instant, connected: &Connected) -> Result<(), Refused> {
        let host = Host::of(connected.address);
        if !self.life.admits() {
            return Err(Refused::NotActive);
        }
        if connected.id == self.config.local_id {
            return Err(Refused::Ourselves);
        }
        if self.shared.bans.covers(host) {
            return Err(Refused::Banned);
        }
        self.resolve_twin(now, connected.id, host, connected.via.direction())?;
        let most = match host.scope() {
            Scope::Global | Scope::Nowhere => MAX_PER_PUBLIC_HOST,
            Scope::Local => MAX_PER_LOCAL_HOST,
            // Each port is a party of its own there.
            Scope::Host => u32::MAX,
        };
        if self.hosts.get(&host).is_some_and(|count| *count >= most) {
            return Err(Refused::Duplicate);
        }
        self.make_room(now, connected.via.direction())
    }

    /// Of two connections to one peer, one survives.
    fn resolve_twin(&mut self, now: Instant, id: PeerId, host: Host, direction: Direction) -> Result<(), Refused> {
        let same = |peer: &Peer| peer.id == id && same_place(peer, host);
        let twin = self.peers.iter().find(|(_, peer)| same(peer) && !peer.leaving);
        let Some((&twin, peer)) = twin else { return Ok(()) };
        // Both dialled at once: both keep the connection that the greater id has dialled.
        let wins = match direction {
            Direction::Outgoing => self.config.local_id > id,
            Direction::Incoming => id > self.config.local_id,
        };
        let at_once = now.saturating_duration_since(peer.since) < SIMULTANEOUS;
        if peer.direction == direction || !wins || !at_once {
            return Err(Refused::Duplicate);
        }
        self.part(twin, Parting::Duplicate);
        Ok(())
    }

    /// Takes a place for a connection; a useless one makes room if need be.
    fn make_room(&mut self, now: Instant, direction: Direction) -> Result<(), Refused> {
        // Strangers do not take all places of a torrent that has to find peers itself.
        let reserved = if self.life.fetches() && self.pieces.lacking() > 0 { self.config.max_peers / 4 } else { 0 };
        let incoming = self.count_of(Direction::Incoming);
        let crowd = direction == Direction::Incoming && incoming >= self.config.max_peers - reserved;
        let full = self.connections.held() >= self.config.max_peers;
        if crowd {
            self.make_one_leave(now, |peer| peer.direction == Direction::Incoming)?;
        } else if full {
            self.make_one_leave(now, |_| true)?;
        }
        if self.connections.take(1) {
            return Ok(());
        }
        self.make_one_leave(now, |_| true)?;
        if self.connections.take(1) { Ok(()) } else { Err(Refused::Full) }
    }

    fn count_of(&self, direction: Direction) -> usize {
        self.peers.values().filter(|peer| peer.direction == direction && !peer.leaving).count()
    }

    fn make_one_leave(&mut self, now: Instant, which: impl Fn(&Peer) -> bool) -> Result<(), Refused> {
        let key = self.most_useless(now, LEAST_AGE, which).ok_or(Refused::Full)?;
        self.part(key, Parting::Useless);
        Ok(())
    }

    /// The connection that is of the least use, the oldest of those first, unless all are of some.
    /// `least_age`: by how much use it may become.
    pub(super) fn most_useless(
        &self,
        now: Instant,
        least_age: [Duration; 3],
        which: impl Fn(&Peer) -> bool,
    ) -> Option<PeerKey> {
        let candidates = self.peers.iter().filter(|(_, peer)| !peer.leaving && which(peer));
        let candidates = candidates.filter_map(|(key, peer)| {
            let used = peer.used.filter(|used| now.saturating_duration_since(*used) < RECENTLY);
            if used.is_some() {
                return None;
            }
            let class = self.promise(now, peer);
            let since = peer.used.unwrap_or(peer.since);
            let old = now.saturating_duration_since(since) >= *least_age.get(class)?;
            old.then_some((class, since, *key))
        });
        candidates.min().map(|(.., key)| key)
    }

    /// What may become of a connection over which nothing moves: 0 nothing, 1 it waits for a slot, 2 it has one.
    fn promise(&self, now: Instant, peer: &Peer) -> usize {
        let wasted = peer.taking.penalty_until.is_some_and(|until| now < until);
        let gives = peer.giving.am_interested && !peer.giving.requests.is_snubbed();
        let takes = peer.taking.interested && !wasted;
        match (gives, takes) {
            (true, _) if !peer.giving.choking => 2,
            (_, true) if !peer.taking.am_choking => 2,
            (false, false) => 0,
            _ => 1,
        }
    }
}

/// Whether a peer is at this host. On our own host, where each port is a party of its own, the address alone decides.
fn same_place(peer: &Peer, host: Host) -> bool {
    peer.host == host || (peer.host.scope() == Scope::Host && host.scope() == Scope::Host)
}
