//! What can go wrong between a torrent and its disk. One line for a person, a kind for a program.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A storage operation that failed: what was tried, on which file, and why.
///
/// It prints as one line, `cannot write /data/film.mkv: No space left on device (os error 28)`.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation}{}: {}", Named(path), Reason(*kind, cause))]
pub struct StorageError {
    kind: ErrorKind,
    operation: Operation,
    path: PathBuf,
    /// Part of what `Display` says, so not a source of its own.
    cause: Option<io::Error>,
}

impl StorageError {
    /// Something failed that has no `io::Error`. An empty path means the torrent as a whole.
    #[must_use]
    pub fn new(kind: ErrorKind, operation: Operation, path: impl Into<PathBuf>) -> Self {
        Self { kind, operation, path: path.into(), cause: None }
    }

    /// The operating system refused; the kind follows from the error.
    #[must_use]
    pub fn from_io(operation: Operation, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { kind: ErrorKind::of(&source), operation, path: path.into(), cause: Some(source) }
    }

    /// What a program needs to know about the cause.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether trying again later will not help: [`ErrorKind::is_lasting`].
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        self.kind.is_lasting()
    }

    /// What was being done.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The file or folder; empty if it was not about one.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The operating system's own word, if it was asked.
    #[must_use]
    pub const fn io_error(&self) -> Option<&io::Error> {
        self.cause.as_ref()
    }
}

impl Clone for StorageError {
    fn clone(&self) -> Self {
        let cause = self.cause.as_ref().map(|error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        });
        Self { kind: self.kind, operation: self.operation, path: self.path.clone(), cause }
    }
}

/// Why a storage operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something is already where a file should be moved to.
    AlreadyExists,
    /// Somebody else has changed the file.
    Changed,
    /// The file system cannot hold a file of that size.
    FileTooLarge,
    /// No space left, or a quota used up. Worth trying again later.
    Full,
    /// Everything else that the operating system may say.
    Io,
    /// A folder, device or pipe is where a file should be.
    NotAFile,
    /// The file or folder is not there.
    NotFound,
    /// Something that is not of this torrent is where its file should be. It is not touched.
    Occupied,
    /// The offset or length is outside the torrent: the caller's mistake.
    OutOfRange,
    /// No permission.
    PermissionDenied,
    /// The file system is mounted read-only.
    ReadOnly,
    /// A symbolic link is where a file or folder should be, and is not followed.
    SymbolicLink,
    /// The backend cannot do this.
    Unsupported,
}

impl ErrorKind {
    /// Whether trying again later will not help unless somebody does something about it. A disk that is full or out of order
    /// may get better by itself.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        !matches!(self, Self::Changed | Self::Full | Self::Io | Self::NotFound)
    }

    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::FileTooLarge => Self::FileTooLarge,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::IsADirectory => Self::NotAFile,
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Io,
        }
    }
}

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Making a file or folder.
    Create,
    /// Looking at what is there.
    Inspect,
    /// Moving a file.
    Move,
    /// Opening a file.
    Open,
    /// Reading.
    Read,
    /// Deleting.
    Remove,
    /// Setting a file's length.
    Resize,
    /// Making sure that written bytes are on the disk.
    Sync,
    /// Writing.
    Write,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Inspect => "inspect",
            Self::Move => "move",
            Self::Open => "open",
            Self::Read => "read",
            Self::Remove => "remove",
            Self::Resize => "resize",
            Self::Sync => "sync",
            Self::Write => "write",
        })
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyExists => "it is already there",
            Self::Changed => "somebody else has changed it",
            Self::FileTooLarge => "the file is too large for the file system",
            Self::Full => "no space left",
            Self::Io => "input/output error",
            Self::NotAFile => "it is not a regular file",
            Self::NotFound => "no such file or folder",
            Self::Occupied => "something that is not of this torrent is there already",
            Self::OutOfRange => "outside the torrent",
            Self::PermissionDenied => "permission denied",
            Self::ReadOnly => "the file system is read-only",
            Self::SymbolicLink => "a symbolic link is in the way and is not followed",
            Self::Unsupported => "this storage cannot do that",
        })
    }
}

/// An error before it is known what was being done to which file.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    source: Option<io::Error>,
}

impl Fault {
    pub(crate) fn at(self, operation: Operation, path: impl Into<PathBuf>) -> StorageError {
        StorageError { kind: self.kind, operation, path: path.into(), cause: self.source }
    }

    /// The process or the system has no file handle left.
    pub(crate) fn is_out_of_handles(&self) -> bool {
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        cfg!(unix) && matches!(self.source.as_ref().and_then(io::Error::raw_os_error), Some(ENFILE | EMFILE))
    }

    /// The two places are on different file systems.
    pub(crate) fn is_cross_device(&self) -> bool {
        self.source.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::CrossesDevices)
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Self { kind: ErrorKind::of(&source), source: Some(source) }
    }
}

impl From<ErrorKind> for Fault {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

struct Named<'a>(&'a Path);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.as_os_str().is_empty() { Ok(()) } else { write!(f, " {}", self.0.display()) }
    }
}

struct Reason<'a>(ErrorKind, &'a Option<io::Error>);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(error) => error.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_the_file_and_the_fault() {
        let full = StorageError::from_io(Operation::Write, "/data/a", io::Error::from_raw_os_error(28));
        assert_eq!(full.to_string(), "cannot write /data/a: No space left on device (os error 28)");
        assert_eq!(full.kind(), ErrorKind::Full);
        let outside = StorageError::new(ErrorKind::OutOfRange, Operation::Read, "");
        assert_eq!(outside.to_string(), "cannot read: outside the torrent");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_used_up_quota_is_full_and_a_read_only_mount_is_not() {
        let kind = |code| ErrorKind::of(&io::Error::from_raw_os_error(code));
        assert_eq!(kind(122), ErrorKind::Full, "EDQUOT");
        assert_eq!(kind(30), ErrorKind::ReadOnly, "EROFS");
        assert_eq!(kind(13), ErrorKind::PermissionDenied, "EACCES");
        assert_eq!(kind(27), ErrorKind::FileTooLarge, "EFBIG");
        assert_eq!(kind(5), ErrorKind::Io, "EIO");
    }
}
