//! Which blocks to ask a peer for next. First what readers wait for; then what is begun and has no peer; then a new piece,
//! rarest first, neighbours in a row, so that disks on both sides work in runs; then what others have begun.
//! Never here: how many (see `requests`), whether it may be asked (see `peer`), what is asked for twice (see `torrent::take_over`).

use std::time::Instant;

use rand::{RngExt, rngs::SmallRng};
use torrent_types::{Block, PieceIndex};

use crate::{
    Order, PeerKey, Priority,
    bits::{Place, Search},
    blame::Blame,
    peer::{Holdings, Peer},
    pieces::Pieces,
    rarity::Rarity,
    wanted::Wanted,
};

/// Neighbouring pieces are taken in a row inside a stretch of this many bytes.
const STRETCH: u64 = 4 << 20;
/// Pieces looked at from the rare end before the peer's own list is searched instead.
const PROBES: usize = 128;
/// Words of the peer's list that are searched at a time, 64 pieces each. The search goes on with the next refill.
const WORDS: u32 = 512;
/// Open pieces looked at for one that the peer can help with.
const MAX_OPEN_LOOKED_AT: usize = 256;
/// Urgent pieces looked at: what readers need soon is among the first.
const MAX_URGENT_LOOKED_AT: usize = 64;

/// The state of other owners that a pick needs.
pub(crate) struct Picker<'a> {
    pub(crate) now: Instant,
    pub(crate) pieces: &'a mut Pieces,
    pub(crate) wanted: &'a Wanted,
    pub(crate) blame: &'a Blame,
    pub(crate) rng: &'a mut SmallRng,
    /// No more than this many pieces may be open: storage is being tried after a failure.
    pub(crate) max_open: usize,
}

impl Picker<'_> {
    /// Asks `peer` for up to `room` blocks, pushed to `out`.
    pub(crate) fn pick(&mut self, key: PeerKey, peer: &mut Peer, room: u32, out: &mut Vec<Block>) {
        let room = room as usize;
        peer.giving.searching = false;
        self.urgent(key, peer, room, out);
        while out.len() < room {
            let Some(piece) = self.at_hand(key, peer).or_else(|| self.next_piece(key, peer)) else { break };
            let before = out.len();
            self.take(piece, peer, room, out);
            if out.len() == before {
                // Nothing of it after all: there was no memory for its next extent, or all is on its way from this peer.
                self.leave(peer);
                if !self.help(key, peer, room, out) {
                    break;
                }
            }
        }
    }

    /// Takes free blocks of an open piece.
    fn take(&mut self, piece: PieceIndex, peer: &Peer, room: usize, out: &mut Vec<Block>) {
        let requests = &peer.giving.requests;
        // What this peer still owes is not asked of it again, unless it was silent.
        let owed = requests.has_ghosts() && !requests.is_snubbed();
        while out.len() < room {
            let taken = self.pieces.request(piece, |block| owed && requests.contains(block));
            let Some(block) = taken else { break };
            out.push(block);
        }
    }

    /// Blocks of the pieces that readers wait for: everybody helps, in the order of their deadlines.
    fn urgent(&mut self, key: PeerKey, peer: &Peer, room: usize, out: &mut Vec<Block>) {
        if !self.wanted.has_urgent() {
            return;
        }
        let first: Vec<_> = self.wanted.urgent().take(MAX_URGENT_LOOKED_AT).map(|(_, piece)| piece).collect();
        for piece in first {
            if out.len() >= room {
                return;
            }
            if !peer.may_request(piece) {
                continue;
            }
            let pickable = self.pieces.rarity().is_some_and(|rarity| rarity.contains(piece))
                && self.blame.may_open(piece, peer.host);
            if self.pieces.offers(piece, key) || (pickable && self.open(piece, key)) {
                self.take(piece, peer, room, out);
            }
        }
    }

    /// The piece that the peer is working on, if there is something left to ask for.
    fn at_hand(&mut self, key: PeerKey, peer: &mut Peer) -> Option<PieceIndex> {
        let current = peer.giving.current?;
        let piece = current.0;
        let usable = self.pieces.is_current(current) && self.pieces.offers(piece, key) && peer.may_request(piece);
        if !usable {
            self.leave(peer);
        }
        usable.then_some(piece)
    }

    fn leave(&mut self, peer: &mut Peer) {
        if let Some(current) = peer.giving.current.take() {
            self.pieces.leave(current);
        }
    }

    /// The next piece for the peer to work on, opened if need be.
    fn next_piece(&mut self, key: PeerKey, peer: &mut Peer) -> Option<PieceIndex> {
        let proven = peer.giving.requests.is_proven();
        let offered = |piece: &PieceIndex| self.pieces.offers(*piece, key) && peer.may_request(*piece);
        let orphan = self.pieces.orphans().take(MAX_OPEN_LOOKED_AT).find(offered);
        if let Some(piece) = orphan {
            if proven {
                peer.giving.current = self.pieces.join(piece);
            }
            return Some(piece);
        }
        // A peer that never gave a block has no piece of its own: what it holds up is a block of a piece that others finish.
        if !proven && let Some(piece) = self.shared(key, peer) {
            return Some(piece);
        }
        if let Some(piece) = self.absent(peer)
            && self.open(piece, key)
        {
            peer.giving.cursor = Some(piece);
            if proven {
                peer.giving.current = self.pieces.join(piece);
            }
            return Some(piece);
        }
        self.shared(key, peer)
    }

    /// An open piece of others that the peer can help with.
    fn shared(&self, key: PeerKey, peer: &Peer) -> Option<PieceIndex> {
        let offered = |piece: &PieceIndex| self.pieces.offers(*piece, key) && peer.may_request(*piece);
        self.pieces.with_work().take(MAX_OPEN_LOOKED_AT).find(offered)
    }

    /// Takes from any open piece that has something. False if none has.
    fn help(&mut self, key: PeerKey, peer: &Peer, room: usize, out: &mut Vec<Block>) -> bool {
        let offered = |piece: &PieceIndex| self.pieces.offers(*piece, key) && peer.may_request(*piece);
        let open: Vec<_> = self.pieces.with_work().take(MAX_OPEN_LOOKED_AT).filter(offered).collect();
        let before = out.len();
        for piece in open {
            self.take(piece, peer, room, out);
            if out.len() > before {
                return true;
            }
        }
        false
    }

    fn open(&mut self, piece: PieceIndex, key: PeerKey) -> bool {
        if self.pieces.open_count() >= self.max_open {
            return false;
        }
        let solo = self.blame.wants_solo(piece).then_some(key);
        self.pieces.open(self.now, piece, solo)
    }

    /// A piece that is not open yet and that the peer can be asked for.
    fn absent(&mut self, peer: &mut Peer) -> Option<PieceIndex> {
        let rarity = self.pieces.rarity()?;
        if rarity.len() == 0 || self.pieces.open_count() >= self.max_open {
            return None;
        }
        let blame = self.blame;
        let host = peer.host;
        let proven = peer.giving.requests.is_proven();
        let fits = |peer: &Peer, piece: PieceIndex| {
            peer.may_request(piece) && blame.may_open(piece, host) && (proven || !blame.wants_solo(piece))
        };
        // A peer without a block to show for itself does not get a piece alone, unless there is nothing else.
        let last_resort = |peer: &Peer| {
            let fits = |piece: &PieceIndex| {
                rarity.contains(*piece) && peer.may_request(*piece) && blame.may_open(*piece, host)
            };
            blame.suspects().find(fits)
        };
        if peer.giving.choking {
            let allowed = peer.giving.allowed_fast.iter().copied();
            let found = allowed.into_iter().find(|piece| rarity.contains(*piece) && fits(peer, *piece));
            return found.or_else(|| last_resort(peer));
        }
        if self.wanted.order() != Order::RarestFirst {
            let all = self.pieces.geometry().piece_count();
            let next = in_order(rarity, self.wanted.order(), all, peer, fits);
            return next.or_else(|| last_resort(peer));
        }
        let top = rarity.top();
        let neighbour = peer.giving.cursor.and_then(|cursor| {
            let next = PieceIndex::new(cursor.get() + 1);
            let offset = |piece| self.pieces.geometry().piece_offset(piece) / STRETCH;
            let as_rare = rarity.count(next) <= rarity.count(cursor) && rarity.priority(next) == top;
            (offset(next) == offset(cursor) && as_rare && rarity.contains(next) && fits(peer, next)).then_some(next)
        });
        // A peer that is no seed is counted itself, so that it cannot have what no peer is counted for. Only seeds that have
        // taken back pieces make counts smaller than that.
        let at_least = if matches!(peer.giving.holdings, Holdings::AllBut(_)) { i16::MIN } else { 1 };
        let random = self.rng.random();
        neighbour
            .or_else(|| rarity.rarest_first(random, at_least).take(PROBES).find(|piece| fits(peer, *piece)))
            .or_else(|| search(rarity, peer, fits))
            .or_else(|| last_resort(peer))
    }
}

