//! The pieces of the torrent: which are in storage, which are open and how far, which can be picked. BEP 3 § "peer messages".
//!
//! ```text
//!            open                 last block            Good              stored
//!  absent ─────────▶ Fetching ───────────────▶ Hashing ──────▶ Writing ──────────▶ had
//!    ▲                  │                         │ Bad            │                │
//!    │   given up,      │                         ▼                │ lost           │ lost
//!    │   storage failed │                    Testifying            │                │
//!    └──────────────────┴─────────────────────────┴────────────────┴────────────────┘
//!
//!  a block:  Free ──request──▶ Requested(n) ──received──▶ Received(sender)
//!              ▲                    │ release: n - 1, and Free at 0
//!              └────────────────────┘
//! ```
//!
//! Only open pieces cost memory. It is claimed from the client's allowance per extent of [`EXTENT`] bytes; the extents of a
//! large piece are opened in order, so that its hash can follow.
//! Never here: peers' state (see `peer`), which piece is picked (see `picker`), messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use torrent_types::{BLOCK_LENGTH, Bitfield, Block, Geometry, PieceIndex};

use crate::{
    EXTENT, PeerKey, Priority, Verdict,
    rarity::Rarity,
    shared::{Claim, Host},
};

/// Blocks of one extent.
const EXTENT_BLOCKS: u32 = EXTENT / BLOCK_LENGTH;

/// What became of one block of an open piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockState {
    Free,
    /// Asked of so many peers.
    Requested(u16),
    /// Sent by the sender of this number.
    Received(u32),
}

/// How far an open piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Blocks are being fetched.
    Fetching,
    /// All blocks are here; the driver hashes them.
    Hashing,
    /// The piece is good and being written.
    Writing,
    /// The piece is bad; the driver hashes its blocks one by one.
    Testifying,
}

/// A piece whose blocks are being fetched, checked or written.
#[derive(Debug)]
pub(crate) struct OpenPiece {
    /// The blocks of the extents that are open.
    blocks: Vec<BlockState>,
    /// Blocks of the whole piece.
    total: u32,
    free: u32,
    /// Blocks of the whole piece that have not come.
    missing: u32,
    /// No free block lies before this one.
    first_free: usize,
    /// For each extent that was opened, whether its memory was given back.
    stored: Vec<bool>,
    /// Bytes of memory claimed.
    held: usize,
    /// When it was opened, and when a block of it came last.
    pub(crate) opened: Instant,
    pub(crate) moved: Instant,
    /// Peers that work on it; others help when they have nothing else to do.
    workers: u32,
    /// Tells this copy from earlier ones of the same piece.
    epoch: u32,
    pub(crate) stage: Stage,
    /// A copy has failed before: this peer alone fetches the piece, so that there is no doubt about the sender.
    pub(crate) solo: Option<PeerKey>,
    /// The peers that have sent blocks, with their address: it is known as long as a block of theirs is.
    senders: Vec<(PeerKey, Host)>,
}

impl OpenPiece {
    fn can_extend(&self) -> bool {
        (self.blocks.len() as u64) < u64::from(self.total)
    }

    fn has_work(&self) -> bool {
        self.stage == Stage::Fetching && (self.free > 0 || self.can_extend())
    }

    /// Blocks that have not come.
    pub(crate) fn missing(&self) -> u32 {
        self.missing
    }

    /// Whether every block of an extent has come.
    pub(crate) fn is_filled(&self, extent: u32) -> bool {
        let begin = (extent as usize).saturating_mul(EXTENT_BLOCKS as usize);
        let blocks = self.blocks.get(begin..).unwrap_or_default();
        let blocks = &blocks[..blocks.len().min(EXTENT_BLOCKS as usize)];
        !blocks.is_empty() && blocks.iter().all(|state| matches!(state, BlockState::Received(_)))
    }

    /// Blocks that have come.
    pub(crate) fn received(&self) -> u32 {
        self.total - self.missing
    }
}

/// What a block that arrived means for its piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) verdict: Verdict,
    /// Other peers were asked for it too.
    pub(crate) others: bool,
}

