//! aria2c. It cannot be told of a peer, so it leeches through a tracker.

use std::process::Command;

use super::{Client, Encryption, Job, command};
use crate::tools;

const QUIET: &str = "--enable-dht6=false --bt-enable-lpd=false --enable-peer-exchange=false \
                     --file-allocation=none --show-console-readout=false --summary-interval=0 --no-conf";

pub(super) fn seed(job: &Job<'_>) -> Option<Command> {
    // A ratio of 0 means: for ever.
    let mut command = command(tools::installed("aria2c")?, &[QUIET, "--check-integrity=true --seed-ratio=0.0"]);
    place(&mut command, job);
    Some(command)
}

pub(super) fn leech(job: &Job<'_>) -> Option<Command> {
    let mut command = command(tools::installed("aria2c")?, &[QUIET, "--seed-time=0"]);
    place(&mut command, job);
    Some(command)
}

fn place(command: &mut Command, job: &Job<'_>) {
    match job.manner.encryption {
        Encryption::AsAlways => {}
        // It cannot refuse encryption.
        Encryption::Never => panic!("aria2 always accepts encrypted connections"),
        Encryption::Handshake => {
            command.args(["--bt-require-crypto=true", "--bt-min-crypto-level=plain"]);
        }
        Encryption::Required => {
            command.args(["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"]);
        }
    }
    if job.manner.udp_tracker {
        // Its DHT has the socket. There is nobody to find by it here.
        command.arg(format!("--dht-listen-port={}", job.port)).arg("--dht-file-path").arg(job.home.join("dht"));
    } else {
        command.arg("--enable-dht=false");
    }
    command
        .arg(format!("--interface={}", Client::Aria2.ip()))
        .arg(format!("--listen-port={}", job.port))
        .arg("--dir")
        .arg(job.folder)
        .arg(job.source());
}
