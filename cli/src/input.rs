//! What commands read: a file, or stdin as `-`. Never more than a cap.

use std::{
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::builder::{MapValueParser, OsStringValueParser, TypedValueParser, ValueParserFactory};
use torrent_metainfo::{Magnet, Metainfo};

use crate::exit::{Code, Failure, Outcome};

/// The most that is read; the decoder takes no more either.
const MAX_INPUT: u64 = 64 << 20;

/// A file name, or `-` for stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

impl Input {
    /// All of it.
    pub(crate) fn read(&self) -> Outcome<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = match self {
            Self::Stdin => io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes),
            Self::File(path) => File::open(path).and_then(|file| file.take(MAX_INPUT + 1).read_to_end(&mut bytes)),
        };
        match read {
            Err(error) => Err(Failure::io(self, &error)),
            Ok(length) if length as u64 > MAX_INPUT => Err(self.bad("longer than 64 MiB")),
            Ok(_) => Ok(bytes),
        }
    }

    /// A .torrent file. The failure names it and says in one line what is wrong with it.
    pub(crate) fn read_torrent(&self) -> Outcome<Metainfo> {
        let bytes = self.read()?;
        if bytes.is_empty() {
            return Err(self.bad("empty"));
        }
        Metainfo::from_bytes(bytes).map_err(|error| self.bad(error))
    }

    /// Its content is not what it should be.
    pub(crate) fn bad(&self, fault: impl fmt::Display) -> Failure {
        Failure::message(Code::BadInput, format!("{self}: {fault}"))
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdin => None,
            Self::File(path) => Some(path),
        }
    }
}

impl From<OsString> for Input {
    fn from(text: OsString) -> Self {
        if text == "-" { Self::Stdin } else { Self::File(text.into()) }
    }
}

/// Names of files need not be UTF-8.
impl ValueParserFactory for Input {
    type Parser = MapValueParser<OsStringValueParser, fn(OsString) -> Self>;

    fn value_parser() -> Self::Parser {
        OsStringValueParser::new().map(Self::from)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A .torrent file, or a magnet link as an argument.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is only ever one")]
pub(crate) enum Subject {
    Torrent(Metainfo),
    Magnet(Magnet),
}

impl Subject {
    /// Reads the file, or the link: as the argument itself, or as what stdin or the file holds.
    pub(crate) fn read(argument: &Input) -> Outcome<Self> {
        let text = argument.path().and_then(Path::to_str).filter(|text| is_magnet(text.as_bytes()));
        if let Some(text) = text {
            return parse_magnet(text).map_err(|error| Failure::message(Code::BadInput, error));
        }
        let bytes = argument.read()?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if is_magnet(&bytes) => parse_magnet(text).map_err(|error| argument.bad(error)),
            _ if bytes.is_empty() => Err(argument.bad("empty")),
            _ => Metainfo::from_bytes(bytes).map(Self::Torrent).map_err(|error| argument.bad(error)),
        }
    }
}

fn is_magnet(text: &[u8]) -> bool {
    text.trim_ascii_start().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"magnet:"))
}

fn parse_magnet(text: &str) -> Result<Subject, torrent_metainfo::MagnetError> {
    text.parse().map(Subject::Magnet)
}
