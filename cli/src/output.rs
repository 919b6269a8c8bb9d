//! Where answers go: stdout, or a file that is either whole or not there. What is not an answer goes to stderr.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::{
    clean,
    exit::{Code, Failure, Outcome},
};

/// Writes text to stdout; to a terminal, without what would control it.
pub(crate) fn text(text: impl AsRef<[u8]>) -> Outcome {
    let text = text.as_ref();
    if io::stdout().is_terminal() {
        return raw(clean::lines(&String::from_utf8_lossy(text)).as_bytes());
    }
    raw(text)
}

/// Writes bytes to stdout as they are.
fn raw(bytes: &[u8]) -> Outcome {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| stdout_failure(&error))
}

/// Writes a line to stdout.
pub(crate) fn line(line: impl fmt::Display) -> Outcome {
    text(format!("{line}\n"))
}

/// Writes indented JSON and a line break to stdout. On a terminal, characters that would control it are escaped, which means
/// the same.
pub(crate) fn json(value: &impl Serialize) -> Outcome {
    if io::stdout().is_terminal() {
        let json = serde_json::to_string_pretty(value).map_err(|error| stdout_failure(&error.into()))?;
        return raw(format!("{}\n", clean::json(&json)).as_bytes());
    }
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut stdout, value)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(stdout))
        .and_then(|()| stdout.flush())
        .map_err(|error| stdout_failure(&error))
}

/// Writes text of a stranger to stdout: on a terminal as one line that cannot control it, unless forced.
pub(crate) fn foreign_text(foreign: &str, force: bool) -> Outcome {
    if io::stdout().is_terminal() && !force { raw(clean::line(foreign).as_bytes()) } else { raw(foreign.as_bytes()) }
}

/// Writes bytes to stdout, but not to a terminal unless forced.
pub(crate) fn binary(bytes: &[u8], force: bool) -> Outcome {
    if io::stdout().is_terminal() && !force {
        let message = "this is binary: send it to a file or pipe, or say --force to see it on the terminal";
        return Err(Failure::message(Code::Usage, message));
    }
    raw(bytes)
}

/// One line of JSON, and a line break.
pub(crate) fn json_line(json: &str) -> Outcome {
    if io::stdout().is_terminal() { raw(format!("{}\n", clean::json(json)).as_bytes()) } else { line(json) }
}

/// Says something that is not the answer.
pub(crate) fn note(text: impl fmt::Display) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "{}", clean::lines(&text.to_string()));
}

fn stdout_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::message(Code::BrokenPipe, error),
        _ => Failure::io("stdout", error),
    }
}

/// A place for a .torrent file.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    Stdout { force: bool },
    File { path: PathBuf, replace: bool },
}

impl Output {
    /// `-` is stdout. A folder stands for a file of this name in it. `force` allows binary on a terminal, and to replace
    /// a file.
    pub(crate) fn new(path: &Path, name: &str, force: bool) -> Self {
        if path.as_os_str() == "-" {
            return Self::Stdout { force };
        }
        let path = if path.is_dir() { path.join(name) } else { path.to_owned() };
        Self::File { path, replace: force }
    }

    /// The same file again.
    pub(crate) fn in_place(path: &Path) -> Self {
        Self::File { path: path.to_owned(), replace: true }
    }

    /// Fails now where [`Self::write`] would fail after long work.
    pub(crate) fn check(&self) -> Outcome {
        match self {
            Self::Stdout { force } if io::stdout().is_terminal() => binary(&[], *force),
            Self::File { path, replace: false } if is_regular(path) => Err(exists(path)),
            Self::File { path, .. } if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                Err(Failure::message(Code::Disk, format!("{}: no such folder", path.display())))
            }
            Self::File { path, .. } if folder_of(path).is_file() => {
                let folder = folder_of(path).display();
                Err(Failure::message(Code::Disk, format!("{}: {folder} is a file, not a folder", path.display())))
            }
            Self::File { path, .. } => fs::metadata(folder_of(path)).map(drop).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    let folder = folder_of(path).display();
                    Failure::message(Code::Disk, format!("{}: there is no folder {folder}", path.display()))
                }
                _ => Failure::io(path.display(), &error),
            }),
            Self::Stdout { .. } => Ok(()),
        }
    }

    /// All at once: under another name first, so that there is no half a file at any time.
    pub(crate) fn write(&self, bytes: &[u8]) -> Outcome {
        match self {
            Self::Stdout { force } => binary(bytes, *force),
            Self::File { path, replace } => {
                self.check()?;
                write_file(path, *replace, bytes)
            }
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout { .. } => f.write_str("stdout"),
            Self::File { path, .. } => path.display().fmt(f),
        }
    }
}

fn write_file(path: &Path, replace: bool, bytes: &[u8]) -> Outcome {
    let failed = |error: &io::Error| Failure::io(path.display(), error);
    // A link stays a link, a device a device.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        let file = OpenOptions::new().write(true).open(&target);
        return file.and_then(|mut file| file.write_all(bytes)).map_err(|error| failed(&error));
    }
    let mut file = new_file(folder_of(&target)).map_err(|error| failed(&error))?;
    let written = file.write_all(bytes).and_then(|()| match &old {
        Some(old) => file.as_file().set_permissions(old.permissions()),
        None => Ok(()),
    });
    written.and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&error))?;
    let done = if replace { file.persist(&target) } else { file.persist_noclobber(&target) };
    match done {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        // Some file systems cannot do that in one step.
        Err(error) if !replace && !target.exists() => {
            error.file.persist(&target).map(drop).map_err(|error| failed(&error.error))
        }
        Err(error) => Err(failed(&error.error)),
    }
}

/// Removed when dropped. What others may do with it is for the umask to say.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".torrent-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_regular(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn exists(path: &Path) -> Failure {
    Failure::message(Code::Exists, format!("{}: exists already; say --force to replace it", path.display()))
}
