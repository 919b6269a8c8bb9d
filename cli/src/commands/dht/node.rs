//! `torrent dht node`: a node until interrupted.

use std::time::Duration;

use serde::Serialize;
use torrent_dht::NodeStatus;

use super::Session;
use crate::{exit::Outcome, interrupt::interrupted};

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// Seconds between two lines about the node.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
}

#[derive(Debug, Serialize)]
struct Status {
    listen: String,
    id: String,
    external: Option<String>,
    nodes: usize,
    good_nodes: usize,
    network_size: u64,
    torrents: usize,
    peers: usize,
    items: usize,
    queries_in: u64,
    queries_out: u64,
    answered: u64,
    rate_limited: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Run {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        for node in session.dht.nodes() {
            if !session.json {
                crate::output::line(format_args!("{} {}", node.local_addr, node.id))?;
            }
        }
        let mut ticks = tokio::time::interval(Duration::from_secs(self.every));
        let interrupted = interrupted();
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                _ = ticks.tick() => tell(session)?,
                () = &mut interrupted => break,
            }
        }
        tell(session)
    }
}

fn tell(session: &Session) -> Outcome {
    for node in session.dht.nodes() {
        let status = Status::new(&node);
        if session.json {
            session.print("", &status)?;
        } else {
            session.note(format_args!(
                "{}: {} nodes that answer, {} queries in, {} out ({} answered), {} peers of {} torrents, {} items",
                status.listen,
                status.good_nodes,
                status.queries_in,
                status.queries_out,
                status.answered,
                status.peers,
                status.torrents,
                status.items
            ));
        }
    }
    Ok(())
}

impl Status {
    fn new(node: &NodeStatus) -> Self {
        let stats = &node.stats;
        Self {
            listen: node.local_addr.to_string(),
            id: node.id.to_string(),
            external: node.external.map(|ip| ip.to_string()),
            nodes: stats.nodes,
            good_nodes: stats.good_nodes,
            network_size: stats.network_size,
            torrents: stats.stored_hashes,
            peers: stats.stored_peers,
            items: stats.stored_items,
            queries_in: stats.queries_in,
            queries_out: stats.queries_out,
            answered: stats.answered,
            rate_limited: stats.rate_limited,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
        }
    }
}
