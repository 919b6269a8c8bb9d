//! Which files there are below a path. In: the path and the rules. Out: what was found, and what was left out and why.

use std::{
    fs,
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use super::{Builder, CreateError, Symlinks};
use crate::engine::open_file;
use torrent_metainfo::path::MAX_DEPTH;

/// What desktops leave behind, in lower case. The others begin with a dot.
const LITTER: [&str; 3] = ["thumbs.db", "ehthumbs.db", "desktop.ini"];

/// A file on disk that goes into the torrent.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Below the folder; empty for a single file.
    pub(super) elements: Vec<String>,
    pub(super) disk: PathBuf,
    pub(super) length: u64,
    pub(super) executable: bool,
    /// Where it leads, below the folder.
    pub(super) symlink: Option<Vec<String>>,
    /// What it was when it was found.
    pub(super) state: State,
}

/// By which it shows that a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    length: u64,
    modified: Option<SystemTime>,
    /// Device and number: a file that was replaced has another.
    #[cfg(unix)]
    identity: (u64, u64),
}

impl State {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            identity: identity(metadata),
        }
    }
}

/// Device and number of a file.
#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Something on disk that does not go into the torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// What.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why something was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// An excluded pattern matches.
    Excluded,
    /// The name begins with a dot.
    Hidden,
    /// What a desktop left behind.
    Litter,
    /// No included pattern matches.
    NotIncluded,
    /// [`Builder::leave_out`] names it.
    LeftOut,
    /// Neither file nor folder nor symlink.
    Special,
    /// A symlink.
    Symlink,
}

#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) files: Vec<Found>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) is_folder: bool,
}

/// A folder to be looked into.
struct Folder {
    elements: Vec<String>,
    disk: PathBuf,
    /// Without symlinks.
    real: PathBuf,
    /// Number of the folder that it was found in.
    parent: Option<usize>,
}

impl Walk {
    pub(super) fn new(root: &Path, rules: &Builder) -> Result<Self, CreateError> {
        let metadata = fs::metadata(root).map_err(|error| failed(root, error))?;
        let mut walk = Self { is_folder: metadata.is_dir(), ..Self::default() };
        if !walk.is_folder {
            if !metadata.is_file() {
                return Err(CreateError::Special { path: root.to_owned() });
            }
            walk.add_file(Vec::new(), root.to_owned(), &metadata)?;
            return Ok(walk);
        }
        let left_out = LeftOut::new(&rules.left_out);
        let real = fs::canonicalize(root).map_err(|error| failed(root, error))?;
        let mut folders = vec![Folder { elements: Vec::new(), disk: root.to_owned(), real, parent: None }];
        let mut next = 0;
        while let Some(folder) = folders.get(next) {
            let (disk, elements) = (folder.disk.clone(), folder.elements.clone());
            for entry in fs::read_dir(&disk).map_err(|error| failed(&disk, error))? {
                let entry = entry.map_err(|error| failed(&disk, error))?;
                walk.add(&entry, &elements, next, &mut folders, (rules, &left_out))?;
            }
            next = next.saturating_add(1);
        }
        Ok(walk)
    }

    fn add(
        &mut self,
        entry: &fs::DirEntry,
        parent: &[String],
        parent_number: usize,
        folders: &mut Vec<Folder>,
        (rules, left_out): (&Builder, &LeftOut),
    ) -> Result<(), CreateError> {
        let disk = entry.path();
        // A name that is not UTF-8 can still be excluded.
        let (name, is_utf8) = match entry.file_name().into_string() {
            Ok(name) => (name, true),
            Err(name) => (name.to_string_lossy().into_owned(), false),
        };
        let kind = entry.file_type().map_err(|error| failed(&disk, error))?;
        let mut elements = parent.to_vec();
        elements.push(name);
        if elements.len() >= MAX_DEPTH {
            return Err(CreateError::TooDeep { path: disk });
        }
        let mut metadata = fs::symlink_metadata(&disk).map_err(|error| failed(&disk, error))?;
        let path = elements.join("/");
        if let Some(reason) = reason_to_skip(elements.last().map_or("", |name| name), &path, &metadata, rules) {
            self.skipped.push(Skipped { path: disk, reason });
            return Ok(());
        }
        if !is_utf8 {
            return Err(CreateError::NotUtf8 { path: disk });
        }
        let is_included = rules.include.is_empty() || rules.include.iter().any(|glob| glob.matches(&path));
        if kind.is_symlink() {
            match rules.symlinks {
                Symlinks::Skip => {
                    self.skipped.push(Skipped { path: disk, reason: SkipReason::Symlink });
                    return Ok(());
                }
                Symlinks::Keep if is_included => {
                    let root = folders.first().map_or_else(PathBuf::new, |root| root.real.clone());
                    let symlink = target(&disk, parent, &root).ok_or(CreateError::Symlink { path: disk.clone() })?;
                    let executable = is_executable(&metadata);
                    let state = State::of(&metadata);
                    self.files.push(Found { elements, disk, length: 0, executable, symlink: Some(symlink), state });
                    return Ok(());
                }
                Symlinks::Keep => {}
                Symlinks::Follow => metadata = followed(&disk)?,
            }
        }
        if metadata.is_dir() {
            let real = fs::canonicalize(&disk).map_err(|error| failed(&disk, error))?;
            let mut above = folders.get(parent_number);
            while let Some(folder) = above {
                if folder.real == real {
                    return Err(CreateError::TooDeep { path: disk });
                }
                above = folder.parent.and_then(|parent| folders.get(parent));
            }
            folders.push(Folder { elements, disk, real, parent: Some(parent_number) });
        } else if left_out.has(&disk, &metadata) {
            self.skipped.push(Skipped { path: disk, reason: SkipReason::LeftOut });
        } else if !is_included {
            self.skipped.push(Skipped { path: disk, reason: SkipReason::NotIncluded });
        } else if metadata.is_file() {
            self.add_file(elements, disk, &metadata)?;
        } else {
            self.skipped.push(Skipped { path: disk, reason: SkipReason::Special });
        }
        Ok(())
    }

