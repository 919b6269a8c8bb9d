//! rqbit. Its `download` command also seeds, when it finds everything there.

use std::process::Command;

use super::{Job, command};
use crate::tools;

const QUIET: &str = "-v error --disable-dht --disable-upnp-port-forward --disable-lsd";

pub(super) fn seed(job: &Job<'_>) -> Option<Command> {
    start(job, "download --disable-http-api --overwrite")
}

pub(super) fn leech(job: &Job<'_>) -> Option<Command> {
    start(job, "download --disable-http-api --exit-on-finish")
}

fn start(job: &Job<'_>, how: &str) -> Option<Command> {
    let listen = format!("--listen-ip 0.0.0.0 --listen-port {}", job.port);
    let mut command = command(tools::cached("rqbit", "rqbit/bin/rqbit")?, &[QUIET, &listen, how]);
    if !job.peers.is_empty() {
        let peers: Vec<_> = job.peers.iter().map(ToString::to_string).collect();
        command.arg("--initial-peers").arg(peers.join(","));
    }
    command.arg("--output-folder").arg(job.folder).arg(job.source_for_peers());
    Some(command)
}
