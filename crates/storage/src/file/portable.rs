//! Files below a root folder, with nothing but `std`: for systems that are not Unix.
//! A symbolic link is looked for before each use, which leaves a moment in which one could be put there; see `unix` for better.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::Access;
use crate::{ErrorKind, FileStat, error::Fault};

/// Opens the file at `path` below `root`; says whether it had to be made.
pub(super) fn open(root: &Path, path: &Path, access: Access) -> Result<(Handle, bool), Fault> {
    let place = enter(root, path)?;
    let made = access == Access::Create && !place.exists();
    if made && let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let file =
        OpenOptions::new().read(true).write(access != Access::Read).create(access == Access::Create).open(place)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::NotAFile.into());
    }
    Ok((Handle(Mutex::new(file)), made))
}

/// Length and time of change; `None` if nothing is there.
pub(super) fn stat(root: &Path, path: &Path) -> Result<Option<FileStat>, Fault> {
    match fs::symlink_metadata(enter(root, path)?) {
        Ok(metadata) if metadata.is_file() => Ok(Some(FileStat::new(metadata.len(), metadata.modified()?))),
        Ok(_) => Err(ErrorKind::NotAFile.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `std` does not know.
pub(super) fn device(_root: &Path) -> Option<u64> {
    None
}

/// Deletes a file.
pub(super) fn remove_file(root: &Path, path: &Path) -> Result<(), Fault> {
    Ok(fs::remove_file(enter(root, path)?)?)
}

/// Deletes a folder if it is empty.
pub(super) fn remove_folder(root: &Path, path: &Path) -> Result<(), Fault> {
    Ok(fs::remove_dir(enter(root, path)?)?)
}

/// Gives the file at `path` below `from` the same path below `to`.
pub(super) fn rename(from: &Path, to: &Path, path: &Path) -> Result<(), Fault> {
    let (old, new) = (enter(from, path)?, enter(to, path)?);
    if let Some(folder) = new.parent().filter(|_| old.exists()) {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::rename(old, new)?)
}

/// `std` knows no way to sync a folder on every system.
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(super) fn sync_folder(_root: &Path, _path: &Path) -> Result<(), Fault> {
    Ok(())
}

/// An open file. One operation at a time: `std` has no positional I/O that is the same everywhere.
#[derive(Debug)]
pub(super) struct Handle(Mutex<File>);

impl Handle {
    /// Writes all of `parts` from `offset` on. Spends `parts`.
    pub(super) fn write_all_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> Result<(), Fault> {
        let mut file = self.file();
        file.seek(SeekFrom::Start(offset))?;
        for part in parts {
            file.write_all(part)?;
        }
        Ok(())
    }

    /// Fills `parts` from `offset` on, or as far as the file goes.
    pub(super) fn read_vectored_at(&self, parts: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize, Fault> {
        let mut filled = 0_usize;
        for part in parts {
            let read = self.read_at(part, offset.saturating_add(filled as u64))?;
            filled = filled.saturating_add(read);
            if read < part.len() {
                break;
            }
        }
        Ok(filled)
    }

    /// Fills `buffer` from `offset` on, or as far as the file goes.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Fault> {
        let mut file = self.file();
        file.seek(SeekFrom::Start(offset))?;
        let mut filled = 0_usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest) {
                Ok(0) => break,
                Ok(read) => filled = filled.saturating_add(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    pub(super) fn stat(&self) -> Result<FileStat, Fault> {
        let metadata = self.file().metadata()?;
        Ok(FileStat::new(metadata.len(), metadata.modified()?))
    }

    /// Not everywhere: other processes are not kept away.
    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) const fn lock(&self) -> bool {
        true
    }

    pub(super) fn set_length(&self, length: u64) -> Result<(), Fault> {
        Ok(self.file().set_len(length)?)
    }

    pub(super) fn set_modified(&self, modified: SystemTime) -> Result<(), Fault> {
        Ok(self.file().set_modified(modified)?)
    }

    pub(super) fn sync(&self) -> Result<(), Fault> {
        Ok(self.file().sync_data()?)
    }

    /// Not everywhere: the file stays sparse.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on Unix")]
    pub(super) fn allocate(&self, _length: u64) -> Result<(), Fault> {
        Ok(())
    }

    /// Holes cannot be seen: all is data.
    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn data_ranges(&self, length: u64) -> Vec<Range<u64>> {
        if length > 0 { vec![0..length; 1] } else { Vec::new() }
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `path` below `root`, none of whose parts is a symbolic link now.
fn enter(root: &Path, path: &Path) -> Result<PathBuf, Fault> {
    let mut place = root.to_path_buf();
    for part in path {
        place.push(part);
        if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(ErrorKind::SymbolicLink.into());
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_what_the_unix_way_does() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, path) = (one.path(), Path::new("a/b"));
        assert_eq!(open(root, path, Access::Write).unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(stat(root, path).unwrap(), None);
        let (handle, made) = open(root, path, Access::Create).unwrap();
        assert!(made);
        handle.write_all_at(&mut [&b"ab"[..], b"", b"cd"].map(IoSlice::new), 3).unwrap();
        let mut buffer = [9; 9];
        assert_eq!(handle.read_at(&mut buffer, 2).unwrap(), 5);
        assert_eq!(buffer[..5], *b"\0abcd");
        let mut parts = [[0; 2], [0; 2]];
        let [one, other] = &mut parts;
        let mut slices = [IoSliceMut::new(one), IoSliceMut::new(other)];
        assert_eq!(handle.read_vectored_at(&mut slices, 4).unwrap(), 3);
        assert_eq!(parts, [*b"bc", *b"d\0"]);
        assert_eq!(device(root), None);
        assert!(handle.lock());
        handle.set_length(5).unwrap();
        handle.allocate(5).unwrap();
        handle.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        handle.sync().unwrap();
        sync_folder(root, Path::new("a")).unwrap();
        assert_eq!(handle.data_ranges(5), [0..5; 1]);
        assert_eq!(handle.stat().unwrap(), FileStat::new(5, SystemTime::UNIX_EPOCH));
        assert_eq!(stat(root, path).unwrap(), Some(handle.stat().unwrap()));
        drop(handle);
        assert!(!open(root, path, Access::Create).unwrap().1, "it is there");
        rename(root, two.path(), path).unwrap();
        remove_folder(root, Path::new("a")).unwrap();
        remove_file(two.path(), path).unwrap();
        assert_eq!(remove_file(two.path(), path).unwrap_err().kind, ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_refused() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", root.path().join("a")).unwrap();
        for path in ["a", "a/tmp"] {
            assert_eq!(open(root.path(), Path::new(path), Access::Read).unwrap_err().kind, ErrorKind::SymbolicLink);
            assert_eq!(stat(root.path(), Path::new(path)).unwrap_err().kind, ErrorKind::SymbolicLink);
        }
    }
}
