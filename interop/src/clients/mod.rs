//! Clients that others wrote: how each is told to seed or to leech. One module each gives the command lines, and says why
//! they are what they are; starting and waiting is the same for all.

mod anacrolix;
mod aria2;
pub mod libtorrent;
mod manner;
mod rqbit;
mod rtorrent;
mod transmission;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

pub use self::manner::{Encryption, LibtorrentEncryption, Manner};
use crate::{ADDRESS, PATIENCE, Payload, Process, Scratch, Torrent, free_port, until_after};

/// A foreign client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test that forgets one shall not compile")]
pub enum Client {
    /// github.com/anacrolix/torrent, in Go.
    Anacrolix,
    /// aria2c.
    Aria2,
    /// libtorrent (Rasterbar), by its Python binding.
    Libtorrent,
    /// rqbit, in Rust.
    Rqbit,
    /// rtorrent.
    Rtorrent,
    /// transmission-cli.
    Transmission,
}

/// What a client shall do, and with what.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "filled in by tests")]
pub struct Job<'a> {
    /// The torrent.
    pub torrent: &'a Torrent,
    /// What the payload lies in, or shall lie in: files appear as they are in the torrent.
    pub folder: &'a Path,
    /// Where the client may keep its state and logs.
    pub home: PathBuf,
    /// Where it listens for peers.
    pub port: u16,
    /// Peers to begin with, instead of asking a tracker. Clients that cannot be told of peers ask the tracker all the same.
    pub peers: &'a [SocketAddr],
    /// What differs from a download of a torrent file, in plain or not, without PEX.
    pub manner: Manner,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Anacrolix, Self::Aria2, Self::Libtorrent, Self::Rqbit, Self::Rtorrent, Self::Transmission];

    /// Its own address, if it can be told to dial from one, else the one that all others share. It matters to
    /// Transmission, which takes peers with one address for one peer.
    #[must_use]
    pub const fn ip(self) -> Ipv4Addr {
        match self {
            Self::Anacrolix | Self::Rqbit => ADDRESS,
            Self::Aria2 => Ipv4Addr::new(10, 77, 0, 2),
            Self::Libtorrent => Ipv4Addr::new(10, 77, 0, 3),
            Self::Transmission => Ipv4Addr::new(10, 77, 0, 4),
            Self::Rtorrent => Ipv4Addr::new(10, 77, 0, 5),
        }
    }

    /// Whether it finds peers by a tracker only.
    #[must_use]
    pub const fn needs_tracker(self) -> bool {
        matches!(self, Self::Aria2 | Self::Transmission)
    }

    /// Starts a seed and waits until it listens. `None` if the client is not installed.
    ///
    /// # Panics
    /// If it does not listen.
    #[must_use]
    #[track_caller]
    pub fn seed(self, job: &Job<'_>) -> Option<(Process, SocketAddr)> {
        let command = match self {
            Self::Anacrolix => anacrolix::seed(job)?,
            Self::Aria2 => aria2::seed(job)?,
            Self::Libtorrent => libtorrent::seed(job)?,
            Self::Rqbit => rqbit::seed(job)?,
            Self::Rtorrent => rtorrent::seed(job)?,
            Self::Transmission => transmission::seed(job)?,
        };
        let mut process = Process::start(&self.to_string(), command, &job.home);
        let address = SocketAddr::from((self.ip(), job.port));
        process.wait_for_listener(address);
        Some((process, address))
    }

    /// Starts a download. `None` if the client is not installed.
    #[must_use]
    pub fn leech(self, job: &Job<'_>) -> Option<Leech> {
        let command = match self {
            Self::Anacrolix => anacrolix::leech(job)?,
            Self::Aria2 => aria2::leech(job)?,
            Self::Libtorrent => libtorrent::leech(job)?,
            Self::Rqbit => rqbit::leech(job)?,
            Self::Rtorrent => rtorrent::leech(job)?,
            Self::Transmission => transmission::leech(job)?,
        };
        Some(Leech { process: Process::start(&self.to_string(), command, &job.home), done: job.done_file() })
    }
}

