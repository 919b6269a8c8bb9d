//! Records as files in one folder, one per torrent, with the generation before it. A loss of power or a full disk at any
//! moment leaves at least one of the two whole: the new record is written beside the old one and flushed, then the old one is
//! renamed, then the new one, then the folder is flushed.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use torrent_metainfo::InfoHashes;

use crate::{DecodeError, Record, codec::MAX_LENGTH};

const EXTENSION: &str = "resume";
const BEFORE: &str = "resume.old";
const NEW: &str = "resume.new";

/// A folder of records.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// A record from a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// What it says.
    pub record: Record,
    /// Why the newest one could not be used, if this is the one before it.
    pub damage: Option<DecodeError>,
}

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Both generations are damaged. That costs a check, nothing else.
    #[error("{}: {error}", .path.display())]
    Damaged {
        /// The newest one.
        path: PathBuf,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// It cannot be read.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Folder {
    /// The folder is made with the first record.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Replaces the record of its torrent. When this returns, the record is safe from a loss of power.
    ///
    /// # Errors
    /// If it cannot be written. What was there before is still there then.
    pub fn save(&self, record: &Record) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        let (current, before, new) = self.paths(&record.info_hashes);
        let written = (|| {
            let mut file = File::create(&new)?;
            file.write_all(&record.encode())?;
            file.sync_all()
        })();
        if let Err(error) = written {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        // A record that is damaged does not replace a good one before it.
        if read(&current).is_ok_and(|found| matches!(found, Some(Ok(_)))) {
            fs::rename(&current, &before)?;
        }
        fs::rename(&new, &current)?;
        sync_folder(&self.path)
    }

    /// The record of a torrent, or the one before it if that one is damaged. `None` if there is none.
    ///
    /// # Errors
    /// If there is one that cannot be read, or both are damaged.
    pub fn load(&self, info_hashes: &InfoHashes) -> Result<Option<Loaded>, LoadError> {
        let (current, before, _) = self.paths(info_hashes);
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |error| LoadError::Io { path, error }
        };
        let newest = read(&current).map_err(fail(&current))?;
        if let Some(Ok(record)) = newest {
            return Ok(Some(Loaded { record, damage: None }));
        }
        let damage = newest.and_then(Result::err);
        match (read(&before).map_err(fail(&before))?, damage) {
            (Some(Ok(record)), damage) => Ok(Some(Loaded { record, damage })),
            (_, Some(error)) => Err(LoadError::Damaged { path: current, error }),
            (Some(Err(error)), None) => Err(LoadError::Damaged { path: before, error }),
            (None, None) => Ok(None),
        }
    }

    /// All records, in the order of their names. Damaged ones are errors of their own: they end nothing.
    ///
    /// # Errors
    /// If the folder is there but cannot be read.
    pub fn load_all(&self) -> io::Result<Vec<Result<Loaded, LoadError>>> {
        let mut hashes = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let Some((stem, extension)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            if extension == EXTENSION || extension == BEFORE {
                hashes.push(stem.to_owned());
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        let load = |stem: String| match stem.len() {
            64 => self.load(&InfoHashes::new(None, stem.parse().ok())?).transpose(),
            _ => self.load(&InfoHashes::new(stem.parse().ok(), None)?).transpose(),
        };
        Ok(hashes.into_iter().filter_map(load).collect())
    }

    /// Deletes the record of a torrent.
    ///
    /// # Errors
    /// If there is one that cannot be deleted.
    pub fn remove(&self, info_hashes: &InfoHashes) -> io::Result<()> {
        let (current, before, new) = self.paths(info_hashes);
        for path in [new, current, before] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// By the v1 hash if there is one: a hybrid keeps its record when its v2 hash becomes known.
    fn paths(&self, info_hashes: &InfoHashes) -> (PathBuf, PathBuf, PathBuf) {
        let v2 = || info_hashes.v2().map(|hash| hash.to_string());
        let stem = info_hashes.v1().map(|hash| hash.to_string()).or_else(v2).unwrap_or_default();
        let path = |extension| self.path.join(format!("{stem}.{extension}"));
        (path(EXTENSION), path(BEFORE), path(NEW))
    }
}

/// `None` if there is no such file.
fn read(path: &Path) -> io::Result<Option<Result<Record, DecodeError>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let limit = u64::try_from(MAX_LENGTH).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(Record::decode(&bytes)))
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
