//! Runs of pieces, one after the other, from disk into hashes. In: extents. Out: an [`Outcome`] for each piece.
//! A thread has one lane or two; with two it can hash from both at once.

use std::{
    fs, io,
    ops::{ControlFlow, Range},
    path::Path,
};

use torrent_hash::{PieceDigest, PieceHasher, V2Shape, merkle};
use torrent_types::PieceIndex;

use super::{Extent, Fault, Job, Outcome};

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
    hasher: PieceHasher,
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
            hasher: PieceHasher::new(false, None),
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
                let digest = std::mem::replace(&mut self.hasher, PieceHasher::new(false, None)).finish();
                self.finish(work, piece, Ok(digest))?;
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
        self.hasher = PieceHasher::new(self.job.v1, self.job.shape(begin));
        true
    }

    fn finish(&mut self, work: &impl Work, piece: PieceIndex, result: Result<PieceDigest, Fault>) -> ControlFlow<()> {
        self.piece = None;
        work.done(Outcome { piece, result, content: self.job.content_of(piece) })
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
        self.hasher.update(self.buffer.get(self.pending.start..end).unwrap_or_default());
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
        PieceHasher::update_two(
            (&mut first.hasher, first.buffer.get(one).unwrap_or_default()),
            (&mut second.hasher, second.buffer.get(other).unwrap_or_default()),
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

/// The blocks of SHA-1: two hashes that are at the beginning of one can go side by side.
const STEP: usize = 64;

impl<'a> Job<'a> {
    /// What v2 covers of the piece that begins here: the file that begins with it or before. Only padding comes after that.
    fn shape(&self, begin: u64) -> Option<V2Shape> {
        let (_, extent) = self.extent_at(begin).filter(|_| self.v2)?;
        let piece_length = self.geometry.piece_length();
        let content = if extent.path.is_some() { extent.end().saturating_sub(begin) } else { 0 };
        Some(V2Shape {
            content: u32::try_from(content).unwrap_or(u32::MAX).min(piece_length),
            height: merkle::height(extent.length.min(piece_length.into())),
        })
    }

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
