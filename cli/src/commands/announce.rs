//! `torrent announce`: one announce to one tracker, and its answer.

use serde::Serialize;
use torrent_tracker::{AnnounceRequest, AnnounceResponse, Event};

use super::target;
use crate::{
    describe::SCHEMA,
    exit::{Code, Failure, Outcome},
    input::Input,
    output,
};

const EXAMPLES: &str = "\
Examples:
  torrent announce udp://tracker.example:1337/announce 4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7
  torrent announce --json http://tracker.example/announce 4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7 | jq .peers
  torrent announce album.torrent
  torrent announce 'magnet:?xt=urn:btih:...&tr=...'

Without an address the torrent's own trackers are asked, one after the other, until one answers; so no passkey stands on \
the command line.

Prints an address a line; what else the tracker says goes to stderr. The tracker lists this machine as a peer at --port \
until it is told `--event stopped`, or for an hour or so.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Announce {
    /// The tracker's address (http, https or udp), unless the torrent names it; and the torrent: a .torrent file, a magnet
    /// link or an info hash.
    #[arg(value_name = "URL|TORRENT", required = true, num_args = 1..)]
    target: Vec<Input>,
    /// What has happened.
    #[arg(long, value_enum)]
    event: Option<Happened>,
    /// The port at which peers are to be told to connect.
    #[arg(long, default_value_t = 6881, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Bytes that are missing: 0 is a seed.
    #[arg(long, value_name = "BYTES")]
    left: Option<u64>,
    /// How many peers are wanted.
    #[arg(long, value_name = "N")]
    num_want: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Happened {
    Started,
    Completed,
    Stopped,
    Paused,
}

#[derive(Debug, Serialize)]
struct Answer {
    schema: u32,
    /// Seconds.
    interval: u64,
    min_interval: Option<u64>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    downloaded: Option<u32>,
    external_ip: Option<String>,
    warning: Option<String>,
    peers: Vec<String>,
}

impl Announce {
    pub(crate) async fn run(self, quiet: bool) -> Outcome {
        let targets = target::read(&self.target)?;
        let [target] = &*targets else {
            return Err(Failure::message(Code::Usage, format!("{} torrents, and one is expected", targets.len())));
        };
        let mut request = AnnounceRequest::new(target.hashes.short(), PEER_ID.into(), self.port);
        request.left = self.left;
        request.num_want = self.num_want;
        request.event = self.event.map(Event::from);
        let request = &request;
        let response = target.ask(quiet, |url| async move { torrent_tracker::announce(&url, request).await }).await?;
        let answer = Answer::from(response);
        if self.json {
            return output::json(&answer);
        }
        if !quiet {
            answer.note();
        }
        answer.peers.iter().try_for_each(output::line)
    }
}

/// Not random: announcing twice does not make two peers.
const PEER_ID: [u8; 20] = *b"-RT0001-announce-cli";

impl Answer {
    fn note(&self) {
        let count = |number: Option<u32>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        output::note(format_args!(
            "{} seeders, {} leechers, {} peers told; again in {} s",
            count(self.seeders),
            count(self.leechers),
            self.peers.len(),
            self.interval
        ));
        if let Some(ip) = &self.external_ip {
            output::note(format_args!("this machine seems to be {ip}"));
        }
        if let Some(warning) = &self.warning {
            output::note(format_args!("warning: {warning}"));
        }
    }
}

impl From<AnnounceResponse> for Answer {
    fn from(response: AnnounceResponse) -> Self {
        Self {
            schema: SCHEMA,
            interval: response.interval.as_secs(),
            min_interval: response.min_interval.map(|interval| interval.as_secs()),
            seeders: response.seeders,
            leechers: response.leechers,
            downloaded: response.downloaded,
            external_ip: response.external_ip.map(|ip| ip.to_string()),
            warning: response.warning,
            peers: response.peers.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Happened> for Event {
    fn from(happened: Happened) -> Self {
        match happened {
            Happened::Started => Self::Started,
            Happened::Completed => Self::Completed,
            Happened::Stopped => Self::Stopped,
            Happened::Paused => Self::Paused,
        }
    }
}
