//! `torrent scrape`: how many peers a tracker knows for some torrents.

use serde::Serialize;

use super::target;
use crate::{
    describe::SCHEMA,
    exit::Outcome,
    input::Input,
    output,
    table::{Align, Table},
};

const EXAMPLES: &str = "\
Examples:
  torrent scrape http://tracker.example/announce 4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7
  torrent scrape album.torrent
  torrent scrape http://tracker.example/announce *.torrent

Without an address the torrent's own trackers are asked, one after the other, until one answers. A hybrid has two info \
hashes and so two lines.

Columns: info hash, seeders, leechers, finished downloads. A torrent that the tracker does not know has dashes.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Scrape {
    /// The tracker's address (http, https or udp), unless the torrents name it; and the torrents: .torrent files, magnet
    /// links or info hashes.
    #[arg(value_name = "URL|TORRENT", required = true)]
    targets: Vec<Input>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
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
    pub(crate) async fn run(self, quiet: bool) -> Outcome {
        let mut torrents = Vec::new();
        for target in target::read(&self.targets)? {
            let hashes: Vec<_> = target.hashes.all_short().collect();
            let asked = &*hashes;
            let entries = target.ask(quiet, |url| async move { torrent_tracker::scrape(&url, asked).await }).await?;
            torrents.extend(hashes.iter().zip(entries).map(|(hash, entry)| Torrent {
                info_hash: hash.to_string(),
                seeders: entry.map(|entry| entry.seeders),
                leechers: entry.map(|entry| entry.leechers),
                downloaded: entry.map(|entry| entry.downloaded),
                downloaders: entry.and_then(|entry| entry.downloaders),
            }));
        }
        if self.json {
            return output::json(&Answer { schema: SCHEMA, torrents });
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
