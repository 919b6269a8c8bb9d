//! Torrents in memory: for tests, and for playing without a disk. Costs what was written and about 100 bytes per write.

use std::{
    collections::BTreeMap,
    fmt,
    io::IoSlice,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    ErrorKind, Layout, Operation, Presence, Storage, StorageError, TorrentStorage,
    gather::Gather,
    storage::{length_of, range_of},
};

/// Torrents in memory. Opening the same layout again finds what was written before, until it is removed.
/// Cheap to clone; clones share the memory.
#[derive(Clone, Debug)]
pub struct MemoryStorage(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    torrents: Mutex<Vec<(Layout, Arc<Runs>)>>,
    limit: u64,
    used: AtomicU64,
}

impl MemoryStorage {
    /// As much as there is memory.
    #[must_use]
    pub fn new() -> Self {
        Self::limited(u64::MAX)
    }

    /// At most `limit` bytes for all torrents together; [`ErrorKind::Full`] beyond.
    #[must_use]
    pub fn limited(limit: u64) -> Self {
        Self(Arc::new(Shared { torrents: Mutex::default(), limit, used: AtomicU64::new(0) }))
    }

    /// Bytes in use by all torrents together.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage for MemoryStorage {
    fn open(&self, layout: &Layout) -> Result<Box<dyn TorrentStorage>, StorageError> {
        let mut torrents = self.0.torrents.lock().unwrap_or_else(PoisonError::into_inner);
        let known = torrents.iter().find(|(known, _)| known == layout).map(|(_, runs)| Arc::clone(runs));
        let runs = known.unwrap_or_else(|| {
            let runs = Arc::new(Runs::default());
            torrents.push((layout.clone(), Arc::clone(&runs)));
            runs
        });
        Ok(Box::new(MemoryTorrent { layout: layout.clone(), runs, shared: Arc::clone(&self.0) }))
    }
}

/// What was written, by offset; runs do not overlap.
#[derive(Default)]
struct Runs(RwLock<BTreeMap<u64, Box<[u8]>>>);

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs", self.0.read().unwrap_or_else(PoisonError::into_inner).len())
    }
}

#[derive(Debug)]
struct MemoryTorrent {
    layout: Layout,
    runs: Arc<Runs>,
    shared: Arc<Shared>,
}

impl MemoryTorrent {
    fn reserve(&self, length: u64) -> Result<(), StorageError> {
        let add = |used: u64| used.checked_add(length).filter(|used| *used <= self.shared.limit);
        match self.shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(()),
            Err(_) => Err(StorageError::new(ErrorKind::Full, Operation::Write, "")),
        }
    }

    /// Writes one run: over what is there, and as new runs between.
    fn write_run(&self, mut offset: u64, mut bytes: &[u8]) -> Result<(), StorageError> {
        let mut runs = self.runs.0.write().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            let before = runs.range_mut(..=offset).next_back();
            let over = before.and_then(|(start, run)| run.get_mut(distance(*start, offset)..)).unwrap_or_default();
            let length = if over.is_empty() {
                let gap = runs.range(offset..).next().map_or(usize::MAX, |(next, _)| distance(offset, *next));
                let new = bytes.get(..gap).unwrap_or(bytes);
                self.reserve(new.len() as u64)?;
                runs.insert(offset, new.into());
                new.len()
            } else {
                copy(over, bytes)
            };
            bytes = bytes.get(length..).unwrap_or_default();
            offset = offset.saturating_add(length as u64);
        }
        Ok(())
    }

    /// Reads up to the first byte that was never written.
    fn read_run(&self, mut offset: u64, mut buffer: &mut [u8]) -> usize {
        let runs = self.runs.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut filled = 0_usize;
        while !buffer.is_empty() {
            let before = runs.range(..=offset).next_back();
            let run = before.and_then(|(start, run)| run.get(distance(*start, offset)..)).unwrap_or_default();
            if run.is_empty() {
                break;
            }
            let copied = copy(buffer, run);
            filled = filled.saturating_add(copied);
            offset = offset.saturating_add(copied as u64);
            buffer = buffer.get_mut(copied..).unwrap_or_default();
        }
        filled
    }

    fn is_pad(&self, file: usize) -> bool {
        self.layout.files().get(file).is_some_and(|entry| entry.is_pad())
    }
}

impl TorrentStorage for MemoryTorrent {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> Result<(), StorageError> {
        let range = range_of(&self.layout, offset, length_of(parts), Operation::Write)?;
        let mut parts = Gather::new(parts);
        let mut at = range.start;
        for segment in self.layout.segments(range) {
            let slices = parts.take(segment.length);
            if !self.is_pad(segment.file) {
                let mut at = at;
                for slice in slices {
                    self.write_run(at, &slice)?;
                    at = at.saturating_add(slice.len() as u64);
                }
            }
            at = at.saturating_add(segment.length);
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, mut buffer: &mut [u8]) -> Result<usize, StorageError> {
        let range = range_of(&self.layout, offset, buffer.len(), Operation::Read)?;
        let mut filled = 0_usize;
        let mut at = range.start;
        for segment in self.layout.segments(range) {
            let length = usize::try_from(segment.length).unwrap_or(usize::MAX);
            let Some((head, rest)) = buffer.split_at_mut_checked(length) else { break };
            let read = if self.is_pad(segment.file) {
                head.fill(0);
                length
            } else {
                self.read_run(at, head)
            };
            filled = filled.saturating_add(read);
            if read < length {
                break;
            }
            at = at.saturating_add(segment.length);
            buffer = rest;
        }
        Ok(filled)
    }

    fn presence(&self) -> Result<Presence, StorageError> {
        let runs = self.runs.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut presence = Presence::new();
        for (file, entry) in self.layout.files().iter().enumerate() {
            let range = self.layout.file_range(file);
            if entry.is_pad() {
                presence.push_zeros(range);
                continue;
            }
            // A run never crosses a pad, but it may cross from file to file.
            let first = runs.range(..=range.start).next_back().map_or(range.start, |(start, _)| *start);
            for (start, run) in runs.range(first..range.end) {
                let end = start.saturating_add(run.len() as u64);
                presence.push_data(range.start.max(*start)..range.end.min(end));
            }
        }
        Ok(presence)
    }

    fn remove(&self) -> Result<(), StorageError> {
        let mut torrents = self.shared.torrents.lock().unwrap_or_else(PoisonError::into_inner);
        torrents.retain(|(layout, _)| *layout != self.layout);
        let runs = std::mem::take(&mut *self.runs.0.write().unwrap_or_else(PoisonError::into_inner));
        let freed = runs.values().map(|run| run.len() as u64).fold(0, u64::saturating_add);
        self.shared.used.fetch_sub(freed, Ordering::Relaxed);
        Ok(())
    }
}

/// Copies as much as fits; says how much.
fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let length = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
        to.copy_from_slice(from);
    }
    length
}

/// How far `to` lies after `from`, for indexing.
fn distance(from: u64, to: u64) -> usize {
    usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX)
}
