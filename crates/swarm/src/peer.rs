//! What we know of one connected peer. Never here: decisions that need to know of other peers.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_types::{Bitfield, PeerId, PieceIndex};

use crate::{
    Connected, Direction, Obfuscation, Parting, Source, Transport,
    bits::{Bits, Place},
    rates::Rate,
    requests::Requests,
    shared::Host,
    uploads::Uploads,
};

/// A peer may name this many pieces allowed fast; more are ignored. BEP 6 suggests 10.
const MAX_ALLOWED_FAST: usize = 64;
/// A seed that takes back more pieces than this costs a bitfield from then on.
const MAX_MISSING: usize = 64;
/// Pieces that are not asked of a peer again because its copy failed; more connections of that kind are ended.
pub(crate) const MAX_REFUSED: usize = 256;

/// The pieces of a peer.
#[derive(Debug)]
pub(crate) enum Holdings {
    /// Every piece but these few, which it has taken back by BEP 54. Counted as a seed by `rarity`, so that taking back a piece
    /// and having it again costs O(1).
    AllBut(BTreeSet<PieceIndex>),
    Some(Bits),
}

impl Holdings {
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Self::AllBut(missing) => !missing.contains(&piece),
            Self::Some(bits) => bits.contains(piece),
        }
    }

    /// How many pieces of `all`.
    pub(crate) fn count(&self, all: u32) -> u32 {
        match self {
            Self::AllBut(missing) => all.saturating_sub(u32::try_from(missing.len()).unwrap_or(u32::MAX)),
            Self::Some(bits) => bits.count(),
        }
    }

    pub(crate) fn of(field: &Bitfield) -> Self {
        if field.is_full() { Self::AllBut(BTreeSet::new()) } else { Self::Some(Bits::from_bitfield(field)) }
    }

    /// Room for one more taken-back piece: afterwards it has to become a bitfield.
    pub(crate) fn is_full_of_holes(&self) -> bool {
        matches!(self, Self::AllBut(missing) if missing.len() >= MAX_MISSING)
    }
}

/// What a peer can give us: everything about requests.
#[derive(Debug)]
pub(crate) struct Giving {
    pub(crate) holdings: Holdings,
    /// How many of its pieces we want and lack.
    pub(crate) useful: u32,
    /// Pieces of which its copy failed, from it alone.
    pub(crate) refused: BTreeSet<PieceIndex>,
    pub(crate) allowed_fast: BTreeSet<PieceIndex>,
    pub(crate) choking: bool,
    /// It has something that we want.
    pub(crate) am_interested: bool,
    /// What it was told about that. That we want nothing is said after a while only: a reader that jumps about would otherwise
    /// lose its slots.
    pub(crate) told_interested: bool,
    /// When it will be told.
    pub(crate) bored: Option<Instant>,
    pub(crate) requests: Requests,
    pub(crate) rate: Rate,
    pub(crate) wasted: u64,
    /// Good pieces to which it has contributed.
    pub(crate) good: u32,
    /// The open copy that it is working on.
    pub(crate) current: Option<(PieceIndex, u32)>,
    /// The piece it opened last: the next one is picked beside it.
    pub(crate) cursor: Option<PieceIndex>,
    /// Where the search of its own list goes on.
    pub(crate) place: Place,
    /// The search of its list has not come to the end yet.
    pub(crate) searching: bool,
    /// Messages that replaced its holdings.
    pub(crate) replaced: u32,
}