/// Searches the next part of the peer's own list. What a refill does not find, the next one may.
fn search(rarity: &Rarity, peer: &mut Peer, fits: impl Fn(&Peer, PieceIndex) -> bool) -> Option<PieceIndex> {
    let mut place = peer.giving.place;
    let theirs = match &peer.giving.holdings {
        Holdings::AllBut(_) => None,
        Holdings::Some(bits) => Some(bits),
    };
    let found = rarity.search(theirs, &mut place, WORDS, |piece| fits(peer, piece));
    peer.giving.searching = found == Search::GoOn;
    peer.giving.place = place;
    match found {
        Search::Found(piece) => Some(piece),
        Search::GoOn | Search::Nothing => None,
    }
}

/// The first piece of the highest priority, from the beginning on. Both ends first, if `order` says so.
fn in_order(
    rarity: &Rarity,
    order: Order,
    pieces: u32,
    peer: &Peer,
    fits: impl Fn(&Peer, PieceIndex) -> bool,
) -> Option<PieceIndex> {
    if order == Order::EndsFirst {
        let ends = [0, pieces.saturating_sub(1)].map(PieceIndex::new);
        let end = ends.into_iter().find(|piece| rarity.contains(*piece) && fits(peer, *piece));
        if end.is_some() {
            return end;
        }
    }
    let theirs = match &peer.giving.holdings {
        Holdings::AllBut(_) => None,
        Holdings::Some(bits) => Some(bits),
    };
    for priority in [Priority::Now, Priority::High, Priority::Normal, Priority::Low] {
        if rarity.top().is_none_or(|top| priority > top) {
            continue;
        }
        let mut place = Place::default();
        loop {
            // From the beginning each time: pieces that are not pickable any more cost one bit.
            let wanted = |piece: PieceIndex| rarity.priority(piece) == Some(priority) && fits(peer, piece);
            match rarity.search(theirs, &mut place, WORDS, wanted) {
                Search::Found(piece) => return Some(piece),
                Search::GoOn => {}
                Search::Nothing => break,
            }
        }
    }
    None
}
