//! A folder for one test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// A folder that is deleted at the end of the test. `TORRENT_INTEROP_KEEP=1` keeps it, to look at logs.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// # Panics
    /// If none can be made.
    #[must_use]
    pub fn new() -> Self {
        let mut folder = tempfile::Builder::new().prefix("torrent-interop-").tempdir().expect("a scratch folder");
        folder.disable_cleanup(std::env::var_os("TORRENT_INTEROP_KEEP").is_some());
        Self(folder)
    }

    /// A new, empty folder in it.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(&path).expect("a folder in the scratch folder");
        path
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
