//! One torrent's files: which byte goes into which file, which files are made, what has yet to be synced.
//! Bytes of files that are not wanted, and come only because a piece is shared with a wanted file, go into one sparse
//! hidden part file, at the offset that they have in the torrent. A file that is on disk is used, wanted or not.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{IoSlice, IoSliceMut},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use sha1::{Digest as _, Sha1};

use super::{
    Access, Allocation, mover,
    os::{self, Handle},
    pool::Share,
    watch::Watch,
};
use crate::{
    ErrorKind, FileStat, Layout, Operation, Owner, Presence, Segment, StorageError, TorrentStorage,
    error::Fault,
    gather::Gather,
    storage::{length_of, range_of, read_part_by_part},
};

#[derive(Debug)]
pub(super) struct FileTorrent {
    layout: Layout,
    /// Read-held by whoever uses a file, write-held by who moves files about.
    root: RwLock<PathBuf>,
    share: Share,
    allocation: Allocation,
    /// One per file, and the part file's as the last.
    slots: Box<[Slot]>,
    part_file: PathBuf,
    watch: Watch,
    /// Files that were there before are not written to unless they are the torrent's.
    protected: AtomicBool,
}

#[derive(Debug)]
struct Slot {
    /// It is the torrent's, even if it was there before.
    ours: AtomicBool,
    wanted: AtomicBool,
    /// Written to since the last sync.
    dirty: AtomicBool,
    /// Made since the last sync: its name is not safe yet.
    made: AtomicBool,
}

impl FileTorrent {
    pub(super) fn new(layout: Layout, root: PathBuf, share: Share, allocation: Allocation) -> Self {
        let slot = || Slot { ours: false.into(), wanted: true.into(), dirty: false.into(), made: false.into() };
        let slots = layout.files().iter().map(|_| slot()).chain([slot()]).collect();
        // By the names that the torrent gives: the same wherever its files are found.
        let part_file = part_file_name(&layout);
        let layout = layout.found_below(&root);
        Self {
            layout,
            root: RwLock::new(root),
            share,
            allocation,
            slots,
            part_file,
            watch: Watch::default(),
            protected: false.into(),
        }
    }

    fn root(&self) -> RwLockReadGuard<'_, PathBuf> {
        self.root.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number by which the part file goes: one past the last file.
    fn part(&self) -> usize {
        self.layout.files().len()
    }

    fn path(&self, file: usize) -> &Path {
        self.layout.files().get(file).map_or(&self.part_file, |entry| entry.path())
    }

    fn slot(&self, file: usize) -> &Slot {
        self.slots.get(file).expect("one slot per file and one for the part file")
    }

