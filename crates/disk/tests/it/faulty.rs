//! Memory that fails on demand, and counts.

use std::{
    io::IoSlice,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use torrent_storage::{
    ErrorKind, Layout, MemoryStorage, Operation, Presence, Storage as _, StorageError, TorrentStorage,
};

#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Box<dyn TorrentStorage>,
    /// What writes fail with.
    pub(crate) refuses: Mutex<Option<ErrorKind>>,
    /// Nothing from here on is there any more.
    pub(crate) cut: Mutex<Option<u64>>,
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: Mutex<Vec<(u64, usize)>>,
    /// A write is made to wait as long as this is locked.
    pub(crate) gate: Mutex<()>,
    pub(crate) presence_fails: AtomicBool,
}

#[derive(Debug)]
struct Opened(Arc<Faulty>);

impl Faulty {
    pub(crate) fn new(layout: &Layout) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStorage::new().open(layout).unwrap(),
            refuses: Mutex::default(),
            cut: Mutex::default(),
            reads: AtomicUsize::new(0),
            writes: Mutex::default(),
            gate: Mutex::default(),
            presence_fails: AtomicBool::new(false),
        })
    }

    pub(crate) fn open(self: &Arc<Self>) -> Box<dyn TorrentStorage> {
        Box::new(Opened(Arc::clone(self)))
    }

    pub(crate) fn refuse(&self, kind: Option<ErrorKind>) {
        *self.refuses.lock().unwrap() = kind;
    }

    /// What is really there.
    pub(crate) fn peek(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0; length];
        let read = self.inner.read_at(offset, &mut buffer).unwrap();
        buffer.truncate(read);
        buffer
    }
}

impl TorrentStorage for Opened {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> Result<(), StorageError> {
        drop(self.0.gate.lock().unwrap());
        let length = parts.iter().map(|part| part.len()).sum();
        self.0.writes.lock().unwrap().push((offset, length));
        if let Some(kind) = *self.0.refuses.lock().unwrap() {
            // As on a real disk, some of it may have been written.
            if let Some(first) = parts.first() {
                self.0.inner.write_at(offset, &[IoSlice::new(&vec![0xEE; first.len()])])?;
            }
            return Err(StorageError::new(kind, Operation::Write, "a"));
        }
        self.0.inner.write_at(offset, parts)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        let end = self.0.cut.lock().unwrap().unwrap_or(u64::MAX);
        let length = (end.saturating_sub(offset) as usize).min(buffer.len());
        self.0.inner.read_at(offset, &mut buffer[..length])
    }

    fn presence(&self) -> Result<Presence, StorageError> {
        if self.0.presence_fails.load(Ordering::Relaxed) {
            return Err(StorageError::new(ErrorKind::PermissionDenied, Operation::Open, "a"));
        }
        let end = self.0.cut.lock().unwrap().unwrap_or(u64::MAX);
        let mut presence = Presence::new();
        for run in self.0.inner.presence()?.data() {
            presence.push_data(run.start.min(end)..run.end.min(end));
        }
        Ok(presence)
    }
}
