//! Which pieces of a torrent its storage holds: the hashes of every piece that is there, on as many threads as wanted.
//! BEP 3 § "info dictionary", BEP 52.
//! Reads at least 256 KiB at once and in order; what is missing or a hole is not read. A short read means "don't have".

use std::{
    fmt,
    num::NonZeroUsize,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

use torrent_hash::{Expected, PieceDigest, PieceHashes};
use torrent_storage::{ErrorKind, Extent, Presence, StorageError, TorrentStorage};
use torrent_types::{Bitfield, Geometry, PieceIndex};

use crate::Occupied;

/// Bytes read at once: large enough for the disk, small enough to be hashed while it is in the processor's cache.
const READ_LENGTH: usize = 512 * 1024;

/// A check of a torrent's pieces against their hashes, to be set up and [run](Self::run).
///
/// ```
/// use torrent_content::{Check, Sha1Hashes};
/// use torrent_storage::{FileEntry, Layout, MemoryStorage, Storage};
/// use torrent_types::Geometry;
///
/// let layout = Layout::new([FileEntry::new("a", 100_000)])?;
/// let torrent = MemoryStorage::new().open(&layout)?;
/// let geometry = Geometry::new(layout.total_length(), 32_768)?;
/// let report = Check::new(&*torrent, &geometry, &Sha1Hashes::new(vec![[0; 20]; 4])).run()?;
/// assert_eq!(report.have.count_ones(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Check<'a> {
    torrent: &'a dyn TorrentStorage,
    geometry: &'a Geometry,
    hashes: &'a dyn PieceHashes,
    only: Option<&'a Bitfield>,
    threads: Option<NonZeroUsize>,
    on_piece: &'a (dyn Fn(PieceIndex, bool) + Sync),
    cancel: Option<&'a AtomicBool>,
}

impl<'a> Check<'a> {
    /// A check of all pieces on all processors.
    pub fn new(torrent: &'a dyn TorrentStorage, geometry: &'a Geometry, hashes: &'a dyn PieceHashes) -> Self {
        Self { torrent, geometry, hashes, only: None, threads: None, on_piece: &|_, _| (), cancel: None }
    }

    pub(crate) const fn torrent(&self) -> &'a dyn TorrentStorage {
        self.torrent
    }

    pub(crate) const fn geometry(&self) -> &'a Geometry {
        self.geometry
    }

    /// How many threads hash. Default: as many as there are processors. A rotating disk likes one better.
    #[must_use]
    pub const fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Only these pieces are looked at. Default: all.
    #[must_use]
    pub const fn only(mut self, pieces: &'a Bitfield) -> Self {
        self.only = Some(pieces);
        self
    }

    /// Called once for every piece that is looked at, on any thread, in roughly their order, with whether it is right. Default: nothing.
    #[must_use]
    pub const fn on_piece(mut self, on_piece: &'a (dyn Fn(PieceIndex, bool) + Sync)) -> Self {
        self.on_piece = on_piece;
        self
    }

    /// When this becomes true the check ends within a piece or so. Default: never.
    #[must_use]
    pub const fn cancel(mut self, cancel: &'a AtomicBool) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Checks. Blocks until it is done.
    ///
    /// # Errors
    /// If it cannot be said what is there. Pieces that cannot be read are not right, and reported in [`CheckReport`].
    pub fn run(&self) -> Result<CheckReport, StorageError> {
        let presence = self.torrent.presence()?;
        let shared = Shared {
            check: self,
            presence,
            // Small pieces are taken by the dozen, so that each read is long.
            batch: u32::try_from(READ_LENGTH).unwrap_or(u32::MAX).div_ceil(self.geometry.piece_length().max(1)),
            next: AtomicU32::new(0),
            report: Mutex::new(CheckReport {
                have: Bitfield::new(self.geometry.piece_count()),
                unreadable: Bitfield::new(self.geometry.piece_count()),
                checked: 0,
                error: None,
            }),
        };
        let threads = self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let batches = self.geometry.piece_count().div_ceil(shared.batch.max(1));
        thread::scope(|scope| {
            for _ in 1..threads.min(usize::try_from(batches).unwrap_or(usize::MAX)) {
                scope.spawn(|| shared.work());
            }
            shared.work();
        });
        Ok(shared.report.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("geometry", self.geometry).field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// What a [`Check`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckReport {
    /// The pieces that are right.
    pub have: Bitfield,
    /// The pieces of which nothing is known, because storage could not read them.
    pub unreadable: Bitfield,
    /// How many were looked at; less than all if it was cancelled.
    pub checked: u32,
    /// Why the first of the unreadable pieces could not be read.
    pub error: Option<StorageError>,
}

impl CheckReport {
    /// What a download can go on with.
    ///
    /// # Errors
    /// If storage could not read what it has. A bad spot on a disk is no such error as long as other pieces are right: the
    /// pieces on it count as missing.
    pub fn into_checked(self) -> Result<Checked, StorageError> {
        match self.error {
            Some(error) if error.kind() != ErrorKind::Io || self.have.count_ones() == 0 => Err(error),
            _ => Ok(Checked { have: self.have, occupied: Vec::new() }),
        }
    }
}

/// What is known of a torrent's content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// The pieces that are in storage and right.
    pub have: Bitfield,
    /// Files that are in the way of the torrent's and seem to be somebody else's. Empty unless
    /// [looked for](crate::find_occupied).
    pub occupied: Vec<Occupied>,
}

struct Shared<'a> {
    check: &'a Check<'a>,
    presence: Presence,
    batch: u32,
    next: AtomicU32,
    report: Mutex<CheckReport>,
}

