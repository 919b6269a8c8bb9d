//! Why there is no torrent of these files.

use std::{error, fmt, io, path::PathBuf};

use torrent_metainfo::Error;
use torrent_types::MAX_PIECES;

/// Why a torrent could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// The caller had enough.
    Cancelled,
    /// A file is not what it was when the work began: its length or the time of its last change is another.
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// A symlink leads to nothing.
    DanglingSymlink {
        /// Which one.
        path: PathBuf,
        /// What it says.
        target: PathBuf,
    },
    /// What was made cannot be read back: a name or value that was given cannot stand in a torrent.
    Invalid(Error),
    /// A file or folder cannot be read.
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The path has no last element to take the name from, and none was given; or it cannot be one.
    Name,
    /// There is nothing to put into it.
    NoFiles {
        /// How many files and folders were found and left out.
        left_out: usize,
    },
    /// A file says that it has no bytes, and yet some can be read: such as those below `/proc`.
    NoLength {
        /// Which file.
        path: PathBuf,
    },
    /// A file's name is not UTF-8.
    NotUtf8 {
        /// Which file.
        path: PathBuf,
    },
    /// v2 and hybrid torrents have the order of their tree.
    Order,
    /// 0 or more than 512 MiB; for v2 and hybrid also what is not a power of two of at least 16 KiB.
    PieceLength(u32),
    /// Neither a file nor a folder: a pipe, a device or the like. See [`Builder::read`](super::Builder::read).
    Special {
        /// What.
        path: PathBuf,
    },
    /// A symlink to be kept leads out of the folder, or to nothing.
    Symlink {
        /// Which one.
        path: PathBuf,
    },
    /// Folders nest more than 100 deep, or a symlink leads to a folder that it lies in.
    TooDeep {
        /// Which folder.
        path: PathBuf,
    },
    /// More pieces than [`MAX_PIECES`]: longer pieces are needed.
    TooManyPieces,
    /// The torrent would have more values than readers take.
    TooManyValues {
        /// How many it would have.
        found: usize,
        /// How many [`Limits`](torrent_metainfo::Limits) allow.
        limit: usize,
    },
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("cancelled"),
            Self::Changed { path } => write!(f, "{}: changed while it was read", path.display()),
            Self::DanglingSymlink { path, target } => {
                write!(f, "{}: a symlink to {}, where nothing is", path.display(), target.display())
            }
            Self::Invalid(error) => error.fmt(f),
            Self::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Name => f.write_str(
                "no name for the torrent, or one that cannot be that of a file: empty, . or .., or with a / in it",
            ),
            Self::NoFiles { left_out: 0 } => f.write_str("no files to put into the torrent"),
            Self::NoFiles { left_out } => write!(f, "no files to put into the torrent: all {left_out} are left out"),
            Self::NoLength { path } => {
                write!(f, "{}: says that it has no bytes, but has some; make a copy and take that", path.display())
            }
            Self::NotUtf8 { path } => write!(f, "{}: the name is not UTF-8", path.display()),
            Self::Order => f.write_str("v2 and hybrid torrents have the order of their file tree"),
            Self::PieceLength(length) => write!(
                f,
                "{length} is not a possible piece length: v2 and hybrid torrents have pieces of 16 KiB, 32 KiB and so on, \
                 doubling, to 512 MiB; v1 torrents of 1 byte to 512 MiB"
            ),
            Self::Special { path } => write!(f, "{}: neither a file nor a folder", path.display()),
            Self::Symlink { path } => write!(f, "{}: leads out of the folder, or to nothing", path.display()),
            Self::TooDeep { path } => write!(f, "{}: more than 100 folders deep, or within itself", path.display()),
            Self::TooManyPieces => write!(f, "more pieces than {MAX_PIECES}: longer pieces are needed"),
            Self::TooManyValues { found, limit } => {
                write!(f, "the torrent would have {found} values, more than the {limit} that are read")
            }
        }
    }
}

impl error::Error for CreateError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Invalid(error) => Some(error),
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
