//! Exit codes, and errors that know theirs.

use std::{fmt, process::ExitCode};

/// Shown below `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    some other failure
  2    wrong usage
  3    bad torrent, magnet link or bencode
  4    data does not verify
  5    files cannot be read or written
  6    the disk is full
  7    interrupted; run again to continue
  8    network failure: no peers, no metadata
  9    a tracker refused
  10   something is there already
  130  interrupted twice";

/// Why the command ends without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Other = 1,
    BadInput = 3,
    Disk = 5,
    DiskFull = 6,
    Interrupted = 7,
    Network = 8,
}

/// An error with its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    error: anyhow::Error,
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(code: Code, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }

    pub(crate) fn message(code: Code, message: impl fmt::Display) -> Self {
        Self { code, error: anyhow::anyhow!("{message}") }
    }

    /// One line to stderr, and the code.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("torrent: {:#}", self.error);
        ExitCode::from(self.code as u8)
    }
}

/// Gives an error its exit code.
pub(crate) trait OrExit<T> {
    fn or_exit(self, code: Code) -> Outcome<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, code: Code) -> Outcome<T> {
        self.map_err(|error| Failure::new(code, error))
    }
}
