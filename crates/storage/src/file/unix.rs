//! Files below a root folder, on Unix. Every part of a path is opened by itself from the folder before it, and never
//! through a symbolic link: whatever somebody planted below the root, nothing outside is touched.
//! Never: which file a byte belongs to (see `torrent`), how many stay open (see `pool`).

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    ops::Range,
    os::{
        fd::OwnedFd,
        unix::fs::{FileExt as _, MetadataExt as _},
    },
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use super::Access;
use crate::{ErrorKind, FileStat, error::Fault};

/// Opens the file at `path` below `root`; says whether it had to be made.
pub(super) fn open(root: &Path, path: &Path, access: Access) -> Result<(Handle, bool), Fault> {
    let (folder, name) = enter(root, path, access == Access::Create)?;
    let mode = if access == Access::Read { OFlags::RDONLY } else { OFlags::RDWR };
    // Not blocking: opening a pipe that was planted here must not wait for its other end.
    let flags = mode | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let (file, made) = match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
        Err(Errno::NOENT) if access == Access::Create => {
            (rustix::fs::openat(&folder, name, flags | OFlags::CREATE, Mode::from_raw_mode(0o666)), true)
        }
        opened => (opened, false),
    };
    let file = File::from(file.map_err(|errno| match errno {
        Errno::NXIO => ErrorKind::NotAFile.into(),
        errno => refusal(&folder, name, errno),
    })?);
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::NotAFile.into());
    }
    Ok((Handle(file), made))
}

/// Length and time of change; `None` if nothing is there.
pub(super) fn stat(root: &Path, path: &Path) -> Result<Option<FileStat>, Fault> {
    let found = enter(root, path, false).and_then(|(folder, name)| {
        Ok(rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from)?)
    });
    let stat = match found {
        Err(fault) if fault.kind == ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return Err(ErrorKind::SymbolicLink.into()),
        _ => return Err(ErrorKind::NotAFile.into()),
    }
    let since =
        Duration::new(u64::try_from(stat.st_mtime).unwrap_or(0), u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
    let modified = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
    let found = FileStat::new(u64::try_from(stat.st_size).unwrap_or(0), modified);
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "types differ between systems")]
    Ok(Some(found.identified((stat.st_dev as u64, stat.st_ino as u64), u64::from(stat.st_nlink))))
}

/// The device on which `root` is, or would be made.
pub(super) fn device(root: &Path) -> Option<u64> {
    let there = |path: &Path| std::fs::metadata(if path.as_os_str().is_empty() { Path::new(".") } else { path }).ok();
    Some(root.ancestors().find_map(there)?.dev())
}

/// Deletes a file; a link is deleted, not what it points to.
pub(super) fn remove_file(root: &Path, path: &Path) -> Result<(), Fault> {
    let (folder, name) = enter(root, path, false)?;
    Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(io::Error::from)?)
}

/// Deletes a folder if it is empty.
pub(super) fn remove_folder(root: &Path, path: &Path) -> Result<(), Fault> {
    let (folder, name) = enter(root, path, false)?;
    Ok(rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR).map_err(io::Error::from)?)
}

/// Gives the file at `path` below `from` the same path below `to`.
pub(super) fn rename(from: &Path, to: &Path, path: &Path) -> Result<(), Fault> {
    let (old, name) = enter(from, path, false)?;
    let (new, _) = enter(to, path, true)?;
    Ok(rustix::fs::renameat(&old, name, &new, name).map_err(io::Error::from)?)
}

/// Makes the names in a folder safe from a loss of power. The empty path is the root.
pub(super) fn sync_folder(root: &Path, path: &Path) -> Result<(), Fault> {
    let folder = open_folder(root, path, false)?;
    // What was opened on the way may not be good for more than the way.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(&folder, ".", flags, Mode::empty()).map_err(io::Error::from)?;
    Ok(File::from(folder).sync_all()?)
}

/// An open file.
#[derive(Debug)]
pub(super) struct Handle(File);

