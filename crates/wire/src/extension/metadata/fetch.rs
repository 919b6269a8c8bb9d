//! Getting the metadata of a magnet link from many peers, of whom some lie. Spec: BEP 9.
//! In: which peer claims which size, blocks, refusals, time. Out: which block to ask of whom, assembled metadata to be
//! hashed, liars. Never: hashing (tens of megabytes; do it where it does not hurt), sockets.
//!
//! * There is one attempt for each claimed size, so a liar about the size disturbs nobody else. The blocks of an attempt are
//!   divided over all peers that claim the size.
//! * If the whole turns out wrong, each of these peers gets an attempt of its own, side by side as far as memory goes. A
//!   peer that delivers a wrong whole alone is the liar.
//! * A peer that is silent, slow or refuses is asked less, and later again, but never given up: it may be the only honest
//!   one. A block that it was asked for is asked of others after a second.
//! * Memory: an attempt has to hold the whole size before it may ask for more than one block. All together hold at most twice
//!   the largest size. The others wait in a queue, those that have delivered a block before those that have only talked, and
//!   get the memory of attempts that have come to nothing in their time. That time doubles with each turn. Sizes up to an
//!   eighth of the largest have a queue and a quarter of the memory of their own, so that monstrous claims do not delay
//!   torrents of usual size.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    mem,
    time::Instant,
};

use super::{
    attempt::{Attempt, Collection, State},
    block_length,
    outcome::{Assembled, MetadataEvent, MetadataFault},
    peer::Peer,
};

/// Fetches metadata block by block from several peers. `P` is the caller's name for a peer; one that comes back is a new
/// one.
///
/// Bounds: twice the largest size that is allowed for blocks, 24 bytes for each block of an attempt that has memory, and
/// two KiB for each peer.
///
/// ```
/// # use std::time::Instant;
/// # use torrent_wire::{MetadataEvent, MetadataFetch, MetadataMessage};
/// # let now = Instant::now();
/// let metadata = vec![7; 40_000];
/// let mut fetch = MetadataFetch::new(MetadataFetch::<&str>::DEFAULT_MAX_SIZE);
/// fetch.handle_offer(now, "alice", 40_000)?;
/// fetch.handle_offer(now, "bob", 40_000)?;
///
/// while let Some((peer, piece)) = fetch.poll_request() {
///     // Ask `peer`; here is what comes back.
///     let MetadataMessage::Data { total_size, data, .. } = MetadataMessage::answer(Some(&metadata), piece) else {
///         panic!()
///     };
///     fetch.handle_data(now, peer, piece, total_size, data)?;
/// }
/// // Now hash it; if it is wrong, `fetch.handle_refuted(now, assembled)` and go on.
/// let Some(MetadataEvent::Assembled(assembled)) = fetch.poll_event() else { panic!() };
/// assert_eq!(assembled.into_bytes(), metadata);
/// # Ok::<(), torrent_wire::MetadataFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct MetadataFetch<P> {
    max_size: u32,
    peers: BTreeMap<P, Peer>,
    claims: BTreeMap<u32, Claim>,
    attempts: BTreeMap<Key<P>, Attempt<P>>,
    /// The next number for an attempt that is judged.
    id: u64,
    /// Something has happened that may let waiting attempts have memory.
    is_unsettled: bool,
    events: VecDeque<MetadataEvent<P>>,
    /// The time of the last call that told it.
    now: Option<Instant>,
}

/// A size, and the peer whose attempt it is; none if all that claim the size work together.
type Key<P> = (u32, Option<P>);

/// A size that peers claim.
#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    /// How many peers claim it.
    peers: usize,
    /// What they have put together has been wrong: each works alone.
    is_disputed: bool,
}

impl<P: Copy + Ord> MetadataFetch<P> {
    /// 32 MiB: more than any torrent that people share.
    pub const DEFAULT_MAX_SIZE: u32 = 32 * 1024 * 1024;

