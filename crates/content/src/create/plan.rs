//! What goes into the torrent, where, and then the work itself.

use std::{
    cmp::Reverse,
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use torrent_metainfo::{Attributes, MAX_PIECE_LENGTH, Metainfo};
use torrent_types::{BLOCK_LENGTH, Geometry};

use super::{
    Builder, CreateError, FileOrder, Skipped, Version,
    piece_length::wished_piece_length,
    walk::{Found, State, Walk},
    write::{self, Hashes},
};
use crate::engine::{Extent, Fault, Job, Outcome, hash_pieces};

/// The files of a torrent to be, found but not yet read.
#[derive(Debug)]
pub struct Plan {
    pub(super) builder: Builder,
    pub(super) name: String,
    pub(super) is_folder: bool,
    pub(super) files: Vec<PlannedFile>,
    pub(super) geometry: Geometry,
    skipped: Vec<Skipped>,
}

/// A file of a [`Plan`].
#[derive(Clone, Debug)]
pub struct PlannedFile {
    pub(super) elements: Vec<String>,
    pub(super) disk: Option<PathBuf>,
    pub(super) length: u64,
    pub(super) offset: u64,
    pub(super) attributes: Attributes,
    pub(super) symlink: Option<Vec<String>>,
    pub(super) state: Option<State>,
}

impl PlannedFile {
    /// The path below the torrent's folder; empty if the torrent is a single file.
    #[must_use]
    pub fn elements(&self) -> &[String] {
        &self.elements
    }

    /// Where it is now; `None` for padding.
    #[must_use]
    pub fn disk_path(&self) -> Option<&Path> {
        self.disk.as_deref()
    }

    /// Length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// What is noted of it.
    #[must_use]
    pub const fn attributes(&self) -> Attributes {
        self.attributes
    }
}

/// How far the work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of files that are done.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
}

impl Plan {
    pub(super) fn new(builder: Builder, path: &Path) -> Result<Self, CreateError> {
        if builder.version.has_v2() && !matches!(builder.order, FileOrder::Path | FileOrder::Tree) {
            return Err(CreateError::Order);
        }
        let name = name(&builder, path)?;
        let Walk { mut files, skipped, is_folder } = Walk::new(path, &builder)?;
        if files.is_empty() {
            return Err(CreateError::NoFiles { left_out: skipped.len() });
        }
        sort(&mut files, if builder.version.has_v2() { FileOrder::Tree } else { builder.order });

        let content = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.length));
        let piece_length = builder
            .piece_length
            .unwrap_or_else(|| wished_piece_length(content, builder.piece_count, builder.max_piece_length));
        check_piece_length(piece_length, builder.version)?;
        let files = lay_out(files, piece_length, &builder);
        let total = files.last().map_or(0, |file| file.offset.saturating_add(file.length));
        let geometry = Geometry::new(total, piece_length).map_err(|_| CreateError::TooManyPieces)?;
        let plan = Self { builder, name, is_folder, files, geometry, skipped };
        // Now, and not when all is read.
        let (found, limit) = (write::count_values(&plan), plan.builder.limits.values());
        if found > limit {
            return Err(CreateError::TooManyValues { found, limit });
        }
        Ok(plan)
    }

    /// A file that was read already.
    pub(super) fn of_one_file(builder: Builder, name: String, geometry: Geometry) -> Self {
        let file = PlannedFile {
            elements: Vec::new(),
            disk: None,
            length: geometry.total_length(),
            offset: 0,
            attributes: Attributes::default(),
            symlink: None,
            state: None,
        };
        Self { builder, name, is_folder: false, files: vec![file], geometry, skipped: Vec::new() }
    }

    /// Name of the torrent.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files, padding included, in the order of the torrent.
    #[must_use]
    pub fn files(&self) -> &[PlannedFile] {
        &self.files
    }

    /// What was found but stays out.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// How the bytes are cut into pieces.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Bytes to be read.
    #[must_use]
    pub fn content_length(&self) -> u64 {
        self.files.iter().filter(|file| !file.attributes.pad).fold(0, |sum, file| sum.saturating_add(file.length))
    }

    /// Reads the files and makes the torrent. `progress` is called on this thread after every piece, and may stop it.
    ///
    /// # Errors
    /// If a file cannot be read or has changed, or `progress` stops it.
    pub fn hash(self, mut progress: impl FnMut(Progress) -> ControlFlow<()>) -> Result<Metainfo, CreateError> {
        let extents = self.extents()?;
        let version = self.builder.version;
        let (v1, v2) = (version.has_v1(), version.has_v2());
        let job = Job { extents: &extents, geometry: self.geometry, v1, v2, threads: self.builder.threads };

        let mut hashes = Hashes::new(self.geometry.piece_count(), v1, v2);
        let mut state = Progress { done: 0, total: self.content_length() };
        let mut failure = CreateError::Cancelled;
        let flow = hash_pieces(job, |Outcome { piece, result, content }| match result {
            Ok(digests) => {
                hashes.set(piece, digests);
                state.done = state.done.saturating_add(content);
                progress(state)
            }
            Err(Fault { extent, error }) => {
                let path = extents.get(extent).and_then(|extent| extent.path.clone()).unwrap_or_default();
                failure = match error.kind() {
                    io::ErrorKind::UnexpectedEof => CreateError::Changed { path },
                    _ => CreateError::Io { path, error },
                };
                ControlFlow::Break(())
            }
        });
        if flow.is_break() {
            return Err(failure);
        }
        // A file that has grown would leave its end out.
        self.extents()?;
        let limits = self.builder.limits.max_bytes(usize::MAX);
        Metainfo::from_bytes_within(write::torrent(&self, &hashes), &limits).map_err(CreateError::Invalid)
    }

    /// What to read; files must be as long as they were.
    fn extents(&self) -> Result<Vec<Extent>, CreateError> {
        let files = self.files.iter().filter(|file| file.length > 0);
        files
            .map(|file| {
                if let Some(path) = &file.disk {
                    let metadata = fs::metadata(path).map_err(|error| CreateError::Io { path: path.clone(), error })?;
                    if file.state.is_some_and(|state| state != State::of(&metadata)) {
                        return Err(CreateError::Changed { path: path.clone() });
                    }
                }
                Ok(Extent { offset: file.offset, length: file.length, path: file.disk.clone() })
            })
            .collect()
    }
}

