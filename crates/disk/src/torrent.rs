//! One torrent on the disk: its open pieces, and what a driver can ask for. Everything that is called under a driver's lock
//! only changes a table and queues a job.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use torrent_hash::{PieceHashes, interleave};
use torrent_storage::{ErrorKind, Operation, StorageError, TorrentStorage};
use torrent_types::{BLOCK_LENGTH, Bitfield, Block, Geometry, PieceIndex};

use crate::{
    Event, Listener, Slot,
    disk::{Device, Inner},
    lock,
    piece::OpenPiece,
    pool::Buffer,
    reads::{self, Run},
    writer::{Job, Task},
};

/// One torrent. Clones are the same torrent. Dropping the last clone forgets the pieces that are being fetched;
/// [`stop`](Self::stop) first writes what is verified.
#[derive(Clone)]
pub struct TorrentDisk(Arc<Owner>);

/// Ends the torrent with its last handle: the threads of the disk hold [`Shared`], too.
struct Owner(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) disk: Arc<Inner>,
    pub(crate) device: Arc<Device>,
    pub(crate) storage: Box<dyn TorrentStorage>,
    pub(crate) geometry: Geometry,
    pub(crate) hashes: Arc<dyn PieceHashes>,
    pub(crate) listener: Arc<dyn Listener>,
    open: Mutex<Open>,
    /// Pieces that were found in storage or written to it, and not lost since.
    pub(crate) have: Mutex<Bitfield>,
    /// A check is to end.
    pub(crate) cancel_check: AtomicBool,
}

#[derive(Default)]
struct Open {
    pieces: BTreeMap<PieceIndex, Slot>,
    /// Storage has refused to write: what would be written waits here.
    failed: bool,
    waiting: Vec<Refused>,
    /// No more blocks are taken.
    stopping: bool,
}

/// An extent that storage has refused.
struct Refused {
    slot: Slot,
    number: usize,
    error: StorageError,
    /// Bytes of the room for good pieces that it takes.
    kept: usize,
}

impl TorrentDisk {
    pub(crate) fn new(
        disk: Arc<Inner>,
        device: Arc<Device>,
        storage: Box<dyn TorrentStorage>,
        geometry: Geometry,
        hashes: Arc<dyn PieceHashes>,
        listener: Arc<dyn Listener>,
    ) -> Self {
        let have = Mutex::new(Bitfield::new(geometry.piece_count()));
        let (open, cancel_check) = (Mutex::default(), AtomicBool::new(false));
        let shared = Shared { disk, device, storage, geometry, hashes, listener, open, have, cancel_check };
        Self(Arc::new(Owner(Arc::new(shared))))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// The storage, for what is not about pieces: renaming, moving, deleting.
    #[must_use]
    pub fn storage(&self) -> &dyn TorrentStorage {
        &*self.shared().storage
    }

    /// The copy of a piece that is being fetched; begins one if there is none. To be called where it is decided that a block is
    /// wanted, under the same lock.
    #[must_use]
    pub fn slot(&self, piece: PieceIndex) -> Slot {
        let shared = self.shared();
        let mut open = lock(&shared.open);
        if let Some(slot) = open.pieces.get(&piece) {
            return slot.clone();
        }
        let slot = Slot(Arc::new(OpenPiece::new(shared, piece)));
        if open.stopping {
            slot.close(shared);
        } else {
            open.pieces.insert(piece, slot.clone());
        }
        slot
    }

    /// A piece that was found good may be written. [`Event::PiecesStored`] follows, or [`Event::Failed`], or nothing if the
    /// piece is not verified.
    pub fn write(&self, piece: PieceIndex) {
        let shared = self.shared();
        let slot = lock(&shared.open).pieces.get(&piece).cloned();
        match slot {
            Some(slot) if slot.commit() => shared.push(slot.writing_task()),
            _ => tracing::debug!(%piece, "a piece that is not verified is not written"),
        }
    }

    /// Drops what is buffered of a piece and ends this copy of it. What was begun to be written of it is written.
    pub fn forget(&self, piece: PieceIndex) {
        let shared = self.shared();
        let slot = lock(&shared.open).pieces.remove(&piece);
        if let Some(slot) = slot {
            slot.close(shared);
        }
    }

    /// Storage may work again: what waits is written, and new errors are reported.
    pub fn retry(&self) {
        self.shared().retry();
    }

    /// SHA-1 of each block of a piece, by its number in the piece, from the copy that is being fetched or from storage.
    /// Blocks that are nowhere are left out. Takes as long as hashing the piece and may read: not for async threads.
    #[must_use]
    pub fn evidence(&self, piece: PieceIndex) -> Vec<(u32, [u8; 20])> {
        let shared = self.shared();
        let slot = lock(&shared.open).pieces.get(&piece).cloned();
        let slot = slot.unwrap_or_else(|| Slot(Arc::new(OpenPiece::new(shared, piece))));
        let mut digests = Vec::new();
        let mut first = 0_u32;
        for (offset, length, bytes) in slot.extents() {
            let read = || {
                let mut buffer = shared.disk.pool.take(length);
                shared.storage.read_at(offset, &mut buffer).is_ok_and(|read| read == length).then(|| Arc::new(buffer))
            };
            if let Some(bytes) = bytes.or_else(read) {
                block_digests(&bytes, first, &mut digests);
            }
            first = first.saturating_add(u32::try_from(length).unwrap_or(u32::MAX).div_ceil(BLOCK_LENGTH));
        }
        digests
    }

    /// Reads blocks that peers asked for into `run`, each behind `gap` bytes that are the caller's to fill in. Neighbours are
    /// read at once. Not for async threads.
    ///
    /// What cannot be read is left out and listed in the run. If bytes have vanished, all pieces that have lost some are
    /// reported once, by [`Event::PiecesLost`]; until they are stored again, nothing of them is read.
    pub fn read(&self, blocks: &[Block], gap: usize, run: &mut Run) {
        reads::read(self.shared(), blocks, gap, run);
    }

    /// Reads any bytes of the torrent: fills `buffer` from `offset` on, up to the first byte that is not there, and says how
    /// many bytes that is. Whether these are verified is for the caller to know. Not for async threads.
    ///
    /// # Errors
    /// As [`TorrentStorage::read_at`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.shared().disk.touch();
        self.shared().storage.read_at(offset, buffer)
    }

