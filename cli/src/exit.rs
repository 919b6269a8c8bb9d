//! Exit codes, and errors that know theirs.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use crate::clean;

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
    /// The reader of stdout has what it wants: no failure.
    BrokenPipe = 0,
    Other = 1,
    Usage = 2,
    BadInput = 3,
    NotVerified = 4,
    Disk = 5,
    DiskFull = 6,
    Interrupted = 7,
    Network = 8,
    Tracker = 9,
    Exists = 10,
}

/// An error with its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    /// `None` if it was reported already.
    error: Option<anyhow::Error>,
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(code: Code, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: Some(error.into()) }
    }

    pub(crate) fn message(code: Code, message: impl fmt::Display) -> Self {
        Self { code, error: Some(anyhow::anyhow!("{message}")) }
    }

    /// The same, with the name of what it is about in front.
    pub(crate) fn about(self, name: &str) -> Self {
        Self { error: self.error.map(|error| anyhow::anyhow!("{name}: {error:#}")), ..self }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// A file that cannot be read or written. A full disk is told apart.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
            _ => Code::Disk,
        };
        Self::message(code, format!("{what}: {error}"))
    }

    /// One line to stderr, and the code.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(error) = self.error.filter(|_| self.code != Code::BrokenPipe) {
            say(&error);
        }
        ExitCode::from(self.code as u8)
    }
}

/// One line, whatever a torrent or tracker has put into it.
fn say(error: &anyhow::Error) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "torrent: {}", clean::line(&format!("{error:#}")));
}

/// What went wrong with some of several things, while work on the others goes on.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    first: Option<Failure>,
}

impl Failures {
    /// Reports it, and keeps its code if it is the first. Where it is about the only thing, the end of the command reports it.
    pub(crate) fn add(&mut self, failure: Failure, is_one_of_several: bool) {
        let Failure { code, mut error } = failure;
        if let Some(error) = error.take_if(|_| is_one_of_several) {
            say(&error);
        }
        self.first.get_or_insert(Failure { code, error });
    }

    /// Whether anything went wrong.
    pub(crate) fn any(&self) -> bool {
        self.first.is_some()
    }

    /// The code of the first failure, if there was one.
    pub(crate) fn into_outcome(self) -> Outcome {
        self.first.map_or(Ok(()), Err)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.as_ref().map_or(Ok(()), |error| write!(f, "{error:#}"))
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