    fn add_file(&mut self, elements: Vec<String>, disk: PathBuf, metadata: &fs::Metadata) -> Result<(), CreateError> {
        let executable = is_executable(metadata);
        if metadata.len() == 0 && has_content(&disk).map_err(|error| failed(&disk, error))? {
            return Err(CreateError::NoLength { path: disk });
        }
        let state = State::of(metadata);
        self.files.push(Found { elements, disk, length: metadata.len(), executable, symlink: None, state });
        Ok(())
    }
}

/// Files that stay out, wherever they are met: by what they are and not by what they are called.
struct LeftOut {
    paths: Vec<PathBuf>,
    #[cfg(unix)]
    identities: Vec<(u64, u64)>,
}

impl LeftOut {
    fn new(paths: &[PathBuf]) -> Self {
        Self {
            paths: paths.iter().filter_map(|path| fs::canonicalize(path).ok()).collect(),
            #[cfg(unix)]
            identities: paths.iter().filter_map(|path| Some(identity(&fs::metadata(path).ok()?))).collect(),
        }
    }

    fn has(&self, disk: &Path, metadata: &fs::Metadata) -> bool {
        if self.paths.is_empty() || !metadata.is_file() {
            return false;
        }
        #[cfg(unix)]
        if self.identities.contains(&identity(metadata)) {
            return true;
        }
        fs::canonicalize(disk).is_ok_and(|real| self.paths.contains(&real))
    }
}

/// Files below `/proc` and the like do not say how long they are.
fn has_content(disk: &Path) -> io::Result<bool> {
    Ok(open_file(disk)?.read(&mut [0])? > 0)
}

fn followed(link: &Path) -> Result<fs::Metadata, CreateError> {
    fs::metadata(link).map_err(|error| match (error.kind(), fs::read_link(link)) {
        (io::ErrorKind::NotFound, Ok(target)) => CreateError::DanglingSymlink { path: link.to_owned(), target },
        _ => failed(link, error),
    })
}

fn failed(path: &Path, error: io::Error) -> CreateError {
    CreateError::Io { path: path.to_owned(), error }
}

fn reason_to_skip(name: &str, path: &str, metadata: &fs::Metadata, rules: &Builder) -> Option<SkipReason> {
    if rules.exclude.iter().any(|glob| glob.matches(path)) {
        Some(SkipReason::Excluded)
    } else if !rules.hidden && (name.starts_with('.') || is_hidden(metadata)) {
        Some(SkipReason::Hidden)
    } else if !rules.litter && LITTER.contains(&&*name.to_lowercase()) {
        Some(SkipReason::Litter)
    } else {
        None
    }
}

/// Where a symlink leads, below the folder: the text of the link, taken from the folder that it lies in. Other symlinks on
/// the way are not resolved; something has to be there.
fn target(link: &Path, parent: &[String], root: &Path) -> Option<Vec<String>> {
    let text = fs::read_link(link).ok()?;
    let real = fs::canonicalize(link).ok()?;
    if !real.starts_with(root) {
        return None;
    }
    let mut elements: Vec<String> = if text.is_absolute() { Vec::new() } else { parent.to_vec() };
    let text = if text.is_absolute() { text.strip_prefix(root).ok()?.to_owned() } else { text };
    for component in text.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                elements.pop()?;
            }
            Component::Normal(name) => elements.push(name.to_str()?.to_owned()),
            Component::Prefix(_) | Component::RootDir => return None,
        }
    }
    (!elements.is_empty()).then_some(elements)
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    const OWNER_MAY_EXECUTE: u32 = 0o100;
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & OWNER_MAY_EXECUTE != 0
}

#[cfg(not(unix))]
const fn is_executable(_metadata: &fs::Metadata) -> bool {
    false
}

#[cfg(windows)]
fn is_hidden(metadata: &fs::Metadata) -> bool {
    const FILE_ATTRIBUTE_HIDDEN: u32 = 2;
    std::os::windows::fs::MetadataExt::file_attributes(metadata) & FILE_ATTRIBUTE_HIDDEN != 0
}

#[cfg(not(windows))]
const fn is_hidden(_metadata: &fs::Metadata) -> bool {
    false
}
