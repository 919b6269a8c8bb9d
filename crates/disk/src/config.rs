//! What a [`Disk`](crate::Disk) is told when it starts.

use std::{num::NonZeroUsize, time::Duration};

/// Settings of a [`Disk`](crate::Disk). `Default` is good for a client on a desktop or server.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    pub(crate) memory: usize,
    pub(crate) read_back: usize,
    pub(crate) checks_per_device: NonZeroUsize,
    pub(crate) check_threads: CheckThreads,
    pub(crate) descriptors: Option<usize>,
    pub(crate) close_idle: Duration,
}

/// How many threads hash during a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckThreads {
    /// All processors; one on a device that the system calls rotating (Linux).
    #[default]
    Automatic,
    /// So many, on any device.
    Fixed(NonZeroUsize),
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            read_back: 8 << 20,
            checks_per_device: NonZeroUsize::MIN,
            check_threads: CheckThreads::Automatic,
            descriptors: None,
            close_idle: Duration::from_secs(60),
        }
    }
}

impl DiskConfig {
    /// Bytes that the client allows for pieces in flight. The disk takes what it is given and does not enforce it; a quarter
    /// of it may hold good pieces that storage has refused, until [`TorrentDisk::retry`](crate::TorrentDisk::retry).
    /// Default: 16 MiB.
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Bytes for parts of large pieces that were written before the hash could reach them, so that they need not be read
    /// again. They come on top of [`memory`](Self::memory). Default: 8 MiB.
    #[must_use]
    pub const fn read_back(mut self, bytes: usize) -> Self {
        self.read_back = bytes;
        self
    }

    /// Checks that may run at once on one device. The others wait. Default: 1.
    #[must_use]
    pub const fn checks_per_device(mut self, checks: NonZeroUsize) -> Self {
        self.checks_per_device = checks;
        self
    }

    /// How many threads hash during a check. Default: as suits the device.
    #[must_use]
    pub const fn check_threads(mut self, threads: CheckThreads) -> Self {
        self.check_threads = threads;
        self
    }

    /// How many files may be open at once. Default: a quarter of what the system allows the process, after its soft limit
    /// was raised to the hard one, and at most 4096.
    #[must_use]
    pub const fn descriptors(mut self, files: usize) -> Self {
        self.descriptors = Some(files);
        self
    }

    /// After how long without use an open file is closed, to within twice that time. Default: a minute.
    #[must_use]
    pub const fn close_idle(mut self, after: Duration) -> Self {
        self.close_idle = after;
        self
    }
}
