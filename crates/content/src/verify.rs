//! Files on disk against the hashes of a torrent. In: a torrent and a folder. Out: which pieces are good, and which ranges
//! of which files are not. Never: changes to the files.

use std::{
    fs, io,
    ops::{ControlFlow, Range},
    path::{Path, PathBuf},
};

use torrent_hash::merkle;
use torrent_metainfo::{File, Info, Metainfo, PieceLayers};
use torrent_types::{Bitfield, Geometry, PieceIndex};

pub use crate::create::Progress;
use crate::engine::{Digests, Extent, Job, Outcome, hash_pieces};

/// Checks files on disk. By default all hashes that the torrent has count: of a hybrid, both.
#[derive(Clone, Debug)]
#[must_use = "a verifier does nothing until `run`"]
pub struct Verifier<'a> {
    info: &'a Info,
    layers: &'a PieceLayers,
    v1: bool,
    v2: bool,
    threads: usize,
    without_root: bool,
}

impl<'a> Verifier<'a> {
    /// Checks against all hashes of `torrent`.
    pub const fn new(torrent: &'a Metainfo) -> Self {
        Self::with_layers(torrent.info(), torrent.piece_layers())
    }

    /// The same for a torrent that came by magnet link. Long files of v2 whose layer is missing are checked as a whole.
    pub const fn with_layers(info: &'a Info, layers: &'a PieceLayers) -> Self {
        Self { info, layers, v1: info.has_v1(), v2: info.has_v2(), threads: 0, without_root: false }
    }

    /// Of a hybrid, looks at SHA-1 only. No effect on others.
    pub const fn v1_only(mut self) -> Self {
        self.v2 = self.v2 && !self.v1;
        self
    }

    /// Of a hybrid, looks at SHA-256 only. No effect on others.
    pub const fn v2_only(mut self) -> Self {
        self.v1 = self.v1 && !self.v2;
        self
    }

    /// Threads that read and hash. Default: 0, as many as there are cores.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Whether the folder given to [`Self::run`] is the torrent's own, whatever its name, instead of the one above.
    /// For a torrent that is a single file, the path given is then the file.
    pub const fn in_place(mut self, in_place: bool) -> Self {
        self.without_root = in_place;
        self
    }

    /// Checks the files below `folder`.
    ///
    /// # Errors
    /// Only if `folder` itself is not there or cannot be looked at. Files that are missing, short or unreadable are bad.
    pub fn run(self, folder: impl AsRef<Path>) -> io::Result<Report> {
        let report = self.run_with(folder, |_| ControlFlow::Continue(()))?;
        Ok(report.expect("nobody stops it"))
    }

    /// The same; `progress` is called on this thread after every piece. `None` if it stops the work.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_with(
        self,
        folder: impl AsRef<Path>,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> io::Result<Option<Report>> {
        let folder = folder.as_ref();
        let _exists = fs::metadata(folder)?;
        let disk: Vec<_> = self.info.files().iter().map(|file| self.disk_path(file, folder)).collect();
        let files = self.info.files().iter().zip(&disk).filter(|(file, _)| file.length() > 0);
        let extents =
            files.map(|(file, disk)| Extent { offset: file.offset(), length: file.length(), path: disk.clone() });
        let extents: Vec<_> = extents.collect();
        let job =
            Job { extents: &extents, geometry: self.info.geometry(), v1: self.v1, v2: self.v2, threads: self.threads };

        let mut state = Progress { done: 0, total: self.info.content_length() };
        let mut good = Bitfield::new(self.info.piece_count());
        let mut unproven = Unproven::new(self.info, self.layers, self.v2);
        let flow = hash_pieces(job, |Outcome { piece, result, content }| {
            state.done = state.done.saturating_add(content);
            if let Ok(digests) = result
                && self.is_good(piece, &digests)
            {
                good.set(piece);
                if let (Some(place), Some(node)) = (unproven.place(self.info, piece), digests.v2) {
                    *place = node;
                }
            }
            progress(state)
        });
        if flow.is_break() {
            return Ok(None);
        }
        unproven.judge(self.info, &mut good);
        let files = self
            .info
            .files()
            .iter()
            .zip(&disk)
            .map(|(file, disk)| check_file(file, disk.as_deref(), &good, self.info.geometry()));
        Ok(Some(Report { files: files.collect(), good }))
    }

