//! Stdin as the content of a torrent: hashing begins when its length is known, so it is kept on disk until then.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    exit::{Code, Failure, Outcome},
    work,
};

/// Stdin as a file that lives as long as its folder.
pub(super) fn stdin(path: &Path, name: Option<&str>) -> Outcome<Option<(PathBuf, TempDir)>> {
    if path.as_os_str() != "-" {
        return Ok(None);
    }
    if name.is_none() {
        return Err(Failure::message(Code::Usage, "stdin has no name: say --name"));
    }
    let folder = TempDir::with_prefix("torrent-").map_err(|error| Failure::io("temporary folder", &error))?;
    let path = folder.path().join("stdin");
    let copied = path.clone();
    // Interrupted, the folder is removed here while the other thread still waits for stdin.
    work::run_or_leave(move || {
        let copied = fs::File::create(copied).and_then(|mut file| io::copy(&mut io::stdin().lock(), &mut file));
        copied.map_err(|error| Failure::io("stdin", &error))
    })?;
    Ok(Some((path, folder)))
}
