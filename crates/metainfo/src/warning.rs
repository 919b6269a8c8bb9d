//! Oddities that were let pass while a torrent was read, and how many of them are kept.

use std::fmt;

use torrent_bencode::{Dict, List, Node, WarningKind};

use crate::ErrorKind;

/// Something odd that was let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// An optional key has a value that cannot be used, and was ignored.
    Ignored {
        /// The keys and indices that lead to it.
        key: Box<str>,
        /// What is wrong with it.
        fault: torrent_bencode::ErrorKind,
    },
    /// Bytes stand in front of the torrent.
    LeadingBytes {
        /// How many.
        count: usize,
    },
    /// Files of v2 that are longer than a piece have no piece layer. Their pieces cannot be checked one by one.
    MissingLayers {
        /// How many files.
        files: usize,
    },
    /// More oddities than are kept.
    More {
        /// How many more.
        count: usize,
    },
    /// Bencoding that is not canonical, as many v1 torrents have.
    NotCanonical {
        /// In what way.
        kind: WarningKind,
        /// Where: bytes from the beginning.
        offset: usize,
    },
    /// A piece layer does not fit its file, and was left out.
    PieceLayer {
        /// The path of the file.
        file: Box<str>,
        /// What is wrong with the layer.
        fault: ErrorKind,
    },
    /// A value of another kind than it should be, which was used all the same.
    Unusual {
        /// The keys and indices that lead to it.
        key: Box<str>,
        /// What is there, and what it was taken for.
        taken: &'static str,
    },
}

impl From<&torrent_bencode::Warning> for Warning {
    fn from(warning: &torrent_bencode::Warning) -> Self {
        Self::NotCanonical { kind: warning.kind(), offset: warning.offset() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored { key, fault } => write!(f, "{key}: ignored: {fault}"),
            Self::LeadingBytes { count } => write!(f, "{count} bytes in front of the torrent, which were passed over"),
            Self::MissingLayers { files: 1 } => {
                f.write_str("piece layers: none for 1 file that is longer than a piece")
            }
            Self::MissingLayers { files } => {
                write!(f, "piece layers: none for {files} files that are longer than a piece")
            }
            Self::More { count } => write!(f, "and {count} more like these"),
            Self::NotCanonical { kind, offset } => write!(f, "{kind} (offset {offset})"),
            Self::PieceLayer { file, fault } => write!(f, "piece layers: that of {file} is left out: {fault}"),
            Self::Unusual { key, taken } => write!(f, "{key}: {taken}"),
        }
    }
}

/// The first of the warnings, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    kept: Vec<Warning>,
    more: usize,
}

impl Warnings {
    /// A hostile torrent may give millions of them.
    const MAX_KEPT: usize = 64;

    pub(crate) fn push(&mut self, warning: impl FnOnce() -> Warning) {
        if self.is_open() {
            self.kept.push(warning());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// The string, or `None` and a warning.
    pub(crate) fn bytes<'a>(&mut self, node: &Node<'_, 'a>) -> Option<&'a [u8]> {
        self.usable(node.as_bytes(), || node.bytes())
    }

    /// The integer, or `None` and a warning.
    pub(crate) fn int(&mut self, node: &Node<'_, '_>) -> Option<i64> {
        self.usable(node.as_int(), || node.int())
    }

    /// The string of exactly `N` bytes, or `None` and a warning.
    pub(crate) fn array<'a, const N: usize>(&mut self, node: &Node<'_, 'a>) -> Option<&'a [u8; N]> {
        self.usable(node.as_array(), || node.array())
    }

    /// The list, or `None` and a warning.
    pub(crate) fn list<'d, 'a>(&mut self, node: &Node<'d, 'a>) -> Option<List<'d, 'a>> {
        self.usable(node.as_list(), || node.list())
    }

    /// The dictionary, or `None` and a warning.
    pub(crate) fn dict<'d, 'a>(&mut self, node: &Node<'d, 'a>) -> Option<Dict<'d, 'a>> {
        self.usable(node.as_dict(), || node.dict())
    }

    /// `why` is asked only while warnings are kept: it walks the document to say where the value is.
    fn usable<T>(&mut self, value: Option<T>, why: impl FnOnce() -> Result<T, torrent_bencode::Error>) -> Option<T> {
        if value.is_none()
            && self.is_open()
            && let Err(error) = why()
        {
            self.kept.push(Warning::Ignored { key: error.path().to_string().into(), fault: error.kind() });
        } else if value.is_none() {
            self.more = self.more.saturating_add(1);
        }
        value
    }

    fn is_open(&self) -> bool {
        self.kept.len() < Self::MAX_KEPT
    }

    pub(crate) fn unusual(&mut self, node: &Node<'_, '_>, taken: &'static str) {
        self.push(|| Warning::Unusual { key: node.path().to_string().into(), taken });
    }

    pub(crate) fn into_vec(mut self) -> Vec<Warning> {
        if self.more > 0 {
            self.kept.push(Warning::More { count: self.more });
        }
        self.kept
    }
}
