//! Torrents made by libtorrent, so that what reads them is not checked against itself.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Payload, Scratch, Tracker, clients::libtorrent};

/// Small, so that a few MiB have many pieces.
pub const PIECE_LENGTH: u64 = 256 * 1024;

/// A v1 torrent file of a payload.
#[derive(Debug)]
pub struct Torrent {
    path: PathBuf,
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
        let path = scratch.path().join(format!("{}.torrent", payload.name()));
        let mut command = Command::new(libtorrent::python()?);
        command.arg(libtorrent::SCRIPT).arg("create").arg(payload.path()).arg(&path).arg(PIECE_LENGTH.to_string());
        let output = command.args(tracker.map(Tracker::announce)).output().expect("python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let info_hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if let Some(tracker) = tracker {
            tracker.admit(&info_hash);
        }
        Some(Self { path, info_hash })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// 40 hexadecimal digits.
    #[must_use]
    pub fn info_hash(&self) -> &str {
        &self.info_hash
    }
}
