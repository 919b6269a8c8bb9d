//! One copy of a piece being put together: blocks are copied in once, in any order, and the hash follows as far as the piece
//! is contiguous, on the thread that brings the blocks, while they are in its cache.
//!
//! A piece of one extent stays in memory until its verdict, and is written when it is told to. The extents of a longer one
//! are written as they fill. Where the hash has not reached such an extent yet, its bytes stay while there is room for them
//! ([`DiskConfig::read_back`](crate::DiskConfig::read_back)); later they are read from storage, in steps of 512 KiB.
//!
//! Locks, in this order, none held while calling out: `hashing`, one of `extents`. Or `progress` alone.
//! In: blocks that the swarm accepted. Out: events, jobs for the writer. Never: decisions about what to fetch.

use std::{
    fmt,
    sync::{
        Arc, Mutex, TryLockError, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use torrent_hash::{Expected, PieceHasher};
use torrent_storage::{ErrorKind, Operation, StorageError};
use torrent_types::{BLOCK_LENGTH, Block, PieceIndex};

use crate::{
    EXTENT, Event, PutError, Verdict,
    extent::{Extent, Hashable},
    lock,
    torrent::Shared,
    writer::Task,
};

/// Bytes that are hashed while the lock of an extent is held that others want to put blocks into.
const STEP: usize = 128 << 10;
/// Bytes that are read back at a time.
const READ_LENGTH: usize = 512 << 10;

/// One copy of a piece that is being fetched. Clones are the same copy.
///
/// A copy ends when the piece is stored, forgotten or lost. Blocks that come later are refused; should the piece be fetched
/// again, that is another copy with a slot of its own. So take the slot where it is decided that a block is wanted (under the
/// same lock), and keep it until the block was put: a block can then never end up in the wrong copy.
#[derive(Clone)]
pub struct Slot(pub(crate) Arc<OpenPiece>);

pub(crate) struct OpenPiece {
    torrent: Weak<Shared>,
    pub(crate) piece: PieceIndex,
    /// Where it begins in the torrent.
    offset: u64,
    length: u32,
    closed: AtomicBool,
    extents: Box<[Mutex<Extent>]>,
    hashing: Mutex<Hashing>,
    /// Bytes from the beginning that the hash has seen. Changes only under `hashing`.
    position: AtomicU32,
    progress: Mutex<Progress>,
}

struct Hashing {
    expected: Expected,
    /// `None` once the verdict is known.
    hasher: Option<PieceHasher>,
    /// The writer has been asked to go on, because bytes have to be read.
    reading_back: bool,
}

#[derive(Debug, Default)]
struct Progress {
    /// Extents in storage.
    stored: usize,
    verdict: Option<Verdict>,
    /// It is to be written.
    committed: bool,
    completed: bool,
}

/// How far the hash came.
enum Step {
    Done(Verdict),
    /// Somebody else goes on, or nobody.
    Idle,
    ReadBack,
    /// For a block.
    Waiting,
}

impl Slot {
    /// The number of the piece.
    #[must_use]
    pub fn piece(&self) -> PieceIndex {
        self.0.piece
    }

    /// Whether this copy has ended: the piece was stored, forgotten or lost.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// Copies a block in, and hashes as far as the piece is contiguous now. With the last block the verdict is reported, as a
    /// rule before this returns.
    ///
    /// # Errors
    /// If the block is of no use: see [`PutError`]. None of them needs an answer.
    pub fn put(&self, block: Block, data: &[u8]) -> Result<(), PutError> {
        let piece = &*self.0;
        let begin = block.begin();
        let length = piece.length.saturating_sub(begin).min(BLOCK_LENGTH);
        let fits = block.piece() == piece.piece && begin.is_multiple_of(BLOCK_LENGTH) && length > 0;
        if !fits || u32::try_from(data.len()) != Ok(length) {
            return Err(PutError::Outside);
        }
        let torrent = piece.torrent.upgrade().ok_or(PutError::Late)?;
        let number = index(begin / EXTENT);
        let mut extent = lock(piece.extents.get(number).ok_or(PutError::Outside)?);
        // Looked at under the lock: whoever closes the piece empties the extent afterwards.
        if self.is_closed() {
            return Err(PutError::Late);
        }
        let is_full = extent.put(begin % EXTENT, data, &torrent.disk.pool)?;
        drop(extent);
        if is_full && piece.extents.len() > 1 {
            // Before the verdict, so that everything a verdict leads to is queued behind it.
            torrent.push(Task::Extent(self.clone(), number));
        }
        self.advance(&torrent);
        Ok(())
    }

    /// Hashes what can be hashed, unless another thread does so already.
    pub(crate) fn advance(&self, torrent: &Arc<Shared>) {
        let piece = &*self.0;
        loop {
            let mut hashing = match piece.hashing.try_lock() {
                Ok(hashing) => hashing,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // The other thread looks once more after it has let go, and so finds our block.
                Err(TryLockError::WouldBlock) => return,
            };
            let step = piece.step(torrent, &mut hashing);
            drop(hashing);
            match step {
                Step::Done(verdict) => {
                    lock(&piece.progress).verdict = Some(verdict);
                    if !self.is_closed() {
                        torrent.listener.handle_disk_event(Event::PieceHashed { slot: self.clone(), verdict });
                    }
                    return;
                }
                Step::Idle => return,
                Step::ReadBack => {
                    torrent.push(Task::ReadBack(self.clone()));
                    return;
                }
                Step::Waiting if piece.can_go_on() => {}
                Step::Waiting => return,
            }
        }
    }

    /// Hashes one extent from storage, then whatever can be hashed. On a disk thread.
    pub(crate) fn read_back(&self, torrent: &Arc<Shared>) {
        let piece = &*self.0;
        let mut hashing = lock(&piece.hashing);
        let read = piece.hash_from_storage(torrent, &mut hashing);
        hashing.reading_back = false;
        drop(hashing);
        match read {
            Ok(()) => self.advance(torrent),
            Err(error) => torrent.lose(std::slice::from_ref(self), error),
        }
    }

    /// The piece may be written. False if it is not verified, or this was said before.
    pub(crate) fn commit(&self) -> bool {
        let mut progress = lock(&self.0.progress);
        let may_be = progress.verdict == Some(Verdict::Good) && !progress.committed;
        progress.committed |= may_be;
        may_be
    }

    /// What the writer has to do once the piece is committed. The extents of a long piece are queued already.
    pub(crate) fn writing_task(&self) -> Task {
        if self.0.extents.len() > 1 { Task::Complete(self.clone()) } else { Task::Extent(self.clone(), 0) }
    }

    pub(crate) fn is_committed(&self) -> bool {
        lock(&self.0.progress).committed
    }

    /// An extent is in storage.
    pub(crate) fn stored(&self, torrent: &Arc<Shared>, number: usize) {
        let piece = &*self.0;
        let Some(extent) = piece.extents.get(number) else { return };
        let (begin, length) = piece.extent_range(number);
        let end = begin.saturating_add(length);
        let is_hashed = || piece.position.load(Ordering::Acquire) >= end;
        let mut extent = lock(extent);
        if self.is_closed() {
            return;
        }
        let kept = !is_hashed() && torrent.disk.keep_for_hash(index(length));
        extent.stored(kept);
        if kept && is_hashed() {
            torrent.disk.release_for_hash(extent.release_kept());
        }
        drop(extent);
        let mut progress = lock(&piece.progress);
        progress.stored = progress.stored.saturating_add(1);
        drop(progress);
        if piece.extents.len() > 1 {
            let extent = u32::try_from(number).unwrap_or(u32::MAX);
            torrent.listener.handle_disk_event(Event::ExtentStored { slot: self.clone(), extent });
        }
    }

    /// Whether the piece is verified and in storage. True once.
    pub(crate) fn complete(&self) -> bool {
        let mut progress = lock(&self.0.progress);
        let is_complete = progress.committed && progress.stored == self.0.extents.len() && !progress.completed;
        progress.completed |= is_complete;
        is_complete
    }

    /// This copy has ended: its memory comes back, and blocks of it are refused.
    pub(crate) fn close(&self, torrent: &Shared) {
        self.0.closed.store(true, Ordering::Release);
        for extent in &self.0.extents {
            let kept = lock(extent).clear();
            torrent.disk.release_for_hash(kept);
        }
    }

    /// The bytes of an extent that is to be written, and where; `None` if the copy has ended.
    pub(crate) fn to_write(&self, number: usize) -> Option<Arc<crate::pool::Buffer>> {
        let extent = lock(self.0.extents.get(number)?);
        if self.is_closed() { None } else { extent.bytes() }
    }

    /// Where an extent begins in the torrent, and how long it is.
    pub(crate) fn place(&self, number: usize) -> (u64, usize) {
        let (begin, length) = self.0.extent_range(number);
        (self.0.offset.saturating_add(begin.into()), index(length))
    }

    /// The bytes of each extent, where they are in memory, with its place in the torrent.
    pub(crate) fn extents(&self) -> impl Iterator<Item = (u64, usize, Option<Arc<crate::pool::Buffer>>)> {
        self.0.extents.iter().enumerate().map(|(number, extent)| {
            let (offset, length) = self.place(number);
            (offset, length, lock(extent).bytes())
        })
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({}{})", self.0.piece, if self.is_closed() { ", closed" } else { "" })
    }
}

impl OpenPiece {
    pub(crate) fn new(torrent: &Arc<Shared>, piece: PieceIndex) -> Self {
        let length = torrent.geometry.length_of(piece);
        let expected = torrent.hashes.expected(piece);
        let extent = |number| Mutex::new(Extent::new(extent_range(length, number).1));
        let count = index(length.div_ceil(EXTENT));
        Self {
            torrent: Arc::downgrade(torrent),
            piece,
            offset: torrent.geometry.piece_offset(piece),
            length,
            closed: false.into(),
            extents: (0..count).map(extent).collect(),
            hashing: Mutex::new(Hashing { expected, hasher: Some(expected.hasher()), reading_back: false }),
            position: 0.into(),
            progress: Mutex::default(),
        }
    }

    fn extent_range(&self, number: usize) -> (u32, u32) {
        extent_range(self.length, number)
    }

    /// Hashes until there is nothing more. Holds the lock of an extent for a short while at a time.
    fn step(&self, torrent: &Shared, hashing: &mut Hashing) -> Step {
        if hashing.reading_back {
            return Step::Idle;
        }
        loop {
            let position = self.position.load(Ordering::Acquire);
            if self.closed.load(Ordering::Acquire) {
                return Step::Idle;
            }
            if position >= self.length {
                let Some(hasher) = hashing.hasher.take() else { return Step::Idle };
                let is_good = hashing.expected.is_met_by(&hasher.finish());
                return Step::Done(if is_good { Verdict::Good } else { Verdict::Bad });
            }
            let Some(hasher) = &mut hashing.hasher else { return Step::Idle };
            let Some(place) = self.extents.get(index(position / EXTENT)) else { return Step::Idle };
            let from = position % EXTENT;
            let extent = lock(place);
            let hashed = match extent.hashable(from) {
                Hashable::All(buffer) => {
                    drop(extent);
                    let bytes = buffer.get(index(from)..).unwrap_or_default();
                    hasher.update(bytes);
                    bytes.len()
                }
                Hashable::UpTo(end) if end > index(from) => {
                    let end = end.min(index(from).saturating_add(STEP));
                    let bytes = extent.filling().get(index(from)..end).unwrap_or_default();
                    hasher.update(bytes);
                    let hashed = bytes.len();
                    drop(extent);
                    hashed
                }
                Hashable::UpTo(_) => return Step::Waiting,
                Hashable::InStorage => {
                    hashing.reading_back = true;
                    return Step::ReadBack;
                }
            };
            let position = position.saturating_add(u32::try_from(hashed).unwrap_or(u32::MAX));
            self.position.store(position, Ordering::Release);
            // If it was written meanwhile, its bytes were only kept for us.
            let kept = lock(place).release_kept_if(position.is_multiple_of(EXTENT) || position == self.length);
            torrent.disk.release_for_hash(kept);
        }
    }

    /// Whether there is something to be hashed now.
    fn can_go_on(&self) -> bool {
        let position = self.position.load(Ordering::Acquire);
        let Some(extent) = self.extents.get(index(position / EXTENT)) else { return false };
        let from = position % EXTENT;
        match lock(extent).hashable(from) {
            Hashable::All(_) | Hashable::InStorage => true,
            Hashable::UpTo(end) => end > index(from),
        }
    }

    /// Hashes to the end of the extent that the hash has come to, which is in storage only.
    fn hash_from_storage(&self, torrent: &Shared, hashing: &mut Hashing) -> Result<(), StorageError> {
        let Some(hasher) = &mut hashing.hasher else { return Ok(()) };
        let mut position = self.position.load(Ordering::Acquire);
        let (begin, length) = self.extent_range(index(position / EXTENT));
        let end = begin.saturating_add(length);
        let mut buffer = torrent.disk.pool.take(READ_LENGTH.min(index(length)));
        while position < end && !self.closed.load(Ordering::Acquire) {
            let wanted = buffer.len().min(index(end.saturating_sub(position)));
            let part = buffer.get_mut(..wanted).unwrap_or_default();
            let read = torrent.storage.read_at(self.offset.saturating_add(position.into()), part)?;
            if read < wanted {
                return Err(StorageError::new(ErrorKind::NotFound, Operation::Read, ""));
            }
            hasher.update(part);
            position = position.saturating_add(u32::try_from(wanted).unwrap_or(u32::MAX));
            self.position.store(position, Ordering::Release);
        }
        Ok(())
    }
}

/// Where an extent of a piece of `length` bytes begins, and how long it is.
fn extent_range(length: u32, number: usize) -> (u32, u32) {
    let begin = u32::try_from(number).unwrap_or(u32::MAX).saturating_mul(EXTENT).min(length);
    (begin, length.saturating_sub(begin).min(EXTENT))
}

/// Numbers below 2^32 for use as an index.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
