//! `torrent demo`: the main job with nothing but this binary. A tracker, a seeder with made-up content and a downloader,
//! over real loopback sockets, through the whole stack.

mod payload;

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc, time::Instant};

use anyhow::Context;
use torrent_client::{AddTorrent, Client, Config, Encryption, Event, Listen, Metainfo, Phase};
use torrent_tracker::server::Server;

use crate::{
    exit::{Code, Failure, OrExit, Outcome},
    interrupt::interrupted,
    network,
    progress::{self, Board, Style},
    units,
};
use payload::Payload;

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Bytes to transfer, such as 256MiB.
    #[arg(long, default_value = "1GiB", value_parser = units::parse_size)]
    size: u64,
    /// Bytes per piece.
    #[arg(long, default_value = "1MiB", value_parser = units::parse_size)]
    piece_length: u64,
    /// Encrypt the connection.
    #[arg(long)]
    encrypt: bool,
    /// Download into this folder and leave the file there [default: a temporary folder]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// How to show progress, on stderr.
    #[arg(long, value_enum, default_value_t)]
    progress: Style,
}

impl Demo {
    pub(crate) async fn run(self, quiet: bool) -> Outcome {
        let style = if quiet { Style::None } else { self.progress };
        tokio::select! {
            outcome = self.transfer(style) => outcome,
            () = interrupted() => Err(Failure::message(Code::Interrupted, "interrupted")),
        }
    }

    async fn transfer(&self, style: Style) -> Outcome {
        let tracker = Server::bind((Ipv4Addr::LOCALHOST, 0)).await.or_exit(Code::Network)?;
        let url = tracker.http_url();
        say(style, &format!("tracker:    {url}"));

        let started = now();
        let payload = Payload::new(self.size);
        let piece_length = u32::try_from(self.piece_length).or_exit(Code::BadInput)?;
        let torrent = {
            let (payload, url) = (payload.clone(), url.clone());
            tokio::task::spawn_blocking(move || payload.torrent(piece_length, &url)).await.or_exit(Code::Other)?
        };
        let metainfo = Metainfo::from_bytes(torrent).or_exit(Code::BadInput)?;
        let (size, pieces) = (units::size(self.size), metainfo.info().piece_count());
        let seconds = started.elapsed().as_secs_f64();
        say(style, &format!("content:    {size} in {pieces} pieces, made up and hashed in {seconds:.1} s"));

        let seeder = self.client().await?;
        let seed = seeder
            .add(AddTorrent::with_storage(metainfo.clone(), Arc::new(payload)))
            .map_err(network::client_failure)?;
        let mut events = seed.events();
        // The peer that announces first is found by the one that announces next.
        let announced = async {
            loop {
                match events.recv().await {
                    Ok(Event::TrackerAnswered { .. }) => return Ok(()),
                    Ok(Event::TrackerFailed { reason, .. }) => return Err(Failure::message(Code::Network, reason)),
                    Ok(_) => {}
                    Err(error) => return Err(Failure::new(Code::Other, error)),
                }
            }
        };
        announced.await?;
        say(style, &format!("seeder:     port {}", seeder.port()));

        let folder = tempfile::tempdir().context("cannot make a temporary folder").or_exit(Code::Disk)?;
        let output = self.output.as_deref().unwrap_or(folder.path());
        let downloader = self.client().await?;
        say(style, &format!("downloader: port {}, into {}", downloader.port(), output.display()));
        let started = now();
        let torrent = downloader.add(AddTorrent::new(metainfo, output)).map_err(network::client_failure)?;
        torrent.download_all();
        let board = Board::new(style);
        board.add(&torrent);
        tokio::select! {
            phase = torrent.wait_for(|phase| matches!(phase, Phase::Seeding | Phase::StorageFailed)) => {
                if phase != Phase::Seeding {
                    return Err(network::failure_of(&torrent));
                }
            }
            () = board.run(&downloader) => {}
        }
        board.remove(&torrent);
        let took = started.elapsed().as_secs_f64();
        let stats = torrent.stats();
        if stats.downloaded < self.size {
            say(style, &format!("{} was there already", units::size(self.size - stats.downloaded)));
        }
        let rate = units::rate(units::per_second(stats.downloaded, took));
        say(
            style,
            &format!("done:       {size} in {took:.2} s, {rate}; every one of {pieces} pieces is verified and on disk"),
        );
        downloader.stop().await;
        seeder.stop().await;
        Ok(())
    }

    async fn client(&self) -> Outcome<Client> {
        let config = Config::default()
            .listen(Listen::At((Ipv4Addr::LOCALHOST, 0).into()))
            .encryption(if self.encrypt { Encryption::Required } else { Encryption::Disabled });
        Client::start(config).await.or_exit(Code::Network)
    }
}

fn say(style: Style, line: &str) {
    if style != Style::None {
        progress::say(line);
    }
}

#[expect(clippy::disallowed_methods, reason = "the demonstration says how long it took")]
fn now() -> Instant {
    Instant::now()
}