    /// Everything that may be on disk: the files' numbers, and the part file's.
    fn places(&self) -> impl Iterator<Item = usize> + '_ {
        let files = self.layout.files().iter().enumerate();
        files.filter(|(_, entry)| !entry.is_pad()).map(|(file, _)| file).chain([self.part()])
    }

    /// The file, open; `None` if it is not there and is not to be made.
    fn handle(&self, root: &Path, file: usize, access: Access) -> Result<Option<Arc<Handle>>, StorageError> {
        let writable = access != Access::Read;
        if let Some(handle) = self.share.find(file, writable) {
            return Ok(Some(handle));
        }
        let path = self.path(file);
        let mut opened = os::open(root, path, access);
        if opened.as_ref().is_err_and(|fault| fault.is_out_of_handles()) {
            self.share.pool().close_all();
            opened = os::open(root, path, access);
        }
        let (handle, made) = match opened {
            Err(fault) if fault.kind == ErrorKind::NotFound && access != Access::Create => return Ok(None),
            opened => opened.map_err(|fault| fault.at(Operation::Open, root.join(path)))?,
        };
        if made {
            self.slot(file).ours.store(true, Ordering::Release);
            self.slot(file).made.store(true, Ordering::Release);
            if let (Allocation::Full, Some(entry)) = (self.allocation, self.layout.files().get(file)) {
                handle.allocate(entry.length()).map_err(|fault| fault.at(Operation::Resize, root.join(path)))?;
            }
        }
        if writable {
            self.check_owner(&handle, file, root, made)?;
        }
        let handle = Arc::new(handle);
        self.share.keep(file, writable, Arc::clone(&handle));
        Ok(Some(handle))
    }

    /// A file that is opened for writing must be the torrent's, and no other torrent's.
    fn check_owner(&self, handle: &Handle, file: usize, root: &Path, made: bool) -> Result<(), StorageError> {
        let occupied = || StorageError::new(ErrorKind::Occupied, Operation::Write, root.join(self.path(file)));
        let stat = handle.stat().map_err(|fault| fault.at(Operation::Inspect, root.join(self.path(file))))?;
        let is_ours = self.slot(file).ours.load(Ordering::Acquire) || file == self.part();
        // Nothing is lost with an empty file, as long as it has no other name.
        if self.protected.load(Ordering::Acquire) && !is_ours && (stat.length > 0 || stat.links > 1) {
            return Err(occupied());
        }
        if stat.id.is_some_and(|id| !self.share.claim(id, handle, made)) {
            return Err(occupied());
        }
        Ok(())
    }

    fn create(&self, root: &Path, file: usize) -> Result<Arc<Handle>, StorageError> {
        let missing = || StorageError::new(ErrorKind::NotFound, Operation::Create, root.join(self.path(file)));
        self.handle(root, file, Access::Create)?.ok_or_else(missing)
    }

    /// Where a segment is written to: its file, or the part file if it is not to appear.
    fn place_to_write(&self, root: &Path, segment: Segment) -> Result<(usize, u64, Arc<Handle>), StorageError> {
        if !self.slot(segment.file).wanted.load(Ordering::Acquire) {
            return match self.handle(root, segment.file, Access::Write)? {
                Some(handle) => Ok((segment.file, segment.offset, handle)),
                None => Ok((self.part(), self.offset_of(segment), self.create(root, self.part())?)),
            };
        }
        Ok((segment.file, segment.offset, self.create(root, segment.file)?))
    }

    /// Where a segment is read from, if anywhere.
    fn place_to_read(&self, root: &Path, segment: Segment) -> Result<Option<(usize, u64, Arc<Handle>)>, StorageError> {
        if let Some(handle) = self.handle(root, segment.file, Access::Read)? {
            return Ok(Some((segment.file, segment.offset, handle)));
        }
        let part = self.handle(root, self.part(), Access::Read)?;
        Ok(part.map(|handle| (self.part(), self.offset_of(segment), handle)))
    }

    /// First byte of the segment, counted from the beginning of the torrent.
    fn offset_of(&self, segment: Segment) -> u64 {
        self.layout.file_range(segment.file).start.saturating_add(segment.offset)
    }

    fn is_pad(&self, file: usize) -> bool {
        self.layout.files().get(file).is_some_and(|entry| entry.is_pad())
    }

    /// What the part file holds, by offset in the torrent.
    fn part_ranges(&self, root: &Path) -> Result<Vec<Range<u64>>, StorageError> {
        let Some(handle) = self.handle(root, self.part(), Access::Read)? else { return Ok(Vec::new()) };
        let stat = handle.stat().map_err(|fault| fault.at(Operation::Inspect, root.join(&self.part_file)))?;
        Ok(handle.data_ranges(stat.length))
    }

    /// Brings a file's bytes from the part file to where they belong.
    fn leave_part_file(&self, root: &Path, file: usize) -> Result<(), StorageError> {
        let range = self.layout.file_range(file);
        let ranges = within(&self.part_ranges(root)?, &range);
        if ranges.is_empty() || self.handle(root, file, Access::Read)?.is_some() {
            return Ok(());
        }
        let Some(from) = self.handle(root, self.part(), Access::Read)? else { return Ok(()) };
        let to = self.create(root, file)?;
        self.slot(file).dirty.store(true, Ordering::Release);
        self.watch.write(file, &to, || mover::copy(&from, &to, &ranges, range.start)).map_err(|fault| {
            // Half a file would hide what the part file has.
            self.share.close(file);
            let _ = os::remove_file(root, self.path(file));
            fault.at(Operation::Write, root.join(self.path(file)))
        })
    }

    fn sync(&self, root: &Path, file: usize) -> Result<(), StorageError> {
        let Some(handle) = self.handle(root, file, Access::Read)? else { return Ok(()) };
        handle.sync().map_err(|fault| fault.at(Operation::Sync, root.join(self.path(file))))
    }
}

