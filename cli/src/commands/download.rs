//! `torrent download`: from .torrent files and magnet links to verified files on disk, all of them side by side. Each ends
//! for itself: what goes wrong with one does not keep the others from being completed.

use std::path::PathBuf;

use tokio::task::JoinSet;
use torrent_client::{AddTorrent, Client, Phase, Torrent};

use crate::{
    exit::{Code, Failure, Outcome},
    input::{Input, Subject},
    interrupt::interrupted,
    network::{self, NetworkOptions},
    progress::{self, Board, Style},
    table::clean,
};

const EXAMPLES: &str = "\
Examples:
  torrent download debian.iso.torrent
  torrent download -o ~/films 'magnet:?xt=urn:btih:...' other.torrent
  torrent download --seed --peer 192.0.2.7:6881 album.torrent";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Download {
    /// .torrent files and magnet links.
    #[arg(required = true, value_name = "FILE|MAGNET")]
    torrents: Vec<Input>,
    /// Folder for the content.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Go on serving when everything is there, until interrupted.
    #[arg(long)]
    seed: bool,
    /// How to show progress, on stderr.
    #[arg(long, value_enum, default_value_t)]
    progress: Style,
    #[command(flatten)]
    network: NetworkOptions,
}

impl Download {
    pub(crate) async fn run(self, quiet: bool) -> Outcome {
        // Everything is read before anything is written.
        let subjects = self.torrents.iter().map(Subject::read).collect::<Outcome<Vec<_>>>()?;
        subjects.iter().for_each(warn_of_selection);
        let client = self.network.start_client().await?;
        let board = Board::new(if quiet { Style::None } else { self.progress });
        let outcome = tokio::select! {
            outcome = self.fetch_all(&client, &board, subjects) => outcome,
            () = board.run(&client) => Ok(()),
            () = interrupted() => self.interrupted(&client, &board),
        };
        client.stop().await;
        outcome
    }

    /// All of them at once. The first failure decides the exit code, when all have ended.
    async fn fetch_all(&self, client: &Client, board: &Board, subjects: Vec<Subject>) -> Outcome {
        let alone = subjects.len() == 1;
        let mut torrents = JoinSet::new();
        let mut failures = Failures { board, alone, first: None };
        for subject in subjects {
            match self.add(client, board, subject) {
                Ok(torrent) => drop(torrents.spawn(fetch(torrent, board.clone(), self.seed))),
                Err((name, failure)) => failures.add(&name, failure),
            }
        }
        while let Some(ended) = torrents.join_next().await {
            match ended {
                Ok((name, outcome)) => outcome.unwrap_or_else(|failure| failures.add(&name, failure)),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        failures.first.map_or(Ok(()), Err)
    }

    fn add(&self, client: &Client, board: &Board, subject: Subject) -> Result<Torrent, (String, Failure)> {
        let (name, add) = match subject {
            Subject::Torrent(metainfo) => (metainfo.info().name().to_owned(), AddTorrent::new(metainfo, &self.output)),
            Subject::Magnet(magnet) => (name_of_link(&magnet), AddTorrent::magnet(magnet, &self.output)),
        };
        let add = add.peers(self.network.peers().iter().cloned()).use_trackers(self.network.use_trackers());
        let torrent = client.add(add).map_err(|error| (clean(&name), network::client_failure(error)))?;
        if torrent.phase() == Phase::Metadata {
            board.say(&format!("{}: asking peers for the metadata", clean(&name)));
        }
        torrent.download_all();
        board.add(&torrent);
        Ok(torrent)
    }

    fn interrupted(&self, client: &Client, board: &Board) -> Outcome {
        let torrents = client.torrents();
        // A user who asked to seed until interrupted has got what was asked for.
        if self.seed && torrents.iter().all(|torrent| torrent.phase() == Phase::Seeding) {
            return Ok(());
        }
        for torrent in torrents {
            let there = network::what_is_there(&torrent);
            board.say(&format!("{}: {there} are there; run again to continue", progress::name(&torrent)));
        }
        Err(Failure::message(Code::Interrupted, "interrupted"))
    }
}

/// What has gone wrong so far.
struct Failures<'a> {
    board: &'a Board,
    /// There is one torrent, so the last line of the command is enough.
    alone: bool,
    first: Option<Failure>,
}

impl Failures<'_> {
    fn add(&mut self, name: &str, failure: Failure) {
        if !self.alone {
            self.board.say(&format!("{name}: {failure}"));
        }
        self.first.get_or_insert(failure.about(name));
    }
}

/// A link may ask for some files only (`so`), which downloads cannot do yet.
fn warn_of_selection(source: &Subject) {
    if let Subject::Magnet(magnet) = source
        && let Some(selection) = &magnet.selection
    {
        let name = clean(&name_of_link(magnet));
        tracing::warn!(
            "{name}: the link asks for files {selection} only; choosing files does not work yet, so all come"
        );
    }
}

fn name_of_link(magnet: &torrent_client::Magnet) -> String {
    magnet.name.clone().unwrap_or_else(|| magnet.info_hashes.short().to_string())
}

/// Until the torrent is complete, or until interrupted with `seed`. Says what it is called, too.
async fn fetch(torrent: Torrent, board: Board, seed: bool) -> (String, Outcome) {
    let ended = |phase| matches!(phase, Phase::Seeding | Phase::StorageFailed | Phase::Stopped);
    let phase = torrent.wait_for(ended).await;
    let name = progress::name(&torrent);
    let there = network::what_is_there(&torrent);
    if phase != Phase::Seeding {
        let failure = network::failure_of(&torrent);
        board.remove(&torrent);
        torrent.stop().await;
        board.say(&format!("{name}: {there} are there; run again to continue"));
        return (name, Err(failure));
    }
    board.say(&format!("{name}: complete, {there}{}", network::swarm_size(&torrent)));
    if seed {
        torrent.wait_for(|phase| phase == Phase::Stopped).await;
    }
    torrent.stop().await;
    board.remove(&torrent);
    (name, Ok(()))
}
