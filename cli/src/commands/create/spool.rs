//! Stdin or a pipe as the content of a torrent: hashing begins when its length is known, so it is kept on disk until then.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    exit::{Code, Failure, Outcome},
    work,
};

/// What is read once, from stdin or a pipe, as a file that lives as long as its folder. `None` for what is a file or folder.
pub(super) fn once(path: &Path, name: Option<&str>) -> Outcome<Option<(PathBuf, TempDir)>> {
    let is_stdin = path.as_os_str() == "-";
    if !is_stdin && !is_pipe(path)? {
        return Ok(None);
    }
    let what = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    if name.is_none() {
        return Err(Failure::message(Code::Usage, format!("{what}: a pipe has no name for the torrent: say --name")));
    }
    let from = path.to_owned();
    let folder = TempDir::with_prefix("torrent-").map_err(|error| Failure::io("temporary folder", &error))?;
    let path = folder.path().join("stdin");
    let copied = path.clone();
    // Interrupted, the folder is removed here while the other thread still waits for stdin.
    work::run_or_leave(move || {
        let copied = fs::File::create(copied).and_then(|mut file| match is_stdin {
            true => io::copy(&mut io::stdin().lock(), &mut file),
            false => io::copy(&mut fs::File::open(from)?, &mut file),
        });
        copied.map_err(|error| Failure::io(what, &error))
    })?;
    Ok(Some((path, folder)))
}

/// Whether it can only be read from the beginning to the end. A device is refused: it may have no end.
#[cfg(unix)]
fn is_pipe(path: &Path) -> Outcome<bool> {
    use std::os::unix::fs::FileTypeExt;
    // What is not there is for the search for files to tell.
    let Ok(metadata) = fs::metadata(path) else { return Ok(false) };
    let kind = metadata.file_type();
    if kind.is_char_device() || kind.is_block_device() || kind.is_socket() {
        let what = if kind.is_socket() { "a socket" } else { "a device" };
        let message = format!(
            "{}: {what}, not a file; to read from it, send it to stdin: torrent create --name NAME -",
            path.display()
        );
        return Err(Failure::message(Code::Usage, message));
    }
    Ok(kind.is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_path: &Path) -> Outcome<bool> {
    Ok(false)
}
