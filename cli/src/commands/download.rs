//! `torrent download`: from a .torrent file or a magnet link to verified files on disk.

use std::{net::SocketAddr, path::PathBuf};

use tokio::task::JoinSet;
use torrent_client::{AddTorrent, Client, Metainfo, Phase, Torrent, peers_of};

use crate::{
    exit::{Code, Failure, Outcome},
    input::{Input, Subject},
    interrupt::interrupted,
    progress::{self, Style},
    session::{self, NetworkOptions},
    table::clean,
};

#[derive(Debug, clap::Args)]
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
        let sources = self.torrents.iter().map(Subject::read).collect::<Outcome<Vec<_>>>()?;
        sources.iter().for_each(warn_of_selection);
        let peers = self.network.resolve_peers().await?;
        let client = self.network.start_client().await?;
        let style = if quiet { Style::None } else { self.progress };
        let mut torrents = JoinSet::new();
        let mut stopping = Vec::new();
        for source in sources {
            let mut peers = peers.clone();
            if let Subject::Magnet(magnet) = &source {
                peers.extend(peers_of(magnet).await);
            }
            let metainfo = tokio::select! {
                metainfo = resolve(source, &client, &peers, style) => metainfo?,
                () = interrupted() => return Err(Failure::message(Code::Interrupted, "interrupted")),
            };
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

    fn add(&self, client: &Client, metainfo: Metainfo, peers: &[SocketAddr]) -> Outcome<Torrent> {
        let add = AddTorrent::new(metainfo, &self.output)
            .peers(peers.iter().copied())
            .use_trackers(self.network.use_trackers());
        let torrent = client.add(add).map_err(session::client_failure)?;
        torrent.download_all();
        Ok(torrent)
    }
}

/// A link may ask for some files only (`so`), which downloads cannot do yet.
fn warn_of_selection(source: &Subject) {
    if let Subject::Magnet(magnet) = source
        && let Some(selection) = &magnet.selection
    {
        let name = magnet.name.clone().unwrap_or_else(|| magnet.info_hashes.short().to_string());
        let name = clean(&name);
        tracing::warn!(
            "{name}: the link asks for files {selection} only; choosing files does not work yet, so all come"
        );
    }
}

/// The torrent; where there is a link only, that is for its peers to say.
async fn resolve(subject: Subject, client: &Client, peers: &[SocketAddr], style: Style) -> Outcome<Metainfo> {
    match subject {
        Subject::Torrent(metainfo) => Ok(metainfo),
        Subject::Magnet(magnet) => {
            if style != Style::None {
                let name = magnet.name.clone().unwrap_or_else(|| magnet.info_hashes.short().to_string());
                progress::say(&format!("{}: asking peers for the metadata", clean(&name)));
            }
            client.resolve(&magnet, peers).await.map_err(session::client_failure)
        }
    }
}

/// Until the torrent is complete, or for ever with `seed`.
async fn fetch(name: String, torrent: Torrent, style: Style, seed: bool) -> Outcome {
    let work = async {
        torrent.wait_for(|phase| phase == Phase::Seeding).await;
        if style != Style::None {
            let (there, swarm) = (session::what_is_there(&torrent), session::swarm_size(&torrent));
            progress::say(&format!("{name}: complete, {there}{swarm}"));
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
