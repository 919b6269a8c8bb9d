//! Runs of pieces, one after the other, from disk into hashes. In: extents. Out: an [`Outcome`] for each piece.
//! A thread has one lane or two; with two it can hash from both at once.

use std::{
    fs, io,
    ops::{ControlFlow, Range},
    path::Path,
};

use sha1::Sha1;
use sha2::Digest as _;
use torrent_hash::{
    interleave::{self, STEP},
    merkle,
};
use torrent_types::PieceIndex;

use super::{Digests, Extent, Fault, Job, Outcome};

/// Bytes per read, of as many pieces as they are: long enough that a disk that has to move its head spends its time reading.
/// Tests have files of many reads that way.
const READ_LENGTH: usize = if cfg!(test) { 64 * 1024 } else { 1024 * 1024 };

/// Gives out runs of pieces and takes what became of each piece.
pub(super) trait Work {
    /// The next run; `None` if all are given out.
    fn claim(&self) -> Option<Range<u32>>;
    /// Breaks if nobody wants more.
    fn done(&self, outcome: Outcome) -> ControlFlow<()>;
}

/// One run of pieces at a time.
pub(super) struct Lane<'a> {
    job: Job<'a>,
    /// The pieces of the run after the present one.
    run: Range<u32>,
    piece: Option<PieceIndex>,
    /// Where it ends, in bytes from the beginning of the torrent.
    end: u64,
    /// The next byte to be hashed.
    position: u64,
    buffer: Box<[u8]>,
    /// What of the buffer is not hashed yet. All of one extent.
    pending: Range<usize>,
    /// Number of the extent that was read last.
    extent: usize,
    /// Why there is nothing more after what is pending.
    error: Option<io::Error>,
    /// The file that was read last, with the number of its extent.
    open: Option<(usize, fs::File)>,
    sha1: Sha1,
    leaves: Vec<merkle::Node>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(job: Job<'a>) -> Self {
        Self {
            job,
            run: 0..0,
            piece: None,
            end: 0,
            position: 0,
            buffer: vec![0; READ_LENGTH].into(),
            pending: 0..0,
            extent: 0,
            error: None,
            open: None,
            sha1: Sha1::new(),
            leaves: Vec::new(),
        }
    }

    /// Gets bytes of a piece to be hashed, after the end of this one those of the next. False if there are no more.
    pub(super) fn fill(&mut self, work: &impl Work) -> ControlFlow<(), bool> {
        loop {
            let Some(piece) = self.piece else {
                if !self.begin(work) {
                    return ControlFlow::Continue(false);
                }
                continue;
            };
            if self.position >= self.end {
                let digests = self.digests();
                self.finish(work, piece, Ok(digests))?;
            } else if !self.pending.is_empty() {
                return ControlFlow::Continue(true);
            } else if let Some(error) = self.error.take() {
                self.position = self.end;
                let fault = Fault { extent: self.extent, error };
                self.finish(work, piece, Err(fault))?;
            } else {
                self.read();
            }
        }
    }

    /// Begins the next piece. False if there is none.
    fn begin(&mut self, work: &impl Work) -> bool {
        let next = self.run.next().or_else(|| {
            self.run = work.claim()?;
            self.run.next()
        });
        let Some(piece) = next.map(PieceIndex::new) else { return false };
        let begin = self.job.geometry.piece_offset(piece);
        if begin != self.position {
            self.pending = 0..0;
            self.error = None;
        }
        self.position = begin;
        self.end = begin.saturating_add(self.job.geometry.length_of(piece).into());
        self.piece = Some(piece);
        self.sha1.reset();
        self.leaves.clear();
        true
    }

    fn finish(&mut self, work: &impl Work, piece: PieceIndex, result: Result<Digests, Fault>) -> ControlFlow<()> {
        self.piece = None;
        work.done(Outcome { piece, result, content: self.job.content_of(piece) })
    }

    fn digests(&mut self) -> Digests {
        let v1 = self.job.v1.then(|| self.sha1.finalize_reset().into());
        let v2 = (!self.leaves.is_empty()).then(|| {
            // The file is what was read first: v2 has only padding after it.
            let begin = self.piece.map_or(0, |piece| self.job.geometry.piece_offset(piece));
            let length = self.job.extent_at(begin).map_or(0, |(_, extent)| extent.length);
            let top = merkle::height(length.min(self.job.geometry.piece_length().into()));
            merkle::fold(&mut self.leaves, 0, top)
        });
        Digests { v1, v2 }
    }

    /// Reads on where the hashes are, up to the end of an extent or the run.
    fn read(&mut self) {
        let Some((index, extent)) = self.job.extent_at(self.position) else {
            // Extents leave no gaps; were there one, it would hash as nothing.
            self.position = self.end;
            return;
        };
        let last = self.run.end.checked_sub(1).map_or(self.position, |last| {
            let last = PieceIndex::new(last);
            self.job.geometry.piece_offset(last).saturating_add(self.job.geometry.length_of(last).into())
        });
        let length = extent.end().min(last.max(self.end)).saturating_sub(self.position);
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(READ_LENGTH);
        let buffer = self.buffer.get_mut(..length).unwrap_or_default();
        self.extent = index;
        let found = match &extent.path {
            Some(path) => {
                let offset = self.position.saturating_sub(extent.offset);
                let (found, error) = read(&mut self.open, index, path, buffer, offset);
                self.error = error;
                found
            }
            None => {
                buffer.fill(0);
                length
            }
        };
        self.pending = 0..found;
    }

    /// How many bytes of the present piece are there.
    fn available(&self) -> usize {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        self.pending.len().min(left)
    }

    /// Hashes all that is there of the present piece.
    pub(super) fn hash(&mut self) {
        self.hash_some(self.available());
    }

    fn hash_some(&mut self, length: usize) {
        let end = self.pending.start.saturating_add(length);
        let bytes = self.buffer.get(self.pending.start..end).unwrap_or_default();
        let is_file = self.job.extents.get(self.extent).is_some_and(|extent| extent.path.is_some());
        if self.job.v2 && is_file {
            interleave::leaves(bytes, self.job.v1.then_some(&mut self.sha1), &mut self.leaves);
        } else if self.job.v1 {
            self.sha1.update(bytes);
        }
        self.consume(length);
    }

    fn consume(&mut self, length: usize) {
        self.pending.start = self.pending.start.saturating_add(length);
        self.position = self.position.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }

    /// How much SHA-1 can take in whole blocks.
    fn whole_blocks(&self) -> usize {
        if self.odd() == 0 { self.available().saturating_sub(self.available() % STEP) } else { 0 }
    }

    /// How many bytes of its present block SHA-1 has.
    fn odd(&self) -> usize {
        let begin = self.piece.map_or(0, |piece| self.job.geometry.piece_offset(piece));
        usize::try_from(self.position.saturating_sub(begin)).unwrap_or_default() % STEP
    }
}

