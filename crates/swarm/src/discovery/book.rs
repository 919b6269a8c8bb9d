//! The address book of one torrent: which addresses of peers are known, how each can be opened, which one is dialled next.
//!
//! ```text
//!            next                connected
//!   Idle ──────────▶ Dialing ──────────────▶ Connected
//!    ▲  ▲               │ failed                 │ gone
//!    │  └── after a pause ◀──────────────────────┘
//!    └── at once, on the next rung of the ladder
//! ```
//!
//! * A public address has one known port: a tracker that names 3,000 ports of a victim costs it one connection at a time.
//! * Order: addresses that the user named, then fewest failures, then BEP 40, or random while our own address is not known.
//! * A source that a private torrent does not use (BEP 27), or that names an address nearer to us than itself, is refused here.
//!
//! In: addresses and outcomes of attempts. Out: attempts. Never here: limits of the client (see `shared`), connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{Rng, RngExt};
use torrent_types::Scope;

use super::{
    Attempt, AttemptId, Candidate, DialFault, Source, Transport,
    ladder::{Hints, Ladder, Rung},
    quota::{Group, Quotas},
};
use crate::{Config, PeerKey, Privacy, canonical_priority, shared::Host};

/// Pause after a failure, doubled by each further one.
const RETRY: Duration = Duration::from_secs(15);
const MAX_RETRY: Duration = Duration::from_secs(900);
/// The same for a peer that the user named: it may be starting just now.
const NAMED_RETRY: Duration = Duration::from_secs(1);
const MAX_NAMED_RETRY: Duration = Duration::from_secs(60);
/// Pause before a peer that gave or took something is dialled again: it may have been cut off.
const USEFUL_RETRY: Duration = Duration::from_secs(2);
/// An address that never answered is forgotten after so many failures in a row, one that did after twice as many.
const MAX_FAILURES: u8 = 3;
/// How long a transport may take to connect, and how long while other addresses wait.
const CONNECT: Duration = Duration::from_secs(10);
const CONNECT_IN_A_HURRY: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { ready: Instant },
    Dialing,
    Connected(PeerKey),
}

#[derive(Clone, Debug)]
struct Known {
    state: State,
    source: Source,
    failures: u8,
    /// A connection came at some time.
    met: bool,
    priority: u32,
    /// Named by the user: never forgotten.
    named: bool,
    seed: bool,
    hints: Hints,
    rung: Rung,
    /// BEP 55: uTP only.
    punched: bool,
    /// The next attempt continues a series.
    follow_up: bool,
}

/// Best first.
type Rank = (bool, bool, u8, u32, SocketAddr);

/// How a connection or an attempt ended, for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It gave or took blocks.
    Useful,
    /// It did not.
    Useless,
    /// It is wanted back at once.
    Reintroduce,
    /// There was no room for it.
    NoRoom,
    /// It is connected already, or was of no use when others waited.
    NotNow,
    /// It is no peer of this torrent.
    NoPeer,
}

/// What to dial next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Address(SocketAddr),
    At(Instant),
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Book {
    known: BTreeMap<SocketAddr, Known>,
    /// The one address of each host on the internet.
    hosts: BTreeMap<Host, SocketAddr>,
    /// Addresses that may be dialled now: those that are not known to be seeds, and seeds.
    ready: BTreeSet<Rank>,
    ready_seeds: BTreeSet<Rank>,
    waiting: BTreeSet<(Instant, SocketAddr)>,
    attempts: BTreeMap<AttemptId, SocketAddr>,
    next_attempt: u32,
    quotas: Quotas,
    ladder: Ladder,
    local: Option<SocketAddr>,
    private: bool,
}

impl Book {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            known: BTreeMap::new(),
            hosts: BTreeMap::new(),
            ready: BTreeSet::new(),
            ready_seeds: BTreeSet::new(),
            waiting: BTreeSet::new(),
            attempts: BTreeMap::new(),
            next_attempt: 0,
            quotas: Quotas::new(config.max_known),
            ladder: Ladder::new(&config.transports, &config.openings),
            local: None,
            private: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn dialing(&self) -> usize {
        self.attempts.len()
    }