fn name(builder: &Builder, path: &Path) -> Result<String, CreateError> {
    match &builder.name {
        Some(name) => check_name(name).map(|()| name.clone()),
        None => default_name(path),
    }
}

/// The name of a torrent of what lies at `path`, where none is given: its last element, or that of the folder that `.` or `..`
/// stands for.
///
/// # Errors
/// If there is no such element, or it is not UTF-8.
pub fn default_name(path: &Path) -> Result<String, CreateError> {
    let of_folder = || fs::canonicalize(path).ok()?.file_name().map(ToOwned::to_owned);
    let name = path.file_name().map(ToOwned::to_owned).or_else(of_folder).ok_or(CreateError::Name)?;
    let name = name.into_string().map_err(|_| CreateError::NotUtf8 { path: path.to_owned() })?;
    check_name(&name)?;
    Ok(name)
}

pub(super) fn check_name(name: &str) -> Result<(), CreateError> {
    let is_name = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
    if is_name { Ok(()) } else { Err(CreateError::Name) }
}

fn sort(files: &mut [Found], order: FileOrder) {
    files.sort_by_cached_key(|file| file.elements.join("/"));
    match order {
        FileOrder::Path => {}
        FileOrder::Tree => files.sort_by(|a, b| a.elements.cmp(&b.elements)),
        FileOrder::Largest => files.sort_by_key(|file| Reverse(file.length)),
        FileOrder::Smallest => files.sort_by_key(|file| file.length),
    }
}

pub(super) fn check_piece_length(length: u32, version: Version) -> Result<(), CreateError> {
    let is_v2 = length.is_power_of_two() && length >= BLOCK_LENGTH;
    let is_possible = (1..=MAX_PIECE_LENGTH).contains(&length) && (is_v2 || !version.has_v2());
    if is_possible { Ok(()) } else { Err(CreateError::PieceLength(length)) }
}

/// Gives each file its offset and, where files begin with a piece, puts padding behind each, the last included. A torrent
/// of one file needs none. libtorrent does the same, so the info hashes are the same.
fn lay_out(files: Vec<Found>, piece_length: u32, builder: &Builder) -> Vec<PlannedFile> {
    let pads = (builder.version.has_v2() || builder.align) && files.len() > 1;
    let note = builder.attributes.unwrap_or(builder.version.has_v2());
    let mut planned = Vec::with_capacity(files.len());
    let mut offset = 0_u64;
    for file in files {
        let mut attributes = Attributes::default();
        attributes.executable = note && file.executable;
        attributes.symlink = file.symlink.is_some();
        let Found { elements, disk, length, symlink, state, .. } = file;
        planned.push(PlannedFile {
            elements,
            disk: Some(disk),
            length,
            offset,
            attributes,
            symlink,
            state: Some(state),
        });
        offset = offset.saturating_add(length);
        let padding = offset.checked_next_multiple_of(piece_length.into()).map_or(0, |end| end.saturating_sub(offset));
        if pads && length > 0 && padding > 0 {
            let mut attributes = Attributes::default();
            attributes.pad = true;
            planned.push(PlannedFile {
                elements: vec![".pad".to_owned(), padding.to_string()],
                disk: None,
                length: padding,
                offset,
                attributes,
                symlink: None,
                state: None,
            });
            offset = offset.saturating_add(padding);
        }
    }
    planned
}
