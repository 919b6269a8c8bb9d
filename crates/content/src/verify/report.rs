//! What a check has found: piece by piece and file by file. What cannot be read is not known to be bad.

use std::{
    fmt, fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use torrent_metainfo::File;
use torrent_types::{Bitfield, Geometry};

use super::pieces_of;

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Pieces that are as the torrent says.
    pub good: Bitfield,
    /// Pieces of which a part cannot be read, so that nobody knows.
    pub unknown: Bitfield,
    /// One for each of [`Info::files`](torrent_metainfo::Info::files), in that order.
    pub files: Vec<FileReport>,
}

impl Report {
    /// Whether all pieces are good, and all files are there and not too long.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.good.is_full() && self.files.iter().all(FileReport::is_good)
    }

    /// Whether all pieces are good: the content is there, even if some files are longer than they should be, or empty ones are
    /// missing.
    #[must_use]
    pub fn has_all_pieces(&self) -> bool {
        self.good.is_full()
    }

    /// Whether something is known to be wrong, and not only unreadable.
    #[must_use]
    pub fn has_damage(&self) -> bool {
        self.files.iter().any(|file| file.is_damaged())
    }

    /// The files that something is wrong with, with their number.
    pub fn bad_files(&self) -> impl Iterator<Item = (usize, &FileReport)> {
        self.files.iter().enumerate().filter(|(_, file)| !file.is_good())
    }
}

/// What a check has found of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileReport {
    /// Where it was looked for; `None` for padding.
    pub path: Option<PathBuf>,
    /// Its length on disk in bytes; `None` if it is missing, no file, or cannot be looked at.
    pub found: Option<u64>,
    /// The length that it should have.
    pub expected: u64,
    /// Ranges of its bytes, in order, that are missing or belong to a piece that is not good. Of a v1 piece with several
    /// files nobody can say which of them is at fault.
    pub bad: Vec<Range<u64>>,
    /// Ranges of its bytes, in order, that belong to a piece of which a part cannot be read.
    pub unknown: Vec<Range<u64>>,
    /// Why it cannot be read, although something is there.
    pub problem: Option<Problem>,
}

/// Why what is there cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A folder, pipe, device or the like has the name of a file.
    NotAFile,
    /// The system does not let us, or the disk cannot.
    Unreadable {
        /// What it says.
        kind: io::ErrorKind,
        /// The same in words.
        message: Box<str>,
    },
}

impl Problem {
    /// What an error means; `None` where it only says that nothing is there.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, UnexpectedEof};
        match error.kind() {
            // A name that no file can have has none.
            NotFound | NotADirectory | UnexpectedEof | InvalidFilename | InvalidInput => None,
            io::ErrorKind::IsADirectory => Some(Self::NotAFile),
            kind => Some(Self::Unreadable { kind, message: error.to_string().into() }),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFile => f.write_str("not a file"),
            Self::Unreadable { message, .. } => f.write_str(message),
        }
    }
}

impl FileReport {
    /// Whether it is there, as long as it should be, and all its pieces are good.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.bad.is_empty()
            && self.unknown.is_empty()
            && self.problem.is_none()
            && (self.path.is_none() || self.found == Some(self.expected))
    }

    /// Whether it is not there at all.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        self.path.is_some() && self.found.is_none() && !self.is_unreadable()
    }

    /// Whether something is there that cannot be read.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(self.problem, Some(Problem::Unreadable { .. }))
    }

    /// Whether something is known to be wrong with it.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.is_good() && !self.is_unreadable() && (!self.bad.is_empty() || self.unknown.is_empty())
    }
}

/// Judges one file. `fault` is why its content could not be read.
pub(super) fn check_file(
    file: &File,
    disk: Option<&Path>,
    pieces: (&Bitfield, &Bitfield),
    geometry: Geometry,
    fault: Option<&Problem>,
) -> FileReport {
    let (good, unknown) = pieces;
    let (mut bad, mut unclear) = (Vec::new(), Vec::new());
    // Padding is not on disk, so nothing can be wrong with it.
    for piece in pieces_of(file, geometry).filter(|piece| !file.is_pad() && !good.get(*piece)) {
        let begin = geometry.piece_offset(piece);
        let end = begin.saturating_add(geometry.length_of(piece).into());
        let range = begin.saturating_sub(file.offset())..end.min(file.end()).saturating_sub(file.offset());
        let ranges: &mut Vec<Range<u64>> = if unknown.get(piece) { &mut unclear } else { &mut bad };
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    let (found, problem) = match disk {
        // A symlink counts as such; what it leads to is another file of the torrent.
        Some(path) if file.symlink().is_some() => inspect(fs::symlink_metadata(path), |_| Some(0)),
        Some(path) => inspect(fs::metadata(path), |metadata| metadata.is_file().then_some(metadata.len())),
        None => (None, None),
    };
    let problem = problem.or_else(|| fault.cloned());
    FileReport { path: disk.map(Path::to_owned), found, expected: file.length(), bad, unknown: unclear, problem }
}

fn inspect(
    metadata: io::Result<fs::Metadata>,
    length: impl FnOnce(&fs::Metadata) -> Option<u64>,
) -> (Option<u64>, Option<Problem>) {
    match metadata {
        Ok(metadata) => {
            let length = length(&metadata);
            (length, length.is_none().then_some(Problem::NotAFile))
        }
        Err(error) => (None, Problem::of(&error)),
    }
}