    /// Takes metadata of up to `max_size` bytes. All unfinished attempts together hold at most twice that.
    #[must_use]
    pub const fn new(max_size: u32) -> Self {
        Self {
            max_size,
            peers: BTreeMap::new(),
            claims: BTreeMap::new(),
            attempts: BTreeMap::new(),
            id: 0,
            is_unsettled: false,
            events: VecDeque::new(),
            now: None,
        }
    }

    /// A peer says in its extended handshake how large the metadata is. What it says later replaces what it said first.
    ///
    /// # Errors
    /// If the size is 0 or larger than allowed, or the peer has named too many of them. It is not asked then.
    pub fn handle_offer(&mut self, now: Instant, peer: P, size: u32) -> Result<(), MetadataFault> {
        self.tick(now);
        let known = self.peers.get(&peer);
        if known.is_some_and(|known| known.size() == size || known.is_convicted()) {
            return Ok(());
        }
        let record = self.withdraw(peer);
        if size == 0 || size > self.max_size {
            return Err(MetadataFault::ImpossibleSize);
        }
        let mut record = record.unwrap_or_else(|| Peer::new(size));
        if record.size() != size && !record.change_size(size) {
            return Err(MetadataFault::TooManySizes);
        }
        self.peers.insert(peer, record);
        let claim = self.claims.entry(size).or_default();
        claim.peers = claim.peers.saturating_add(1);
        let key = (size, claim.is_disputed.then_some(peer));
        self.wait(now, key);
        Ok(())
    }

    /// The peer has gone, or is to be asked no more.
    pub fn handle_removed(&mut self, now: Instant, peer: P) {
        self.tick(now);
        self.withdraw(peer);
    }

    /// The next request to send: a peer, and the number of a block. Call it until it returns `None`, after every other call.
    pub fn poll_request(&mut self) -> Option<(P, u32)> {
        let now = self.now?;
        if mem::take(&mut self.is_unsettled) {
            self.give_memory(now, Lane::Small);
            self.give_memory(now, Lane::Large);
        }
        let (name, block) = self.find_fresh(now).or_else(|| self.find_again(now))?;
        let peer = self.peers.get_mut(&name)?;
        peer.ask(now, block);
        let key = key_of(&self.claims, name, peer);
        if let Some(State::Active(collection)) = self.attempts.get_mut(&key).map(|attempt| &mut attempt.state) {
            collection.ask(now, block);
        }
        Some((name, block))
    }

    /// What has been found out.
    pub fn poll_event(&mut self) -> Option<MetadataEvent<P>> {
        self.events.pop_front()
    }

    /// A peer has sent a block.
    ///
    /// # Errors
    /// If the block was not asked for, or is not what it was asked for as. It has had no effect then.
    pub fn handle_data(
        &mut self,
        now: Instant,
        peer: P,
        piece: u32,
        total_size: u32,
        data: &[u8],
    ) -> Result<(), MetadataFault> {
        self.tick(now);
        let record = self.peers.get_mut(&peer).filter(|record| record.was_asked_for(piece));
        let record = record.ok_or(MetadataFault::Unrequested)?;
        let size = record.size();
        if total_size != size || data.len() != block_length(size, piece) as usize {
            return Err(MetadataFault::WrongLength);
        }
        let waited = record.deliver(now, piece);
        let key = key_of(&self.claims, peer, record);
        let Some(attempt) = self.attempts.get_mut(&key) else { return Ok(()) };
        match &mut attempt.state {
            State::Waiting { proven, .. } => *proven = true,
            State::Active(collection) => {
                collection.put(now, peer, piece, data, waited);
                if let Some((bytes, owners)) = collection.take_whole() {
                    let id = self.id;
                    self.id = id.saturating_add(1);
                    attempt.state = State::Judged { id, owners };
                    self.release_peers(key);
                    self.events.push_back(MetadataEvent::Assembled(Assembled { id, bytes }));
                }
            }
            State::Judged { .. } => {}
        }
        Ok(())
    }