#[derive(Debug)]
pub(crate) struct Pieces {
    geometry: Geometry,
    have: Bitfield,
    have_count: u32,
    /// Pieces that are wanted and not had.
    lacking: u32,
    /// None while nothing is fetched: complete torrents keep no arrays.
    rarity: Option<Rarity>,
    open: BTreeMap<PieceIndex, OpenPiece>,
    /// Open pieces with blocks to ask for.
    with_work: BTreeSet<PieceIndex>,
    /// Those of them that no peer works on.
    orphans: BTreeSet<PieceIndex>,
    memory: Claim,
    epochs: u32,
    /// The allowance has refused memory since this was last taken.
    starved: bool,
    /// Blocks became available that were not before: idle peers may find work.
    freed: bool,
}

impl Pieces {
    pub(crate) fn new(geometry: Geometry, have: Bitfield, memory: Claim) -> Self {
        Self {
            geometry,
            have_count: have.count_ones(),
            have,
            lacking: 0,
            rarity: None,
            open: BTreeMap::new(),
            with_work: BTreeSet::new(),
            orphans: BTreeSet::new(),
            memory,
            epochs: 0,
            starved: false,
            freed: false,
        }
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
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

    /// Pieces that are wanted and not had.
    pub(crate) fn lacking(&self) -> u32 {
        self.lacking
    }

    pub(crate) fn set_lacking(&mut self, lacking: u32) {
        self.lacking = lacking;
    }

    pub(crate) fn rarity(&self) -> Option<&Rarity> {
        self.rarity.as_ref()
    }

    pub(crate) fn rarity_mut(&mut self) -> Option<&mut Rarity> {
        self.rarity.as_mut()
    }

    /// Takes over what can be picked, or drops it.
    pub(crate) fn set_rarity(&mut self, rarity: Option<Rarity>) {
        self.rarity = rarity;
        self.freed = true;
    }

    pub(crate) fn memory(&self) -> &Claim {
        &self.memory
    }

    pub(crate) fn memory_mut(&mut self) -> &mut Claim {
        &mut self.memory
    }

    pub(crate) fn take_starved(&mut self) -> bool {
        std::mem::take(&mut self.starved)
    }

    pub(crate) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    pub(crate) fn is_freed(&self) -> bool {
        self.freed
    }

    pub(crate) fn open_pieces(&self) -> impl Iterator<Item = (PieceIndex, &OpenPiece)> {
        self.open.iter().map(|(piece, open)| (*piece, open))
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn get(&self, piece: PieceIndex) -> Option<&OpenPiece> {
        self.open.get(&piece)
    }

    pub(crate) fn stage(&self, piece: PieceIndex) -> Option<Stage> {
        self.open.get(&piece).map(|open| open.stage)
    }

    /// Bytes of open pieces that have arrived: progress between one piece and the next.
    pub(crate) fn partial_bytes(&self) -> u64 {
        let bytes = |(piece, open): (&PieceIndex, &OpenPiece)| {
            let missing = u64::from(open.missing) * u64::from(BLOCK_LENGTH);
            u64::from(self.geometry.length_of(*piece)).saturating_sub(missing)
        };
        self.open.iter().map(bytes).sum()
    }

    /// Whether nothing is left that was not asked for.
    pub(crate) fn is_endgame(&self) -> bool {
        self.with_work.is_empty() && self.rarity.as_ref().is_none_or(|rarity| rarity.len() == 0)
    }

    /// How many blocks the torrent's share of the memory has room for: what all its peers together can usefully be asked.
    pub(crate) fn memory_blocks(&self) -> u32 {
        let blocks = self.memory.fair_limit().max(EXTENT as usize) / BLOCK_LENGTH as usize;
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }

    /// Open pieces with blocks to ask for that no peer works on, lowest first.
    pub(crate) fn orphans(&self) -> impl Iterator<Item = PieceIndex> {
        self.orphans.iter().copied()
    }

    /// Open pieces with blocks to ask for, lowest first.
    pub(crate) fn with_work(&self) -> impl Iterator<Item = PieceIndex> {
        self.with_work.iter().copied()
    }

    /// Whether `peer` may take blocks of `piece`.
    pub(crate) fn offers(&self, piece: PieceIndex, peer: PeerKey) -> bool {
        self.open.get(&piece).is_some_and(|open| open.has_work() && open.solo.is_none_or(|solo| solo == peer))
    }

    /// Opens an absent piece. False if there is no memory for it now.
    pub(crate) fn open(&mut self, now: Instant, piece: PieceIndex, solo: Option<PeerKey>) -> bool {
        let total = self.geometry.block_count(piece);
        if total == 0 || self.open.contains_key(&piece) || self.has(piece) {
            return false;
        }
        if !self.memory.take(self.extent_length(piece, 0)) {
            self.starved = true;
            return false;
        }
        self.epochs = self.epochs.wrapping_add(1);
        let blocks = vec![BlockState::Free; total.min(EXTENT_BLOCKS) as usize];
        let open = OpenPiece {
            free: u32::try_from(blocks.len()).unwrap_or(total),
            blocks,
            total,
            missing: total,
            first_free: 0,
            stored: vec![false],
            held: self.extent_length(piece, 0),
            opened: now,
            moved: now,
            workers: 0,
            epoch: self.epochs,
            stage: Stage::Fetching,
            solo,
            senders: Vec::new(),
        };
        self.open.insert(piece, open);
        if let Some(rarity) = &mut self.rarity {
            rarity.remove(piece);
        }
        self.with_work.insert(piece);
        self.orphans.insert(piece);
        true
    }

    /// A peer begins to work on an open piece. Returns what [`Pieces::leave`] needs.
    pub(crate) fn join(&mut self, piece: PieceIndex) -> Option<(PieceIndex, u32)> {
        let open = self.open.get_mut(&piece)?;
        open.workers += 1;
        self.orphans.remove(&piece);
        Some((piece, open.epoch))
    }

    /// A peer works on this copy no longer.
    pub(crate) fn leave(&mut self, (piece, epoch): (PieceIndex, u32)) {
        let Some(open) = self.open.get_mut(&piece).filter(|open| open.epoch == epoch) else { return };
        open.workers = open.workers.saturating_sub(1);
        if open.workers == 0 && open.has_work() {
            self.orphans.insert(piece);
            self.freed = true;
        }
    }

    /// Whether this copy is still the one that is open.
    pub(crate) fn is_current(&self, (piece, epoch): (PieceIndex, u32)) -> bool {
        self.open.get(&piece).is_some_and(|open| open.epoch == epoch)
    }

    /// The next block of an open piece to ask for, which counts as requested from now on. Blocks that `skip` names are left.
    pub(crate) fn request(&mut self, piece: PieceIndex, skip: impl Fn(Block) -> bool) -> Option<Block> {
        let geometry = self.geometry;
        loop {
            let open = self.open.get_mut(&piece)?;
            let rest = open.blocks.get(open.first_free..)?;
            let nth = |index: usize| geometry.nth_block(piece, u32::try_from(index).ok()?).ok();
            let mut found = None;
            let mut skipped = false;
            for (index, _) in rest.iter().enumerate().filter(|(_, state)| **state == BlockState::Free) {
                let index = open.first_free + index;
                let Some(block) = nth(index) else { break };
                if !skip(block) {
                    found = Some((index, block));
                    break;
                }
                skipped = true;
            }
            if let Some((index, block)) = found {
                if !skipped {
                    open.first_free = index + 1;
                }
                open.blocks[index] = BlockState::Requested(1);
                open.free -= 1;
                if open.free == 0 {
                    self.update_work(piece);
                }
                return Some(block);
            }
            if !self.extend(piece) {
                return None;
            }
        }
    }

    /// Opens the next extent of a large piece. False if it has none, or if there is no memory for it now.
    fn extend(&mut self, piece: PieceIndex) -> bool {
        let Some(open) = self.open.get(&piece).filter(|open| open.can_extend()) else { return false };
        let number = u32::try_from(open.stored.len()).unwrap_or(u32::MAX);
        let length = self.extent_length(piece, number);
        if !self.memory.take(length) {
            self.starved = true;
            return false;
        }
        let Some(open) = self.open.get_mut(&piece) else { return false };
        open.stored.push(false);
        open.held += length;
        let before = open.blocks.len();
        let after = (before + EXTENT_BLOCKS as usize).min(open.total as usize);
        open.blocks.resize(after, BlockState::Free);
        open.free += u32::try_from(after - before).unwrap_or(0);
        self.update_work(piece);
        true
    }

    /// A block that is requested already is asked of one peer more. False if it is not.
    pub(crate) fn request_again(&mut self, block: Block) -> bool {
        match self.state_mut(block) {
            Some(BlockState::Requested(count)) => {
                *count = count.saturating_add(1);
                true
            }
            _ => false,
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
                self.freed = true;
                self.update_work(piece);
            }
            BlockState::Free | BlockState::Received(_) => {}
        }
    }

    /// A block that `peer` was asked for has come. `counted`: the peer's request is among those that the block counts.
    pub(crate) fn received(&mut self, now: Instant, block: Block, peer: PeerKey, host: Host, counted: bool) -> Arrival {
        let discard = Arrival { verdict: Verdict::Discard, others: false };
        let Some(open) = self.open.get_mut(&block.piece()) else { return discard };
        let welcome = open.stage == Stage::Fetching && open.solo.is_none_or(|solo| solo == peer);
        let index = block.index() as usize;
        let others = match open.blocks.get(index) {
            Some(BlockState::Requested(count)) if welcome => *count > u16::from(counted),
            Some(BlockState::Free) if welcome => {
                open.free -= 1;
                false
            }
            _ => {
                // A block that is dropped can be asked for again.
                if counted {
                    self.release(block);
                }
                return discard;
            }
        };
        // Blocks of one peer come in a row; looking further than a few senders back would let many connections cost time.
        let known = open.senders.iter().rev().take(8).position(|(key, _)| *key == peer);
        let sender = match known {
            Some(back) => open.senders.len() - 1 - back,
            None => {
                open.senders.push((peer, host));
                open.senders.len() - 1
            }
        };
        open.blocks[index] = BlockState::Received(u32::try_from(sender).unwrap_or(u32::MAX));
        open.missing -= 1;
        open.moved = now;
        if open.missing == 0 {
            open.stage = Stage::Hashing;
        }
        if open.free == 0 {
            self.update_work(block.piece());
        }
        Arrival { verdict: Verdict::Buffer, others }
    }

    /// The sender of each block of an open piece.
    pub(crate) fn senders(&self, piece: PieceIndex) -> impl Iterator<Item = (u32, PeerKey, Host)> {
        let open = self.open.get(&piece);
        let blocks = open.map(|open| open.blocks.iter()).into_iter().flatten();
        (0..).zip(blocks).filter_map(move |(index, state)| match state {
            BlockState::Received(sender) => {
                let (key, host) = *open?.senders.get(*sender as usize)?;
                Some((index, key, host))
            }
            _ => None,
        })
    }

    /// Moves an open piece on.
    pub(crate) fn set_stage(&mut self, piece: PieceIndex, stage: Stage) {
        if let Some(open) = self.open.get_mut(&piece) {
            open.stage = stage;
            self.update_work(piece);
        }
    }

    /// An extent of an open piece is in storage: its memory comes back.
    pub(crate) fn extent_stored(&mut self, piece: PieceIndex, extent: u32) {
        let length = self.extent_length(piece, extent);
        let Some(open) = self.open.get_mut(&piece) else { return };
        let Some(stored) = open.stored.get_mut(extent as usize).filter(|stored| !**stored) else { return };
        *stored = true;
        open.held = open.held.saturating_sub(length);
        self.memory.give(length);
        self.freed = true;
    }

    /// The piece is in storage. False if it was not on its way there.
    pub(crate) fn stored(&mut self, piece: PieceIndex) -> bool {
        if self.stage(piece) != Some(Stage::Writing) {
            return false;
        }
        self.close(piece);
        if self.have.set(piece) {
            self.have_count += 1;
        }
        true
    }

    /// A piece that was had is no longer in storage. False if it was not had.
    pub(crate) fn withdraw(&mut self, piece: PieceIndex) -> bool {
        let had = self.have.clear(piece);
        if had {
            self.have_count -= 1;
        }
        had
    }

    /// An open piece is dropped: it can be picked again, if `priority` allows. Returns how many of its blocks had come.
    pub(crate) fn give_up(&mut self, piece: PieceIndex, priority: Priority) -> Option<u32> {
        let received = self.close(piece)?;
        if let Some(rarity) = &mut self.rarity {
            rarity.insert(piece, priority);
        }
        Some(received)
    }

    fn close(&mut self, piece: PieceIndex) -> Option<u32> {
        let open = self.open.remove(&piece)?;
        self.with_work.remove(&piece);
        self.orphans.remove(&piece);
        self.memory.give(open.held);
        self.freed = true;
        Some(open.received())
    }

    fn update_work(&mut self, piece: PieceIndex) {
        let Some(open) = self.open.get(&piece) else { return };
        if open.has_work() {
            self.with_work.insert(piece);
            if open.workers == 0 {
                self.orphans.insert(piece);
            }
        } else {
            self.with_work.remove(&piece);
            self.orphans.remove(&piece);
        }
    }

    fn extent_length(&self, piece: PieceIndex, extent: u32) -> usize {
        let begin = u64::from(extent) * u64::from(EXTENT);
        let rest = u64::from(self.geometry.length_of(piece)).saturating_sub(begin);
        usize::try_from(rest.min(u64::from(EXTENT))).unwrap_or(EXTENT as usize)
    }

    /// The state of a block of an open piece.
    pub(crate) fn state(&self, block: Block) -> Option<BlockState> {
        self.open.get(&block.piece())?.blocks.get(block.index() as usize).copied()
    }

    fn state_mut(&mut self, block: Block) -> Option<&mut BlockState> {
        self.open.get_mut(&block.piece())?.blocks.get_mut(block.index() as usize)
    }

    /// The blocks of an open piece, for checking invariants.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn blocks(&self, piece: PieceIndex) -> impl Iterator<Item = (Block, BlockState)> {
        let blocks = self.open.get(&piece).map(|open| open.blocks.iter()).into_iter().flatten();
        (0..).zip(blocks).filter_map(move |(index, state)| Some((self.geometry.nth_block(piece, index).ok()?, *state)))
    }

