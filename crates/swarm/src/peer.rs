//! What we know of one connected peer. Never: decisions that need to know of other peers.

use std::{collections::BTreeSet, net::SocketAddr, time::Instant};

use torrent_types::{Bitfield, PeerId, PieceIndex};

use crate::{rates::Rate, requests::Requests, uploads::Uploads};

/// A peer may name this many pieces allowed fast; more are ignored. BEP 6 suggests 10.
const MAX_ALLOWED_FAST: usize = 64;

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// The peer dialled us.
    Incoming,
    /// We dialled the peer.
    Outgoing,
}

/// The pieces of a peer.
#[derive(Debug)]
pub(crate) enum Holdings {
    All,
    Some(Bitfield),
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) id: PeerId,
    pub(crate) direction: Direction,
    /// Where others can reach it, as far as we know.
    pub(crate) dialable: Option<SocketAddr>,
    /// BEP 6 is on: refusals are said aloud.
    pub(crate) fast: bool,
    pub(crate) holdings: Holdings,
    /// How many pieces it has.
    pub(crate) held: u32,
    pub(crate) allowed_fast: BTreeSet<PieceIndex>,
    /// How many of its pieces we want.
    pub(crate) useful: u32,
    pub(crate) choking: bool,
    pub(crate) interested: bool,
    pub(crate) upload_only: bool,
    pub(crate) am_choking: bool,
    pub(crate) am_interested: bool,
    /// When we last choked or unchoked it.
    pub(crate) slot_since: Instant,
    pub(crate) requests: Requests,
    pub(crate) uploads: Uploads,
    pub(crate) down: Rate,
    pub(crate) up: Rate,
    /// The open piece it is working on.
    pub(crate) current: Option<PieceIndex>,
    /// The piece it opened last: the next one is picked beside it.
    pub(crate) cursor: Option<PieceIndex>,
    /// Requests of its that made no sense.
    pub(crate) bad_requests: u32,
    /// We have asked the driver to close the connection.
    pub(crate) leaving: bool,
}

impl Peer {
    pub(crate) fn new(
        now: Instant,
        address: SocketAddr,
        id: PeerId,
        direction: Direction,
        fast: bool,
        pieces: u32,
    ) -> Self {
        Self {
            address,
            id,
            direction,
            dialable: (direction == Direction::Outgoing).then_some(address),
            fast,
            holdings: Holdings::Some(Bitfield::new(pieces)),
            held: 0,
            allowed_fast: BTreeSet::new(),
            useful: 0,
            choking: true,
            interested: false,
            upload_only: false,
            am_choking: true,
            am_interested: false,
            slot_since: now,
            requests: Requests::new(now),
            uploads: Uploads::default(),
            down: Rate::new(now),
            up: Rate::new(now),
            current: None,
            cursor: None,
            bad_requests: 0,
            leaving: false,
        }
    }

    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        match &self.holdings {
            Holdings::All => true,
            Holdings::Some(field) => field.get(piece),
        }
    }

    /// Its pieces, unless it has all.
    pub(crate) fn pieces(&self) -> Option<impl Iterator<Item = PieceIndex>> {
        match &self.holdings {
            Holdings::All => None,
            Holdings::Some(field) => Some(field.ones()),
        }
    }

    pub(crate) fn is_seed(&self) -> bool {
        matches!(self.holdings, Holdings::All)
    }

    pub(crate) fn allow_fast(&mut self, piece: PieceIndex) {
        if self.allowed_fast.len() < MAX_ALLOWED_FAST {
            self.allowed_fast.insert(piece);
        }
    }

    /// Whether we may ask it for blocks of this piece now.
    pub(crate) fn may_request(&self, piece: PieceIndex) -> bool {
        self.has(piece) && (!self.choking || self.allowed_fast.contains(&piece))
    }

    /// Whether we may ask it for anything at all now.
    pub(crate) fn is_open(&self) -> bool {
        !self.choking || !self.allowed_fast.is_empty()
    }
}