    /// A peer will not give a block. It is left alone for a while, and others are asked.
    pub fn handle_reject(&mut self, now: Instant, peer: P, piece: u32) {
        self.tick(now);
        let Some(record) = self.peers.get_mut(&peer) else { return };
        if record.refuse(now, piece) {
            let key = key_of(&self.claims, peer, record);
            give_up(&mut self.attempts, key, piece);
        }
    }

    /// The assembled metadata has the wrong hash. If it is certain which peer has lied, [`MetadataEvent::Liar`] follows.
    pub fn handle_refuted(&mut self, now: Instant, assembled: Assembled) {
        self.tick(now);
        let judged = |attempt: &Attempt<P>| matches!(attempt.state, State::Judged { id, .. } if id == assembled.id);
        let Some(key) = self.attempts.iter().find(|(_, attempt)| judged(attempt)).map(|(key, _)| *key) else { return };
        let Some(Attempt { state: State::Judged { owners, .. }, .. }) = self.attempts.remove(&key) else { return };
        let size = key.0;
        let Some(most) = most_frequent(&owners) else { return };
        if owners.iter().all(|owner| *owner == most) {
            self.convict(most);
            if self.claims.get(&size).is_some_and(|claim| claim.peers > 0) && key.1.is_none() {
                self.wait(now, key);
            }
            return;
        }
        self.dispute(now, size, &owners, assembled.bytes);
    }

