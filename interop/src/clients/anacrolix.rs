//! The Go client whose work this workspace re-creates. It downloads to its working folder.

use std::process::Command;

use super::{Job, command};
use crate::{ADDRESS, tools};

const QUIET: &str =
    "download --no-dht --no-progress --no-ipv6 --no-pex --no-utp-peers --no-webtorrent --no-port-forward";

pub(super) fn seed(job: &Job<'_>) -> Option<Command> {
    // Without --verify it believes in every file of the right length.
    start(job, "--seed --verify")
}

pub(super) fn leech(job: &Job<'_>) -> Option<Command> {
    start(job, "--no-seed")
}

fn start(job: &Job<'_>, how: &str) -> Option<Command> {
    let mut command = command(tools::cached("anacrolix", "go/bin/torrent")?, &[QUIET, how]);
    command.arg(format!("--addr={ADDRESS}:{}", job.port));
    command.args(job.peers.iter().map(|peer| format!("--test-peer={peer}")));
    command.arg(job.source_for_peers()).current_dir(job.folder);
    // Its default maps files into memory, which fails for empty ones.
    command.env("TORRENT_STORAGE_DEFAULT_FILE_IO", "classic");
    Some(command)
}