    /// Takes no more blocks, ends a check, writes every piece that [`write`](Self::write) was called for, and calls `done`
    /// from a thread of the disk. What storage has refused is tried once more. Everything else is forgotten.
    pub fn stop(&self, done: impl FnOnce() + Send + 'static) {
        let shared = self.shared();
        shared.cancel_check.store(true, Ordering::Relaxed);
        lock(&shared.open).stopping = true;
        shared.retry();
        let torrent = Arc::clone(shared);
        shared.push(Task::Barrier(Box::new(move || {
            // A write that was under way may have failed after the retry; whatever fails from now on has had its chance.
            torrent.retry();
            let last = Arc::clone(&torrent);
            torrent.push(Task::Barrier(Box::new(move || {
                last.close_all();
                done();
            })));
        })));
    }
}

impl Shared {
    pub(crate) fn push(self: &Arc<Self>, task: Task) {
        self.disk.touch();
        self.device.writer.push(Job { torrent: Arc::clone(self), task });
    }

    pub(crate) fn is_failed(&self) -> bool {
        lock(&self.open).failed
    }

    /// Reports and ends those of the copies that are complete now.
    pub(crate) fn complete(&self, slots: &[Slot]) {
        let complete: Vec<_> = slots.iter().filter(|slot| slot.complete()).collect();
        if complete.is_empty() {
            return;
        }
        let mut open = lock(&self.open);
        complete.iter().for_each(|slot| open.remove(slot));
        drop(open);
        let pieces: Vec<_> = complete.iter().map(|slot| slot.piece()).collect();
        complete.iter().for_each(|slot| slot.close(self));
        let mut have = lock(&self.have);
        for piece in &pieces {
            have.set(*piece);
        }
        drop(have);
        self.listener.handle_disk_event(Event::PiecesStored(pieces));
    }