impl Client {
    /// # Panics
    /// If what the client downloaded to `folder` is not the payload.
    #[track_caller]
    pub fn assert_downloaded(self, payload: &Payload, folder: &Path) {
        if self == Self::Transmission {
            // Version 3 makes no empty files.
            payload.assert_same_but_for_empty_files(folder);
        } else {
            payload.assert_same(folder);
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anacrolix => "anacrolix",
            Self::Aria2 => "aria2",
            Self::Libtorrent => "libtorrent",
            Self::Rqbit => "rqbit",
            Self::Rtorrent => "rtorrent",
            Self::Transmission => "transmission",
        })
    }
}

impl<'a> Job<'a> {
    /// On a port of its own, with a home of that name, knowing no peers.
    #[must_use]
    pub fn new(scratch: &Scratch, home: &str, torrent: &'a Torrent, folder: &'a Path) -> Self {
        let (home, port) = (scratch.folder(home), free_port());
        Self { torrent, folder, home, port, peers: &[], manner: Manner::default() }
    }

    /// What a client that never ends by itself makes when it is done.
    fn done_file(&self) -> PathBuf {
        self.home.join("done")
    }

    /// The torrent file, or the link in its place.
    fn source(&self) -> &Path {
        self.manner.magnet.as_deref().map_or_else(|| self.torrent.path(), Path::new)
    }

    /// The same, for a client that can be told of peers: who is told of them does not need a tracker.
    fn source_for_peers(&self) -> &Path {
        let file = self.manner.magnet.is_none() && !self.peers.is_empty();
        if file { self.torrent.without_tracker() } else { self.source() }
    }
}

/// A download that runs.
#[derive(Debug)]
pub struct Leech {
    process: Process,
    done: PathBuf,
}

impl Leech {
    /// What it has printed on stdout.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.process.stdout()
    }

    /// Waits until it has everything.
    ///
    /// # Panics
    /// If it fails, or does not get everything.
    #[track_caller]
    pub fn wait(self) {
        self.wait_for(PATIENCE);
    }

    /// Waits as long as that.
    ///
    /// # Panics
    /// If it fails, or does not get everything.
    #[track_caller]
    pub fn wait_for(mut self, patience: Duration) {
        let done = until_after(patience, || {
            let marked = self.done.exists();
            (marked || !self.process.is_running()).then_some(marked)
        });
        match done {
            Some(true) => {}
            Some(false) => assert!(self.process.wait().success(), "{:?} failed", self.process),
            None => panic!("{:?} did not get everything", self.process),
        }
    }
}

/// `command` with arguments, one line of words each.
fn command(program: PathBuf, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words.iter().flat_map(|words| words.split_ascii_whitespace()));
    command
}

/// The suite without the client it is for: what fails here is not our fault.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tracker, in_sandbox};

    #[test]
    fn anacrolix_and_libtorrent_serve_each_other() {
        serve_each_other(Client::Anacrolix);
    }

    #[test]
    fn aria2_and_libtorrent_serve_each_other() {
        serve_each_other(Client::Aria2);
    }

    #[test]
    fn rqbit_and_libtorrent_serve_each_other() {
        serve_each_other(Client::Rqbit);
    }

    #[test]
    fn rtorrent_and_libtorrent_serve_each_other() {
        serve_each_other(Client::Rtorrent);
    }

    #[test]
    fn transmission_and_libtorrent_serve_each_other() {
        serve_each_other(Client::Transmission);
    }

    fn serve_each_other(client: Client) {
        serves(client, Client::Libtorrent);
        serves(Client::Libtorrent, client);
    }

    fn serves(from: Client, to: Client) -> Option<()> {
        let scratch = Scratch::new();
        let tracker = Tracker::start(&scratch).filter(|_| in_sandbox())?;
        let payload = Payload::folder(&scratch);
        let torrent = &Torrent::create(&scratch, &payload, Some(&tracker))?;
        let (_seed, address) = from.seed(&Job::new(&scratch, "seed", torrent, payload.folder_path()))?;
        tracker.wait_for_seeds(torrent.info_hash(), 1);
        let folder = scratch.folder("downloaded");
        let peers = &[address];
        to.leech(&Job { peers, ..Job::new(&scratch, "leech", torrent, &folder) })?.wait();
        to.assert_downloaded(&payload, &folder);
        Some(())
    }
}