    /// When to call [`Self::handle_timeout`], and to poll for requests again; `None` if only peers can help.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let now = self.now?;
        let peers = self.peers.values().flat_map(Peer::next);
        let attempts = self.attempts.values();
        let active = attempts.filter_map(|attempt| match &attempt.state {
            State::Active(collection) => Some(collection),
            State::Waiting { .. } | State::Judged { .. } => None,
        });
        let again = active.flat_map(Collection::next_due);
        let waits = |wanted| {
            let waiting = |state: &State<P>| matches!(state, State::Waiting { proven, .. } if *proven == wanted);
            self.attempts.values().any(|attempt| waiting(&attempt.state))
        };
        let waiting = [(waits(true), true), (waits(false), false)].into_iter().filter(|(waits, _)| *waits);
        let expendable = waiting
            .flat_map(|(_, proven)| self.attempts.values().filter_map(move |attempt| attempt.expendable_from(proven)));
        // What is due already waits for something else: all that could be done now has been polled.
        peers.chain(again).chain(expendable).filter(|due| *due > now).min()
    }

    /// Takes back requests that have not been answered in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tick(now);
        for (name, peer) in &mut self.peers {
            let given_up = peer.expire(now);
            let key = key_of(&self.claims, *name, peer);
            given_up.into_iter().for_each(|block| give_up(&mut self.attempts, key, block));
        }
    }

    /// Bytes that are set aside for metadata now, with what is being hashed.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.attempts.values().map(Attempt::reserved).sum()
    }

    const fn tick(&mut self, now: Instant) {
        self.now = Some(now);
        self.is_unsettled = true;
    }

    /// Queues an attempt, if there is none yet.
    fn wait(&mut self, now: Instant, key: Key<P>) {
        self.attempts.entry(key).or_insert_with(|| Attempt::new(key.0, now));
    }

    /// A peer no longer takes part in what it has taken part in; what is known of it is returned.
    fn withdraw(&mut self, name: P) -> Option<Peer> {
        let peer = self.peers.remove(&name)?;
        if peer.is_convicted() {
            return Some(peer);
        }
        let key = key_of(&self.claims, name, &peer);
        peer.blocks().for_each(|block| give_up(&mut self.attempts, key, block));
        let is_deserted = self.claims.get_mut(&key.0).is_some_and(|claim| {
            claim.peers = claim.peers.saturating_sub(1);
            claim.peers == 0
        });
        if is_deserted {
            self.claims.remove(&key.0);
        }
        let is_useless = match self.attempts.get(&key).map(|attempt| &attempt.state) {
            Some(State::Waiting { .. }) => is_deserted || key.1.is_some(),
            // What several have put together is kept for the next ones, until others need the memory.
            Some(State::Active(collection)) => key.1.is_some() || is_deserted && collection.is_empty(),
            // It is being hashed, and takes up memory until the verdict.
            Some(State::Judged { .. }) | None => false,
        };
        if is_useless {
            self.attempts.remove(&key);
        }
        Some(peer)
    }

    fn convict(&mut self, name: P) {
        let known = self.withdraw(name);
        if let Some(mut peer) = known {
            peer.convict();
            self.peers.insert(name, peer);
        }
        self.events.push_back(MetadataEvent::Liar(name));
    }

    /// Somebody among these has lied. From now on each works alone, and the one that has delivered the most first, because
    /// its blocks are there.
    fn dispute(&mut self, now: Instant, size: u32, owners: &[P], whole: Vec<u8>) {
        let Some(claim) = self.claims.get_mut(&size) else { return };
        claim.is_disputed = true;
        let names: Vec<P> = self.peers_of((size, None)).collect();
        let here: Vec<P> = owners.iter().copied().filter(|owner| names.contains(owner)).collect();
        let first = most_frequent(&here);
        for name in first.into_iter().chain(names) {
            self.wait(now, (size, Some(name)));
        }
        if let Some(first) = first
            && let Some(attempt) = self.attempts.get_mut(&(size, Some(first)))
        {
            attempt.state = State::Active(Collection::from_whole(whole, size, owners, first, now));
        }
    }

    /// All peers that claim the size, or the one whose attempt it is.
    fn peers_of(&self, (size, alone): Key<P>) -> impl Iterator<Item = P> {
        let takes_part = move |name: &P, peer: &Peer| {
            peer.size() == size && !peer.is_convicted() && alone.is_none_or(|alone| alone == *name)
        };
        self.peers.iter().filter(move |(name, peer)| takes_part(name, peer)).map(|(name, _)| *name)
    }

    /// Nothing that the peers of an attempt were asked for is waited for any longer.
    fn release_peers(&mut self, key: Key<P>) {
        for name in self.peers_of(key).collect::<Vec<_>>() {
            if let Some(peer) = self.peers.get_mut(&name) {
                peer.release();
            }
        }
    }

    /// A peer, and a block that nobody has been asked for; or any block, to see whether a claim is more than talk.
    fn find_fresh(&mut self, now: Instant) -> Option<(P, u32)> {
        let Self { peers, claims, attempts, .. } = self;
        peers.iter().filter(|(_, peer)| peer.may_be_asked(now)).find_map(|(name, peer)| {
            match &mut attempts.get_mut(&key_of(claims, *name, peer))?.state {
                State::Active(collection) => Some((*name, collection.next_fresh()?)),
                State::Waiting { proven: false, .. } if peer.is_idle() => Some((*name, 0)),
                State::Waiting { .. } | State::Judged { .. } => None,
            }
        })
    }

    /// A block that others were asked for a while ago, and the peer that has delivered the most of those that have nothing
    /// else to do.
    fn find_again(&self, now: Instant) -> Option<(P, u32)> {
        let Self { peers, attempts, .. } = self;
        attempts.iter().filter(|((_, alone), _)| alone.is_none()).find_map(|((size, _), attempt)| {
            let State::Active(collection) = &attempt.state else { return None };
            let takes_part = |peer: &Peer| peer.size() == *size && peer.may_help(now);
            let mut free: Vec<_> = peers.iter().filter(|(_, peer)| takes_part(peer)).collect();
            if free.is_empty() {
                return None;
            }
            free.sort_by_key(|(_, peer)| Reverse(peer.delivered()));
            collection.due_again(now).find_map(|block| {
                let (name, _) = free.iter().find(|(_, peer)| !peer.waits_for(block))?;
                Some((**name, block))
            })
        })
    }

    /// Lets waiting attempts have memory, in the order of the queue, as long as there is some.
    fn give_memory(&mut self, now: Instant, lane: Lane) {
        loop {
            let in_lane = |key: &Key<P>| Lane::of(key.0, self.max_size) == lane;
            let waiting = self.attempts.iter().filter(|(key, _)| in_lane(key));
            let waiting = waiting.filter_map(|(key, attempt)| match attempt.state {
                State::Waiting { proven, tag } => Some((!proven, tag, *key)),
                _ => None,
            });
            let Some((is_talk, _, key)) = waiting.min() else { return };
            let reserved = self.attempts.iter().filter(|(key, _)| in_lane(key)).map(|(_, attempt)| attempt.reserved());
            let reserved = reserved.fold(0, u64::saturating_add);
            let excess = reserved.saturating_add(key.0.into()).saturating_sub(lane.memory(self.max_size));
            if excess > 0 && !self.take_memory(now, lane, excess, !is_talk) {
                return;
            }
            if let Some(attempt) = self.attempts.get_mut(&key) {
                attempt.activate(now);
            }
            // The block that it was asked for to see whether there is one counts as any other answer.
            self.release_peers(key);
        }
    }

    /// Sends attempts back to the queue until so many bytes are free; none if that cannot be. The first to go are those
    /// that could have been sent back for the longest time.
    fn take_memory(&mut self, now: Instant, lane: Lane, bytes: u64, proven: bool) -> bool {
        let mut expendable: Vec<_> = self
            .attempts
            .iter()
            .filter_map(|(key, attempt)| {
                let from = if self.is_deserted(*key) { attempt.began() } else { attempt.expendable_from(proven) }?;
                (Lane::of(key.0, self.max_size) == lane && from <= now).then_some((from, *key, attempt.reserved()))
            })
            .collect();
        expendable.sort_unstable();
        let mut freed = 0_u64;
        let enough = expendable.iter().position(|(_, _, reserved)| {
            freed = freed.saturating_add(*reserved);
            freed >= bytes
        });
        let Some(last) = enough else { return false };
        for (_, key, _) in expendable.into_iter().take(last.saturating_add(1)) {
            self.release_peers(key);
            if self.is_deserted(key) {
                self.attempts.remove(&key);
                continue;
            }
            if let Some(attempt) = self.attempts.get_mut(&key) {
                attempt.send_back(now);
            }
        }
        true
    }

    fn is_deserted(&self, key: Key<P>) -> bool {
        !self.claims.contains_key(&key.0)
    }
}