    /// Storage has refused these extents now, with an error, or before.
    pub(crate) fn refused(self: &Arc<Self>, writes: Vec<(Slot, usize)>, error: Option<StorageError>) {
        let mut lost = Vec::new();
        let mut open = lock(&self.open);
        let is_news = !open.failed;
        if is_news && error.is_none() {
            // Retried after the writer had looked: these have not been tried since.
            drop(open);
            writes.into_iter().for_each(|(slot, number)| self.push(Task::Extent(slot, number)));
            return;
        }
        open.failed = true;
        let known = || open.waiting.first().map(|refused| refused.error.clone());
        let reason = error.as_ref().cloned().or_else(known);
        let reason = reason.unwrap_or_else(|| StorageError::new(ErrorKind::Io, Operation::Write, ""));
        for (slot, number) in writes {
            // Pieces that wait for more blocks keep their memory anyway.
            let kept = if slot.is_committed() { slot.place(number).1 } else { 0 };
            if kept > 0 && !self.disk.keep_refused(kept) {
                lost.push(slot);
            } else {
                open.waiting.push(Refused { slot, number, error: reason.clone(), kept });
            }
        }
        drop(open);
        if let Some(error) = error.filter(|_| is_news) {
            tracing::debug!(%error, "storage refuses");
            self.listener.handle_disk_event(Event::Failed(error));
        }
        self.lose(&lost, reason);
    }

    fn retry(self: &Arc<Self>) {
        let mut open = lock(&self.open);
        open.failed = false;
        let waiting = std::mem::take(&mut open.waiting);
        drop(open);
        for Refused { slot, number, kept, .. } in waiting {
            self.disk.release_refused(kept);
            self.push(Task::Extent(slot, number));
        }
    }

    /// The bytes of these copies are gone, if there are any.
    pub(crate) fn lose(&self, slots: &[Slot], error: StorageError) {
        let mut open = lock(&self.open);
        slots.iter().for_each(|slot| open.remove(slot));
        drop(open);
        let mut pieces: Vec<_> = slots.iter().filter(|slot| !slot.is_closed()).map(Slot::piece).collect();
        slots.iter().for_each(|slot| slot.close(self));
        pieces.sort_unstable();
        pieces.dedup();
        if !pieces.is_empty() {
            self.listener.handle_disk_event(Event::PiecesLost { pieces, error });
        }
    }

    fn close_all(&self) {
        let mut open = lock(&self.open);
        let pieces = std::mem::take(&mut open.pieces);
        let waiting = std::mem::take(&mut open.waiting);
        drop(open);
        let mut lost = Vec::new();
        let mut why = None;
        for Refused { slot, error, kept, .. } in waiting {
            self.disk.release_refused(kept);
            if slot.is_committed() {
                lost.push(slot);
                why.get_or_insert(error);
            }
        }
        if let Some(error) = why {
            self.lose(&lost, error);
        }
        pieces.values().for_each(|slot| slot.close(self));
    }
}

impl Open {
    /// Removes this copy, but not another one of the same piece.
    fn remove(&mut self, slot: &Slot) {
        if self.pieces.get(&slot.piece()).is_some_and(|open| Arc::ptr_eq(&open.0, &slot.0)) {
            self.pieces.remove(&slot.piece());
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.cancel_check.store(true, Ordering::Relaxed);
        lock(&self.0.open).stopping = true;
        // Verified pieces that wait in the writer's queue keep their own handles, and are written.
        let mut open = lock(&self.0.open);
        let mut dropped = Vec::new();
        open.pieces.retain(|_, slot| {
            let is_waiting = slot.is_committed();
            if !is_waiting {
                dropped.push(slot.clone());
            }
            is_waiting
        });
        drop(open);
        dropped.iter().for_each(|slot| slot.close(&self.0));
    }
}

impl fmt::Debug for TorrentDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = lock(&self.shared().open);
        f.debug_struct("TorrentDisk")
            .field("open", &open.pieces.len())
            .field("failed", &open.failed)
            .finish_non_exhaustive()
    }
}

/// SHA-1 of each block, two at a time.
fn block_digests(bytes: &Buffer, first: u32, digests: &mut Vec<(u32, [u8; 20])>) {
    use sha1::{Digest as _, Sha1};
    let block = usize::try_from(BLOCK_LENGTH).unwrap_or(usize::MAX);
    let mut number = first;
    for pair in bytes.chunks(block.saturating_mul(2)) {
        let (one, other) = pair.split_at(block.min(pair.len()));
        let (together, rest) = one.split_at(other.len());
        let (mut left, mut right) = (Sha1::new(), Sha1::new());
        interleave::two_sha1((&mut left, together), (&mut right, other));
        left.update(rest);
        digests.push((number, left.finalize().into()));
        if !other.is_empty() {
            digests.push((number.saturating_add(1), right.finalize().into()));
        }
        number = number.saturating_add(2);
    }
}