    /// Panics if the books do not agree with each other.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn check(&self) {
        let held: usize = self.open.values().map(|open| open.held).sum();
        assert_eq!(held, self.memory.held(), "memory held and memory claimed");
        for (piece, open) in &self.open {
            let count = |want: fn(&BlockState) -> bool| open.blocks.iter().filter(|state| want(state)).count();
            assert_eq!(count(|state| *state == BlockState::Free), open.free as usize, "free blocks of {piece}");
            let received = count(|state| matches!(state, BlockState::Received(_)));
            assert_eq!(received, open.received() as usize, "blocks of {piece} that came");
            assert_eq!(open.missing == 0, open.stage != Stage::Fetching, "a full piece {piece} is judged");
            assert_eq!(open.has_work(), self.with_work.contains(piece), "work of {piece}");
            let first = open.blocks.iter().position(|state| *state == BlockState::Free);
            assert!(first.is_none_or(|first| first >= open.first_free), "a free block of {piece} is overlooked");
            assert!(!self.has(*piece), "{piece} is open and had");
            assert!(self.rarity.as_ref().is_none_or(|rarity| !rarity.contains(*piece)), "{piece} is open and pickable");
            if open.has_work() {
                assert_eq!(self.orphans.contains(piece), open.workers == 0, "workers of {piece}");
            }
        }
        assert!(self.with_work.iter().all(|piece| self.open.contains_key(piece)));
    }
}