/// Hashes what is there of two lanes, v1 only: as much as both have.
pub(super) fn hash_both<'a>(first: &mut Lane<'a>, second: &mut Lane<'a>) {
    let length = first.whole_blocks().min(second.whole_blocks());
    if length > 0 {
        let part = |lane: &Lane<'_>| lane.pending.start..lane.pending.start.saturating_add(length);
        let (one, other) = (part(first), part(second));
        interleave::two_sha1(
            (&mut first.sha1, first.buffer.get(one).unwrap_or_default()),
            (&mut second.sha1, second.buffer.get(other).unwrap_or_default()),
        );
        first.consume(length);
        second.consume(length);
    }
    // To the next block, where files are not multiples of it.
    for lane in [first, second] {
        if lane.whole_blocks() == 0 {
            lane.hash_some(lane.available().min(STEP.saturating_sub(lane.odd())));
        }
    }
}

impl<'a> Job<'a> {
    fn extent_at(&self, position: u64) -> Option<(usize, &'a Extent)> {
        let index = self.extents.partition_point(|extent| extent.end() <= position);
        Some((index, self.extents.get(index)?))
    }

    /// Bytes of a piece that come from files.
    fn content_of(&self, piece: PieceIndex) -> u64 {
        let begin = self.geometry.piece_offset(piece);
        let end = begin.saturating_add(self.geometry.length_of(piece).into());
        let first = self.extents.partition_point(|extent| extent.end() <= begin);
        let parts = self.extents.iter().skip(first).take_while(|extent| extent.offset < end);
        let files = parts.filter(|extent| extent.path.is_some());
        files.map(|extent| extent.end().min(end).saturating_sub(extent.offset.max(begin))).sum()
    }
}

/// Fills the buffer from a file, as far as it goes: how far, and why not further.
fn read(
    open: &mut Option<(usize, fs::File)>,
    index: usize,
    path: &Path,
    buffer: &mut [u8],
    offset: u64,
) -> (usize, Option<io::Error>) {
    if open.as_ref().is_none_or(|(open, _)| *open != index) {
        // Close the other one first.
        *open = None;
        match open_file(path) {
            Ok(file) => *open = Some((index, file)),
            Err(error) => return (0, Some(error)),
        }
    }
    let Some((_, file)) = open else { return (0, None) };
    let mut found = 0_usize;
    while let Some(rest) = buffer.get_mut(found..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, offset.saturating_add(u64::try_from(found).unwrap_or(u64::MAX))) {
            Ok(0) => return (found, Some(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => found = found.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (found, Some(error)),
        }
    }
    (found, None)
}

/// Opens a file, and nothing that only looks like one: a pipe would keep us waiting, a device has no end.
pub(crate) fn open_file(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::IsADirectory, "not a file")) }
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
