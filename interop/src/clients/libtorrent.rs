//! libtorrent, by a script for its Python binding.

use std::{path::PathBuf, process::Command};

use super::{Client, Encryption, Job};
use crate::tools;

pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clients/libtorrent_peer.py");

/// The Python that has it.
pub(crate) fn python() -> Option<PathBuf> {
    tools::cached("libtorrent", "venv/bin/python")
}

pub(super) fn seed(job: &Job<'_>) -> Option<Command> {
    start(job, "seed")
}

pub(super) fn leech(job: &Job<'_>) -> Option<Command> {
    start(job, "leech")
}

fn start(job: &Job<'_>, how: &str) -> Option<Command> {
    let mut command = Command::new(python()?);
    command.arg(SCRIPT).arg(how).arg(job.source_for_peers()).arg(job.folder).arg(format!(
        "{}:{}",
        Client::Libtorrent.ip(),
        job.port
    ));
    command.args(job.peers.iter().map(ToString::to_string));
    command.args(match job.manner.encryption {
        Encryption::AsAlways => None,
        Encryption::Never => Some("--plain"),
        Encryption::Required => Some("--encrypted"),
    });
    command.args(job.manner.pex.then_some("--pex"));
    command.args(job.manner.download_limit.map(|limit| format!("--download-limit={limit}")));
    Some(command)
}
