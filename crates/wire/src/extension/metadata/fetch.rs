//! Getting the metadata of a magnet link from many peers, of whom some lie. Spec: BEP 9.
//! In: which peer claims which size, blocks, time. Out: which block to ask of whom, assembled metadata to be hashed.
//! Never: hashing (tens of megabytes; do it where it does not hurt), sockets.
//!
//! * There is one [`Candidate`] per claimed size, so a liar about the size disturbs nobody but itself.
//! * Blocks of one candidate come from all who claim its size. If the whole turns out wrong, the next attempt takes the
//!   blocks of one peer at a time, and whoever delivers a wrong whole alone is the liar.
//! * Peers that let three requests time out are given up, so nobody can hold a turn for ever.
//! * Memory is bounded: past the budget, the candidate that has waited longest for a block starts again.

use std::{
    collections::{BTreeMap, VecDeque},
    error, fmt,
    time::{Duration, Instant},
};

use super::{
    METADATA_BLOCK_LENGTH,
    candidate::{Candidate, block_count},
};

/// Requests that one peer has to answer at a time.
const MAX_OUTSTANDING: usize = 4;
/// How long a peer may take for one block.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer that has rejected a request is left alone.
const REJECT_PAUSE: Duration = Duration::from_secs(30);
/// Requests in a row that a peer may leave unanswered.
const MAX_STRIKES: u8 = 3;

/// Fetches metadata block by block from several peers. `P` is the caller's name for a peer.
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
    /// By size; each has at least one peer.
    candidates: BTreeMap<u32, Candidate<P>>,
    events: VecDeque<MetadataEvent<P>>,
    /// The time of the last call that told it.
    now: Option<Instant>,
}

/// What a [`MetadataFetch`] has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to act on each of them")]
pub enum MetadataEvent<P> {
    /// The metadata is complete, and perhaps right. Hash it, outside of any lock; if the hash is wrong, give it back to
    /// [`MetadataFetch::handle_refuted`], and go on.
    Assembled(Assembled),
    /// All of an assembly that was refuted came from this peer. It is not asked any more; ban it.
    Liar(P),
}

#[derive(Clone, Debug)]
struct Peer {
    size: u32,
    outstanding: Vec<Outstanding>,
    strikes: u8,
    paused_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    block: u32,
    deadline: Instant,
}

impl<P: Copy + Ord> MetadataFetch<P> {
    /// 32 MiB: more than any torrent that people share.
    pub const DEFAULT_MAX_SIZE: u32 = 32 * 1024 * 1024;

    /// Takes metadata of up to `max_size` bytes. All unfinished attempts together hold at most twice that.
    #[must_use]
    pub const fn new(max_size: u32) -> Self {
        Self { max_size, peers: BTreeMap::new(), candidates: BTreeMap::new(), events: VecDeque::new(), now: None }
    }

    /// A peer says in its extended handshake how large the metadata is. A later word of the same peer replaces the first.
    ///
    /// # Errors
    /// If it is 0 or larger than allowed. The peer is not asked then.
    pub fn handle_offer(&mut self, now: Instant, peer: P, size: u32) -> Result<(), MetadataFault> {
        self.now = Some(now);
        if self.peers.get(&peer).is_some_and(|known| known.size == size) {
            return Ok(());
        }
        self.remove(peer);
        if size == 0 || size > self.max_size {
            return Err(MetadataFault::ImpossibleSize);
        }
        self.peers.insert(peer, Peer { size, outstanding: Vec::new(), strikes: 0, paused_until: None });
        self.candidates.entry(size).or_insert_with(|| Candidate::new(size)).join();
        Ok(())
    }

    /// The peer has gone, or is to be asked no more.
    pub fn handle_removed(&mut self, now: Instant, peer: P) {
        self.now = Some(now);
        self.remove(peer);
    }

    fn remove(&mut self, peer: P) {
        let Some(Peer { size, outstanding, .. }) = self.peers.remove(&peer) else { return };
        let Some(candidate) = self.candidates.get_mut(&size) else { return };
        outstanding.iter().for_each(|request| candidate.give_up(request.block));
        candidate.end_turn(peer);
        if candidate.leave() == 0 {
            self.candidates.remove(&size);
        }
    }

    /// The next request to send: a peer, and the number of a block. Call it until it says `None`, after every other call.
    pub fn poll_request(&mut self) -> Option<(P, u32)> {
        let now = self.now?;
        let deadline = now.checked_add(REQUEST_TIMEOUT).unwrap_or(now);
        for (name, peer) in &mut self.peers {
            if peer.outstanding.len() >= MAX_OUTSTANDING || peer.paused_until.is_some_and(|until| until > now) {
                continue;
            }
            let Some(candidate) = self.candidates.get_mut(&peer.size) else { continue };
            if !candidate.may_ask(*name) {
                continue;
            }
            let idle = peer.outstanding.is_empty();
            let block = candidate.take().or_else(|| if idle { candidate.take_again() } else { None });
            if let Some(block) = block {
                peer.outstanding.push(Outstanding { block, deadline });
                return Some((*name, block));
            }
        }
        None
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
        self.now = Some(now);
        let state = self.peers.get_mut(&peer).ok_or(MetadataFault::Unrequested)?;
        let position = state.outstanding.iter().position(|request| request.block == piece);
        let position = position.ok_or(MetadataFault::Unrequested)?;
        if total_size != state.size || data.len() != block_length(state.size, piece) as usize {
            return Err(MetadataFault::WrongLength);
        }
        state.outstanding.swap_remove(position);
        state.strikes = 0;
        // A peer that delivers is not slow: the others of its requests have waited for this one.
        let deadline = now.checked_add(REQUEST_TIMEOUT).unwrap_or(now);
        state.outstanding.iter_mut().for_each(|request| request.deadline = deadline);
        let size = state.size;
        let candidate = self.candidates.get_mut(&size).ok_or(MetadataFault::Unrequested)?;
        candidate.store(now, peer, piece, data);
        self.events.extend(candidate.assemble().map(|bytes| MetadataEvent::Assembled(Assembled { bytes })));
        self.keep_budget(now);
        Ok(())
    }

