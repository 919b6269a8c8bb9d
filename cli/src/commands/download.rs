//! `torrent download`: from a .torrent file to verified files on disk.

use std::path::PathBuf;

use tokio::task::JoinSet;
use torrent_client::{AddTorrent, Client, Metainfo, Phase, Torrent};

use crate::{
    exit::{Code, Failure, Outcome},
    interrupt::interrupted,
    progress::{self, Style},
    session::{self, NetworkOptions},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Download {
    /// .torrent files.
    #[arg(required = true, value_name = "FILE")]
    torrents: Vec<PathBuf>,
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
        let metainfos = self.torrents.iter().map(|path| session::read_torrent(path)).collect::<Outcome<Vec<_>>>()?;
        let peers = self.network.resolve_peers().await?;
        let client = self.network.start_client().await?;
        let style = if quiet { Style::None } else { self.progress };
        let mut torrents = JoinSet::new();
        let mut stopping = Vec::new();
        for metainfo in metainfos {
            let name = session::name_of(&metainfo);
            let torrent = self.add(&client, metainfo, &peers)?;
            stopping.push((name.clone(), torrent.clone()));
            torrents.spawn(fetch(name, torrent, style, self.seed));
        }
        let outcome = tokio::select! {
            outcome = all(&mut torrents) => outcome,
            () = interrupted() => {
                torrents.abort_all();
                Err(Failure::message(Code::Interrupted, "interrupted"))
            }
        };
        client.stop().await;
        if outcome.is_err() && !quiet {
            for (name, torrent) in &stopping {
                progress::say(&format!("{name}: {} are there; run again to continue", session::what_is_there(torrent)));
            }
        }
        match outcome {
            // Whoever asked to seed until interrupted has got what was asked for.
            Err(_) if self.seed && stopping.iter().all(|(_, torrent)| torrent.have().is_full()) => Ok(()),
            outcome => outcome,
        }
    }

    fn add(&self, client: &Client, metainfo: Metainfo, peers: &[std::net::SocketAddr]) -> Outcome<Torrent> {
        let add = AddTorrent::new(metainfo, &self.output)
            .peers(peers.iter().copied())
            .use_trackers(self.network.use_trackers());
        let torrent = client.add(add).map_err(session::client_failure)?;
        torrent.download_all();
        Ok(torrent)
    }
}

/// Until the torrent is complete, or for ever with `seed`.
async fn fetch(name: String, torrent: Torrent, style: Style, seed: bool) -> Outcome {
    let work = async {
        torrent.wait_for(|phase| phase == Phase::Seeding).await;
        if style != Style::None {
            progress::say(&format!("{name}: complete, {}", session::what_is_there(&torrent)));
        }
        if seed {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = work => Ok(()),
        failure = session::storage_failed(torrent.events()) => Err(failure),
        () = progress::show(style, &name, &torrent) => Ok(()),
    }
}

/// The first failure, or success when all have ended.
async fn all(torrents: &mut JoinSet<Outcome>) -> Outcome {
    while let Some(ended) = torrents.join_next().await {
        match ended {
            Ok(outcome) => outcome?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(())
}
