//! The pieces of the torrent: which we have, which are open and how far, which can be picked.
//! A piece is absent, open (its blocks are being fetched), stored away, or had. Only an open piece costs memory, taken
//! from the client's budget.
//! Never: peers' state (see `peer`), messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use torrent_types::{Bitfield, Block, Geometry, PieceIndex};

use crate::{Budget, PeerKey, Verdict, rarity::Rarity};

/// What became of one block of an open piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockState {
    Free,
    /// Asked of so many peers.
    Requested(u8),
    Received(PeerKey),
}

/// A piece whose blocks are being fetched, checked or written.
#[derive(Debug)]
pub(crate) struct OpenPiece {
    blocks: Box<[BlockState]>,
    free: u32,
    missing: u32,
    /// No free block lies before this one.
    first_free: usize,
    /// When a block of it was last asked for or received.
    moved: Instant,
    /// The peer that fetches it; others help when there is nothing else to do.
    owner: Option<PeerKey>,
    /// A copy has failed before: one peer alone fetches it, so that there is no doubt who sent it.
    exclusive: bool,
    /// Its memory is in the budget; without, blocks go to storage directly.
    buffered: bool,
}

#[derive(Debug)]
pub(crate) struct Pieces {
    geometry: Geometry,
    have: Bitfield,
    have_count: u32,
    rarity: Rarity,
    open: BTreeMap<PieceIndex, OpenPiece>,
    /// Open pieces with free blocks.
    with_free: BTreeSet<PieceIndex>,
    /// Those of them that no peer works on.
    orphans: BTreeSet<PieceIndex>,
    budget: Budget,
}

impl Pieces {
    pub(crate) fn new(geometry: Geometry, have: Bitfield, budget: Budget) -> Self {
        let mut rarity = Rarity::new(geometry.piece_count());
        geometry.pieces().filter(|piece| !have.get(*piece)).for_each(|piece| rarity.insert(piece));
        Self {
            geometry,
            have_count: have.count_ones(),
            have,
            rarity,
            open: BTreeMap::new(),
            with_free: BTreeSet::new(),
            orphans: BTreeSet::new(),
            budget,
        }
    }