    /// A peer will not give a block. It is left alone for half a minute, and others are asked.
    pub fn handle_reject(&mut self, now: Instant, peer: P, piece: u32) {
        self.now = Some(now);
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let Some(position) = state.outstanding.iter().position(|request| request.block == piece) else { return };
        state.outstanding.swap_remove(position);
        state.paused_until = now.checked_add(REJECT_PAUSE);
        if let Some(candidate) = self.candidates.get_mut(&state.size) {
            candidate.give_up(piece);
            candidate.end_turn(peer);
        }
    }

    /// The assembled metadata has the wrong hash. If it is certain which peer has lied, [`MetadataEvent::Liar`] follows.
    pub fn handle_refuted(&mut self, now: Instant, assembled: Assembled) {
        self.now = Some(now);
        let Ok(size) = u32::try_from(assembled.bytes.len()) else { return };
        let Some(candidate) = self.candidates.get_mut(&size) else { return };
        // Requests that are still out are for blocks of the attempt that has failed.
        for peer in self.peers.values_mut().filter(|peer| peer.size == size) {
            peer.outstanding.clear();
        }
        let liar = candidate.refute(&assembled.bytes);
        if let Some(liar) = liar {
            self.remove(liar);
            self.events.push_back(MetadataEvent::Liar(liar));
        }
        self.keep_budget(now);
    }

    /// What has been found out.
    pub fn poll_event(&mut self) -> Option<MetadataEvent<P>> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`], or to poll for requests again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let requests = self.peers.values().flat_map(|peer| &peer.outstanding).map(|request| request.deadline);
        requests.chain(self.peers.values().filter_map(|peer| peer.paused_until)).min()
    }

    /// Takes back requests that have not been answered in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = Some(now);
        let mut given_up = Vec::new();
        for (name, peer) in &mut self.peers {
            peer.paused_until = peer.paused_until.filter(|until| *until > now);
            let before = peer.outstanding.len();
            for request in peer.outstanding.extract_if(.., |request| request.deadline <= now) {
                if let Some(candidate) = self.candidates.get_mut(&peer.size) {
                    candidate.give_up(request.block);
                }
            }
            if peer.outstanding.len() < before {
                peer.strikes = peer.strikes.saturating_add(1);
                if let Some(candidate) = self.candidates.get_mut(&peer.size) {
                    candidate.end_turn(*name);
                }
            }
            if peer.strikes >= MAX_STRIKES {
                given_up.push(*name);
            }
        }
        given_up.iter().for_each(|peer| self.remove(*peer));
    }

    /// Bytes of metadata that are held now.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.candidates.values().map(|candidate| u64::from(candidate.held())).sum()
    }

    /// The attempt that has waited longest for a block starts again, after a pause: those that move on are refuted or
    /// confirmed soon. Of several, the one to which that has happened least, so that each gets its turn.
    fn keep_budget(&mut self, now: Instant) {
        while self.memory() > u64::from(self.max_size).saturating_mul(2) {
            let holders = self.candidates.iter_mut().filter(|(_, candidate)| candidate.held() > 0);
            let Some((size, candidate)) = holders.max_by_key(|(_, candidate)| candidate.staleness(now)) else { return };
            candidate.send_back();
            for peer in self.peers.values_mut().filter(|peer| peer.size == *size) {
                peer.outstanding.clear();
                peer.paused_until = now.checked_add(REQUEST_TIMEOUT);
            }
        }
    }
}

/// Metadata that is complete, and perhaps right.
#[derive(Clone, PartialEq, Eq)]
pub struct Assembled {
    bytes: Vec<u8>,
}

impl Assembled {
    /// The bytes, to be hashed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, if they are right.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Assembled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assembled({} bytes)", self.bytes.len())
    }
}

fn block_length(size: u32, block: u32) -> u32 {
    if block >= block_count(size) {
        return 0;
    }
    size.saturating_sub(block.saturating_mul(METADATA_BLOCK_LENGTH)).min(METADATA_BLOCK_LENGTH)
}

/// What a peer did wrong about metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataFault {
    /// It claims a size of 0, or one that is larger than allowed.
    ImpossibleSize,
    /// It has sent a block that it was not asked for, or is not any longer: honest peers do so when they are late.
    Unrequested,
    /// The block has the wrong length, or comes with another size than the peer has claimed.
    WrongLength,
}

impl fmt::Display for MetadataFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ImpossibleSize => "metadata of no or too large a size",
            Self::Unrequested => "a block of metadata that was not asked for",
            Self::WrongLength => "a block of metadata of the wrong length",
        })
    }
}

impl error::Error for MetadataFault {}
