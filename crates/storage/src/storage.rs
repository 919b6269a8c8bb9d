//! The two traits that a backend implements. Blocking on purpose: they run on disk threads, which are not this crate's.
//! Offsets count from the beginning of the torrent, all files laid end to end, pads included.

use std::{
    fmt,
    io::{IoSlice, IoSliceMut},
    ops::Range,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{ErrorKind, Layout, Operation, Presence, StorageError};

/// A place where torrents can be kept.
pub trait Storage: fmt::Debug + Send + Sync {
    /// The torrent of this layout, with whatever of it is there already. Makes nothing.
    ///
    /// # Errors
    /// If the place cannot be used at all.
    fn open(&self, layout: &Layout) -> Result<Box<dyn TorrentStorage>, StorageError>;
}

/// The bytes of one torrent. Any number of threads may call any of this at once.
///
/// Only [`write_at`](Self::write_at), [`read_at`](Self::read_at) and [`presence`](Self::presence) need code of your own;
/// [`conformance`](https://docs.rs/torrent-storage/latest/torrent_storage/conformance/) tells whether it is right.
pub trait TorrentStorage: fmt::Debug + Send + Sync {
    /// Writes `parts`, one after the other, from `offset` on: all of it, or an error and nobody knows how much.
    /// May span files. What falls on pads is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Full`] if there is no space: nothing that was there is lost, and the same call may succeed later.
    /// [`ErrorKind::OutOfRange`] if it does not lie inside the torrent.
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> Result<(), StorageError>;

    /// Fills `buffer` from `offset` on, up to the first byte that is not there; says how many bytes that is. Pads read as zeros.
    ///
    /// # Errors
    /// Missing and short files are no error, only a short count.
    /// [`ErrorKind::OutOfRange`] if it does not lie inside the torrent.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError>;

    /// As [`read_at`](Self::read_at), into several buffers, one after the other.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    fn read_vectored_at(&self, offset: u64, parts: &mut [IoSliceMut<'_>]) -> Result<usize, StorageError> {
        read_part_by_part(self, offset, parts)
    }

    /// What is there now. Never says [`Missing`](crate::Extent::Missing) of bytes that `read_at` would give.
    ///
    /// # Errors
    /// If nothing can be said at all.
    fn presence(&self) -> Result<Presence, StorageError>;

    /// Length and time of change of each file of the layout, `None` where there is none. For resume data.
    ///
    /// # Errors
    /// If a file cannot be looked at. A backend without files has nothing to say and answers with an empty list.
    fn stat(&self) -> Result<Vec<Option<FileStat>>, StorageError> {
        Ok(Vec::new())
    }

    /// The files that this was opened for, as far as it keeps files.
    fn layout(&self) -> Option<&Layout> {
        None
    }

    /// From now on, files that exist already are somebody else's until it is said that they are this torrent's: writing to one
    /// of them, or cutting it, fails with [`ErrorKind::Occupied`].
    fn protect(&self) {}

    /// Whose file number `file` of the layout is, if it exists. Files that this makes itself are the torrent's.
    fn set_owner(&self, file: usize, owner: Owner) {
        let _ = (file, owner);
    }

    /// A number for the device that the torrent is on: those on one device share its threads, so that a slow one does not
    /// hold up the others. On Linux it is `st_dev`. `None`: on no device in particular.
    fn device(&self) -> Option<u64> {
        None
    }

    /// The files, with their range of the torrent, that somebody else seems to have changed since this looked at them for the
    /// first time or wrote to them. Asked once, when all is written; it may forget what it knew.
    ///
    /// # Errors
    /// If a file cannot be looked at.
    fn changed(&self) -> Result<Vec<(PathBuf, Range<u64>)>, StorageError> {
        Ok(Vec::new())
    }

    /// Whether file number `file` of the layout is to appear. What is written to a file that is not wanted, because it
    /// shares a piece with one that is, is kept elsewhere and can be read all the same. All files are wanted at first.
    ///
    /// # Errors
    /// If bytes kept elsewhere cannot be brought to where they belong.
    fn set_wanted(&self, file: usize, wanted: bool) -> Result<(), StorageError> {
        let _ = (file, wanted);
        Ok(())
    }

    /// Every wanted byte is there and verified: makes empty files and gives every wanted file its exact length. What is to
    /// survive a loss of power is [flushed](Self::flush) besides.
    ///
    /// # Errors
    /// If a file cannot be made or cut.
    fn finish(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Returns once everything written before is safe from a loss of power.
    ///
    /// # Errors
    /// If not: what was written since the last flush may then be gone.
    fn flush(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Moves the torrent below another root, all of it or nothing. Other calls wait meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] rather than replace a file.
    fn move_to(&self, root: &Path) -> Result<(), StorageError> {
        Err(StorageError::new(ErrorKind::Unsupported, Operation::Move, root))
    }

    /// Deletes the torrent's bytes, and folders that this leaves empty. Nothing else.
    ///
    /// # Errors
    /// If something stays; the rest is deleted all the same.
    fn remove(&self) -> Result<(), StorageError> {
        Err(StorageError::new(ErrorKind::Unsupported, Operation::Remove, ""))
    }
}

/// Whose a file is that was there before its torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is the torrent's or not")]
pub enum Owner {
    /// It is of this torrent: it may be written over and cut.
    Torrent,
    /// It is of somebody else: it is not touched.
    Other,
}

/// What the disk says of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStat {
    /// Length in bytes.
    pub length: u64,
    /// When its content was last changed.
    pub modified: SystemTime,
    /// Device and number by which the system knows it, where it does.
    pub id: Option<(u64, u64)>,
    /// How many names it has.
    pub links: u64,
}

impl FileStat {
    /// A file with one name.
    #[must_use]
    pub const fn new(length: u64, modified: SystemTime) -> Self {
        Self { length, modified, id: None, links: 1 }
    }

    /// The same, with what the system knows it by and how many names it has.
    #[must_use]
    pub const fn identified(self, id: (u64, u64), links: u64) -> Self {
        Self { id: Some(id), links, ..self }
    }
}

/// Fills `parts` in turn, up to the first byte that is not there.
pub(crate) fn read_part_by_part<S: TorrentStorage + ?Sized>(
    storage: &S,
    offset: u64,
    parts: &mut [IoSliceMut<'_>],
) -> Result<usize, StorageError> {
    let mut filled = 0_usize;
    for part in parts {
        let read = storage.read_at(offset.saturating_add(filled as u64), part)?;
        filled = filled.saturating_add(read);
        if read < part.len() {
            break;
        }
    }
    Ok(filled)
}

/// `offset` and the length of `parts` or a buffer as a range of the torrent.
pub(crate) fn range_of(
    layout: &Layout,
    offset: u64,
    length: usize,
    operation: Operation,
) -> Result<Range<u64>, StorageError> {
    u64::try_from(length)
        .ok()
        .filter(|length| layout.contains(offset, *length))
        .map(|length| offset..offset.saturating_add(length))
        .ok_or_else(|| StorageError::new(ErrorKind::OutOfRange, operation, ""))
}

/// Total length of `parts` in bytes.
pub(crate) fn length_of(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().map(|part| part.len()).fold(0, usize::saturating_add)
}