    pub(crate) fn have(&self) -> &Bitfield {
        &self.have
    }

    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        self.have.get(piece)
    }

    pub(crate) fn have_count(&self) -> u32 {
        self.have_count
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.have_count == self.geometry.piece_count()
    }

    pub(crate) fn rarity(&self) -> &Rarity {
        &self.rarity
    }

    pub(crate) fn rarity_mut(&mut self) -> &mut Rarity {
        &mut self.rarity
    }

    /// Bytes of open pieces that have arrived: progress between one piece and the next.
    pub(crate) fn partial_bytes(&self) -> u64 {
        let bytes = |(piece, open): (&PieceIndex, &OpenPiece)| {
            let missing = u64::from(open.missing) * u64::from(torrent_types::BLOCK_LENGTH);
            u64::from(self.geometry.length_of(*piece)).saturating_sub(missing)
        };
        self.open.iter().map(bytes).sum()
    }

    /// Whether every piece that we lack is open and none has a free block.
    pub(crate) fn is_endgame(&self) -> bool {
        self.rarity.len() == 0 && self.with_free.is_empty()
    }

    /// How many blocks the budget has room for: what all peers together can usefully be asked.
    pub(crate) fn budget_blocks(&self) -> u32 {
        u32::try_from(self.budget.limit() / torrent_types::BLOCK_LENGTH as usize).unwrap_or(u32::MAX)
    }

    /// Number of the run of `length` bytes in which the piece begins.
    pub(crate) fn extent(&self, piece: PieceIndex, length: u64) -> u64 {
        self.geometry.piece_offset(piece) / length
    }

    /// Open pieces with free blocks that nobody works on, lowest first.
    pub(crate) fn orphans(&self) -> impl Iterator<Item = PieceIndex> {
        self.orphans.iter().copied()
    }

    /// Open pieces with free blocks that a helper may take from, lowest first.
    pub(crate) fn to_help(&self) -> impl Iterator<Item = PieceIndex> {
        let shared = |piece: &PieceIndex| self.open.get(piece).is_some_and(|open| !open.exclusive);
        self.with_free.iter().copied().filter(shared)
    }

    /// Whether `peer` may take free blocks of `piece`.
    pub(crate) fn offers(&self, piece: PieceIndex, peer: PeerKey) -> bool {
        self.open.get(&piece).is_some_and(|open| open.free > 0 && (!open.exclusive || open.owner == Some(peer)))
    }

    /// Opens an absent piece for `peer`. False if the budget has no room for it now.
    pub(crate) fn open(&mut self, now: Instant, piece: PieceIndex, peer: PeerKey, exclusive: bool) -> bool {
        let length = self.geometry.length_of(piece) as usize;
        // A piece that would take most of the budget is written block by block; so is the only piece of a torrent
        // when other torrents have spent the budget, for otherwise it would never move.
        let too_large = length > self.budget.limit() / 2;
        let buffered = !too_large && self.budget.take(length);
        let direct = (too_large && self.direct_count() < MAX_DIRECT) || self.open.is_empty();
        if !buffered && !direct {
            return false;
        }
        let count = self.geometry.block_count(piece);
        let blocks = vec![BlockState::Free; count as usize].into();
        self.open.insert(
            piece,
            OpenPiece {
                blocks,
                free: count,
                missing: count,
                first_free: 0,
                moved: now,
                owner: Some(peer),
                exclusive,
                buffered,
            },
        );
        self.rarity.remove(piece);
        self.with_free.insert(piece);
        true
    }

    /// `peer` works on this orphan from now on.
    pub(crate) fn adopt(&mut self, piece: PieceIndex, peer: PeerKey) {
        if let Some(open) = self.open.get_mut(&piece) {
            open.owner = Some(peer);
            self.orphans.remove(&piece);
        }
    }

    /// `peer` works on this piece no longer.
    pub(crate) fn abandon(&mut self, piece: PieceIndex, peer: PeerKey) {
        let Some(open) = self.open.get_mut(&piece).filter(|open| open.owner == Some(peer)) else { return };
        if open.missing == 0 {
            return;
        }
        open.owner = None;
        if self.with_free.contains(&piece) {
            self.orphans.insert(piece);
        }
    }

    /// The next free block of an open piece, which counts as requested from now on.
    pub(crate) fn request(&mut self, now: Instant, piece: PieceIndex) -> Option<Block> {
        let open = self.open.get_mut(&piece)?;
        let rest = open.blocks.get(open.first_free..)?;
        let index = open.first_free + rest.iter().position(|state| *state == BlockState::Free)?;
        open.first_free = index + 1;
        open.moved = now;
        open.blocks[index] = BlockState::Requested(1);
        open.free -= 1;
        if open.free == 0 {
            self.with_free.remove(&piece);
            self.orphans.remove(&piece);
        }
        self.geometry.nth_block(piece, u32::try_from(index).ok()?).ok()
    }

    /// Blocks that are asked of fewer than `limit` peers and have not come, of pieces that did not move since `before`:
    /// what may be asked for twice.
    pub(crate) fn busy(&self, limit: u8, before: Instant) -> impl Iterator<Item = Block> {
        let stuck = move |open: &OpenPiece| !open.exclusive && open.moved <= before;
        self.open.iter().filter(move |(_, open)| stuck(open)).flat_map(move |(piece, open)| {
            let busy = move |state: &BlockState| matches!(state, BlockState::Requested(count) if *count < limit);
            let indices = open.blocks.iter().enumerate().filter(move |(_, state)| busy(state)).map(|(index, _)| index);
            indices.filter_map(|index| self.geometry.nth_block(*piece, u32::try_from(index).ok()?).ok())
        })
    }

    /// A block that is requested already is asked of one peer more.
    pub(crate) fn request_again(&mut self, block: Block) {
        if let Some(BlockState::Requested(count)) = self.state_mut(block) {
            *count = count.saturating_add(1);
        }
    }

    /// One peer less is asked for the block.
    pub(crate) fn release(&mut self, block: Block) {
        let Some(state) = self.state_mut(block) else { return };
        match state {
            BlockState::Requested(count) if *count > 1 => *count -= 1,
            BlockState::Requested(_) => {
                *state = BlockState::Free;
                let piece = block.piece();
                let Some(open) = self.open.get_mut(&piece) else { return };
                open.free += 1;
                open.first_free = open.first_free.min(block.index() as usize);
                self.with_free.insert(piece);
                if open.owner.is_none() {
                    self.orphans.insert(piece);
                }
            }
            BlockState::Free | BlockState::Received(_) => {}
        }
    }

    /// A block that was asked for has come. The second value: other peers were asked for it too.
    pub(crate) fn received(&mut self, now: Instant, block: Block, peer: PeerKey) -> (Verdict, bool) {
        let Some(open) = self.open.get_mut(&block.piece()) else { return (Verdict::Discard, false) };
        if open.exclusive && open.owner != Some(peer) {
            return (Verdict::Discard, false);
        }
        let Some(state) = open.blocks.get_mut(block.index() as usize) else { return (Verdict::Discard, false) };
        let others = match state {
            BlockState::Received(_) => return (Verdict::Discard, false),
            // Released because the peer was slow, and nobody else was asked since.
            BlockState::Free => {
                open.free -= 1;
                false
            }
            BlockState::Requested(count) => *count > 1,
        };
        *state = BlockState::Received(peer);
        open.missing -= 1;
        open.moved = now;
        let verdict = if open.buffered { Verdict::Buffer } else { Verdict::Direct };
        if open.free == 0 {
            self.with_free.remove(&block.piece());
            self.orphans.remove(&block.piece());
        }
        (verdict, others)
    }

    /// Who sent each block of an open piece.
    pub(crate) fn senders(&self, piece: PieceIndex) -> impl Iterator<Item = (u32, PeerKey)> {
        let blocks = self.open.get(&piece).map(|open| open.blocks.iter()).into_iter().flatten();
        (0..).zip(blocks).filter_map(|(index, state)| match state {
            BlockState::Received(peer) => Some((index, *peer)),
            _ => None,
        })
    }

    /// The piece is in storage. False if it was not open.
    pub(crate) fn stored(&mut self, piece: PieceIndex) -> bool {
        let was_open = self.close(piece);
        if was_open && self.have.set(piece) {
            self.have_count += 1;
        }
        was_open
    }

    /// The piece failed its check or could not be written: it can be picked again.
    pub(crate) fn failed(&mut self, piece: PieceIndex) {
        if self.close(piece) {
            self.rarity.insert(piece);
        }
    }

    fn close(&mut self, piece: PieceIndex) -> bool {
        let Some(open) = self.open.remove(&piece) else { return false };
        self.with_free.remove(&piece);
        self.orphans.remove(&piece);
        if open.buffered {
            self.budget.give(self.geometry.length_of(piece) as usize);
        }
        true
    }

    fn direct_count(&self) -> usize {
        self.open.values().filter(|open| !open.buffered).count()
    }

    fn state_mut(&mut self, block: Block) -> Option<&mut BlockState> {
        self.open.get_mut(&block.piece())?.blocks.get_mut(block.index() as usize)
    }
}

/// Memory of pieces still open goes back to the budget with their torrent.
impl Drop for Pieces {
    fn drop(&mut self) {
        while let Some((piece, _)) = self.open.first_key_value() {
            let piece = *piece;
            self.close(piece);
        }
    }
}

/// Pieces written block by block at a time: they cost no memory, but a half-written one is worth nothing yet.
const MAX_DIRECT: usize = 8;
