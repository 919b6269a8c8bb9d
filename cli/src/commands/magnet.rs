//! `torrent magnet`: links of torrents, and links made anew.

use torrent_metainfo::magnet::FileSelection;
use torrent_types::HostPort;

use crate::{
    describe,
    exit::Outcome,
    input::{Input, Subject},
    output,
    values::{Tier, Url},
};

const EXAMPLES: &str = "\
Examples:
  torrent magnet debian.iso.torrent
  torrent magnet --peer 192.0.2.7:6881 --select 0,2-4 album.torrent
  torrent magnet --json 'magnet:?xt=urn:btih:...'
  torrent magnet -a udp://tracker.example:6969 4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7

A link that is given comes out in plain form: hexadecimal hashes, keys in one order, nothing lost. It is read as it is \
found: with HTML escapes, line breaks, quotes and spaces in it.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct MagnetCommand {
    /// .torrent file, magnet link, info hash, or - for stdin.
    #[arg(value_name = "FILE|MAGNET")]
    torrent: Input,
    /// Add the size of the content (xl).
    #[arg(long)]
    length: bool,
    /// Ask for these files only, by number (so): 0,2,4-6
    #[arg(long, value_name = "NUMBERS")]
    select: Option<FileSelection>,
    /// Add a peer to try first (x.pe); may be given several times.
    #[arg(long = "peer", value_name = "HOST:PORT")]
    peers: Vec<HostPort>,
    /// Add a tracker (tr); may be given several times.
    #[arg(short = 'a', long = "announce", value_name = "URL")]
    trackers: Vec<Url>,
    /// Add the trackers in a file, so that no passkey stands on the command line; - is stdin.
    #[arg(long = "announce-from", value_name = "FILE")]
    announce_from: Option<Input>,
    /// Leave out trackers that were there.
    #[arg(long)]
    no_trackers: bool,
    /// Print what the link says as JSON.
    #[arg(long)]
    json: bool,
}

impl MagnetCommand {
    pub(crate) fn run(self) -> Outcome {
        let mut magnet = match Subject::read(&self.torrent)? {
            Subject::Torrent(torrent) if self.length => torrent.magnet(),
            Subject::Torrent(torrent) => describe::link(&torrent),
            Subject::Magnet(magnet) => magnet,
        };
        if self.no_trackers {
            magnet.trackers.clear();
        }
        magnet.trackers.extend(self.trackers.into_iter().map(|Url(url)| url));
        if let Some(file) = &self.announce_from {
            magnet.trackers.extend(Tier::from_file(file)?.into_iter().flat_map(|Tier(urls)| urls));
        }
        magnet.selection = self.select.or(magnet.selection);
        magnet.peers.extend(self.peers);
        if self.json { output::json(&describe::Link::new(&magnet)) } else { output::line(escaped(&magnet.to_string())) }
    }
}

/// Keys that nobody knows are kept as they stood there, and may hold what no link does.
fn escaped(link: &str) -> String {
    let mut text = String::with_capacity(link.len());
    for char in link.chars() {
        if char.is_control() || char.is_whitespace() {
            let mut bytes = [0; 4];
            text.extend(char.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        } else {
            text.push(char);
        }
    }
    text
}
