//! Which files there are below a path. In: the path and the rules. Out: what was found, and what was left out and why.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::{Builder, CreateError, Symlinks};
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
            walk.add_file(Vec::new(), root.to_owned(), &metadata);
            return Ok(walk);
        }
        let real = fs::canonicalize(root).map_err(|error| failed(root, error))?;
        let mut folders = vec![Folder { elements: Vec::new(), disk: root.to_owned(), real, parent: None }];
        let mut next = 0;
        while let Some(folder) = folders.get(next) {
            let (disk, elements) = (folder.disk.clone(), folder.elements.clone());
            for entry in fs::read_dir(&disk).map_err(|error| failed(&disk, error))? {
                let entry = entry.map_err(|error| failed(&disk, error))?;
                walk.add(&entry, &elements, next, &mut folders, rules)?;
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
        rules: &Builder,
    ) -> Result<(), CreateError> {
        let disk = entry.path();
        let Ok(name) = entry.file_name().into_string() else { return Err(CreateError::NotUtf8 { path: disk }) };
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
                    self.files.push(Found { elements, disk, length: 0, executable, symlink: Some(symlink) });
                    return Ok(());
                }
                Symlinks::Keep => {}
                Symlinks::Follow => metadata = fs::metadata(&disk).map_err(|error| failed(&disk, error))?,
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
        } else if !is_included {
            self.skipped.push(Skipped { path: disk, reason: SkipReason::NotIncluded });
        } else if metadata.is_file() {
            self.add_file(elements, disk, &metadata);
        } else {
            self.skipped.push(Skipped { path: disk, reason: SkipReason::Special });
        }
        Ok(())
    }

    fn add_file(&mut self, elements: Vec<String>, disk: PathBuf, metadata: &fs::Metadata) {
        let executable = is_executable(metadata);
        self.files.push(Found { elements, disk, length: metadata.len(), executable, symlink: None });
    }
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
