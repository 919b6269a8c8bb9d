//! `torrent dht get-peers` and `announce`.

use serde::Serialize;
use torrent_dht::{AnnouncePort, Completeness, Peers, Report};

use super::{Session, failure};
use crate::{
    commands::target::Hash,
    exit::{Code, Failure, Outcome},
};

#[derive(Debug, clap::Args)]
pub(super) struct GetPeers {
    /// The torrent's info hash: 40 hexadecimal digits, or 64 for v2.
    #[arg(value_name = "INFOHASH")]
    info_hash: Hash,
    /// Estimate the number of its peers, too: BEP 33.
    #[arg(long)]
    scrape: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Announce {
    /// The torrent's info hash: 40 hexadecimal digits, or 64 for v2.
    #[arg(value_name = "INFOHASH")]
    info_hash: Hash,
    /// The port at which peers are to be told to connect; without it, the port that the announce comes from.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Announce a peer that has all of it.
    #[arg(long)]
    seed: bool,
}

#[derive(Debug, Serialize)]
struct Peer {
    peer: String,
}

#[derive(Debug, Serialize)]
struct Done {
    done: Counts,
}

#[derive(Debug, Serialize)]
struct Counts {
    peers: u32,
    queries: u32,
    nodes: u32,
    hops: u8,
    stored: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seeds_estimate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leeches_estimate: Option<f64>,
}

impl GetPeers {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        session.ready().await?;
        let peers = session.dht.get_peers(self.info_hash.0);
        let report = stream(session, peers).await?;
        let mut counts = Counts::new(&report);
        if self.scrape {
            let scrape = session.dht.scrape(self.info_hash.0).await.map_err(failure)?;
            counts.seeds_estimate = Some(scrape.seeds.estimate());
            counts.leeches_estimate = Some(scrape.leeches.estimate());
        }
        counts.tell(session)
    }
}

impl Announce {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        session.ready().await?;
        let announce = torrent_dht::Announce {
            port: self.port.map_or(AnnouncePort::Implied, AnnouncePort::Explicit),
            completeness: if self.seed { Completeness::Seed } else { Completeness::Leech },
        };
        let report = stream(session, session.dht.announce(self.info_hash.0, announce)).await?;
        Counts::new(&report).tell(session)?;
        if report.stored == 0 {
            return Err(Failure::message(Code::Network, "no node stored the announce"));
        }
        Ok(())
    }
}

/// Prints peers as they come.
async fn stream(session: &Session, mut peers: Peers) -> Outcome<Report> {
    while let Some(peer) = peers.next().await {
        session.print(peer, &Peer { peer: peer.to_string() })?;
    }
    peers.finish().await.map_err(failure)
}

impl Counts {
    fn new(report: &Report) -> Self {
        let Report { peers, queries, answers, hops, stored, .. } = report;
        Self {
            peers: *peers,
            queries: *queries,
            nodes: *answers,
            hops: *hops,
            stored: *stored,
            seeds_estimate: None,
            leeches_estimate: None,
        }
    }

    fn tell(self, session: &Session) -> Outcome {
        if session.json {
            return session.print("", &Done { done: self });
        }
        let stored = if self.stored > 0 { format!(", announced to {} nodes", self.stored) } else { String::new() };
        session.note(format_args!("{} peers from {} nodes, {} queries{stored}", self.peers, self.nodes, self.queries));
        if let (Some(seeds), Some(leeches)) = (self.seeds_estimate, self.leeches_estimate) {
            session.note(format_args!("about {seeds:.0} seeds and {leeches:.0} others"));
        }
        Ok(())
    }
}