    /// Whether a private torrent takes no addresses from this source, BEP 27.
    pub(crate) fn refuses(&self, source: Source) -> bool {
        self.private && matches!(source, Source::Dht | Source::Lsd | Source::Pex(_) | Source::Holepunch(_))
    }

    /// BEP 27: the torrent turns out to be private. Addresses from other sources are forgotten.
    pub(crate) fn set_privacy(&mut self, privacy: Privacy) {
        self.private = privacy == Privacy::Private;
        let refused: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| self.refuses(known.source) && matches!(known.state, State::Idle { .. }))
            .map(|(address, _)| *address)
            .collect();
        refused.into_iter().for_each(|address| self.remove(address));
    }

    /// Our address as others see it: BEP 40 orders peers by it.
    pub(crate) fn set_local(&mut self, local: SocketAddr) {
        if self.local == Some(local) {
            return;
        }
        self.local = Some(local);
        let addresses: Vec<_> = self.known.keys().copied().collect();
        for address in addresses {
            self.unlist(address);
            if let Some(known) = self.known.get_mut(&address) {
                known.priority = canonical_priority(address, local);
            }
            self.list(address);
        }
    }

    /// Learns an address. `scope`: how far away the source is. True if it is news.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        source: Source,
        scope: Scope,
        candidate: Candidate,
        rng: &mut impl Rng,
    ) -> bool {
        let address = SocketAddr::new(candidate.address.ip().to_canonical(), candidate.address.port());
        let named = source == Source::User;
        let allowed = if named {
            address.port() != 0 && Scope::of(address.ip()) != Scope::Nowhere && !address.ip().is_unspecified()
        } else {
            scope.may_name(address) && !self.refuses(source)
        };
        if !allowed || self.local == Some(address) {
            return false;
        }
        if self.known.contains_key(&address) {
            self.merge(now, address, source, candidate);
            return false;
        }
        let host = Host::of(address);
        let mut history = None;
        if host.scope() == Scope::Global
            && !named
            && let Some(other) = self.hosts.get(&host).copied()
        {
            // Another port of a host that is known: it takes the place of one that never answered, with its pauses.
            let silent = |known: &&Known| {
                known.failures > 0 && !known.met && !known.named && matches!(known.state, State::Idle { .. })
            };
            let Some(known) = self.known.get(&other).filter(silent) else { return false };
            history = Some((known.state, known.failures));
            self.remove(other);
        }
        let group = Group::of(source);
        if !self.make_room(group) {
            return false;
        }
        let priority = self.local.map_or_else(|| rng.random(), |local| canonical_priority(address, local));
        let (state, failures) = history.unwrap_or((State::Idle { ready: now }, 0));
        let hints = Hints { utp: candidate.utp, encrypted: candidate.encrypted, failed_before: failures > 0 };
        let known = Known {
            state,
            source,
            failures,
            met: false,
            priority,
            named,
            seed: candidate.seed,
            hints,
            rung: Rung::default(),
            punched: matches!(source, Source::Holepunch(_)),
            follow_up: false,
        };
        self.known.insert(address, known);
        self.hosts.entry(host).or_insert(address);
        self.quotas.add(group, address);
        self.list(address);
        true
    }

    /// What a second source knows of an address.
    fn merge(&mut self, now: Instant, address: SocketAddr, source: Source, candidate: Candidate) {
        self.unlist(address);
        if let Some(known) = self.known.get_mut(&address) {
            known.seed |= candidate.seed;
            known.hints.utp |= candidate.utp;
            known.hints.encrypted |= candidate.encrypted;
            let named = source == Source::User && !known.named;
            known.punched = matches!(source, Source::Holepunch(_));
            if named {
                let before = std::mem::replace(&mut known.source, source);
                known.named = true;
                self.quotas.remove(Group::of(before), address);
                self.quotas.add(Group::User, address);
            }
            if (named || known.punched)
                && let State::Idle { ready } = &mut known.state
            {
                *ready = now;
            }
        }
        self.list(address);
    }

    fn make_room(&mut self, group: Group) -> bool {
        if group == Group::User && !self.quotas.may_name() {
            return false;
        }
        let Some(full) = self.quotas.full(group, self.known.len()) else { return true };
        // Connected ones stay; of the rest the oldest goes.
        let idle = |address: &SocketAddr| {
            self.known.get(address).is_some_and(|known| matches!(known.state, State::Idle { .. }) && !known.named)
        };
        let oldest = self.quotas.oldest(full).take(64).find(idle);
        oldest.is_some_and(|address| {
            self.remove(address);
            true
        })
    }

    /// The best address that may be dialled now. `seeds`: whether peers that have everything are of use.
    pub(crate) fn next(&mut self, now: Instant, seeds: bool) -> Next {
        while let Some((at, address)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.remove(&(at, address));
            self.list_ready(address);
        }
        let best = self.ready.first();
        let seed = self.ready_seeds.first().filter(|_| seeds);
        if let Some((.., address)) = [best, seed].into_iter().flatten().min() {
            return Next::Address(*address);
        }
        self.waiting.first().map_or(Next::Nothing, |(at, _)| Next::At(*at))
    }

    /// Whether an address could be dialled now or later.
    pub(crate) fn has_next(&self, seeds: bool) -> bool {
        !self.ready.is_empty() || !self.waiting.is_empty() || (seeds && !self.ready_seeds.is_empty())
    }

    /// Whether an address can be dialled now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.ready_seeds.is_empty()
    }

    /// BEP 27: whether the torrent is private.
    pub(crate) fn is_private(&self) -> bool {
        self.private
    }

    /// Begins an attempt at an address that [`Book::next`] has named.
    pub(crate) fn dial(&mut self, address: SocketAddr) -> Option<Attempt> {
        self.unlist(address);
        let known = self.known.get_mut(&address)?;
        let step = if std::mem::take(&mut known.follow_up) {
            known.rung.pending()
        } else {
            let only = known.punched.then_some(Transport::Utp);
            self.ladder.begin(&mut known.rung, known.hints, only)
        };
        let Some((transport, obfuscation)) = step else {
            // Nothing that we may use leads there.
            self.remove(address);
            return None;
        };
        known.state = State::Dialing;
        let id = AttemptId(self.next_attempt);
        self.next_attempt = self.next_attempt.wrapping_add(1);
        self.attempts.insert(id, address);
        let timeout = if self.ready.is_empty() && self.ready_seeds.is_empty() { CONNECT } else { CONNECT_IN_A_HURRY };
        Some(Attempt { id, address, transport, obfuscation, timeout })
    }

    /// Whether this attempt is under way.
    pub(crate) fn knows(&self, id: AttemptId) -> bool {
        self.attempts.contains_key(&id)
    }

    /// An attempt failed. The address, if it is still known.
    pub(crate) fn failed(&mut self, now: Instant, id: AttemptId, fault: DialFault) -> Option<SocketAddr> {
        let address = self.attempts.remove(&id)?;
        let known = self.known.get_mut(&address)?;
        if self.ladder.next(&mut known.rung, fault, known.hints).is_some() {
            known.follow_up = true;
            known.state = State::Idle { ready: now };
            self.list(address);
            return Some(address);
        }
        Ladder::failed(&mut known.rung);
        known.hints.failed_before = true;
        match fault {
            DialFault::Ourselves => self.remove(address),
            DialFault::WrongTorrent => self.gone(now, address, Gone::NoPeer),
            DialFault::NotTried => self.idle(address, now + NAMED_RETRY),
            DialFault::Unreachable | DialFault::NotUnderstood => self.gone(now, address, Gone::Useless),
        }
        Some(address)
    }

    /// An attempt has led to a connection. The address and its source, if the attempt was known.
    pub(crate) fn opened(&mut self, id: AttemptId) -> Option<(SocketAddr, Source)> {
        let address = self.attempts.remove(&id)?;
        let known = self.known.get_mut(&address)?;
        Ladder::worked(&mut known.rung);
        known.met = true;
        known.failures = 0;
        Some((address, known.source))
    }

    /// The address belongs to this connection from now on.
    pub(crate) fn connected(&mut self, address: SocketAddr, key: PeerKey) {
        self.unlist(address);
        if let Some(known) = self.known.get_mut(&address) {
            known.met = true;
            known.failures = 0;
            known.state = State::Connected(key);
        }
    }

    /// The connection that an address belongs to.
    pub(crate) fn connection(&self, address: SocketAddr) -> Option<PeerKey> {
        match self.known.get(&address)?.state {
            State::Connected(key) => Some(key),
            State::Idle { .. } | State::Dialing => None,
        }
    }

    pub(crate) fn is_dialing(&self, address: SocketAddr) -> bool {
        self.known.get(&address).is_some_and(|known| known.state == State::Dialing)
    }

    /// Remembers whether the peer there has every piece.
    pub(crate) fn set_seed(&mut self, address: SocketAddr, seed: bool) {
        if self.known.get(&address).is_some_and(|known| known.seed != seed) {
            self.unlist(address);
            if let Some(known) = self.known.get_mut(&address) {
                known.seed = seed;
            }
            self.list(address);
        }
    }

    /// The connection to the address, or the attempt at it, is over.
    pub(crate) fn gone(&mut self, now: Instant, address: SocketAddr, gone: Gone) {
        let Some(known) = self.known.get_mut(&address) else { return };
        let pause = match gone {
            Gone::Useful => {
                known.failures = 0;
                if known.named { NAMED_RETRY } else { USEFUL_RETRY }
            }
            Gone::Reintroduce => Duration::ZERO,
            Gone::NoRoom => RETRY * 4,
            Gone::NotNow => MAX_RETRY,
            Gone::NoPeer if known.named => MAX_NAMED_RETRY,
            Gone::NoPeer => return self.remove(address),
            Gone::Useless => {
                known.failures = known.failures.saturating_add(1);
                let most = if known.met { MAX_FAILURES * 2 } else { MAX_FAILURES };
                if known.failures >= most && !known.named {
                    return self.remove(address);
                }
                let (first, longest) = if known.named { (NAMED_RETRY, MAX_NAMED_RETRY) } else { (RETRY, MAX_RETRY) };
                first.saturating_mul(1 << known.failures.saturating_sub(1).min(6)).min(longest)
            }
        };
        self.idle(address, now + pause);
    }

    fn idle(&mut self, address: SocketAddr, ready: Instant) {
        self.unlist(address);
        if let Some(known) = self.known.get_mut(&address) {
            known.state = State::Idle { ready };
        }
        self.list(address);
    }

    /// Everything about a host is forgotten.
    pub(crate) fn forget_host(&mut self, host: Host) {
        let theirs: Vec<_> = self.known.keys().filter(|address| Host::of(**address) == host).copied().collect();
        theirs.into_iter().for_each(|address| self.remove(address));
    }

    /// The address is forgotten. An attempt at it goes on, and its outcome means nothing.
    pub(crate) fn remove(&mut self, address: SocketAddr) {
        self.unlist(address);
        let Some(known) = self.known.remove(&address) else { return };
        self.quotas.remove(Group::of(known.source), address);
        let host = Host::of(address);
        if self.hosts.get(&host) == Some(&address) {
            self.hosts.remove(&host);
        }
    }

    /// Addresses for the next run: those that answered first, then those that failed least.
    pub(crate) fn worth_keeping(&self, most: usize) -> Vec<SocketAddr> {
        let mut all: Vec<_> =
            self.known.iter().map(|(address, known)| ((!known.met, known.failures), *address)).collect();
        all.sort_unstable();
        all.truncate(most);
        all.into_iter().map(|(_, address)| address).collect()
    }

    fn rank(&self, address: SocketAddr) -> Option<(Rank, bool)> {
        let known = self.known.get(&address)?;
        let first = known.follow_up || known.punched;
        Some(((!first, !known.named, known.failures, u32::MAX - known.priority, address), known.seed))
    }

    /// Lists an idle address as one that may be dialled, now or later.
    fn list(&mut self, address: SocketAddr) {
        if let Some(State::Idle { ready }) = self.known.get(&address).map(|known| known.state) {
            self.waiting.insert((ready, address));
        }
    }

    fn list_ready(&mut self, address: SocketAddr) {
        if let Some((rank, seed)) = self.rank(address) {
            if seed {
                self.ready_seeds.insert(rank)
            } else {
                self.ready.insert(rank)
            };
        }
    }

    fn unlist(&mut self, address: SocketAddr) {
        if let Some((rank, _)) = self.rank(address) {
            self.ready.remove(&rank);
            self.ready_seeds.remove(&rank);
        }
        if let Some(State::Idle { ready }) = self.known.get(&address).map(|known| known.state) {
            self.waiting.remove(&(ready, address));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::Obfuscation;

    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    struct Desk {
        book: Book,
        now: Instant,
        rng: SmallRng,
    }

    impl Desk {
        fn new(most: usize) -> Self {
            let config = Config::default().max_known(most);
            Self { book: Book::new(&config), now: start(), rng: SmallRng::seed_from_u64(1) }
        }

        fn add(&mut self, source: Source, address: &str) -> bool {
            let scope = match source {
                Source::Tracker(scope) => scope,
                Source::Lsd => Scope::Local,
                _ => Scope::Global,
            };
            self.book.add(self.now, source, scope, at(address).into(), &mut self.rng)
        }

        fn dial(&mut self) -> Option<Attempt> {
            match self.book.next(self.now, true) {
                Next::Address(address) => self.book.dial(address),
                Next::At(_) | Next::Nothing => None,
            }
        }

        fn fail(&mut self, attempt: Attempt, fault: DialFault) {
            self.book.failed(self.now, attempt.id, fault);
        }
    }

    const TRACKER: Source = Source::Tracker(Scope::Global);

    #[test]
    fn failures_wait_longer_each_time_and_are_forgotten_at_last() {
        let mut desk = Desk::new(10);
        desk.add(TRACKER, "1.1.1.1:1111");
        for _ in 0..MAX_FAILURES {
            let attempt = desk.dial().unwrap();
            assert_eq!((attempt.address, desk.book.dialing()), (at("1.1.1.1:1111"), 1));
            desk.fail(attempt, DialFault::Unreachable);
            assert_eq!((desk.dial(), desk.book.dialing()), (None, 0));
            desk.now += MAX_RETRY;
        }
        assert_eq!(desk.book.len(), 0);
    }

    #[test]
    fn named_peers_come_first_stay_and_may_be_anywhere() {
        let mut desk = Desk::new(3);
        desk.add(TRACKER, "1.1.1.1:1111");
        assert!(desk.add(Source::User, "127.0.0.1:80"));
        for _ in 0..20 {
            let attempt = desk.dial().unwrap();
            assert_eq!(attempt.address, at("127.0.0.1:80"));
            desk.fail(attempt, DialFault::Unreachable);
            desk.now += MAX_NAMED_RETRY;
        }
        for bad in ["1.1.1.1:0", "0.0.0.0:5", "224.0.0.1:5", "255.255.255.255:7000", "240.0.0.1:7000"] {
            assert!(!desk.add(Source::User, bad), "{bad}");
        }
    }

    #[test]
    fn a_source_names_no_address_that_is_nearer_to_us_than_itself() {
        let mut desk = Desk::new(100);
        for bad in ["127.0.0.1:6379", "10.0.0.1:8080", "240.0.0.1:7000", "224.0.0.1:7000", "8.8.8.8:80", "8.8.8.8:0"] {
            assert!(!desk.add(TRACKER, bad) && !desk.add(Source::Dht, bad), "{bad}");
        }
        assert!(desk.add(Source::Tracker(Scope::Local), "10.0.0.1:8080"));
        assert!(desk.add(Source::Lsd, "10.0.0.2:8080") && !desk.add(Source::Lsd, "127.0.0.1:8080"));
    }

    #[test]
    fn a_public_address_has_one_port_at_a_time() {
        let mut desk = Desk::new(3000);
        for port in 2000..5000 {
            desk.add(TRACKER, &format!("203.0.113.66:{port}"));
        }
        assert_eq!(desk.book.len(), 1);
        let attempt = desk.dial().unwrap();
        assert_eq!(desk.dial(), None);
        desk.fail(attempt, DialFault::Unreachable);
        for port in 2000..5000 {
            desk.add(TRACKER, &format!("203.0.113.66:{port}"));
        }
        assert_eq!((desk.book.len(), desk.dial()), (1, None), "the pause holds for the host");
        desk.now += RETRY;
        assert_eq!(desk.dial().unwrap().address.ip(), at("203.0.113.66:1").ip());
        assert!(desk.add(Source::User, "203.0.113.66:9999"), "the user may name any");
    }

    #[test]
    fn a_poisoner_fills_its_own_quota_only() {
        let mut desk = Desk::new(300);
        let (liar, other) = (Source::Pex(PeerKey(1)), Source::Pex(PeerKey(2)));
        for index in 0..5000u32 {
            desk.add(liar, &format!("{}:7000", std::net::Ipv4Addr::from(0x0b00_0000 + index)));
        }
        assert_eq!(desk.book.len(), 100);
        assert!(desk.add(other, "8.8.8.8:7000") && desk.add(TRACKER, "8.8.4.4:7000"));
        assert_eq!(desk.book.len(), 101, "the peer with the most loses one");
        for index in 0..5000u32 {
            desk.add(TRACKER, &format!("{}:7000", std::net::Ipv4Addr::from(0x0c00_0000 + index)));
        }
        assert!(desk.book.len() <= 300);
        assert!(desk.book.known.contains_key(&at("8.8.8.8:7000")));
    }

    #[test]
    fn bep27_private_torrents_take_addresses_from_trackers_and_the_user_only() {
        let mut desk = Desk::new(100);
        desk.add(Source::Dht, "1.1.1.1:1111");
        desk.add(TRACKER, "2.2.2.2:2222");
        desk.book.set_privacy(Privacy::Private);
        assert_eq!(desk.book.len(), 1);
        for source in [Source::Dht, Source::Lsd, Source::Pex(PeerKey(1)), Source::Holepunch(PeerKey(1))] {
            assert!(!desk.add(source, "3.3.3.3:3333"));
        }
        assert!(desk.add(Source::User, "4.4.4.4:4444") && desk.add(Source::Resume, "5.5.5.5:5555"));
    }

    #[test]
    fn a_dead_address_costs_one_attempt_and_less_time_while_others_wait() {
        let mut desk = Desk::new(100);
        desk.add(TRACKER, "1.1.1.1:1111");
        desk.add(TRACKER, "2.2.2.2:2222");
        let first = desk.dial().unwrap();
        assert_eq!(first.timeout, CONNECT_IN_A_HURRY);
        let second = desk.dial().unwrap();
        assert_eq!(second.timeout, CONNECT);
        desk.fail(first, DialFault::Unreachable);
        desk.fail(second, DialFault::NotUnderstood);
        let again = desk.dial().unwrap();
        assert_eq!((again.address, again.obfuscation), (second.address, Obfuscation::Plain));
        assert_eq!(desk.dial(), None);
        desk.book.opened(again.id).unwrap();
        desk.book.gone(desk.now, again.address, Gone::Useful);
        desk.now += USEFUL_RETRY;
        assert_eq!(desk.dial().unwrap().obfuscation, Obfuscation::Plain, "what worked is remembered");
    }

    #[test]
    fn the_order_is_random_until_our_address_is_known_and_bep40_afterwards() {
        let addresses: Vec<_> = (1..50).map(|index| format!("9.9.{index}.9:7000")).collect();
        let order = |seed, local: Option<&str>| {
            let mut desk = Desk::new(100);
            desk.rng = SmallRng::seed_from_u64(seed);
            addresses.iter().for_each(|address| {
                desk.add(TRACKER, address);
            });
            local.into_iter().for_each(|local| desk.book.set_local(at(local)));
            std::iter::from_fn(|| desk.dial()).map(|attempt| attempt.address).collect::<Vec<_>>()
        };
        assert_ne!(order(1, None), order(2, None));
        let local = "5.6.7.8:9000";
        let priority = |address: &SocketAddr| std::cmp::Reverse(canonical_priority(*address, at(local)));
        assert!(order(1, Some(local)).is_sorted_by_key(priority));
        assert_eq!(order(1, Some(local)), order(2, Some(local)));
    }

    #[test]
    fn seeds_are_remembered_and_left_alone_when_they_are_of_no_use() {
        let mut desk = Desk::new(100);
        let seed = Candidate { seed: true, ..at("1.1.1.1:1111").into() };
        desk.book.add(desk.now, TRACKER, Scope::Global, seed, &mut desk.rng);
        assert_eq!(desk.book.next(desk.now, false), Next::Nothing);
        assert_eq!(desk.book.next(desk.now, true), Next::Address(seed.address));
        desk.book.set_seed(seed.address, false);
        assert_eq!(desk.book.next(desk.now, false), Next::Address(seed.address));
    }
}
