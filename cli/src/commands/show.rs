//! `torrent show`: what torrents and magnet links say of themselves.

use serde::Serialize;
use torrent_metainfo::{Magnet, Metainfo};

use crate::{
    describe::{self, SCHEMA},
    exit::{self, Outcome},
    input::{Input, Subject},
    output,
    table::{Align, Table},
    units,
    values::date,
};

const EXAMPLES: &str = "\
Examples:
  torrent show debian.iso.torrent
  torrent show 'magnet:?xt=urn:btih:...'
  torrent show 4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7
  torrent show --json album.torrent | jq -r .info_hash.v1
  torrent show --json *.torrent | jq -r '.torrents[].name'

On a terminal the values are aligned and sizes rounded; elsewhere lines are KEY<tab>VALUE, sizes are bytes and \
dates seconds since 1970. A key with several values has a line for each; of trackers, the tier comes first. Of several \
torrents, each begins with its file, and an empty line stands between them.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Show {
    /// .torrent files, magnet links or info hashes; - for stdin. A file may hold a list of links.
    #[arg(value_name = "FILE|MAGNET", required = true)]
    torrents: Vec<Input>,
    /// Print JSON: an object; of several torrents, an object whose `torrents` are theirs.
    #[arg(long)]
    json: bool,
}

/// A torrent among several.
#[derive(Serialize)]
struct Named {
    file: String,
    #[serde(flatten)]
    what: Described,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Described {
    Torrent(describe::Torrent),
    Link(describe::Link),
}

#[derive(Serialize)]
struct Answer {
    schema: u32,
    torrents: Vec<Named>,
}

impl Show {
    pub(crate) fn run(self) -> Outcome {
        let mut failures = exit::Failures::default();
        let mut subjects = Vec::new();
        for input in &self.torrents {
            match Subject::read_many(input) {
                Ok(several) => subjects.extend(several.into_iter().map(|subject| (input.to_string(), subject))),
                Err(failure) => failures.add(failure, self.torrents.len() > 1),
            }
        }
        let is_one = self.torrents.len() == 1 && subjects.len() == 1;
        if !self.json {
            for (number, (file, subject)) in subjects.iter().enumerate() {
                let mut sheet = Sheet::new();
                if !is_one {
                    if number > 0 {
                        output::line("")?;
                    }
                    sheet.put("file", file);
                }
                match subject {
                    Subject::Torrent(torrent) => show_torrent(sheet, torrent)?,
                    Subject::Magnet(magnet) => show_magnet(sheet, magnet)?,
                }
            }
            return failures.into_outcome();
        }
        let mut described = subjects.into_iter().map(|(file, subject)| Named {
            file,
            what: match subject {
                Subject::Torrent(torrent) => Described::Torrent(describe::Torrent::new(&torrent)),
                Subject::Magnet(magnet) => Described::Link(describe::Link::new(&magnet)),
            },
        });
        match (self.torrents.len(), is_one) {
            (_, true) => described.next().map_or(Ok(()), |one| output::json(&one.what))?,
            // One that cannot be read: nothing is the answer.
            (1, _) if failures.any() => {}
            _ => output::json(&Answer { schema: SCHEMA, torrents: described.collect() })?,
        }
        failures.into_outcome()
    }
}

/// Keys and values. What is empty is left out.
struct Sheet(Table);

impl Sheet {
    fn new() -> Self {
        Self(Table::new([Align::Left, Align::Left]))
    }

    fn put(&mut self, key: &str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.row([key, &value]);
        }
    }

    fn size(&mut self, key: &str, bytes: u64) {
        let text =
            if self.0.on_terminal() { format!("{} ({bytes} bytes)", units::size(bytes)) } else { bytes.to_string() };
        self.put(key, text);
    }

    fn hashes(&mut self, hashes: &torrent_metainfo::InfoHashes) {
        self.put("version", describe::version(hashes));
        if let Some(hash) = hashes.v1() {
            self.put("info hash", hash);
        }
        if let Some(hash) = hashes.v2() {
            self.put("info hash v2", hash);
        }
    }

    fn all<V: ToString>(&mut self, key: &str, values: impl IntoIterator<Item = V>) {
        values.into_iter().for_each(|value| self.put(key, value));
    }
}

fn show_torrent(mut sheet: Sheet, torrent: &Metainfo) -> Outcome {
    let info = torrent.info();
    sheet.put("name", info.name());
    sheet.hashes(&torrent.info_hashes());
    sheet.size("size", info.content_length());
    sheet.put("files", info.files().iter().filter(|file| !file.is_pad()).count());
    sheet.size("piece length", info.piece_length().into());
    sheet.put("pieces", info.piece_count());
    sheet.put("private", if info.is_private() { "yes" } else { "no" });
    sheet.put("source", info.source().unwrap_or_default());
    sheet.put("comment", torrent.comment().unwrap_or_default());
    sheet.put("created by", torrent.created_by().unwrap_or_default());
    if let Some(seconds) = torrent.creation_date() {
        sheet.put("created", if sheet.0.on_terminal() { date::utc(seconds) } else { seconds.to_string() });
    }
    for (tier, trackers) in (1..).zip(torrent.trackers()) {
        sheet.all("tracker", trackers.iter().map(|url| format!("{tier} {url}")));
    }
    sheet.all("web seed", torrent.web_seeds());
    sheet.all("http seed", torrent.http_seeds());
    sheet.all("node", torrent.nodes().iter().map(ToString::to_string));
    sheet.put("update url", info.update_url().unwrap_or_default());
    sheet.all("similar", torrent.similar());
    sheet.all("collection", torrent.collections());
    sheet.all("warning", torrent.warnings());
    sheet.0.print()
}

fn show_magnet(mut sheet: Sheet, magnet: &Magnet) -> Outcome {
    sheet.put("name", magnet.name.as_deref().unwrap_or_default());
    sheet.hashes(&magnet.info_hashes);
    if let Some(length) = magnet.length {
        sheet.size("size", length);
    }
    sheet.all("wanted files", &magnet.selection);
    sheet.all("tracker", &magnet.trackers);
    sheet.all("web seed", &magnet.web_seeds);
    sheet.all("exact source", &magnet.exact_sources);
    sheet.all("acceptable source", &magnet.acceptable_sources);
    sheet.all("peer", &magnet.peers);
    sheet.all("other", magnet.other.iter().map(|(key, value)| format!("{key}={value}")));
    sheet.0.print()
}
