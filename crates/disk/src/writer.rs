//! The thread that writes to one device. What waits is taken at once, sorted, and neighbours go out in one call: with small
//! pieces that is the difference between a write per piece and a write per 128 KiB.
//!
//! One thread per device, so that a slow one holds up no other. All writes of a torrent go through one thread, in the order
//! of their jobs: what is left of a forgotten copy is on disk before the first byte of the next one.
//! In: extents that are full. Out: calls to their torrent. Never: async code.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, IoSlice},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use torrent_storage::StorageError;

use crate::{Slot, lock, pool::Buffer, torrent::Shared};

/// Bytes taken from the queue at a time.
const BATCH: usize = 4 << 20;

/// Bytes given to storage in one call. Longer writes make the kernel look for long runs of free memory, which was
/// measured to cost up to ten times as much where these are not at hand.
const CALL: usize = 128 << 10;

/// Something to do for one torrent.
pub(crate) enum Task {
    /// Write this extent.
    Extent(Slot, usize),
    /// The piece may be complete.
    Complete(Slot),
    /// Hash on from storage.
    ReadBack(Slot),
    /// Everything before this is done.
    Barrier(Box<dyn FnOnce() + Send>),
}

pub(crate) struct Job {
    pub(crate) torrent: Arc<Shared>,
    pub(crate) task: Task,
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

    /// Hands over a job. The budget for pieces in flight bounds how many can wait.
    pub(crate) fn push(&self, job: Job) {
        let mut waiting = lock(&self.queue.waiting);
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
        lock(&self.queue.waiting).closed = true;
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
        while let Some(batch) = self.take_batch() {
            work_off(batch);
        }
    }

    /// Up to [`BATCH`] bytes of jobs, or one job. Nothing comes together with what was behind a barrier. `None` when the
    /// writer is closed and nothing waits.
    fn take_batch(&self) -> Option<Vec<Job>> {
        let waiting = lock(&self.waiting);
        let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let mut waiting = self.filled.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0_usize;
        let mut batch: Vec<Job> = Vec::new();
        while let Some(job) = waiting.jobs.front() {
            let sum = bytes.saturating_add(job.length());
            let ends = batch.last().is_some_and(|last| matches!(last.task, Task::Barrier(_)));
            if !batch.is_empty() && (sum > BATCH || ends) {
                break;
            }
            bytes = sum;
            batch.extend(waiting.jobs.pop_front());
        }
        (!batch.is_empty()).then_some(batch)
    }
}

impl Job {
    fn length(&self) -> usize {
        match &self.task {
            Task::Extent(slot, number) => slot.place(*number).1,
            _ => 0,
        }
    }
}

/// An extent to write.
struct Write {
    slot: Slot,
    number: usize,
    offset: u64,
    length: usize,
}

impl Write {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.length as u64)
    }
}

/// First everything that is to be written, then the rest in the order in which it came.
fn work_off(batch: Vec<Job>) {
    let mut writes = Vec::new();
    let mut others = Vec::new();
    for Job { torrent, task } in batch {
        match task {
            Task::Extent(slot, number) => {
                let (offset, length) = slot.place(number);
                writes.push((torrent, Write { slot, number, offset, length }));
            }
            task => others.push(Job { torrent, task }),
        }
    }
    // Stable: two copies of one piece stay in their order.
    writes.sort_by_key(|(torrent, write)| (Arc::as_ptr(torrent).addr(), write.offset));
    let joins = |one: &(Arc<Shared>, Write), next: &(Arc<Shared>, Write)| {
        Arc::ptr_eq(&one.0, &next.0) && one.1.end() == next.1.offset
    };
    for run in writes.chunk_by(joins) {
        if let Some((torrent, _)) = run.first() {
            write_run(torrent, run.iter().map(|(_, write)| write));
        }
    }
    for Job { torrent, task } in others {
        match task {
            Task::Extent(..) => {}
            Task::Complete(slot) => torrent.complete(std::slice::from_ref(&slot)),
            Task::ReadBack(slot) => slot.read_back(&torrent),
            Task::Barrier(done) => done(),
        }
    }
}

/// Writes neighbouring extents of one torrent. Those whose copy has ended meanwhile are left out.
fn write_run<'a>(torrent: &Arc<Shared>, run: impl Iterator<Item = &'a Write>) {
    let mut part: Vec<(&Write, Arc<Buffer>)> = Vec::new();
    for write in run {
        match write.slot.to_write(write.number) {
            Some(bytes) => part.push((write, bytes)),
            None => write_part(torrent, std::mem::take(&mut part)),
        }
    }
    write_part(torrent, part);
}

fn write_part(torrent: &Arc<Shared>, part: Vec<(&Write, Arc<Buffer>)>) {
    let Some((first, _)) = part.first() else { return };
    let outcome = if torrent.is_failed() { Err(None) } else { write_bytes(torrent, first.offset, &part).map_err(Some) };
    // The memory is free before anybody hears of it.
    let written: Vec<_> = part.into_iter().map(|(write, _)| (write.slot.clone(), write.number)).collect();
    match outcome {
        Ok(()) => {
            for (slot, number) in &written {
                slot.stored(torrent, *number);
            }
            let slots: Vec<_> = written.into_iter().map(|(slot, _)| slot).collect();
            torrent.complete(&slots);
        }
        Err(error) => torrent.refused(written, error),
    }
}

/// One call for every [`CALL`] bytes: small pieces are joined, large ones are cut.
fn write_bytes(torrent: &Shared, mut offset: u64, run: &[(&Write, Arc<Buffer>)]) -> Result<(), StorageError> {
    let storage = &*torrent.storage;
    let mut parts = Vec::new();
    let mut length = 0_usize;
    for chunk in run.iter().flat_map(|(_, bytes)| bytes.chunks(CALL)) {
        if length.saturating_add(chunk.len()) > CALL {
            storage.write_at(offset, &parts)?;
            offset = offset.saturating_add(length as u64);
            (length, parts) = (0, Vec::new());
        }
        length = length.saturating_add(chunk.len());
        parts.push(IoSlice::new(chunk));
    }
    storage.write_at(offset, &parts)
}
