//! What the torrents of a client share: memory, open files, and threads per device.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use torrent_hash::PieceHashes;
use torrent_storage::{HandlePool, TorrentStorage};
use torrent_types::Geometry;

use crate::{DiskConfig, Listener, TorrentDisk, descriptors, lock, pool::Pool, queue::Queue, writer::Writer};

/// Devices that get threads of their own. Torrents on further ones share those of the first.
const MAX_DEVICES: usize = 32;

/// The disks of one client. Clones share everything. When the last clone and the last torrent are dropped, what was accepted
/// is written first.
#[derive(Clone)]
pub struct Disk(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: DiskConfig,
    pub(crate) pool: Pool,
    handles: HandlePool,
    devices: Mutex<BTreeMap<Option<u64>, Arc<Device>>>,
    /// Bytes of good pieces that storage has refused.
    refused: AtomicUsize,
    /// Bytes that were written and wait for the hash.
    unhashed: AtomicUsize,
    sweeper: Sweeper,
}

/// The threads of one device.
pub(crate) struct Device {
    pub(crate) id: Option<u64>,
    pub(crate) writer: Writer,
    /// Checks, and what else takes long.
    pub(crate) slow: Queue,
}

impl Disk {
    /// Raises the process' soft limit of open files to its hard limit, and sizes the pool of open files by it.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(config: DiskConfig) -> io::Result<Self> {
        let handles = HandlePool::new(config.descriptors.unwrap_or_else(descriptors::share));
        let sweeper = Sweeper::start(handles.clone(), &config)?;
        let inner = Inner {
            config,
            pool: Pool::default(),
            handles,
            devices: Mutex::default(),
            refused: AtomicUsize::new(0),
            unhashed: AtomicUsize::new(0),
            sweeper,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The open files of the client, for [`FileStorage::pool`](torrent_storage::FileStorage::pool).
    #[must_use]
    pub fn handles(&self) -> HandlePool {
        self.0.handles.clone()
    }

    /// Bytes of blocks in memory.
    #[must_use]
    pub fn memory_used(&self) -> usize {
        self.0.pool.used()
    }

    /// Takes a torrent in. Touches nothing but to ask on which device it is. Files that are there already are not written to
    /// until a [check](TorrentDisk::check) has found that they are the torrent's, or [`take_over`](TorrentDisk::take_over).
    ///
    /// # Errors
    /// If the thread that writes to its device cannot be started.
    pub fn open(
        &self,
        storage: Box<dyn TorrentStorage>,
        geometry: Geometry,
        hashes: Arc<dyn PieceHashes>,
        listener: Arc<dyn Listener>,
    ) -> io::Result<TorrentDisk> {
        let device = self.0.device(storage.device())?;
        storage.protect();
        Ok(TorrentDisk::new(Arc::clone(&self.0), device, storage, geometry, hashes, listener))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("memory_used", &self.memory_used())
            .field("handles", &self.0.handles)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn device(&self, id: Option<u64>) -> io::Result<Arc<Device>> {
        let mut devices = lock(&self.devices);
        if let Some(device) = devices.get(&id) {
            return Ok(Arc::clone(device));
        }
        if devices.len() >= MAX_DEVICES
            && let Some(device) = devices.values().next()
        {
            return Ok(Arc::clone(device));
        }
        let slow = Queue::new(self.config.checks_per_device);
        let device = Arc::new(Device { id, writer: Writer::start()?, slow });
        devices.insert(id, Arc::clone(&device));
        Ok(device)
    }

    /// Files may have been opened.
    pub(crate) fn touch(&self) {
        self.sweeper.touch();
    }

    /// Whether there is room to keep so many bytes of a good piece that storage has refused.
    pub(crate) fn keep_refused(&self, bytes: usize) -> bool {
        take(&self.refused, bytes, self.config.memory / 4)
    }

    pub(crate) fn release_refused(&self, bytes: usize) {
        give(&self.refused, bytes);
    }

    /// Whether there is room to keep so many bytes that were written, until the hash reaches them.
    pub(crate) fn keep_for_hash(&self, bytes: usize) -> bool {
        take(&self.unhashed, bytes, self.config.read_back)
    }

    pub(crate) fn release_for_hash(&self, bytes: usize) {
        give(&self.unhashed, bytes);
    }
}

fn take(used: &AtomicUsize, bytes: usize, limit: usize) -> bool {
    let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit);
    used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
}

fn give(used: &AtomicUsize, bytes: usize) {
    if bytes > 0 {
        let _ = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used.saturating_sub(bytes)));
    }
}

/// Closes files that were not used for a while. Its thread sleeps as long as no file is open.
struct Sweeper {
    shared: Arc<Sweep>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Sweep {
    active: AtomicBool,
    closed: Mutex<bool>,
    wake: Condvar,
}

impl Sweeper {
    fn start(handles: HandlePool, config: &DiskConfig) -> io::Result<Self> {
        let shared = Arc::<Sweep>::default();
        let (sweep, pause) = (Arc::clone(&shared), config.close_idle);
        let thread = thread::Builder::new().name("torrent-files".into()).spawn(move || {
            loop {
                let closed = lock(&sweep.closed);
                let idle = |closed: &mut bool| !*closed && !sweep.active.load(Ordering::Relaxed);
                let closed = sweep.wake.wait_while(closed, idle).unwrap_or_else(PoisonError::into_inner);
                let closed = sweep
                    .wake
                    .wait_timeout_while(closed, pause, |closed| !*closed)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                if *closed {
                    return;
                }
                drop(closed);
                // Before the sweep: a file that is opened meanwhile counts for the next round.
                sweep.active.store(false, Ordering::Relaxed);
                if handles.close_unused() > 0 {
                    sweep.active.store(true, Ordering::Relaxed);
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn touch(&self) {
        if !self.shared.active.swap(true, Ordering::Relaxed) {
            // The lock makes sure that the thread is either asleep or has yet to look.
            drop(lock(&self.shared.closed));
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        *lock(&self.shared.closed) = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}
