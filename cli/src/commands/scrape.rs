//! `torrent scrape`: how many peers a tracker knows for some torrents.

use std::str::FromStr;

use serde::Serialize;
use torrent_tracker::Error;
use torrent_types::{InfoHash, InfoHashV2, ParseHashError};

use crate::{
    describe::SCHEMA,
    exit::{Code, Failure, Outcome},
    output,
    table::{Align, Table},
};

const EXAMPLES: &str = "\
Examples:
  torrent scrape http://tracker.example/announce 4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7

Columns: info hash, seeders, leechers, finished downloads. A torrent that the tracker does not know has dashes.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Scrape {
    /// The tracker's announce URL: http, https or udp.
    url: String,
    /// The torrents' info hashes: 40 hexadecimal digits, or 64 for v2.
    #[arg(value_name = "INFOHASH", required = true)]
    info_hashes: Vec<Hash>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An info hash as trackers take it: v1, or v2 cut to 20 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(pub(super) InfoHash);

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        match text.parse::<InfoHashV2>() {
            Ok(hash) => Ok(Self(hash.truncated())),
            Err(_) => text.parse().map(Self),
        }
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    schema: u32,
    torrents: Vec<Torrent>,
}

#[derive(Debug, Serialize)]
struct Torrent {
    info_hash: String,
    seeders: Option<u32>,
    leechers: Option<u32>,
    downloaded: Option<u32>,
    downloaders: Option<u32>,
}

impl Scrape {
    pub(crate) async fn run(self) -> Outcome {
        let hashes: Vec<_> = self.info_hashes.iter().map(|hash| hash.0).collect();
        let entries = torrent_tracker::scrape(&self.url, &hashes).await.map_err(failure)?;
        let torrents = hashes.iter().zip(entries).map(|(hash, entry)| Torrent {
            info_hash: hash.to_string(),
            seeders: entry.map(|entry| entry.seeders),
            leechers: entry.map(|entry| entry.leechers),
            downloaded: entry.map(|entry| entry.downloaded),
            downloaders: entry.and_then(|entry| entry.downloaders),
        });
        if self.json {
            return output::json(&Answer { schema: SCHEMA, torrents: torrents.collect() });
        }
        let mut table = Table::new([Align::Left, Align::Right, Align::Right, Align::Right]);
        let count = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        for torrent in torrents {
            let counts = [torrent.seeders, torrent.leechers, torrent.downloaded].map(count);
            table.row([torrent.info_hash].into_iter().chain(counts));
        }
        table.print()
    }
}

/// Wrong usage, a network failure, or the tracker's refusal.
pub(super) fn failure(error: Error) -> Failure {
    let code = match &error {
        Error::Url(_) => Code::Usage,
        Error::Failure(_) | Error::Status(_) | Error::Decode(_) => Code::Tracker,
        _ => Code::Network,
    };
    Failure::new(code, error)
}