impl Shared<'_> {
    fn work(&self) {
        let geometry = self.check.geometry;
        let mut window = Window::new(self.check.torrent);
        while !self.check.is_cancelled() {
            let take = |next: u32| (next < geometry.piece_count()).then(|| next.saturating_add(self.batch));
            let Ok(first) = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else { break };
            let end = first.saturating_add(self.batch).min(geometry.piece_count());
            let end_of_batch = self.range_of(PieceIndex::new(end.saturating_sub(1))).end;
            let wanted = |piece: &PieceIndex| self.check.only.is_none_or(|only| only.get(*piece));
            for piece in (first..end).map(PieceIndex::new).filter(wanted) {
                let right = self.is_right(piece, &mut window, end_of_batch);
                self.tell(piece, right);
            }
        }
    }

    fn range_of(&self, piece: PieceIndex) -> Range<u64> {
        let start = self.check.geometry.piece_offset(piece);
        start..start.saturating_add(u64::from(self.check.geometry.length_of(piece)))
    }

    fn is_right(&self, piece: PieceIndex, window: &mut Window<'_>, limit: u64) -> Result<bool, StorageError> {
        let range = self.range_of(piece);
        let expected = self.check.hashes.expected(piece);
        let digest = match self.presence.of(range.clone()) {
            Extent::Missing => None,
            Extent::Zeros => Some(window.zeros(expected, self.check.geometry.length_of(piece))),
            Extent::Data => window.hash(expected, range, limit, &|| self.check.is_cancelled())?,
        };
        Ok(digest.is_some_and(|digest| expected.is_met_by(&digest)))
    }

    fn tell(&self, piece: PieceIndex, right: Result<bool, StorageError>) {
        // Cancelled in its middle: nothing is known of it.
        if self.check.is_cancelled() {
            return;
        }
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.checked = report.checked.saturating_add(1);
        let right = right.unwrap_or_else(|error| {
            report.unreadable.set(piece);
            report.error.get_or_insert(error);
            false
        });
        if right {
            report.have.set(piece);
        }
        drop(report);
        (self.check.on_piece)(piece, right);
    }
}

/// A part of the torrent that was read ahead.
struct Window<'a> {
    torrent: &'a dyn TorrentStorage,
    buffer: Vec<u8>,
    start: u64,
    filled: usize,
    /// What a piece of nothing but zeros hashes to: which piece that was, and its hashes.
    zeros: Option<(ZeroKey, PieceDigest)>,
}

/// Pieces of zeros that have these in common have the same hashes.
type ZeroKey = (u32, bool, Option<torrent_hash::V2Shape>);

impl<'a> Window<'a> {
    fn new(torrent: &'a dyn TorrentStorage) -> Self {
        Self { torrent, buffer: vec![0; READ_LENGTH], start: 0, filled: 0, zeros: None }
    }

    /// The hashes of `range`; `None` if a part of it is not there, or when told to stop. Reads ahead up to `limit`.
    fn hash(
        &mut self,
        expected: Expected,
        range: Range<u64>,
        limit: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<PieceDigest>, StorageError> {
        let mut hasher = expected.hasher();
        let mut at = range.start;
        while at < range.end {
            let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let bytes = self.at(at, limit)?;
            let bytes = bytes.get(..left).unwrap_or(bytes);
            if bytes.is_empty() || stop() {
                return Ok(None);
            }
            hasher.update(bytes);
            at = at.saturating_add(bytes.len() as u64);
        }
        Ok(Some(hasher.finish()))
    }

    /// The hashes of a piece of nothing but zeros.
    fn zeros(&mut self, expected: Expected, length: u32) -> PieceDigest {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        let key = (length, expected.v1.is_some(), expected.v2.map(|(_, shape)| shape));
        match self.zeros {
            Some((known, digest)) if known == key => digest,
            _ => {
                let mut hasher = expected.hasher();
                let mut left = usize::try_from(length).unwrap_or(usize::MAX);
                while left > 0 {
                    let zeros = ZEROS.get(..left).unwrap_or(&ZEROS);
                    hasher.update(zeros);
                    left = left.saturating_sub(zeros.len());
                }
                let digest = hasher.finish();
                self.zeros = Some((key, digest));
                digest
            }
        }
    }

    /// At least one byte from `offset` on, if there is one.
    fn at(&mut self, offset: u64, limit: u64) -> Result<&[u8], StorageError> {
        let skip = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        if let Some(skip) = skip.filter(|skip| *skip < self.filled) {
            return Ok(self.buffer.get(skip..self.filled).unwrap_or_default());
        }
        let length = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX).min(READ_LENGTH);
        self.filled = 0;
        self.filled = self.torrent.read_at(offset, self.buffer.get_mut(..length).unwrap_or_default())?;
        self.start = offset;
        Ok(self.buffer.get(..self.filled).unwrap_or_default())
    }
}