/// Two parts of the memory with a queue each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Sizes up to an eighth of the largest: all but a few of the world's torrents.
    Small,
    Large,
}

impl Lane {
    const fn of(size: u32, max_size: u32) -> Self {
        if size <= max_size / 8 { Self::Small } else { Self::Large }
    }

    /// Four of the largest of its sizes, or one and a half; together twice the largest size.
    fn memory(self, max_size: u32) -> u64 {
        let half = u64::from(max_size / 2);
        match self {
            Self::Small => half,
            Self::Large => u64::from(max_size).saturating_add(half),
        }
    }
}

fn key_of<P: Copy>(claims: &BTreeMap<u32, Claim>, name: P, peer: &Peer) -> Key<P> {
    let is_disputed = claims.get(&peer.size()).is_some_and(|claim| claim.is_disputed);
    (peer.size(), is_disputed.then_some(name))
}

fn give_up<P: Copy + Ord>(attempts: &mut BTreeMap<Key<P>, Attempt<P>>, key: Key<P>, block: u32) {
    if let Some(State::Active(collection)) = attempts.get_mut(&key).map(|attempt| &mut attempt.state) {
        collection.give_up(block);
    }
}

fn most_frequent<P: Copy + Ord>(names: &[P]) -> Option<P> {
    let mut counts = BTreeMap::<P, usize>::new();
    for name in names {
        let count = counts.entry(*name).or_default();
        *count = count.saturating_add(1);
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
}
