//! One thread that writes pieces. What waits is taken at once, sorted, and neighbours go out in one call: with small
//! pieces that is the difference between a write a piece and a write a megabyte.
//! In: full, good pieces. Out: what became of them. Never: async code.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, IoSlice},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use torrent_storage::{StorageError, TorrentStorage};
use torrent_types::PieceIndex;

/// Bytes taken from the queue at a time.
const BATCH: usize = 4 << 20;

/// Bytes given to storage in one call. Longer writes make the kernel look for long runs of free memory, which was
/// measured to cost up to ten times as much where these are not at hand.
const CALL: usize = 128 << 10;

/// A piece to write.
pub(crate) struct Job {
    pub(crate) piece: PieceIndex,
    /// Where it begins in the torrent.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) torrent: Arc<dyn Target>,
}

/// The torrent that a piece belongs to.
pub(crate) trait Target: Send + Sync {
    fn storage(&self) -> &dyn TorrentStorage;
    /// All of these are in storage, or none is known to be. The buffers are to be used again.
    fn written(&self, pieces: &[PieceIndex], outcome: Result<(), StorageError>, buffers: Vec<Vec<u8>>);
}

/// The writing thread. Dropping it writes what waits, then ends.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Writer {
    pub(crate) fn start() -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let thread = thread::Builder::new().name("torrent-writer".into()).spawn({
            let queue = Arc::clone(&queue);
            move || queue.run()
        })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Hands over a piece. The budget for pieces in flight bounds how many can wait.
    pub(crate) fn push(&self, job: Job) {
        let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.jobs.push_back(job);
        // The thread only sleeps when nothing waits.
        let wake = waiting.jobs.len() == 1;
        drop(waiting);
        if wake {
            self.queue.filled.notify_one();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.queue.filled.notify_one();
        // A writer that is dropped by its own thread (as the last owner of a torrent) cannot wait for itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Queue {
    fn run(&self) {
        while let Some(mut batch) = self.take_batch() {
            batch.sort_by_key(|job| (Arc::as_ptr(&job.torrent).addr(), job.offset));
            for run in
                batch.chunk_by_mut(|one, next| Arc::ptr_eq(&one.torrent, &next.torrent) && one.end() == next.offset)
            {
                write_run(run);
            }
        }
    }

    /// Up to [`BATCH`] bytes of jobs, or one job. `None` when the writer is closed and nothing waits.
    fn take_batch(&self) -> Option<Vec<Job>> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let mut waiting = self.filled.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let mut batch = Vec::new();
        while let Some(job) = waiting.jobs.front()
            && (bytes == 0 || bytes + job.bytes.len() <= BATCH)
        {
            bytes += job.bytes.len();
            batch.extend(waiting.jobs.pop_front());
        }
        (!batch.is_empty()).then_some(batch)
    }
}

impl Job {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }
}

/// Writes neighbouring pieces of one torrent.
fn write_run(run: &mut [Job]) {
    let Some(first) = run.first() else { return };
    let torrent = Arc::clone(&first.torrent);
    let outcome = write_parts(torrent.storage(), first.offset, run);
    let pieces: Vec<_> = run.iter().map(|job| job.piece).collect();
    torrent.written(&pieces, outcome, run.iter_mut().map(|job| std::mem::take(&mut job.bytes)).collect());
}

/// One call for every [`CALL`] bytes: small pieces are joined, large ones are cut.
fn write_parts(storage: &dyn TorrentStorage, mut offset: u64, run: &[Job]) -> Result<(), StorageError> {
    let mut parts = Vec::new();
    let mut length = 0;
    for chunk in run.iter().flat_map(|job| job.bytes.chunks(CALL)) {
        if length + chunk.len() > CALL {
            storage.write_at(offset, &parts)?;
            offset = offset.saturating_add(length as u64);
            (length, parts) = (0, Vec::new());
        }
        length += chunk.len();
        parts.push(IoSlice::new(chunk));
    }
    storage.write_at(offset, &parts)
}
