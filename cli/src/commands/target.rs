//! Which torrents a tracker is asked about, and which tracker: `[URL] TORRENT…`.

use std::str::FromStr;

use torrent_metainfo::{InfoHashes, Magnet, MagnetError};
use torrent_tracker::Error;
use torrent_types::InfoHash;

use crate::{
    exit::{Code, Failure, Outcome},
    input::{Input, Subject},
    output,
};

/// An info hash as trackers and the DHT take it: v1, or v2 cut to 20 bytes. Read from a link or from any form of a hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(pub(super) InfoHash);

impl FromStr for Hash {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        text.parse::<Magnet>().map(|magnet| Self(magnet.info_hashes.short()))
    }
}

/// What a tracker is asked about.
pub(super) struct Target {
    pub(super) hashes: InfoHashes,
    /// Whom to ask: the tracker that was named, or those of the torrent in order.
    trackers: Vec<String>,
    name: String,
}

/// Reads arguments: an address first, if one is given, then torrents.
pub(super) fn read(arguments: &[Input]) -> Outcome<Vec<Target>> {
    let (url, torrents) = match arguments.split_first() {
        Some((first, rest)) if is_address(first) => (Some(first.to_string()), rest),
        _ => (None, arguments),
    };
    if torrents.is_empty() {
        let message = "which torrent? Give a .torrent file, a magnet link or an info hash after the address";
        return Err(Failure::message(Code::Usage, message));
    }
    let mut targets = Vec::new();
    for input in torrents {
        let subjects = Subject::read_many(input).map_err(|failure| match input.path() {
            Some(path) if failure.code() == Code::Disk && !path.exists() => Failure::message(
                Code::Usage,
                format!("{input}: neither a .torrent file, nor a magnet link, nor an info hash"),
            ),
            _ => failure,
        })?;
        for subject in subjects {
            let (hashes, trackers) = match subject {
                Subject::Torrent(torrent) => (torrent.info_hashes(), torrent.trackers().concat()),
                Subject::Magnet(magnet) => (magnet.info_hashes, magnet.trackers),
            };
            let trackers = url.clone().map_or(trackers, |url| vec![url]);
            if trackers.is_empty() {
                let message = format!("{input}: it names no tracker; give the address of one in front of it");
                return Err(Failure::message(Code::Usage, message));
            }
            targets.push(Target { hashes, trackers, name: input.to_string() });
        }
    }
    Ok(targets)
}

fn is_address(input: &Input) -> bool {
    input.path().and_then(|path| path.to_str()).is_some_and(|text| text.contains("://"))
}

impl Target {
    /// The answer of the first tracker that gives one.
    pub(super) async fn ask<T, F: Future<Output = Result<T, Error>>>(
        &self,
        quiet: bool,
        ask: impl Fn(String) -> F,
    ) -> Outcome<T> {
        let mut last = None;
        for url in &self.trackers {
            match ask(url.clone()).await {
                Ok(answer) => {
                    if self.trackers.len() > 1 && !quiet {
                        output::note(format_args!("{}: {url} answers", self.name));
                    }
                    return Ok(answer);
                }
                Err(error) => {
                    if self.trackers.len() > 1 && !quiet {
                        output::note(format_args!("{}: {url}: {error}", self.name));
                    }
                    last = Some(failure(error));
                }
            }
        }
        Err(last.unwrap_or_else(|| Failure::message(Code::Usage, format!("{}: it names no tracker", self.name))))
    }
}

/// Wrong usage, a network failure, or the tracker's refusal.
fn failure(error: Error) -> Failure {
    let code = match &error {
        Error::Url(_) => Code::Usage,
        Error::Failure(_) | Error::Status(_) | Error::Decode(_) => Code::Tracker,
        _ => Code::Network,
    };
    Failure::new(code, error)
}
