//! rtorrent. Its options go into a file, as commas separate them on the command line. It never ends, so it runs a command
//! when it is done.

use std::{fmt::Write as _, fs, process::Command};

use super::{Client, Encryption, Job};
use crate::tools;

/// DHT must be possible, or it refuses torrents without a tracker; nobody answers in the namespace.
const QUIET: &str = "system.daemon.set = true
protocol.pex.set = no
dht.mode.set = auto
trackers.use_udp.set = no
network.port_random.set = no
pieces.hash.on_completion.set = no
";

pub(super) fn seed(job: &Job<'_>) -> Option<Command> {
    start(job)
}

pub(super) fn leech(job: &Job<'_>) -> Option<Command> {
    start(job)
}

fn start(job: &Job<'_>) -> Option<Command> {
    let program = tools::installed("rtorrent")?;
    let session = job.home.join("session");
    fs::create_dir_all(&session).expect("a folder for the session");
    let encryption = match job.manner.encryption {
        Encryption::AsAlways => "allow_incoming,try_outgoing,enable_retry",
        Encryption::Never => "none",
        Encryption::Handshake => "allow_incoming,try_outgoing,require,prefer_plaintext",
        Encryption::Required => "allow_incoming,try_outgoing,require,require_RC4",
    };
    let (ip, port, done) = (Client::Rtorrent.ip(), job.port, job.done_file());
    let mut options = format!(
        "{QUIET}session.path.set = \"{}\"\ndirectory.default.set = \"{}\"\nnetwork.bind_address.set = {ip}\n\
         network.port_range.set = {port}-{port}\ndht.port.set = {port}\nprotocol.encryption.set = {encryption}\n\
         method.set_key = event.download.finished, done, \"execute.nothrow=touch,{}\"\n",
        session.display(),
        job.folder.display(),
        done.display(),
    );
    for (number, peer) in job.peers.iter().enumerate() {
        let _ = writeln!(options, "method.set_key = event.download.inserted_new, peer{number}, \"add_peer={peer}\"");
    }
    let file = job.home.join("rtorrent.rc");
    fs::write(&file, options).expect("options");
    let mut command = Command::new(program);
    command.arg("-n").arg("-o").arg(format!("import={}", file.display())).arg(job.source_for_peers());
    Some(command)
}