impl Handle {
    /// Writes all of `parts` from `offset` on. Spends `parts`.
    pub(super) fn write_all_at(&self, mut parts: &mut [IoSlice<'_>], mut offset: u64) -> Result<(), Fault> {
        // Empty parts first would make a write of 0 bytes look like a full disk.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match rustix::io::pwritev(&self.0, parts, offset) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut parts, written);
                    offset = offset.saturating_add(written as u64);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        Ok(())
    }

    /// Fills `parts` from `offset` on, or as far as the file goes. Spends `parts`.
    pub(super) fn read_vectored_at(&self, mut parts: &mut [IoSliceMut<'_>], mut offset: u64) -> Result<usize, Fault> {
        let mut filled = 0_usize;
        IoSliceMut::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match rustix::io::preadv(&self.0, parts, offset) {
                Ok(0) => break,
                Ok(read) => {
                    IoSliceMut::advance_slices(&mut parts, read);
                    filled = filled.saturating_add(read);
                    offset = offset.saturating_add(read as u64);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        Ok(filled)
    }

    /// Fills `buffer` from `offset` on, or as far as the file goes.
    pub(super) fn read_at(&self, buffer: &mut [u8], mut offset: u64) -> Result<usize, Fault> {
        let mut filled = 0_usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset) {
                Ok(0) => break,
                Ok(read) => {
                    filled = filled.saturating_add(read);
                    offset = offset.saturating_add(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    pub(super) fn stat(&self) -> Result<FileStat, Fault> {
        let metadata = self.0.metadata()?;
        let found = FileStat::new(metadata.len(), metadata.modified()?);
        Ok(found.identified((metadata.dev(), metadata.ino()), metadata.nlink()))
    }

    /// Keeps other processes that ask from writing to the file as long as it is open. False if one of them does. Where
    /// the file system has no locks there is none.
    pub(super) fn lock(&self) -> bool {
        let locked = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        !matches!(locked, Err(Errno::WOULDBLOCK))
    }

    pub(super) fn set_length(&self, length: u64) -> Result<(), Fault> {
        Ok(self.0.set_len(length)?)
    }

    pub(super) fn set_modified(&self, modified: SystemTime) -> Result<(), Fault> {
        Ok(self.0.set_modified(modified)?)
    }

    pub(super) fn sync(&self) -> Result<(), Fault> {
        Ok(self.0.sync_data()?)
    }

    /// Takes the space for `length` bytes now, where the file system knows how.
    pub(super) fn allocate(&self, length: u64) -> Result<(), Fault> {
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, length) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        let _ = length;
        Ok(())
    }

    /// The parts of the first `length` bytes that are no holes, in order.
    pub(super) fn data_ranges(&self, length: u64) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        let mut at = 0;
        while at < length {
            match self.next_data(at) {
                Some(range) => {
                    let range = range.start.max(at)..range.end.min(length);
                    at = range.end.max(at.saturating_add(1));
                    if !range.is_empty() {
                        ranges.push(range);
                    }
                }
                None => break,
            }
        }
        ranges
    }

    /// The next run of data at or after `at`. Where holes cannot be seen, all is data.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
    fn next_data(&self, at: u64) -> Option<Range<u64>> {
        use rustix::fs::{SeekFrom, seek};
        match seek(&self.0, SeekFrom::Data(at)) {
            Ok(start) => Some(start..seek(&self.0, SeekFrom::Hole(start)).unwrap_or(u64::MAX)),
            Err(Errno::NXIO) => None,
            Err(_) => Some(at..u64::MAX),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd")))]
    #[expect(clippy::unused_self, reason = "as where holes can be seen")]
    fn next_data(&self, at: u64) -> Option<Range<u64>> {
        Some(at..u64::MAX)
    }
}

/// The folder that `path` lies in, opened, and its name there. `make` makes folders that are missing.
fn enter<'a>(root: &Path, path: &'a Path, make: bool) -> Result<(OwnedFd, &'a OsStr), Fault> {
    let name = path.file_name().ok_or(ErrorKind::NotAFile)?;
    Ok((open_folder(root, path.parent().unwrap_or(Path::new("")), make)?, name))
}

/// The folder at `path` below the root, or the root itself if that is empty, opened.
fn open_folder(root: &Path, path: &Path, make: bool) -> Result<OwnedFd, Fault> {
    let mut folder = match rustix::fs::open(root, FOLDER, Mode::empty()) {
        Err(Errno::NOENT) if make => {
            std::fs::create_dir_all(root)?;
            rustix::fs::open(root, FOLDER, Mode::empty())
        }
        opened => opened,
    }
    .map_err(io::Error::from)?;
    for name in path {
        let open = || rustix::fs::openat(&folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        let inner = match open() {
            Err(Errno::NOENT) if make => match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
                // Somebody else may have made it meanwhile.
                Ok(()) | Err(Errno::EXIST) => open(),
                Err(errno) => Err(errno),
            },
            opened => opened,
        };
        folder = inner.map_err(|errno| refusal(&folder, name, errno))?;
    }
    Ok(folder)
}

/// Says it clearly when the reason is a symbolic link: systems answer ELOOP, EMLINK or ENOTDIR to that.
fn refusal(folder: &OwnedFd, name: &OsStr, errno: Errno) -> Fault {
    let may_be_link = matches!(errno, Errno::LOOP | Errno::MLINK | Errno::NOTDIR);
    if may_be_link
        && let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
    {
        return ErrorKind::SymbolicLink.into();
    }
    io::Error::from(errno).into()
}

/// How a folder is opened on the way to a file. Where there is `O_PATH`, no permission to list it is needed.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
