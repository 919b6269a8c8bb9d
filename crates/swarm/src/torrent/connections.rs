//! Addresses, dialling, and the end of connections.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_types::Scope;

use super::Swarm;
use crate::{
    Action, Announce, AttemptId, Candidate, DialFault, Ending, Parting, PeerKey, Severity, Source,
    discovery::{Gone, Next},
    peer::Peer,
    shared::{Host, MayDial},
};

/// Fewer connected peers than this, and the torrent dials as fast as it may.
const ENOUGH_PEERS: usize = 10;
/// Faults of one address that end a connection each, before it is banned.
const MAX_FAULTS: u8 = 5;
/// Hosts whose faults are remembered.
const MAX_FAULTY: usize = 256;
/// Trackers are asked for more peers this often at most.
const NEED_PEERS_PAUSE: Duration = Duration::from_secs(60);
/// How often a useless connection makes room for an address that waits, and how old it has to be, by what may become of it.
const TURNOVER: Duration = Duration::from_secs(10);
const TURNOVER_AGE: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(180), Duration::from_secs(600)];

impl Swarm {
    /// Learns addresses of peers. Those that the source may not name, and sources that a private torrent does not use, are
    /// ignored.
    pub fn handle_addresses(&mut self, now: Instant, source: Source, candidates: impl IntoIterator<Item = Candidate>) {
        let scope = match source {
            Source::User | Source::Resume => Scope::Host,
            Source::Tracker(scope) => scope,
            // `torrent-dht` has checked each address against the node that named it, which may be on a local network.
            Source::Dht => Scope::Host,
            Source::Lsd => Scope::Local,
            Source::Pex(key) | Source::Holepunch(key) => {
                let Some(peer) = self.peers.get(&key) else { return };
                peer.host.scope()
            }
            Source::Incoming => Scope::Global,
        };
        for candidate in candidates {
            let banned = self.shared.bans.covers(Host::of(candidate.address));
            if !banned && !self.shared.bans.is_ours(candidate.address) {
                self.book.add(now, source, scope, candidate, &mut self.rng);
            }
        }
        self.settle(now);
    }

    /// Our address as others see it, with the port on which we listen: BEP 40 orders peers by it, and it is never dialled.
    pub fn handle_external_address(&mut self, now: Instant, address: SocketAddr) {
        self.book.remove(address);
        self.book.set_local(address);
        self.settle(now);
    }

    /// An [`Action::Dial`] failed.
    pub fn handle_dial_failed(&mut self, now: Instant, attempt: AttemptId, fault: DialFault) {
        if !self.book.knows(attempt) {
            return;
        }
        self.shared.dials.end();
        if let Some(address) = self.book.failed(now, attempt, fault)
            && fault == DialFault::Ourselves
        {
            self.shared.bans.add_ours(address);
        }
        self.settle(now);
    }

    /// The connection has ended. Nothing happens if the key is not known any more.
    pub fn handle_disconnected(&mut self, now: Instant, key: PeerKey, ending: Ending) {
        let Some(peer) = self.peers.get(&key) else { return };
        let host = peer.host;
        let gone = self.judge(peer, ending);
        if let Some(address) = self.book_entry(key, peer) {
            let seed = peer.is_seed(self.pieces.geometry().piece_count());
            self.book.set_seed(address, seed);
            self.book.gone(now, address, gone);
        }
        self.retire(key);
        if let Some(peer) = self.peers.remove(&key) {
            self.uncount(&peer.giving.holdings);
        }
        self.hungry.remove(&key);
        self.pex_generation += 1;
        self.end_solos(now, key);
        if let Ending::Fault(severity) = ending {
            self.judge_fault(host, severity);
        }
        self.settle(now);
    }

    /// What the end of a connection says about its address.
    fn judge(&self, peer: &Peer, ending: Ending) -> Gone {
        match (peer.parting, ending) {
            (Some(Parting::Reintroduce), _) => Gone::Reintroduce,
            (Some(Parting::Stopping), _) => Gone::Useful,
            (Some(Parting::Redundant | Parting::Useless | Parting::Duplicate), _) => Gone::NotNow,
            (Some(_), _) | (None, Ending::Fault(Severity::Ban | Severity::Forget)) => Gone::NoPeer,
            (None, Ending::Fault(Severity::Disconnect)) => Gone::Useless,
            (None, _) if peer.used.is_some() => Gone::Useful,
            (None, _) => Gone::Useless,
        }
    }

    /// The address in the book that belongs to a connection.
    fn book_entry(&self, key: PeerKey, peer: &Peer) -> Option<SocketAddr> {
        let addresses = [Some(peer.address), peer.dialable];
        addresses.into_iter().flatten().find(|address| self.book.connection(*address) == Some(key))
    }

    /// Faults have consequences: the worst ban at once, others when they are repeated.
    fn judge_fault(&mut self, host: Host, severity: Severity) {
        match severity {
            Severity::Ignore | Severity::Forget => {}
            Severity::Ban => self.ban(host, Parting::Flooding),
            Severity::Disconnect => {
                if self.faults.len() >= MAX_FAULTY && !self.faults.contains_key(&host) {
                    self.faults.pop_first();
                }
                let faults = self.faults.entry(host).or_insert(0);
                *faults = faults.saturating_add(1);
                if *faults >= MAX_FAULTS {
                    self.ban(host, Parting::Flooding);
                }
            }
        }
    }

