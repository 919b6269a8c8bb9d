//! How many files stay open: the least recently used one is closed when there are too many.
//! Never: a lock while a file is read, written, opened or closed. Who uses a handle keeps it open for as long as he does.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::os::Handle;

/// Open files, at most so many at once; to be shared by the torrents of a program. Cheap to clone.
///
/// Threads that are in the middle of using a file that is closed here keep it open until they are done.
#[derive(Clone)]
pub struct HandlePool(Arc<Shared>);

struct Shared {
    capacity: usize,
    next_torrent: AtomicU64,
    open: Mutex<Open>,
    /// The files that torrents have written to, by device and number, with the torrent.
    claims: Mutex<HashMap<(u64, u64), u64>>,
}

#[derive(Default)]
struct Open {
    entries: HashMap<(u64, usize), Entry>,
    clock: u64,
    /// The clock when unused files were closed the last time.
    swept: u64,
}

struct Entry {
    handle: Arc<Handle>,
    writable: bool,
    used: u64,
}

impl HandlePool {
    /// As many as a program with the customary limit of 1024 can spare.
    pub const DEFAULT_CAPACITY: usize = 64;

    /// At most `capacity` open files, and at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self(Arc::new(Shared {
            capacity,
            next_torrent: AtomicU64::new(0),
            open: Mutex::default(),
            claims: Mutex::default(),
        }))
    }

    /// How many files are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open().entries.len()
    }

    /// Whether no file is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes them all.
    pub fn close_all(&self) {
        let closed = std::mem::take(&mut self.open().entries);
        drop(closed);
    }

    /// Closes the files that were not used since this was called the last time. Says how many are still open.
    #[must_use = "there is no need to call it again while no file is open"]
    pub fn close_unused(&self) -> usize {
        let mut open = self.open();
        let now = open.clock;
        let since = std::mem::replace(&mut open.swept, now);
        let closed: Vec<_> = open.entries.extract_if(|_, entry| entry.used <= since).collect();
        let left = open.entries.len();
        drop(open);
        drop(closed);
        left
    }

    /// A share of the pool for one torrent.
    pub(super) fn share(&self) -> Share {
        Share { torrent: self.0.next_torrent.fetch_add(1, Ordering::Relaxed), pool: self.clone() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for HandlePool {
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

impl fmt::Debug for HandlePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandlePool({} of {})", self.len(), self.0.capacity)
    }
}

/// The open files of one torrent; closes them when dropped.
#[derive(Debug)]
pub(super) struct Share {
    pool: HandlePool,
    torrent: u64,
}

impl Share {
    pub(super) const fn pool(&self) -> &HandlePool {
        &self.pool
    }

    /// The open file, if it is open for what it is wanted for.
    pub(super) fn find(&self, file: usize, writable: bool) -> Option<Arc<Handle>> {
        let mut open = self.pool.open();
        let now = open.tick();
        let entry = open.entries.get_mut(&(self.torrent, file)).filter(|entry| entry.writable || !writable)?;
        entry.used = now;
        Some(Arc::clone(&entry.handle))
    }

    /// Keeps an open file; closes the least recently used one if there are too many.
    pub(super) fn keep(&self, file: usize, writable: bool, handle: Arc<Handle>) {
        let mut open = self.pool.open();
        let used = open.tick();
        let replaced = open.entries.insert((self.torrent, file), Entry { handle, writable, used });
        let closed = if open.entries.len() > self.pool.0.capacity { open.remove_oldest() } else { None };
        // Closing may take long; not under the lock.
        drop(open);
        drop((replaced, closed));
    }

    /// Only this torrent writes to a file from now on, until it is closed. False if another one does, or another process has
    /// locked it. `id` is that of the system, so that it does not matter by which of its names a file is reached. A file that
    /// was `made` just now is nobody else's, though a deleted one may have had its number.
    pub(super) fn claim(&self, id: (u64, u64), handle: &Handle, made: bool) -> bool {
        let mut claims = self.pool.0.claims.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the mutex, because a file that we have open twice can be locked through one of the two only.
        let is_locked = handle.lock();
        match claims.get(&id) {
            // Another thread of the same torrent may have opened and locked a file between its making and this claim.
            Some(torrent) if *torrent == self.torrent => true,
            Some(_) if !made => false,
            _ if is_locked => {
                claims.insert(id, self.torrent);
                true
            }
            _ => false,
        }
    }

    pub(super) fn close(&self, file: usize) {
        let closed = self.pool.open().entries.remove(&(self.torrent, file));
        drop(closed);
    }

    pub(super) fn close_all(&self) {
        let closed: Vec<_> = self.pool.open().entries.extract_if(|(torrent, _), _| *torrent == self.torrent).collect();
        drop(closed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.close_all();
        let mut claims = self.pool.0.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.retain(|_, torrent| *torrent != self.torrent);
    }
}

impl Open {
    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }

    fn remove_oldest(&mut self) -> Option<Entry> {
        // Each use has its own number: the order of the map does not show.
        let (key, _) = self.entries.iter().min_by_key(|(_, entry)| entry.used)?;
        let key = *key;
        self.entries.remove(&key)
    }
}
