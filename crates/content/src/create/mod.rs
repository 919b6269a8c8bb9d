//! Files and folders to torrents. BEP 3, 12, 17, 19, 27, 38, 47, 52. In: a path and what to say about it. Out: [`Metainfo`].
//! Rooms: `walk` finds files, `plan` puts them in order and adds padding, `crate::engine` reads them, `stream` reads
//! pipes, `write` encodes.
//! Never: a clock. Without a creation date the same files and options give the same bytes.

mod error;
mod glob;
mod piece_length;
mod plan;
mod stream;
mod walk;
mod write;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

pub use error::CreateError;
pub use glob::{Glob, GlobError};
pub use piece_length::automatic_piece_length;
pub use plan::{Plan, PlannedFile, Progress, default_name};
use torrent_bencode::Value;
use torrent_metainfo::{Limits, Metainfo};
use torrent_types::{HostPort, InfoHash};
pub use walk::{SkipReason, Skipped};

/// Which versions of the protocol can use a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// v1 only: what every client understands.
    V1,
    /// v2 only.
    V2,
    /// Both views in one: v1 clients see padding between the files.
    #[default]
    Hybrid,
}

impl Version {
    pub(crate) const fn has_v1(self) -> bool {
        matches!(self, Self::V1 | Self::Hybrid)
    }

    pub(crate) const fn has_v2(self) -> bool {
        matches!(self, Self::V2 | Self::Hybrid)
    }
}

/// In which order the files of a v1 torrent come. v2 and hybrid torrents have the order of their file tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileOrder {
    /// By the bytes of the path, as mktorrent does, and libtorrent where it sorts.
    #[default]
    Path,
    /// By path element, as a file tree has it.
    Tree,
    /// The longest first.
    Largest,
    /// The shortest first.
    Smallest,
}

/// What to do with symlinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Symlinks {
    /// Take what they lead to, wherever that is.
    #[default]
    Follow,
    /// Store them as symlinks. They must lead to something inside the folder. BEP 47 § "Symlinks".
    Keep,
    /// Leave them out.
    Skip,
}

/// What to make a torrent of, and what to write into it.
///
/// `Default` makes a hybrid torrent without trackers, date and program name; hidden files and desktop litter stay out.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` or `plan`"]
pub struct Builder {
    version: Version,
    piece_length: Option<u32>,
    name: Option<String>,
    order: FileOrder,
    align: bool,
    attributes: Option<bool>,
    hidden: bool,
    litter: bool,
    symlinks: Symlinks,
    include: Vec<Glob>,
    exclude: Vec<Glob>,
    left_out: Vec<PathBuf>,
    piece_count: Option<u32>,
    max_piece_length: Option<u32>,
    limits: Limits,
    threads: usize,
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    http_seeds: Vec<String>,
    nodes: Vec<HostPort>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
    private: bool,
    source: Option<String>,
    similar: Vec<InfoHash>,
    collections: Vec<String>,
    info_values: Vec<(String, Value)>,
    values: Vec<(String, Value)>,
}

impl Builder {
    /// A hybrid torrent, and nothing else said.
    pub fn new() -> Self {
        Self::default()
    }

    /// v1, v2 or both. Default: both.
    pub const fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Bytes per piece: for v2 and hybrid a power of two of at least 16 KiB. Default: [`automatic_piece_length`].
    pub const fn piece_length(mut self, bytes: u32) -> Self {
        self.piece_length = Some(bytes);
        self
    }

    /// Name of the torrent, and so of its file or folder. Default: the last element of the path.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Order of the files of a v1 torrent; others have only one.
    pub const fn order(mut self, order: FileOrder) -> Self {
        self.order = order;
        self
    }

    /// Whether each file of a v1 torrent begins with a piece, by padding. BEP 47. Others always have that. Default: no.
    pub const fn align(mut self, align: bool) -> Self {
        self.align = align;
        self
    }

    /// Whether to note which files are executable. BEP 47 § `attr`. Default: as is usual, not for v1, else yes.
    pub const fn attributes(mut self, note: bool) -> Self {
        self.attributes = Some(note);
        self
    }

    /// Whether to take files and folders whose name begins with a dot, or that Windows hides. Default: no.
    pub const fn hidden(mut self, take: bool) -> Self {
        self.hidden = take;
        self
    }