/// What a peer takes from us.
#[derive(Debug)]
pub(crate) struct Taking {
    pub(crate) interested: bool,
    pub(crate) upload_only: bool,
    pub(crate) am_choking: bool,
    /// When it got its last slot.
    pub(crate) slot_began: Option<Instant>,
    /// When we last choked or unchoked it.
    pub(crate) since: Instant,
    pub(crate) queue: Uploads,
    /// Bytes that the driver has taken to send, and that the socket has not.
    pub(crate) outstanding: u64,
    /// When it last asked for something that we could serve.
    pub(crate) asked: Option<Instant>,
    /// When its socket last took something, or something began to wait for it.
    pub(crate) moved: Instant,
    pub(crate) rate: Rate,
    /// It did not use a slot, or did not read: others come first until then.
    pub(crate) penalty_until: Option<Instant>,
    /// Requests that made no sense.
    pub(crate) bad_requests: u32,
    /// Requests in a row that were not served.
    pub(crate) unserved: u32,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) host: Host,
    pub(crate) id: PeerId,
    pub(crate) direction: Direction,
    pub(crate) source: Source,
    pub(crate) transport: Transport,
    pub(crate) obfuscation: Obfuscation,
    pub(crate) since: Instant,
    /// Where others can reach it, as far as we know.
    pub(crate) dialable: Option<SocketAddr>,
    /// BEP 6 is negotiated: refused requests are answered with a reject.
    pub(crate) fast: bool,
    pub(crate) giving: Giving,
    pub(crate) taking: Taking,
    /// When it was last of use: a block came or went.
    pub(crate) used: Option<Instant>,
    /// We have asked the driver to close the connection.
    pub(crate) leaving: bool,
    /// Why.
    pub(crate) parting: Option<Parting>,
}

impl Peer {
    pub(crate) fn new(now: Instant, connected: &Connected, source: Source, pieces: u32) -> Self {
        let direction = connected.via.direction();
        Self {
            address: connected.address,
            host: Host::of(connected.address),
            id: connected.id,
            direction,
            source,
            transport: connected.transport,
            obfuscation: connected.obfuscation,
            since: now,
            dialable: (direction == Direction::Outgoing).then_some(connected.address),
            fast: connected.fast,
            giving: Giving {
                holdings: Holdings::Some(Bits::new(pieces)),
                useful: 0,
                refused: BTreeSet::new(),
                allowed_fast: BTreeSet::new(),
                choking: true,
                am_interested: false,
                told_interested: false,
                bored: None,
                requests: Requests::new(now),
                rate: Rate::new(now),
                wasted: 0,
                good: 0,
                current: None,
                cursor: None,
                place: Place::default(),
                searching: false,
                replaced: 0,
            },
            taking: Taking {
                interested: false,
                upload_only: false,
                am_choking: true,
                slot_began: None,
                since: now,
                queue: Uploads::default(),
                outstanding: 0,
                asked: None,
                moved: now,
                rate: Rate::new(now),
                penalty_until: None,
                bad_requests: 0,
                unserved: 0,
            },
            used: None,
            leaving: false,
            parting: None,
        }
    }

    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        self.giving.holdings.has(piece)
    }

    /// Whether it has every piece of `all`.
    pub(crate) fn is_seed(&self, all: u32) -> bool {
        all > 0 && self.giving.holdings.count(all) == all
    }

    pub(crate) fn allow_fast(&mut self, piece: PieceIndex) {
        if self.giving.allowed_fast.len() < MAX_ALLOWED_FAST {
            self.giving.allowed_fast.insert(piece);
        }
    }

    /// Whether we may ask it for blocks of this piece now.
    pub(crate) fn may_request(&self, piece: PieceIndex) -> bool {
        self.has(piece)
            && (!self.giving.choking || self.giving.allowed_fast.contains(&piece))
            && !self.giving.refused.contains(&piece)
    }

    /// Whether we may ask it for anything at all now.
    pub(crate) fn is_open(&self) -> bool {
        !self.leaving && self.giving.am_interested && (!self.giving.choking || !self.giving.allowed_fast.is_empty())
    }

    /// How long the block at this place in its queue will take, as far as can be told.
    pub(crate) fn eta(&self, now: Instant, place: u32) -> Duration {
        let requests = &self.giving.requests;
        // A peer that keeps us waiting is likely to go on doing so, and the longer the likelier.
        let waiting = requests.waited(now) * 4;
        if !requests.is_proven() || requests.is_snubbed() {
            return UNKNOWN_ETA + waiting;
        }
        let bytes = (u64::from(place) + 1) * u64::from(torrent_types::BLOCK_LENGTH);
        let pace = if requests.pace() > 0 { requests.pace() } else { self.giving.rate.per_second() };
        let queue = Duration::from_millis(bytes.saturating_mul(1000) / pace.max(1));
        queue.max(requests.least_response_time()) + waiting
    }
}

/// What a peer that never answered is expected to take.
const UNKNOWN_ETA: Duration = Duration::from_secs(1);
