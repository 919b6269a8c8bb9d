//! Why there is no torrent of these files.

use std::{error, fmt, io, path::PathBuf};

use torrent_metainfo::Error;

/// Why a torrent could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// The caller had enough.
    Cancelled,
    /// A file is not as long as it was when the work began.
    Changed {
        /// Which file.
        path: PathBuf,
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
    NoFiles,
    /// A file's name is not UTF-8.
    NotUtf8 {
        /// Which file.
        path: PathBuf,
    },
    /// v2 and hybrid torrents have the order of their tree.
    Order,
    /// 0 or more than 512 MiB; for v2 and hybrid also what is not a power of two of at least 16 KiB.
    PieceLength(u32),
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
    /// More pieces than 2,097,152: longer pieces are needed.
    TooManyPieces,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("cancelled"),
            Self::Changed { path } => write!(f, "{}: changed while it was read", path.display()),
            Self::Invalid(error) => error.fmt(f),
            Self::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Name => f.write_str("no name for the torrent"),
            Self::NoFiles => f.write_str("no files to put into the torrent"),
            Self::NotUtf8 { path } => write!(f, "{}: the name is not UTF-8", path.display()),
            Self::Order => f.write_str("v2 and hybrid torrents have the order of their file tree"),
            Self::PieceLength(length) => write!(f, "{length} is not a possible piece length"),
            Self::Symlink { path } => write!(f, "{}: leads out of the folder, or to nothing", path.display()),
            Self::TooDeep { path } => write!(f, "{}: more than 100 folders deep, or within itself", path.display()),
            Self::TooManyPieces => f.write_str("more pieces than 2097152: longer pieces are needed"),
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
