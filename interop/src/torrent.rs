//! Torrents made by libtorrent, so that what reads them is not checked against itself.

use std::path::{Path, PathBuf};

use crate::{Payload, Scratch, Tracker, clients::libtorrent};

/// Small, so that a few MiB have many pieces.
pub const PIECE_LENGTH: u64 = 256 * 1024;

/// A v1 torrent file of a payload.
#[derive(Debug)]
pub struct Torrent {
    path: PathBuf,
    without_tracker: PathBuf,
    info_hash: String,
}

impl Torrent {
    /// Announces to `tracker`, if there is one, which then accepts it.
    /// `None` if libtorrent is not installed.
    ///
    /// # Panics
    /// If libtorrent fails.
    #[must_use]
    pub fn create(scratch: &Scratch, payload: &Payload, tracker: Option<&Tracker>) -> Option<Self> {
        let announce: Vec<_> = tracker.map(Tracker::announce).into_iter().collect();
        let torrent = Self::announcing(scratch, payload, &announce)?;
        if let Some(tracker) = tracker {
            tracker.admit(&torrent.info_hash);
        }
        Some(torrent)
    }

    /// Names trackers by their announce URLs, each in a tier of its own. `None` if libtorrent is not installed.
    ///
    /// # Panics
    /// If libtorrent fails.
    #[must_use]
    pub fn announcing(scratch: &Scratch, payload: &Payload, trackers: &[String]) -> Option<Self> {
        let create = |name: &str, trackers: &[String]| {
            let path = scratch.path().join(format!("{name}.torrent"));
            let info_hash = libtorrent::create(&payload.path(), &path, PIECE_LENGTH, trackers)?;
            Some((path, info_hash))
        };
        let (without_tracker, info_hash) = create("without tracker", &[])?;
        let (path, _) = create("torrent", trackers)?;
        Some(Self { path, without_tracker, info_hash })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the same torrent that names no tracker.
    #[must_use]
    pub fn without_tracker(&self) -> &Path {
        &self.without_tracker
    }

    /// 40 hexadecimal digits.
    #[must_use]
    pub fn info_hash(&self) -> &str {
        &self.info_hash
    }
}
