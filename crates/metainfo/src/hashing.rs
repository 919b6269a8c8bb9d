//! Pieces of files on disk to hashes, on all cores, each byte read once. For `create` and `verify`.
//! In: extents that cover the pieces. Out: one digest or fault per piece, in no order, on the caller's thread.
//! Never: what the hashes should be.

use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use torrent_types::{BLOCK_LENGTH, Geometry, PieceIndex};

use crate::merkle;

/// Bytes per read: few enough that both hashes find them in the second level cache of a core.
const READ_LENGTH: usize = 256 * 1024;
/// Bytes that a worker takes on at once, if that is more than a piece: long runs suit disks.
const MAX_RUN: u64 = 8 * 1024 * 1024;
/// Runs per worker, so that all of them end at about the same time.
const RUNS_PER_WORKER: u64 = 8;
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

/// The hashes of one piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Digests {
    pub(crate) v1: Option<[u8; 20]>,
    /// The node that covers the piece: in the piece layer, or the root of a shorter file. `None` if all is padding.
    pub(crate) v2: Option<merkle::Node>,
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
    pub(crate) result: Result<Digests, Fault>,
    /// Bytes of it that come from files.
    pub(crate) content: u64,
}

/// Hashes all pieces. `each` is called for every one on this thread; it may end the work early.
pub(crate) fn hash_pieces(job: Job<'_>, mut each: impl FnMut(Outcome) -> ControlFlow<()>) -> ControlFlow<()> {
    let workers = match job.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads.min(MAX_THREADS),
    };
    let run = run_length(&job.geometry, workers);
    let runs = job.geometry.piece_count().div_ceil(run);
    let workers = workers.min(usize::try_from(runs).unwrap_or(usize::MAX));
    let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));

    thread::scope(|scope| {
        // Bounded, so that a slow `each` does not let results pile up.
        let (done, outcomes) = mpsc::sync_channel(workers.saturating_mul(64));
        for _ in 0..workers {
            let (done, next, stop) = (done.clone(), &next, &stop);
            scope.spawn(move || {
                let mut worker = Worker::new(job);
                loop {
                    let first = next.fetch_add(1, Ordering::Relaxed).saturating_mul(run);
                    let end = first.saturating_add(run).min(job.geometry.piece_count());
                    for piece in (first..end).map(PieceIndex::new) {
                        if stop.load(Ordering::Relaxed) || done.send(worker.piece(piece)).is_err() {
                            return;
                        }
                    }
                    if first >= end {
                        return;
                    }
                }
            });
        }
        drop(done);
        let flow = outcomes.iter().try_for_each(&mut each);
        stop.store(true, Ordering::Relaxed);
        flow
    })
}

/// How many pieces a worker takes on at once.
fn run_length(geometry: &Geometry, workers: usize) -> u32 {
    let shares = u64::try_from(workers).unwrap_or(1).saturating_mul(RUNS_PER_WORKER).max(1);
    let bytes = geometry.total_length().div_ceil(shares).min(MAX_RUN);
    u32::try_from(bytes.div_ceil(geometry.piece_length().into())).unwrap_or(u32::MAX).max(1)
}

/// What one thread keeps between pieces.
struct Worker<'a> {
    job: Job<'a>,
    buffer: Box<[u8]>,
    /// The file that was read last, and the number of its extent.
    open: Option<(usize, fs::File)>,
    blocks: Vec<merkle::Node>,
}

impl<'a> Worker<'a> {
    fn new(job: Job<'a>) -> Self {
        Self { job, buffer: vec![0; READ_LENGTH].into(), open: None, blocks: Vec::new() }
    }

    fn piece(&mut self, piece: PieceIndex) -> Outcome {
        let begin = self.job.geometry.piece_offset(piece);
        let end = begin.saturating_add(self.job.geometry.length_of(piece).into());
        let extents = self.job.extents;
        let first = extents.partition_point(|extent| extent.end() <= begin);
        let parts = extents.iter().enumerate().skip(first).take_while(|(_, extent)| extent.offset < end);
        let content = parts.clone().filter(|(_, extent)| extent.path.is_some());
        let content = content.map(|(_, extent)| extent.end().min(end).saturating_sub(extent.offset.max(begin))).sum();

        let mut sha1 = self.job.v1.then(Sha1::new);
        let mut node = None;
        self.blocks.clear();
        for (index, extent) in parts {
            let (from, to) = (extent.offset.max(begin), extent.end().min(end));
            let (offset, length) = (from.saturating_sub(extent.offset), to.saturating_sub(from));
            let result = match &extent.path {
                Some(path) => self.file(index, path, offset, length, sha1.as_mut()),
                None => {
                    self.zeros(length, sha1.as_mut());
                    Ok(())
                }
            };
            if let Err(error) = result {
                return Outcome { piece, result: Err(Fault { extent: index, error }), content };
            }
            if self.job.v2 && extent.path.is_some() && length > 0 {
                let piece_length = u64::from(self.job.geometry.piece_length());
                let top = merkle::height(extent.length.min(piece_length));
                node = Some(merkle::fold(&mut self.blocks, 0, top));
            }
        }
        let v1 = sha1.map(|hasher| hasher.finalize().into());
        Outcome { piece, result: Ok(Digests { v1, v2: node }), content }
    }

    fn file(
        &mut self,
        index: usize,
        path: &Path,
        mut offset: u64,
        mut length: u64,
        mut sha1: Option<&mut Sha1>,
    ) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            // Close the other one first.
            self.open = None;
            self.open = Some((index, fs::File::open(path)?));
        }
        let Some((_, file)) = &self.open else { return Ok(()) };
        while length > 0 {
            let size = usize::try_from(length).unwrap_or(usize::MAX).min(READ_LENGTH);
            let buffer = self.buffer.get_mut(..size).unwrap_or_default();
            read_exact_at(file, buffer, offset)?;
            if let Some(sha1) = &mut sha1 {
                sha1.update(&*buffer);
            }
            if self.job.v2 {
                let blocks = buffer.chunks(BLOCK_LENGTH as usize);
                self.blocks.extend(blocks.map(|block| merkle::Node::from(Sha256::digest(block))));
            }
            let size = u64::try_from(size).unwrap_or(length);
            offset = offset.saturating_add(size);
            length = length.saturating_sub(size);
        }
        Ok(())
    }

    /// Padding counts for v1 only.
    fn zeros(&mut self, mut length: u64, sha1: Option<&mut Sha1>) {
        let Some(sha1) = sha1 else { return };
        self.buffer.fill(0);
        while length > 0 {
            let size = usize::try_from(length).unwrap_or(usize::MAX).min(READ_LENGTH);
            sha1.update(self.buffer.get(..size).unwrap_or_default());
            length = length.saturating_sub(u64::try_from(size).unwrap_or(length));
        }
    }
}

fn read_exact_at(file: &fs::File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match read_at(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = buffer.get_mut(count..).unwrap_or_default();
                offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn read_at(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(not(any(unix, windows)))]
fn read_at(mut file: &fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    use io::{Read, Seek};
    file.seek(io::SeekFrom::Start(offset))?;
    file.read(buffer)
}