impl TorrentStorage for FileTorrent {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let range = range_of(&self.layout, offset, length_of(parts), Operation::Write)?;
        let root = self.root();
        let mut parts = Gather::new(parts);
        for segment in self.layout.segments(range) {
            let mut slices = parts.take(segment.length);
            if self.is_pad(segment.file) {
                continue;
            }
            let (file, offset, handle) = self.place_to_write(&root, segment)?;
            let written = self.watch.write(file, &handle, || handle.write_all_at(&mut slices, offset));
            self.slot(file).dirty.store(true, Ordering::Release);
            written.map_err(|fault| fault.at(Operation::Write, root.join(self.path(file))))?;
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, mut buffer: &mut [u8]) -> Result<usize, StorageError> {
        let range = range_of(&self.layout, offset, buffer.len(), Operation::Read)?;
        let root = self.root();
        let mut filled = 0_usize;
        for segment in self.layout.segments(range) {
            // A segment is no longer than the buffer.
            let length = usize::try_from(segment.length).unwrap_or(usize::MAX);
            let Some((head, rest)) = buffer.split_at_mut_checked(length) else { break };
            let read = if self.is_pad(segment.file) {
                head.fill(0);
                length
            } else if let Some((file, offset, handle)) = self.place_to_read(&root, segment)? {
                handle.read_at(head, offset).map_err(|fault| fault.at(Operation::Read, root.join(self.path(file))))?
            } else {
                0
            };
            filled = filled.saturating_add(read);
            if read < length {
                break;
            }
            buffer = rest;
        }
        Ok(filled)
    }

