//! libtorrent, by a script for its Python binding: as a peer, and as another opinion of torrents.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Client, Encryption, Job, LibtorrentEncryption};
use crate::tools;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clients/libtorrent_peer.py");

/// Makes torrents. A line each: `v1`, `v2`, `hybrid` or `links`; the piece length; what to make it of; where to put it, with
/// tabs in between. v1 lists files by path, where libtorrent takes them as the folder gives them. `None` if it is not installed.
///
/// # Panics
/// If it fails.
#[must_use]
pub fn make_torrents(lines: &str) -> Option<()> {
    ask(&["make"], lines).map(drop)
}

/// Loads torrents, by lines of paths. Says of each in a line: v1 and v2 info hash, number of pieces, piece length; then a line
/// for each file but pads: path, size, offset, root. `-` is for none. `None` if it is not installed.
///
/// # Panics
/// If it fails.
#[must_use]
pub fn describe(paths: &str) -> Option<String> {
    ask(&["describe"], paths)
}

/// Makes a v1 torrent with a tier for each tracker; gives its info hash. `None` if it is not installed.
pub(crate) fn create(content: &Path, torrent: &Path, piece_length: u64, trackers: &[String]) -> Option<String> {
    let (content, torrent, piece_length) = (content.to_str()?, torrent.to_str()?, piece_length.to_string());
    let mut arguments = vec!["create", content, torrent, &piece_length];
    arguments.extend(trackers.iter().map(String::as_str));
    Some(ask(&arguments, "")?.trim().to_owned())
}

fn ask(arguments: &[&str], input: &str) -> Option<String> {
    let mut command = python()?;
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("python reads");
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("text"))
}

pub(super) fn seed(job: &Job<'_>) -> Option<Command> {
    start(job, "seed")
}

pub(super) fn leech(job: &Job<'_>) -> Option<Command> {
    start(job, "leech")
}

fn start(job: &Job<'_>, how: &str) -> Option<Command> {
    let mut command = python()?;
    command.arg(how).arg(job.source_for_peers()).arg(job.folder);
    command.arg(format!("{}:{}", Client::Libtorrent.ip(), job.port));
    command.args(job.peers.iter().map(ToString::to_string));
    if let Some(settings) = job.manner.libtorrent.or_else(|| encryption(job.manner.encryption)) {
        command.arg(format!("--out_enc_policy={}", settings.out_enc_policy));
        command.arg(format!("--in_enc_policy={}", settings.in_enc_policy));
        command.arg(format!("--allowed_enc_level={}", settings.allowed_enc_level));
        command.args(settings.prefer_rc4.then_some("--prefer_rc4"));
    }
    command.args(job.manner.pex.then_some("--pex"));
    command.args(job.manner.utp.then_some("--utp"));
    command.args(job.manner.download_limit.map(|limit| format!("--download-limit={limit}")));
    Some(command)
}

fn encryption(encryption: Encryption) -> Option<LibtorrentEncryption> {
    let (policy, allowed_enc_level) = match encryption {
        Encryption::AsAlways => return None,
        Encryption::Never => ("pe_disabled", "pe_rc4"),
        Encryption::Handshake => ("pe_forced", "pe_both"),
        Encryption::Required => ("pe_forced", "pe_rc4"),
    };
    let prefer_rc4 = encryption == Encryption::Required;
    Some(LibtorrentEncryption { out_enc_policy: policy, in_enc_policy: policy, allowed_enc_level, prefer_rc4 })
}

/// The Python that has libtorrent, with the script.
fn python() -> Option<Command> {
    let python: PathBuf = tools::cached("libtorrent", "venv/bin/python")?;
    let mut command = Command::new(python);
    command.args(["-W", "ignore", SCRIPT]);
    Some(command)
}
