//! What commands read: a file, or stdin as `-`; torrents, magnet links and bare info hashes. Never more than the limits.

use std::{
    borrow::Cow,
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::builder::{MapValueParser, OsStringValueParser, TypedValueParser, ValueParserFactory};
use torrent_metainfo::{Magnet, MagnetError, Metainfo, magnet};

use crate::{
    exit::{Code, Failure, Outcome},
    limits,
};

/// What may be a list of links; torrents are longer, lists that people make are not.
const MAX_LIST: usize = 16 << 20;

/// A file name, or `-` for stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

impl Input {
    /// All of it.
    pub(crate) fn read(&self) -> Outcome<Vec<u8>> {
        let limit = limits::get().bytes() as u64;
        let mut bytes = Vec::new();
        let read = match self {
            Self::Stdin => io::stdin().lock().take(limit + 1).read_to_end(&mut bytes),
            Self::File(path) => {
                let file = File::open(path).map_err(|error| self.cannot_open(&error))?;
                let metadata = file.metadata().map_err(|error| Failure::io(self, &error))?;
                if metadata.is_dir() {
                    return Err(Failure::message(Code::Disk, format!("{self}: a folder, and a file is expected")));
                }
                if metadata.is_file() && metadata.len() > limit {
                    return Err(self.bad(limits::too_long(metadata.len())));
                }
                file.take(limit + 1).read_to_end(&mut bytes)
            }
        };
        match read {
            Err(error) => Err(Failure::io(self, &error)),
            Ok(length) if length as u64 > limit => Err(self.bad(limits::endless())),
            Ok(_) => Ok(bytes),
        }
    }

    /// A .torrent file. The failure names it and says in one line what is wrong with it.
    pub(crate) fn read_torrent(&self) -> Outcome<Metainfo> {
        match Subject::read(self)? {
            Subject::Torrent(torrent) => Ok(torrent),
            Subject::Magnet(_) => Err(self.bad(
                "a magnet link or info hash does not say which files there are nor what their hashes are: \
                 this needs the .torrent file",
            )),
        }
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

    fn text(&self) -> Option<&str> {
        self.path()?.to_str()
    }

    /// A file that is not there may be something else that people give to other programs.
    fn cannot_open(&self, error: &io::Error) -> Failure {
        let text = self.text().unwrap_or_default().trim();
        let is_address = ["http://", "https://", "ftp://"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        if is_address {
            let message = format!("{self}: addresses are not fetched; curl -sL '{text}' | torrent COMMAND - does it");
            return Failure::message(Code::Usage, message);
        }
        if error.kind() == io::ErrorKind::NotFound
            && let Err(fault @ MagnetError::InfoHash { .. }) = text.parse::<Magnet>()
        {
            return Failure::message(Code::BadInput, format!("{self}: no such file, and {fault}"));
        }
        Failure::io(self, error)
    }
}

impl From<OsString> for Input {
    fn from(text: OsString) -> Self {
        if text == "-" {
            return Self::Stdin;
        }
        let address = text.to_str().and_then(|text| text.strip_prefix("file://"));
        let local =
            address.map(|rest| rest.strip_prefix("localhost").unwrap_or(rest)).filter(|path| path.starts_with('/'));
        match local {
            Some(path) => Self::File(unescaped(path)),
            None => Self::File(text.into()),
        }
    }
}

/// The path of a `file:` address.
fn unescaped(path: &str) -> PathBuf {
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    #[cfg(unix)]
    return PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes));
    #[cfg(not(unix))]
    return PathBuf::from(String::from_utf8_lossy(&bytes).trim_start_matches('/'));
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

/// A .torrent file, or what names a torrent without describing it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few")]
pub(crate) enum Subject {
    Torrent(Metainfo),
    /// From a link or a bare info hash.
    Magnet(Magnet),
}

impl Subject {
    /// Reads the file; or a link or info hash: as the argument itself, or as what stdin or the file holds.
    pub(crate) fn read(argument: &Input) -> Outcome<Self> {
        let mut subjects = Self::read_many(argument)?;
        match (subjects.pop(), subjects.len()) {
            (Some(only), 0) => Ok(only),
            (_, more) => Err(argument.bad(format_args!("{} links, and one is expected", more + 1))),
        }
    }

    /// The same, and all links where stdin or the file holds several.
    pub(crate) fn read_many(argument: &Input) -> Outcome<Vec<Self>> {
        if let Some(magnet) = from_argument(argument)? {
            return Ok(vec![Self::Magnet(magnet)]);
        }
        let bytes = argument.read()?;
        let links = links(&bytes);
        if links.is_empty() {
            return Ok(vec![Self::Torrent(read_torrent(argument, bytes)?)]);
        }
        let magnets = links.iter().map(|link| link.parse().map(Self::Magnet));
        magnets.collect::<Result<_, MagnetError>>().map_err(|error| argument.bad(error))
    }
}

fn read_torrent(argument: &Input, bytes: Vec<u8>) -> Outcome<Metainfo> {
    Metainfo::from_bytes_within(bytes, &limits::get()).map_err(|error| argument.bad(limits::explain(&error)))
}

/// A link is an argument by itself; so is an info hash, where no file has that name.
fn from_argument(argument: &Input) -> Outcome<Option<Magnet>> {
    let Some(text) = argument.text() else { return Ok(None) };
    let parsed = text.parse::<Magnet>();
    match parsed {
        Ok(magnet) if is_link(text) || !argument.path().is_some_and(Path::exists) => Ok(Some(magnet)),
        Err(error) if is_link(text) => Err(Failure::message(Code::BadInput, error)),
        _ => Ok(None),
    }
}

fn is_link(text: &str) -> bool {
    magnet::links(text).first().is_some_and(|link| link.get(..6).is_some_and(|key| key.eq_ignore_ascii_case("magnet")))
}

/// The links in a file that holds nothing else.
fn links(bytes: &[u8]) -> Vec<String> {
    let is_torrent = bytes.first() == Some(&b'd') && bytes.len() > 100;
    if is_torrent || bytes.len() > MAX_LIST {
        return Vec::new();
    }
    text(bytes).map(|text| magnet::links(&text)).unwrap_or_default()
}

/// UTF-8, or UTF-16 with a byte order mark, as some editors and shells write it.
pub(crate) fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let units = |from: fn([u8; 2]) -> u16| {
        let units: Vec<_> = bytes.as_chunks::<2>().0.iter().copied().map(from).collect();
        String::from_utf16(&units).ok().map(Cow::Owned)
    };
    match bytes {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}
