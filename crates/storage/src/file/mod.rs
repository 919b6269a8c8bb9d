//! Torrents as plain files below one folder.

mod mover;
mod pool;
mod torrent;
mod watch;

#[cfg(any(not(unix), test))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
use portable as os;
#[cfg(unix)]
use unix as os;

use std::path::PathBuf;

pub use pool::HandlePool;

use self::torrent::FileTorrent;
use crate::{Layout, Storage, StorageError, TorrentStorage};

/// Torrents as files below one folder, which is made when the first byte is written.
///
/// On Unix no symbolic link below the folder is ever followed, so nothing outside it is ever touched. Files are opened
/// when they are needed, made when something is written to them, and are sparse: they grow as pieces arrive.
#[derive(Clone, Debug)]
pub struct FileStorage {
    root: PathBuf,
    pool: HandlePool,
    allocation: Allocation,
}

impl FileStorage {
    /// Files below `root`, with a pool of [`HandlePool::DEFAULT_CAPACITY`] handles of its own.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = Some(root.into()).filter(|root| !root.as_os_str().is_empty()).unwrap_or_else(|| ".".into());
        Self { root, pool: HandlePool::default(), allocation: Allocation::default() }
    }

    /// Shares a pool of handles with other storages. Default: one of its own.
    #[must_use]
    pub fn pool(mut self, pool: HandlePool) -> Self {
        self.pool = pool;
        self
    }

    /// Whether the space for a file is taken when the file is made. Default: [`Allocation::Sparse`].
    #[must_use]
    pub const fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }
}

impl Storage for FileStorage {
    fn open(&self, layout: &Layout) -> Result<Box<dyn TorrentStorage>, StorageError> {
        Ok(Box::new(FileTorrent::new(layout.clone(), self.root.clone(), self.pool.share(), self.allocation)))
    }
}

/// When the space for a file is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allocation {
    /// As bytes are written.
    #[default]
    Sparse,
    /// All at once when the file is made, where the file system can. A full disk shows at once, and files are in one run.
    Full,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    /// If it is there.
    Write,
    /// Also if it is not, nor the folders on the way.
    Create,
}
