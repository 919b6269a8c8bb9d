//! `torrent seed`: serves what is on disk.

use std::path::PathBuf;

use torrent_client::{AddTorrent, Phase};

use crate::{
    exit::{Code, Failure, Outcome},
    input::Input,
    interrupt::interrupted,
    progress::{self, Style},
    session::{self, NetworkOptions},
};

#[derive(Debug, clap::Args)]
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
        let metainfo = self.torrent.read_torrent()?;
        let name = session::name_of(&metainfo);
        let peers = self.network.resolve_peers().await?;
        let client = self.network.start_client().await?;
        let add = AddTorrent::new(metainfo, &self.folder).peers(peers).use_trackers(self.network.use_trackers());
        let torrent = client.add(add).map_err(session::client_failure)?;
        let style = if quiet { Style::None } else { self.progress };
        let work = async {
            let phase = torrent.wait_for(|phase| !matches!(phase, Phase::Checking { .. })).await;
            let there = session::what_is_there(&torrent);
            if torrent.have().count_ones() == 0 && phase != Phase::Seeding {
                return Err(Failure::message(
                    Code::Disk,
                    format!("{name}: nothing of it is in {}", self.folder.display()),
                ));
            }
            if style != Style::None {
                progress::say(&format!("{name}: serving {there} on port {}", client.port()));
            }
            progress::show(style, &name, &torrent).await;
            Ok(())
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            failure = session::storage_failed(torrent.events()) => Err(failure),
            () = interrupted() => Ok(()),
        };
        client.stop().await;
        outcome
    }
}