    fn is_good(&self, piece: PieceIndex, digests: &Digests) -> bool {
        let v1 = !self.v1 || digests.v1.as_ref() == self.info.piece_hash(piece);
        // A piece without a layer is judged with its file; one of nothing but padding has no node.
        let v2 = !self.v2
            || match (self.layers.piece_hash(self.info, piece), digests.v2) {
                (Some(expected), found) => found == Some(expected),
                (None, _) => true,
            };
        v1 && v2
    }

    fn disk_path(&self, file: &File, folder: &Path) -> Option<PathBuf> {
        if file.is_pad() {
            return None;
        }
        Some(match (self.without_root, self.info.is_folder()) {
            (false, _) => file.path().under(folder),
            (true, true) => file.path().without_root().map_or_else(|| folder.to_owned(), |path| path.under(folder)),
            (true, false) => folder.to_owned(),
        })
    }
}

/// Long files of v2 without a layer: good if all their pieces together have the root.
struct Unproven {
    /// By number of the file; the nodes of its pieces as they were found.
    files: Vec<(usize, Vec<merkle::Node>)>,
}

impl Unproven {
    fn new(info: &Info, layers: &PieceLayers, v2: bool) -> Self {
        let missing = layers.missing(info).filter(|_| v2).filter_map(|index| {
            let pieces = info.files().get(index)?.length().div_ceil(info.piece_length().into());
            Some((index, vec![[0; 32]; usize::try_from(pieces).ok()?]))
        });
        Self { files: missing.collect() }
    }

    fn place(&mut self, info: &Info, piece: PieceIndex) -> Option<&mut merkle::Node> {
        let piece = info.v2_piece(piece)?;
        let at = self.files.binary_search_by_key(&piece.file, |(file, _)| *file).ok()?;
        self.files.get_mut(at)?.1.get_mut(usize::try_from(piece.index).ok()?)
    }

    fn judge(&self, info: &Info, good: &mut Bitfield) {
        for (index, nodes) in &self.files {
            let Some(file) = info.files().get(*index) else { continue };
            let root = merkle::root_at(nodes, info.piece_layer(), merkle::height(file.length()));
            if file.pieces_root() != Some(&root) {
                pieces_of(file, info.geometry()).for_each(|piece| {
                    good.clear(piece);
                });
            }
        }
    }
}

/// The pieces that have bytes of a file.
fn pieces_of(file: &File, geometry: Geometry) -> impl Iterator<Item = PieceIndex> + use<> {
    let piece_length = u64::from(geometry.piece_length());
    let number = |offset: u64| u32::try_from(offset.checked_div(piece_length).unwrap_or_default()).unwrap_or(u32::MAX);
    let end = if file.length() == 0 { 0 } else { number(file.end().saturating_sub(1)).saturating_add(1) };
    (number(file.offset())..end).map(PieceIndex::new)
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Pieces that are as the torrent says.
    pub good: Bitfield,
    /// One for each of [`Info::files`], in that order.
    pub files: Vec<FileReport>,
}

impl Report {
    /// Whether all pieces are good, and all files are there and not too long.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.good.is_full() && self.files.iter().all(FileReport::is_good)
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
    /// Its length on disk in bytes; `None` if it is missing or no file.
    pub found: Option<u64>,
    /// The length that it should have.
    pub expected: u64,
    /// Ranges of its bytes, in order, that are missing or belong to a piece that is not good. Of a v1 piece with several
    /// files nobody can say which of them is at fault.
    pub bad: Vec<Range<u64>>,
}

impl FileReport {
    /// Whether it is there, as long as it should be, and all its pieces are good.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.bad.is_empty() && (self.path.is_none() || self.found == Some(self.expected))
    }

    /// Whether it is not there at all.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        self.path.is_some() && self.found.is_none()
    }
}

fn check_file(file: &File, disk: Option<&Path>, good: &Bitfield, geometry: Geometry) -> FileReport {
    let mut bad: Vec<Range<u64>> = Vec::new();
    // Padding is not on disk, so nothing can be wrong with it.
    for piece in pieces_of(file, geometry).filter(|piece| !file.is_pad() && !good.get(*piece)) {
        let begin = geometry.piece_offset(piece);
        let end = begin.saturating_add(geometry.length_of(piece).into());
        let range = begin.saturating_sub(file.offset())..end.min(file.end()).saturating_sub(file.offset());
        match bad.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => bad.push(range),
        }
    }
    let found = match disk {
        // A symlink counts as such; what it leads to is another file of the torrent.
        Some(path) if file.symlink().is_some() => fs::symlink_metadata(path).is_ok().then_some(0),
        Some(path) => fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len()),
        None => None,
    };
    FileReport { path: disk.map(Path::to_owned), found, expected: file.length(), bad }
}