    fn read_vectored_at(&self, offset: u64, parts: &mut [IoSliceMut<'_>]) -> Result<usize, StorageError> {
        let length = parts.iter().map(|part| part.len()).fold(0, usize::saturating_add);
        let range = range_of(&self.layout, offset, length, Operation::Read)?;
        let root = self.root();
        let mut segments = self.layout.segments(range);
        if let (Some(segment), None) = (segments.next(), segments.next())
            && !self.is_pad(segment.file)
        {
            let Some((file, offset, handle)) = self.place_to_read(&root, segment)? else { return Ok(0) };
            let read = handle.read_vectored_at(parts, offset);
            return read.map_err(|fault| fault.at(Operation::Read, root.join(self.path(file))));
        }
        drop(root);
        // It crosses borders of files.
        read_part_by_part(self, offset, parts)
    }

    fn presence(&self) -> Result<Presence, StorageError> {
        let root = self.root();
        let part_ranges = self.part_ranges(&root)?;
        let mut presence = Presence::new();
        for (file, entry) in self.layout.files().iter().enumerate() {
            let range = self.layout.file_range(file);
            let at = |offset: u64| range.start.saturating_add(offset);
            if entry.is_pad() {
                presence.push_zeros(range);
                continue;
            }
            // Not through the pool: looking at 15,000 files is no reason to close those in use.
            let handle = match os::open(&root, entry.path(), Access::Read) {
                Ok((handle, _)) => handle,
                Err(fault) if fault.kind == ErrorKind::NotFound => {
                    within(&part_ranges, &range).into_iter().for_each(|data| presence.push_data(data));
                    continue;
                }
                Err(fault) => return Err(fault.at(Operation::Open, root.join(entry.path()))),
            };
            let stat = handle.stat().map_err(|fault| fault.at(Operation::Inspect, root.join(entry.path())))?;
            self.watch.look(file, stat);
            let length = stat.length.min(entry.length());
            let mut hole = 0;
            for data in handle.data_ranges(length) {
                presence.push_zeros(at(hole)..at(data.start));
                presence.push_data(at(data.start)..at(data.end));
                hole = data.end;
            }
            presence.push_zeros(at(hole)..at(length));
        }
        Ok(presence)
    }

    fn stat(&self) -> Result<Vec<Option<FileStat>>, StorageError> {
        let root = self.root();
        let of = |path: &Path| os::stat(&root, path).map_err(|fault| fault.at(Operation::Inspect, root.join(path)));
        self.layout.files().iter().map(|entry| if entry.is_pad() { Ok(None) } else { of(entry.path()) }).collect()
    }

    fn layout(&self) -> Option<&Layout> {
        Some(&self.layout)
    }

    fn protect(&self) {
        self.protected.store(true, Ordering::Release);
        // What is open was not looked at.
        self.share.close_all();
    }

    fn set_owner(&self, file: usize, owner: Owner) {
        if file < self.part() {
            self.slot(file).ours.store(owner == Owner::Torrent, Ordering::Release);
            self.share.close(file);
        }
    }

    fn device(&self) -> Option<u64> {
        os::device(&self.root())
    }

    fn changed(&self) -> Result<Vec<(PathBuf, Range<u64>)>, StorageError> {
        let root = self.root();
        let mut changed = Vec::new();
        for (file, expected) in self.watch.take() {
            let path = self.path(file);
            let found = os::stat(&root, path).map_err(|fault| fault.at(Operation::Inspect, root.join(path)))?;
            if expected.is_none() || found != expected {
                // What is open may be a file that has been deleted.
                self.share.close(file);
                changed.push((root.join(path), self.layout.file_range(file)));
            }
        }
        Ok(changed)
    }

    fn set_wanted(&self, file: usize, wanted: bool) -> Result<(), StorageError> {
        if file >= self.part() {
            return Err(StorageError::new(ErrorKind::OutOfRange, Operation::Inspect, ""));
        }
        let root = self.root.write().unwrap_or_else(PoisonError::into_inner);
        let slot = self.slot(file);
        if wanted && !slot.wanted.load(Ordering::Acquire) {
            self.leave_part_file(&root, file)?;
        }
        slot.wanted.store(wanted, Ordering::Release);
        Ok(())
    }

    fn finish(&self) -> Result<(), StorageError> {
        let root = self.root();
        for (file, entry) in self.layout.files().iter().enumerate() {
            if entry.is_pad() || !self.slot(file).wanted.load(Ordering::Acquire) {
                continue;
            }
            // Looked at first: a torrent that is whole can be finished on a read-only disk.
            let fail = |operation| {
                let path = root.join(entry.path());
                move |fault: Fault| fault.at(operation, path)
            };
            let stat = os::stat(&root, entry.path()).map_err(fail(Operation::Inspect))?;
            if stat.is_some_and(|stat| stat.length == entry.length()) {
                continue;
            }
            let handle = self.create(&root, file)?;
            self.watch.write(file, &handle, || handle.set_length(entry.length())).map_err(fail(Operation::Resize))?;
            self.slot(file).dirty.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        let root = self.root();
        for file in self.places() {
            let slot = self.slot(file);
            if slot.dirty.swap(false, Ordering::AcqRel) {
                self.sync(&root, file).inspect_err(|_| slot.dirty.store(true, Ordering::Release))?;
            }
        }
        // The names after the contents, and only if those are safe.
        let mut folders = BTreeSet::new();
        let mut made = Vec::new();
        for file in self.places() {
            let slot = self.slot(file);
            if slot.made.swap(false, Ordering::AcqRel) {
                made.push(slot);
                folders.extend(self.path(file).ancestors().skip(1));
            }
        }
        for folder in folders {
            os::sync_folder(&root, folder).map_err(|fault| {
                made.iter().for_each(|slot| slot.made.store(true, Ordering::Release));
                fault.at(Operation::Sync, root.join(folder))
            })?;
        }
        Ok(())
    }

    fn move_to(&self, to: &Path) -> Result<(), StorageError> {
        let mut root = self.root.write().unwrap_or_else(PoisonError::into_inner);
        if *root == to {
            return Ok(());
        }
        self.share.close_all();
        // A copy on another file system is another file.
        self.watch.take();
        mover::relocate(&root, to, &self.places().map(|file| self.path(file)).collect::<Vec<_>>())?;
        to.clone_into(&mut root);
        Ok(())
    }

    fn remove(&self) -> Result<(), StorageError> {
        let root = self.root.write().unwrap_or_else(PoisonError::into_inner);
        self.share.close_all();
        mover::remove(&root, &self.places().map(|file| self.path(file)).collect::<Vec<_>>())
    }
}

/// The parts of `ranges` that lie in `range`.
fn within(ranges: &[Range<u64>], range: &Range<u64>) -> Vec<Range<u64>> {
    let cut = |data: &Range<u64>| data.start.max(range.start)..data.end.min(range.end);
    ranges.iter().map(cut).filter(|data| !data.is_empty()).collect()
}

/// A name that two torrents share only if all their files have the same paths and lengths.
fn part_file_name(layout: &Layout) -> PathBuf {
    let mut hash = Sha1::new();
    for entry in layout.files() {
        hash.update(entry.path().as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(entry.length().to_be_bytes());
    }
    let mut name = String::from(".");
    for byte in hash.finalize().iter().take(8) {
        let _ = write!(name, "{byte:02x}");
    }
    name.push_str(".torrent-parts");
    name.into()
}
