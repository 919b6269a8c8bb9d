//! `torrent seed`: serves what is on disk.

use std::path::PathBuf;

use torrent_client::{AddTorrent, Client, Phase};

use crate::{
    exit::{Code, Failure, Outcome},
    input::Input,
    interrupt::interrupted,
    network::{self, NetworkOptions},
    progress::{self, Board, Style},
};

const EXAMPLES: &str = "\
Examples:
  torrent seed album.torrent ~/music
  torrent seed --port 6881 debian.iso.torrent /srv/iso";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Seed {
    /// The .torrent file.
    #[arg(value_name = "FILE")]
    torrent: Input,
    /// The folder that holds the torrent's content: what `-o` of `download` was.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How to show progress, on stderr.
    #[arg(long, value_enum, default_value_t)]
    progress: Style,
    #[command(flatten)]
    network: NetworkOptions,
}

impl Seed {
    pub(crate) async fn run(self, quiet: bool) -> Outcome {
        let client = self.network.start_client().await?;
        let board = Board::new(if quiet { Style::None } else { self.progress });
        let outcome = tokio::select! {
            outcome = self.serve(&client, &board) => outcome,
            () = board.run(&client) => Ok(()),
            () = interrupted() => Ok(()),
        };
        client.stop().await;
        outcome
    }

    /// Until the torrent cannot be served.
    async fn serve(&self, client: &Client, board: &Board) -> Outcome {
        let metainfo = self.torrent.read_torrent()?;
        let add = AddTorrent::new(metainfo, &self.folder)
            .peers(self.network.peers().iter().cloned())
            .use_trackers(self.network.use_trackers());
        let torrent = client.add(add).map_err(network::client_failure)?;
        board.add(&torrent);
        let phase = torrent.wait_for(|phase| !matches!(phase, Phase::Checking { .. })).await;
        let name = progress::name(&torrent);
        if matches!(phase, Phase::StorageFailed | Phase::Stopped) {
            return Err(network::failure_of(&torrent));
        }
        if torrent.have().count_ones() == 0 && phase != Phase::Seeding {
            let message = format!("{name}: nothing of it is in {}", self.folder.display());
            return Err(Failure::message(Code::Disk, message));
        }
        let there = network::what_is_there(&torrent);
        board.say(&format!("{name}: serving {there} on port {}", client.port()));
        torrent.wait_for(|phase| matches!(phase, Phase::StorageFailed | Phase::Stopped)).await;
        Err(network::failure_of(&torrent))
    }
}
