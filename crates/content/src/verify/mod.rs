//! Files on disk against the hashes of a torrent. In: a torrent and a folder. Out: which pieces are good, and which ranges
//! of which files are not. Never: changes to the files.

mod report;

use std::{collections::BTreeMap, fs, io, ops::ControlFlow, path::Path};

use torrent_hash::{PieceDigest, merkle};
use torrent_metainfo::{File, Info, Metainfo, PieceLayers};
use torrent_types::{Bitfield, Geometry, PieceIndex};

pub use crate::create::Progress;
use crate::{
    engine::{Extent, Fault, Job, Outcome, hash_pieces},
    names,
};
use report::check_file;
pub use report::{FileReport, Problem, Report};

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
    /// Only if `folder` itself is not there or cannot be looked at. Files that are missing or short are bad; of those that
    /// cannot be read, [`Report::unknown`] has the pieces.
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
        let disk = match self.without_root {
            true => names::in_place(self.info, folder),
            false => names::below(self.info, folder),
        };
        let files = self.info.files().iter().zip(&disk).enumerate().filter(|(_, (file, _))| file.length() > 0);
        // The extents, and the file of each.
        let (numbers, extents): (Vec<_>, Vec<_>) = files
            .map(|(number, (file, disk))| {
                (number, Extent { offset: file.offset(), length: file.length(), path: disk.clone() })
            })
            .unzip();
        let job =
            Job { extents: &extents, geometry: self.info.geometry(), v1: self.v1, v2: self.v2, threads: self.threads };

        let mut state = Progress { done: 0, total: self.info.content_length() };
        let mut good = Bitfield::new(self.info.piece_count());
        let mut unknown = Bitfield::new(self.info.piece_count());
        let mut faults: BTreeMap<usize, Problem> = BTreeMap::new();
        let mut unproven = Unproven::new(self.info, self.layers, self.v2);
        let flow = hash_pieces(job, |Outcome { piece, result, content }| {
            state.done = state.done.saturating_add(content);
            match result {
                Ok(digests) if self.is_good(piece, &digests) => {
                    good.set(piece);
                    if let (Some(place), Some(node)) = (unproven.place(self.info, piece), digests.v2) {
                        *place = node;
                    }
                }
                Ok(_) => {}
                Err(Fault { extent, error }) => {
                    if let Some(problem @ Problem::Unreadable { .. }) = Problem::of(&error) {
                        unknown.set(piece);
                        if let Some(file) = numbers.get(extent) {
                            faults.entry(*file).or_insert(problem);
                        }
                    }
                }
            }
            progress(state)
        });
        if flow.is_break() {
            return Ok(None);
        }
        unproven.judge(self.info, &mut good, &mut unknown);
        let files = self.info.files().iter().zip(&disk).enumerate().map(|(number, (file, disk))| {
            let fault = faults.get(&number);
            check_file(file, disk.as_deref(), (&good, &unknown), self.info.geometry(), fault)
        });
        Ok(Some(Report { files: files.collect(), good, unknown }))
    }

    fn is_good(&self, piece: PieceIndex, digests: &PieceDigest) -> bool {
        let v1 = !self.v1 || digests.v1.as_ref() == self.info.piece_hash(piece);
        // A piece without a layer is judged with its file; one of nothing but padding has no node.
        let v2 = !self.v2
            || match (self.layers.piece_hash(self.info, piece), digests.v2) {
                (Some(expected), found) => found == Some(expected),
                (None, _) => true,
            };
        v1 && v2
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

    fn judge(&self, info: &Info, good: &mut Bitfield, unknown: &mut Bitfield) {
        for (index, nodes) in &self.files {
            let Some(file) = info.files().get(*index) else { continue };
            let root = merkle::root_at(nodes, info.piece_layer(), merkle::height(file.length()));
            if file.pieces_root() == Some(&root) {
                continue;
            }
            // With a part of it missing from view, nobody knows of the others either.
            let is_unknown = pieces_of(file, info.geometry()).any(|piece| unknown.get(piece));
            for piece in pieces_of(file, info.geometry()) {
                good.clear(piece);
                if is_unknown {
                    unknown.set(piece);
                }
            }
        }
    }
}

/// The pieces that have bytes of a file.
fn pieces_of(file: &File, geometry: Geometry) -> impl Iterator<Item = PieceIndex> + use<> {
    geometry.pieces_of(file.offset()..file.end())
}