    /// Takes everything back that a connection holds. Called once it is over, or will be.
    fn retire(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.leaving) else { return };
        let before = peer.is_open();
        peer.leaving = true;
        let host = peer.host;
        let released = peer.giving.requests.clear();
        let current = peer.giving.current.take();
        let had_slot = !std::mem::replace(&mut peer.taking.am_choking, true);
        peer.taking.queue.clear().for_each(drop);
        released.into_iter().for_each(|block| self.pieces.release(block));
        if let Some(current) = current {
            self.pieces.leave(current);
        }
        self.count_working(before, false);
        self.connections.give(1);
        if had_slot {
            self.slots.give(1);
            self.times.want_slots = true;
        }
        if let Some(count) = self.hosts.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.hosts.remove(&host);
            }
        }
        self.hungry.remove(&key);
        self.times.want_dial = true;
    }

    pub(super) fn part(&mut self, key: PeerKey, why: Parting) {
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.leaving) else { return };
        peer.parting = Some(why);
        self.retire(key);
        self.act(Action::Disconnect(key, why));
    }

    /// No torrent of the client talks to this host again.
    pub(super) fn ban(&mut self, host: Host, why: Parting) {
        tracing::debug!(?host, %why, "banned");
        self.shared.bans.add(host);
        self.book.forget_host(host);
        let theirs: Vec<_> = self.peers.iter().filter(|(_, peer)| peer.host == host).map(|(key, _)| *key).collect();
        theirs.into_iter().for_each(|key| self.part(key, why));
    }

    /// Closes connections to hosts that another torrent, or the user, has banned.
    pub(super) fn apply_bans(&mut self) {
        let generation = self.shared.bans.generation();
        if std::mem::replace(&mut self.bans_seen, generation) == generation {
            return;
        }
        let hosts: Vec<_> = self.hosts.keys().copied().filter(|host| self.shared.bans.covers(*host)).collect();
        hosts.into_iter().for_each(|host| self.ban(host, Parting::BadData));
    }

    /// Whether the torrent looks for peers at all.
    pub(super) fn looks_for_peers(&self) -> bool {
        let has_something = self.pieces.have_count() > 0;
        self.life.admits() && (self.life.is_metadata() || self.life.fetches() || has_something)
    }

    /// Whether peers that have everything are of use.
    fn wants_seeds(&self) -> bool {
        self.life.is_metadata() || (self.life.fetches() && self.pieces.lacking() > 0)
    }

    /// Dials what may be dialled now, and notes when to go on.
    pub(super) fn dial(&mut self, now: Instant) {
        self.times.dial = None;
        self.times.want_dial = false;
        if !self.looks_for_peers() {
            return;
        }
        let seeds = self.wants_seeds();
        loop {
            let connected = self.connections.held();
            let most = if connected < ENOUGH_PEERS { self.config.max_dialing } else { self.config.max_dialing / 8 };
            if self.book.dialing() >= most.max(1) {
                // The end of an attempt comes back here.
                return;
            }
            let address = match self.book.next(now, seeds) {
                Next::Address(address) => address,
                Next::At(at) => {
                    self.times.dial = Some(at);
                    break;
                }
                Next::Nothing => break,
            };
            // Until a few are connected, more are dialled than there are places: most addresses are dead.
            let expected = if connected < ENOUGH_PEERS { connected } else { connected + self.book.dialing() };
            if expected >= self.config.max_peers && !self.turn_over(now) {
                self.times.dial = Some(now + TURNOVER);
                return;
            }
            let host = Host::of(address);
            if host.scope() == Scope::Global && self.hosts.contains_key(&host) {
                // Connected already, though at another port or without a word about its own.
                self.book.gone(now, address, Gone::NoRoom);
                continue;
            }
            match self.shared.dials.begin(now) {
                MayDial::Now => {}
                MayDial::At(at) => {
                    self.times.dial = Some(at);
                    return;
                }
            }
            match self.book.dial(address) {
                Some(attempt) => self.act(Action::Dial(attempt)),
                None => self.shared.dials.end(),
            }
        }
        self.ask_for_peers(now, seeds);
    }

    /// All places are taken and an address waits: a connection that has been of no use for long makes room.
    fn turn_over(&mut self, now: Instant) -> bool {
        if now < self.times.next_turnover {
            return false;
        }
        let Some(key) = self.most_useless(now, TURNOVER_AGE, |_| true) else { return false };
        self.times.next_turnover = now + TURNOVER;
        self.part(key, Parting::Useless);
        true
    }

    /// Nothing is left to dial, and the peers that are connected are too few or have nothing.
    fn ask_for_peers(&mut self, now: Instant, seeds: bool) {
        if !seeds || self.book.dialing() > 0 || self.book.has_ready() {
            return;
        }
        let giving = self.peers.values().filter(|peer| peer.is_open()).count();
        let starving = if self.life.is_metadata() { self.peers.is_empty() } else { giving == 0 };
        if !starving {
            return;
        }
        if now >= self.times.next_need_peers {
            self.times.next_need_peers = now + NEED_PEERS_PAUSE;
            self.act(Action::Announce(Announce::NeedPeers));
        }
        let again = self.times.next_need_peers;
        self.times.dial = Some(self.times.dial.map_or(again, |at| at.min(again)));
    }
}
