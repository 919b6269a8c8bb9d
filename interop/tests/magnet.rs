//! A magnet link is enough: whoever has the torrent gives the metadata, and then the content.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use torrent_interop::{
    ADDRESS, Client, Job, Manner, Payload, Process, Scratch, Torrent, Tracker, free_port, in_sandbox, our_command,
};

/// `torrent download` has a link to what others serve.
mod download {
    use super::*;

    #[test]
    fn from_anacrolix() {
        download(Client::Anacrolix, How::PeerByOption);
    }

    #[test]
    fn from_aria2() {
        download(Client::Aria2, How::PeerByOption);
    }

    #[test]
    fn from_libtorrent() {
        download(Client::Libtorrent, How::PeerByOption);
    }

    #[test]
    fn from_rqbit() {
        download(Client::Rqbit, How::PeerByOption);
    }

    #[test]
    fn from_rtorrent() {
        download(Client::Rtorrent, How::PeerByOption);
    }

    #[test]
    fn from_transmission() {
        download(Client::Transmission, How::PeerByOption);
    }

    #[test]
    fn from_a_peer_that_a_tracker_names() {
        download(Client::Libtorrent, How::TrackerInLink);
    }
}

/// Others have a link to what `torrent seed` serves.
mod seed {
    use super::*;

    #[test]
    fn to_anacrolix() {
        seed(Client::Anacrolix, How::PeerInLink);
    }

    #[test]
    fn to_aria2() {
        seed(Client::Aria2, How::TrackerInLink);
    }

    #[test]
    fn to_libtorrent() {
        seed(Client::Libtorrent, How::PeerInLink);
    }

    #[test]
    fn to_rqbit() {
        seed(Client::Rqbit, How::PeerByOption);
    }

    #[test]
    fn to_rtorrent() {
        seed(Client::Rtorrent, How::PeerByOption);
    }

    #[test]
    fn to_transmission() {
        seed(Client::Transmission, How::TrackerInLink);
    }
}

/// How the one with the link learns of the seed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    PeerInLink,
    PeerByOption,
    TrackerInLink,
}

fn download(client: Client, how: How) -> Option<()> {
    let setting = Setting::new(how)?;
    let (_seed, address) = client.seed(&setting.job(setting.payload.folder_path(), "seed", &[], Manner::default()))?;
    setting.wait_for_announce();

    let folder = setting.scratch.folder("downloaded");
    let mut command = Command::new(&setting.ours);
    command.arg("download").arg(setting.link(address, how)).arg("-o").arg(&folder);
    command.args((how == How::PeerByOption).then(|| format!("--peer={address}")));
    let mut process = Process::start("torrent", command, setting.scratch.path());
    assert_eq!(process.wait().code(), Some(0));
    setting.payload.assert_same(&folder);
    Some(())
}

fn seed(client: Client, how: How) -> Option<()> {
    let setting = Setting::new(how)?;
    let address = SocketAddr::from((ADDRESS, free_port()));
    let mut command = Command::new(&setting.ours);
    command.arg("seed").arg(setting.torrent.path()).arg(setting.payload.folder_path());
    command.arg(format!("--port={}", address.port()));
    let mut seed = Process::start("torrent", command, setting.scratch.path());
    seed.wait_for_listener(address);
    setting.wait_for_announce();

    let folder = setting.scratch.folder("downloaded");
    let manner = Manner { magnet: Some(setting.link(address, how)), ..Manner::default() };
    let by_option = [address];
    let peers = if how == How::PeerByOption { &by_option[..] } else { &[] };
    client.leech(&setting.job(&folder, "leech", peers, manner))?.wait();
    client.assert_downloaded(&setting.payload, &folder);
    Some(())
}

/// A payload and its torrent.
struct Setting {
    scratch: Scratch,
    ours: PathBuf,
    tracker: Option<Tracker>,
    payload: Payload,
    torrent: Torrent,
}

impl Setting {
    /// `None` if something is not installed.
    fn new(how: How) -> Option<Self> {
        let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
        let tracker = if how == How::TrackerInLink { Some(Tracker::start(&scratch)?) } else { None };
        let payload = Payload::folder(&scratch);
        let torrent = Torrent::create(&scratch, &payload, tracker.as_ref())?;
        Some(Self { scratch, ours, tracker, payload, torrent })
    }

    fn wait_for_announce(&self) {
        if let Some(tracker) = &self.tracker {
            tracker.wait_for_seeds(self.torrent.info_hash(), 1);
        }
    }

    /// What `torrent magnet` makes of the torrent, which names the tracker if there is one.
    fn link(&self, peer: SocketAddr, how: How) -> String {
        let mut command = Command::new(&self.ours);
        command.arg("magnet").arg(self.torrent.path());
        command.args((how == How::PeerInLink).then(|| format!("--peer={peer}")));
        let output = command.output().expect("the command starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn job<'a>(&'a self, folder: &'a Path, home: &str, peers: &'a [SocketAddr], manner: Manner) -> Job<'a> {
        Job { peers, manner, ..Job::new(&self.scratch, home, &self.torrent, folder) }
    }
}
