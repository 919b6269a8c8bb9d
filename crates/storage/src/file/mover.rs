//! Moving and deleting a torrent's files, and copying between two open ones.

use std::{collections::BTreeSet, ops::Range, path::Path};

use super::{
    Access,
    os::{self, Handle},
};
use crate::{ErrorKind, Operation, StorageError, error::Fault};

/// Bytes copied at once.
const COPY_LENGTH: usize = 1 << 20;

/// Moves the files at `paths` from one root to another, all or nothing. Files that are not there are passed over.
pub(super) fn relocate(from: &Path, to: &Path, paths: &[&Path]) -> Result<(), StorageError> {
    for path in paths {
        let taken = os::stat(to, path).map_err(|fault| fault.at(Operation::Move, to.join(path)))?;
        if taken.is_some() {
            return Err(StorageError::new(ErrorKind::AlreadyExists, Operation::Move, to.join(path)));
        }
    }
    let mut moved = Vec::new();
    for path in paths {
        match relocate_one(from, to, path) {
            Ok(how) => moved.push((path, how)),
            Err(fault) => {
                undo(from, to, &moved);
                remove_empty_folders(to, paths);
                return Err(fault.at(Operation::Move, from.join(path)));
            }
        }
    }
    for (path, how) in moved {
        if how == Moved::Copied {
            // It is safe in its new place; an original that cannot be deleted is no reason to say otherwise.
            let _ = os::remove_file(from, path);
        }
    }
    remove_empty_folders(from, paths);
    Ok(())
}

/// Deletes the files at `paths`, and the folders that this leaves empty. Goes on after an error and returns the first.
pub(super) fn remove(root: &Path, paths: &[&Path]) -> Result<(), StorageError> {
    let mut result = Ok(());
    for path in paths {
        match os::remove_file(root, path) {
            Err(fault) if fault.kind != ErrorKind::NotFound && result.is_ok() => {
                result = Err(fault.at(Operation::Remove, root.join(path)));
            }
            _ => {}
        }
    }
    remove_empty_folders(root, paths);
    result
}

/// Copies `ranges` of one file to another, `shift` bytes further to the front.
pub(super) fn copy(from: &Handle, to: &Handle, ranges: &[Range<u64>], shift: u64) -> Result<(), Fault> {
    let mut buffer = vec![0; COPY_LENGTH];
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let length = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX).min(COPY_LENGTH);
            let read = from.read_at(buffer.get_mut(..length).unwrap_or_default(), at)?;
            let filled = buffer.get(..read).unwrap_or_default();
            if filled.is_empty() {
                break;
            }
            to.write_all_at(&mut [std::io::IoSlice::new(filled)], at.saturating_sub(shift))?;
            at = at.saturating_add(read as u64);
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    Absent,
    Copied,
    Renamed,
}

fn relocate_one(from: &Path, to: &Path, path: &Path) -> Result<Moved, Fault> {
    if os::stat(from, path)?.is_none() {
        return Ok(Moved::Absent);
    }
    match os::rename(from, to, path) {
        Ok(()) => Ok(Moved::Renamed),
        Err(fault) if fault.is_cross_device() => {
            copy_over(from, to, path).inspect_err(|_| drop(os::remove_file(to, path)))?;
            Ok(Moved::Copied)
        }
        Err(fault) => Err(fault),
    }
}

/// Copies a file to another file system: holes stay holes, and its time of change stays what it was.
fn copy_over(from: &Path, to: &Path, path: &Path) -> Result<(), Fault> {
    let (old, _) = os::open(from, path, Access::Read)?;
    let (new, _) = os::open(to, path, Access::Create)?;
    let stat = old.stat()?;
    copy(&old, &new, &old.data_ranges(stat.length), 0)?;
    new.set_length(stat.length)?;
    new.set_modified(stat.modified)?;
    new.sync()
}

fn undo(from: &Path, to: &Path, moved: &[(&&Path, Moved)]) {
    for (path, how) in moved {
        // The error that made us turn back is the one to report.
        let _ = match how {
            Moved::Absent => Ok(()),
            Moved::Copied => os::remove_file(to, path),
            Moved::Renamed => os::rename(to, from, path),
        };
    }
}

fn remove_empty_folders(root: &Path, paths: &[&Path]) {
    let folders: BTreeSet<&Path> = paths.iter().flat_map(|path| path.ancestors().skip(1)).collect();
    // A folder comes before what is in it.
    for folder in folders.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
        let _ = os::remove_folder(root, folder);
    }
}
