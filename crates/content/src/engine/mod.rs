//! Pieces of files on disk to hashes, on all cores, each byte read once. For `create` and `verify`.
//! In: extents that cover the pieces. Out: one digest or fault per piece, in no order, on the caller's thread.
//! Never: what the hashes should be.

mod lane;

use std::{
    io,
    ops::{ControlFlow, Range},
    path::PathBuf,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

pub(crate) use lane::open_file;
use lane::{Lane, Work};
use torrent_hash::PieceDigest;
use torrent_types::{Geometry, PieceIndex};

/// Bytes that a lane takes on at once, if that is more than a piece: long runs suit disks.
const MAX_RUN: u64 = 8 * 1024 * 1024;
/// Runs per lane, so that all of them end at about the same time.
const RUNS_PER_LANE: u64 = 8;
/// More threads than this only wait for the disk.
const MAX_THREADS: usize = 256;

/// A stretch of the torrent: a file on disk, or zeros.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// From the beginning of the torrent, without gaps between extents.
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// `None` for zeros.
    pub(crate) path: Option<PathBuf>,
}

impl Extent {
    const fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// What to hash, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) extents: &'a [Extent],
    pub(crate) geometry: Geometry,
    pub(crate) v1: bool,
    /// Each file begins with a piece then.
    pub(crate) v2: bool,
    /// 0 for as many as there are cores.
    pub(crate) threads: usize,
}

/// Why a piece has no hashes.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Number of the extent.
    pub(crate) extent: usize,
    /// `UnexpectedEof` if the file is too short.
    pub(crate) error: io::Error,
}

/// One piece, done.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) piece: PieceIndex,
    pub(crate) result: Result<PieceDigest, Fault>,
    /// Bytes of it that come from files.
    pub(crate) content: u64,
}

/// Hashes all pieces. `each` is called for every one on this thread; it may end the work early.
pub(crate) fn hash_pieces(job: Job<'_>, mut each: impl FnMut(Outcome) -> ControlFlow<()>) -> ControlFlow<()> {
    let workers = match job.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads.min(MAX_THREADS),
    };
    let lanes = if job.v1 && !job.v2 { 2 } else { 1 };
    let run = run_length(&job.geometry, workers.saturating_mul(lanes));
    let runs = usize::try_from(job.geometry.piece_count().div_ceil(run)).unwrap_or(usize::MAX);
    let workers = workers.min(runs.div_ceil(lanes));
    let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));

    thread::scope(|scope| {
        // Bounded, so that a slow `each` does not let results pile up.
        let (done, outcomes) = mpsc::sync_channel(workers.saturating_mul(64));
        for _ in 0..workers {
            let worker = Worker { job, run, next: &next, stop: &stop, done: done.clone() };
            scope.spawn(move || if lanes == 2 { worker.hash_two() } else { worker.hash_one() });
        }
        drop(done);
        let flow = outcomes.iter().try_for_each(&mut each);
        stop.store(true, Ordering::Relaxed);
        flow
    })
}

/// How many pieces a lane takes on at once.
fn run_length(geometry: &Geometry, lanes: usize) -> u32 {
    let shares = u64::try_from(lanes).unwrap_or(1).saturating_mul(RUNS_PER_LANE).max(1);
    let bytes = geometry.total_length().div_ceil(shares).min(MAX_RUN);
    u32::try_from(bytes.div_ceil(geometry.piece_length().into())).unwrap_or(u32::MAX).max(1)
}

/// One thread.
struct Worker<'a> {
    job: Job<'a>,
    /// Pieces per run.
    run: u32,
    /// Number of the next run.
    next: &'a AtomicU32,
    stop: &'a AtomicBool,
    done: mpsc::SyncSender<Outcome>,
}

impl Worker<'_> {
    /// One lane, where every byte goes into two hashes, or every two leaves into one each.
    fn hash_one(&self) -> ControlFlow<()> {
        let mut lane = Lane::new(self.job);
        while lane.fill(self)? {
            self.check()?;
            lane.hash();
        }
        ControlFlow::Continue(())
    }

    /// Two lanes: v1 alone has nothing else that could be hashed at the same time.
    fn hash_two(&self) -> ControlFlow<()> {
        let (mut first, mut second) = (Lane::new(self.job), Lane::new(self.job));
        loop {
            self.check()?;
            match (first.fill(self)?, second.fill(self)?) {
                (true, true) => lane::hash_both(&mut first, &mut second),
                (true, false) => first.hash(),
                (false, true) => second.hash(),
                (false, false) => return ControlFlow::Continue(()),
            }
        }
    }

    fn check(&self) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Work for Worker<'_> {
    fn claim(&self) -> Option<Range<u32>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed).saturating_mul(self.run);
        let end = first.saturating_add(self.run).min(self.job.geometry.piece_count());
        (first < end).then_some(first..end)
    }

    fn done(&self, outcome: Outcome) -> ControlFlow<()> {
        self.done.send(outcome).map_or(ControlFlow::Break(()), ControlFlow::Continue)
    }
}

#[cfg(test)]
mod tests;