    /// Whether to take what desktops leave behind: `Thumbs.db`, `desktop.ini` and the like. Default: no.
    pub const fn litter(mut self, take: bool) -> Self {
        self.litter = take;
        self
    }

    /// What to do with symlinks below the path. The path itself may always be one. Default: follow.
    pub const fn symlinks(mut self, symlinks: Symlinks) -> Self {
        self.symlinks = symlinks;
        self
    }

    /// Takes only files that match this or another included pattern.
    pub fn include(mut self, pattern: Glob) -> Self {
        self.include.push(pattern);
        self
    }

    /// Leaves out files and folders that match. Wins over [`Self::include`].
    pub fn exclude(mut self, pattern: Glob) -> Self {
        self.exclude.push(pattern);
        self
    }

    /// Leaves out a file, such as the torrent itself if it goes into the folder. By what it is: a link to it is left out, too.
    pub fn leave_out(mut self, path: impl Into<PathBuf>) -> Self {
        self.left_out.push(path.into());
        self
    }

    /// How many pieces are wanted, about: the piece length becomes the power of two that gives the next number that is not
    /// larger, as far as there is one. No effect with [`Self::piece_length`].
    pub const fn piece_count(mut self, pieces: u32) -> Self {
        self.piece_count = Some(pieces);
        self
    }

    /// The longest pieces that a length chosen by itself may have, in bytes. No effect with [`Self::piece_length`].
    pub const fn max_piece_length(mut self, bytes: u32) -> Self {
        self.max_piece_length = Some(bytes);
        self
    }

    /// What those who read the torrent take. A torrent of more values is not made. Default: [`Limits::default`].
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Threads that read and hash. Default: 0, as many as there are cores.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Adds a tracker, as a tier of its own. BEP 12.
    pub fn tracker(self, url: impl Into<String>) -> Self {
        self.tier([url])
    }

    /// Adds trackers that share a tier.
    pub fn tier<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        let tier: Vec<_> = urls.into_iter().map(Into::into).collect();
        if !tier.is_empty() {
            self.trackers.push(tier);
        }
        self
    }

    /// Adds a server that has the files. BEP 19.
    pub fn web_seed(mut self, url: impl Into<String>) -> Self {
        self.web_seeds.push(url.into());
        self
    }

    /// Adds a server that has the pieces. BEP 17.
    pub fn http_seed(mut self, url: impl Into<String>) -> Self {
        self.http_seeds.push(url.into());
        self
    }

    /// Adds a DHT node to begin with. BEP 5.
    pub fn node(mut self, node: HostPort) -> Self {
        self.nodes.push(node);
        self
    }

    /// Something to say about it.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Which program makes it. Default: nothing is said.
    pub fn created_by(mut self, program: impl Into<String>) -> Self {
        self.created_by = Some(program.into());
        self
    }

    /// When it is made, in seconds since 1970. Default: nothing is said.
    pub const fn creation_date(mut self, seconds: i64) -> Self {
        self.creation_date = Some(seconds);
        self
    }

    /// Whether peers may come from trackers only. BEP 27. Changes the info hash.
    pub const fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// Where it is published. Changes the info hash.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a torrent that may share files. BEP 38. Changes the info hash.
    pub fn similar(mut self, hash: InfoHash) -> Self {
        self.similar.push(hash);
        self
    }

    /// Adds the name of a collection. BEP 38. Changes the info hash.
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.collections.push(name.into());
        self
    }

    /// Any key of the `info` dictionary, such as `x_cross_seed`. Wins over what would be there. Changes the info hash.
    pub fn info_value(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.info_values.push((key.into(), value.into()));
        self
    }

    /// Any key beside `info`. Wins over what would be there.
    pub fn value(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.push((key.into(), value.into()));
        self
    }

    /// Finds the files without reading them.
    ///
    /// # Errors
    /// If there are none, or some cannot be looked at or named, or the options do not go together.
    pub fn plan(self, path: impl AsRef<Path>) -> Result<Plan, CreateError> {
        Plan::new(self, path.as_ref())
    }

    /// Makes the torrent of a file or folder.
    ///
    /// # Errors
    /// As [`Self::plan`]; or if a file cannot be read, or changes meanwhile.
    pub fn build(self, path: impl AsRef<Path>) -> Result<Metainfo, CreateError> {
        self.plan(path)?.hash(|_| ControlFlow::Continue(()))
    }
}
