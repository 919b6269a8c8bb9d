//! Who insists on encryption gets what it wants, and so does who refuses it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use torrent_interop::{
    ADDRESS, Client, Encryption, Job, Manner, Payload, Process, Scratch, Torrent, Tracker, free_port, in_sandbox,
    our_command,
};

/// `torrent download` and the seed say the same.
mod download {
    use super::*;

    #[test]
    fn required_from_aria2() {
        download(Client::Aria2, Encryption::Required, "required");
    }

    #[test]
    fn required_from_libtorrent() {
        download(Client::Libtorrent, Encryption::Required, "required");
    }

    #[test]
    fn required_from_rtorrent() {
        download(Client::Rtorrent, Encryption::Required, "required");
    }

    #[test]
    fn required_from_transmission() {
        download(Client::Transmission, Encryption::Required, "required");
    }

    /// Then the handshake is encrypted, and the payload is plain.
    #[test]
    fn preferred_from_rtorrent_that_prefers_plain_text() {
        download(Client::Rtorrent, Encryption::Handshake, "preferred");
    }

    #[test]
    fn disabled_from_libtorrent() {
        download(Client::Libtorrent, Encryption::Never, "disabled");
    }

    #[test]
    fn disabled_from_rtorrent() {
        download(Client::Rtorrent, Encryption::Never, "disabled");
    }
}

/// One side insists; the other takes what comes.
mod download_by_the_second_dial {
    use super::*;

    #[test]
    fn preferred_from_a_plain_libtorrent() {
        download(Client::Libtorrent, Encryption::Never, "preferred");
    }

    #[test]
    fn allowed_from_an_encrypted_libtorrent() {
        download(Client::Libtorrent, Encryption::Required, "allowed");
    }

    #[test]
    fn allowed_from_an_encrypted_aria2() {
        download(Client::Aria2, Encryption::Required, "allowed");
    }

    #[test]
    fn allowed_from_an_encrypted_transmission() {
        download(Client::Transmission, Encryption::Required, "allowed");
    }
}

/// `torrent seed` and the leech say the same.
mod seed {
    use super::*;

    #[test]
    fn required_to_aria2() {
        seed(Client::Aria2, Encryption::Required, "required");
    }

    #[test]
    fn required_to_libtorrent() {
        seed(Client::Libtorrent, Encryption::Required, "required");
    }

    #[test]
    fn required_to_rtorrent() {
        seed(Client::Rtorrent, Encryption::Required, "required");
    }

    #[test]
    fn required_to_transmission() {
        seed(Client::Transmission, Encryption::Required, "required");
    }

    /// Then the handshake is encrypted, and the payload is plain.
    #[test]
    fn allowed_to_rtorrent_that_wants_an_encrypted_handshake() {
        seed(Client::Rtorrent, Encryption::Handshake, "allowed");
    }

    #[test]
    fn disabled_to_libtorrent() {
        seed(Client::Libtorrent, Encryption::Never, "disabled");
    }

    #[test]
    fn disabled_to_rtorrent() {
        seed(Client::Rtorrent, Encryption::Never, "disabled");
    }

    #[test]
    fn disabled_to_transmission() {
        seed(Client::Transmission, Encryption::Never, "disabled");
    }
}

/// Nobody gives in: then there is no connection.
#[test]
fn required_from_a_plain_libtorrent_fails() {
    none_from(Encryption::Never, "required");
}

#[test]
fn disabled_from_an_encrypted_libtorrent_fails() {
    none_from(Encryption::Required, "disabled");
}

fn download(client: Client, theirs: Encryption, ours: &str) -> Option<()> {
    let setting = Setting::new(None)?;
    let (_seed, address) = setting.seed(client, theirs)?;
    let (mut process, folder) = setting.download(address, ours);
    assert_eq!(process.wait().code(), Some(0));
    setting.payload.assert_same(&folder);
    Some(())
}

fn none_from(theirs: Encryption, ours: &str) -> Option<()> {
    let setting = Setting::new(None)?;
    let (seed, address) = setting.seed(Client::Libtorrent, theirs)?;
    let (process, folder) = setting.download(address, ours);
    // The first connection that ends is the one with which the harness asked whether somebody listens.
    let refused = torrent_interop::until(|| (seed.stderr().matches(" disconnecting ").count() >= 2).then_some(()));
    assert!(refused.is_some(), "nobody was thrown out");
    drop(process);
    let got = std::fs::read(folder.join(setting.payload.name())).unwrap_or_default();
    assert!(got.iter().all(|byte| *byte == 0), "nothing came");
    Some(())
}

fn seed(client: Client, theirs: Encryption, ours: &str) -> Option<()> {
    let scratch = Scratch::new();
    let tracker = if client.needs_tracker() { Some(Tracker::start(&scratch)?) } else { None };
    let setting = Setting::new(tracker.as_ref())?;
    let peer = SocketAddr::from((ADDRESS, free_port()));
    let mut command = Command::new(&setting.ours);
    command.arg("seed").arg(setting.torrent.path()).arg(setting.payload.folder_path());
    command.arg(format!("--port={}", peer.port())).arg(format!("--encryption={ours}"));
    let mut seed = Process::start("torrent", command, setting.scratch.path());
    seed.wait_for_listener(peer);
    if let Some(tracker) = &tracker {
        tracker.wait_for_seeds(setting.torrent.info_hash(), 1);
    }

    let folder = setting.scratch.folder("downloaded");
    client.leech(&setting.job(&folder, "leech", &[peer], theirs))?.wait();
    client.assert_downloaded(&setting.payload, &folder);
    Some(())
}

/// A payload and its torrent.
struct Setting {
    scratch: Scratch,
    ours: PathBuf,
    payload: Payload,
    torrent: Torrent,
}

impl Setting {
    /// `None` if something is not installed.
    fn new(tracker: Option<&Tracker>) -> Option<Self> {
        let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
        let payload = Payload::file(&scratch);
        let torrent = Torrent::create(&scratch, &payload, tracker)?;
        Some(Self { scratch, ours, payload, torrent })
    }

    fn job<'a>(&'a self, folder: &'a Path, home: &str, peers: &'a [SocketAddr], encryption: Encryption) -> Job<'a> {
        let manner = Manner { encryption, ..Manner::default() };
        Job { peers, manner, ..Job::new(&self.scratch, home, &self.torrent, folder) }
    }

    fn seed(&self, client: Client, encryption: Encryption) -> Option<(Process, SocketAddr)> {
        client.seed(&self.job(self.payload.folder_path(), "seed", &[], encryption))
    }

    fn download(&self, peer: SocketAddr, encryption: &str) -> (Process, PathBuf) {
        let folder = self.scratch.folder("downloaded");
        let mut command = Command::new(&self.ours);
        command.arg("download").arg(self.torrent.path()).arg("-o").arg(&folder);
        command.arg(format!("--peer={peer}")).arg(format!("--encryption={encryption}"));
        (Process::start("torrent", command, self.scratch.path()), folder)
    }
}
