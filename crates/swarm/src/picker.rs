//! Which blocks to ask a peer for next. Rarest first; a peer that fetches many small pieces takes neighbours, so that
//! disks on both sides work in runs; what is begun is finished first when nobody else does; endgame at last.
//! Never: how many (see `requests`), who may be asked (see `peer`).

use std::time::{Duration, Instant};

use rand::{RngExt, rngs::SmallRng};
use torrent_types::{Block, PieceIndex};

use crate::{PeerKey, blame::Blame, peer::Peer, pieces::Pieces};

/// Neighbouring pieces are taken in a row inside an extent of this many bytes.
const EXTENT: u64 = 4 << 20;
/// Pieces looked at from the rare end before the peer's own list is searched instead.
const PROBES: usize = 128;
/// Blocks that a peer with nothing else to do is asked for though others were asked too.
const ENDGAME_BLOCKS: usize = 4;
/// Before the end, a piece that did not move for so long may be helped along in the same way.
const STUCK: Duration = Duration::from_secs(5);
/// So many peers at most are asked for the same block.
const ENDGAME_COPIES: u8 = 2;

/// Asks `peer` for up to `room` blocks, pushed to `out`.
#[expect(clippy::too_many_arguments, reason = "each is the state of another owner")]
pub(crate) fn pick(
    now: Instant,
    pieces: &mut Pieces,
    blame: &Blame,
    luck: &mut SmallRng,
    key: PeerKey,
    peer: &mut Peer,
    room: u32,
    out: &mut Vec<Block>,
) {
    let room = room as usize;
    while out.len() < room {
        let at_hand = peer.current.filter(|piece| pieces.offers(*piece, key) && peer.may_request(*piece));
        let Some(piece) = at_hand.or_else(|| next_piece(now, pieces, blame, luck, key, peer)) else { break };
        peer.current = Some(piece);
        while let Some(block) = (out.len() < room).then(|| pieces.request(now, piece)).flatten() {
            out.push(block);
        }
    }
    if out.is_empty() && peer.requests.is_empty() {
        endgame(now, pieces, peer, room, out);
    }
}

/// A piece with free blocks that the peer can work on, opened if need be.
fn next_piece(
    now: Instant,
    pieces: &mut Pieces,
    blame: &Blame,
    luck: &mut SmallRng,
    key: PeerKey,
    peer: &mut Peer,
) -> Option<PieceIndex> {
    let orphan = pieces.orphans().find(|piece| peer.may_request(*piece));
    if let Some(piece) = orphan {
        pieces.adopt(piece, key);
        return Some(piece);
    }
    if let Some(piece) = absent_piece(pieces, luck, peer)
        && pieces.open(now, piece, key, blame.is_suspect(piece))
    {
        peer.cursor = Some(piece);
        return Some(piece);
    }
    pieces.to_help().find(|piece| peer.may_request(*piece))
}

fn absent_piece(pieces: &Pieces, luck: &mut SmallRng, peer: &Peer) -> Option<PieceIndex> {
    let rarity = pieces.rarity();
    if rarity.len() == 0 {
        return None;
    }
    if peer.choking {
        return peer.allowed_fast.iter().copied().find(|piece| rarity.contains(*piece) && peer.has(*piece));
    }
    let wanted = |piece: &PieceIndex| peer.has(*piece);
    let neighbour = peer.cursor.and_then(|cursor| {
        let next = PieceIndex::new(cursor.get() + 1);
        let same_extent = pieces.extent(next, EXTENT) == pieces.extent(cursor, EXTENT);
        let as_rare = rarity.count(next) <= rarity.count(cursor);
        (same_extent && as_rare && rarity.contains(next) && wanted(&next)).then_some(next)
    });
    neighbour.or_else(|| rarity.rarest_first(luck.random()).take(PROBES).find(wanted)).or_else(|| {
        // The peer has few pieces: search those instead.
        let own = peer.pieces()?.filter(|piece| rarity.contains(*piece));
        own.min_by_key(|piece| rarity.count(*piece))
    })
}

/// Every block is asked for, or some have been for too long: ask for them once more. The first copy wins, the others are
/// cancelled.
fn endgame(now: Instant, pieces: &mut Pieces, peer: &Peer, room: usize, out: &mut Vec<Block>) {
    let useful = |block: &Block| peer.may_request(block.piece()) && !peer.requests.contains(*block);
    let before = if pieces.is_endgame() { Some(now) } else { now.checked_sub(STUCK) };
    let Some(before) = before else { return };
    out.extend(pieces.busy(ENDGAME_COPIES, before).filter(useful).take(room.min(ENDGAME_BLOCKS)));
    out.iter().for_each(|block| pieces.request_again(*block));
}
