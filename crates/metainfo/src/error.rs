//! Why bytes are not a torrent. One line: where, what, and at which byte.

use std::{error, fmt};

use torrent_bencode::Node;
use torrent_types::MAX_PIECES;

use crate::{Foreign, path::MAX_DEPTH};

/// The bytes are not a torrent: `info.pieces: 41 bytes is not a multiple of 20 (offset 123)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    key: Box<str>,
    offset: usize,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not bencoding; or a value is missing, of the wrong kind, or out of range.
    Bencode(torrent_bencode::ErrorKind),
    /// Two entries claim one place in the file tree: a file has siblings at its empty key.
    FileAndFolder,
    /// The first part of a hybrid torrent where v1 and v2 do not describe the same files.
    Inconsistent {
        /// Number of the v2 file, or of the first that only one of them has.
        file: usize,
    },
    /// A file, or all of them, would be longer than any can be.
    Length,
    /// No files at all.
    NoFiles,
    /// Something else than a torrent.
    NotTorrent(Foreign),
    /// A pad file in the file tree; v2 needs none.
    PadFile,
    /// A path of more than 100 elements.
    PathTooDeep,
    /// The paths in a file tree are longer than 128 MiB together.
    PathsTooLong,
    /// A string that is not as many hashes as the content has pieces.
    PieceCount {
        /// Pieces that the content has.
        expected: u64,
        /// Hashes that are there.
        found: u64,
    },
    /// Hashes that do not lead to the `pieces root` of their file.
    PieceLayer,
    /// 0, more than 512 MiB, or for v2 not a power of two of at least 16 KiB.
    PieceLength(u64),
    /// A string that cannot be hashes of `size` bytes each.
    Pieces {
        /// Bytes that are there.
        found: usize,
        /// Bytes of one hash.
        size: usize,
    },
    /// More bytes than [`Limits`](crate::Limits) allow.
    TooLong {
        /// Bytes that are there.
        found: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// More pieces than [`MAX_PIECES`].
    TooManyPieces,
    /// More values than [`Limits`](crate::Limits) allow.
    TooManyValues {
        /// Values that are allowed.
        limit: usize,
    },
    /// A `meta version` that is too new.
    Version(u64),
    /// A `pieces root` of zeros.
    ZeroRoot,
}

impl Error {
    pub(crate) fn at(node: &Node<'_, '_>, kind: ErrorKind) -> Self {
        Self { kind, key: node.path().to_string().into(), offset: node.offset() }
    }

    /// About all of the bytes.
    pub(crate) fn whole(kind: ErrorKind) -> Self {
        Self { kind, key: "".into(), offset: 0 }
    }

    /// Puts the keys that lead to the document in front.
    pub(crate) fn below(mut self, key: &str, offset: usize) -> Self {
        self.key = match (key, &*self.key) {
            (key, "") => key.into(),
            ("", key) => key.into(),
            (outer, inner) => format!("{outer}.{inner}").into(),
        };
        self.offset = self.offset.saturating_add(offset);
        self
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// With what: the keys and indices from the outermost dictionary, as `info.files[3].length`; empty for the whole.
    #[must_use]
    pub const fn key(&self) -> &str {
        &self.key
    }

    /// Where: bytes from the beginning.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl From<torrent_bencode::Error> for Error {
    fn from(error: torrent_bencode::Error) -> Self {
        Self { kind: ErrorKind::Bencode(error.kind()), key: error.path().to_string().into(), offset: error.offset() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        match self.kind {
            // About the whole: where it begins says nothing.
            ErrorKind::NotTorrent(_) | ErrorKind::TooLong { .. } | ErrorKind::TooManyValues { .. } => self.kind.fmt(f),
            _ => write!(f, "{} (offset {})", self.kind, self.offset),
        }
    }
}

impl error::Error for Error {}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bencode(kind) => kind.fmt(f),
            Self::FileAndFolder => f.write_str("both a file and a folder"),
            Self::Inconsistent { file } => write!(f, "v1 and v2 disagree about the files, first about number {file}"),
            Self::Length => f.write_str("longer than a file can be"),
            Self::NoFiles => f.write_str("no files"),
            Self::NotTorrent(foreign) => foreign.fmt(f),
            Self::PadFile => f.write_str("a pad file in the file tree"),
            Self::PathTooDeep => write!(f, "a path of more than {MAX_DEPTH} elements"),
            Self::PathsTooLong => f.write_str("paths of more than 128 MiB together"),
            Self::PieceCount { expected, found } => write!(f, "{found} hashes for {expected} pieces"),
            Self::PieceLayer => f.write_str("hashes that do not lead to the pieces root"),
            Self::PieceLength(length) => write!(f, "{length} is not a possible piece length"),
            Self::Pieces { found, size } => write!(f, "{found} bytes is not a multiple of {size}"),
            Self::TooLong { found, limit } => write!(f, "{found} bytes, and no more than {limit} are read"),
            Self::TooManyPieces => write!(f, "more pieces than {MAX_PIECES}"),
            Self::TooManyValues { limit } => write!(f, "more values than the {limit} that are read"),
            Self::Version(version) => write!(f, "version {version} is newer than 2"),
            Self::ZeroRoot => f.write_str("the pieces root is zero"),
        }
    }
}
