//! Trackers of others used by our library and by `torrent`, and `torrent tracker` used by others.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod events;
mod library;
mod ours;
mod scrape;
mod tiers;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use torrent_interop::{ADDRESS, Payload, Process, Scratch, Torrent, free_port, until};

/// How a tracker is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Http,
    Udp,
}

impl Transport {
    const BOTH: [Self; 2] = [Self::Http, Self::Udp];

    fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Http => format!("http://{address}/announce"),
            Self::Udp => format!("udp://{address}/announce"),
        }
    }
}

/// The `torrent` command.
struct Ours(PathBuf);

impl Ours {
    fn find() -> Option<Self> {
        torrent_interop::our_command().filter(|_| torrent_interop::in_sandbox()).map(Self)
    }

    /// A tracker. Others may use the same folder.
    fn tracker(&self, scratch: &Scratch) -> (Process, SocketAddr) {
        let address = SocketAddr::from((ADDRESS, free_port()));
        let mut command = Command::new(&self.0);
        command.arg("tracker").arg(format!("--listen={address}"));
        let mut process = Process::start(&format!("tracker at {}", address.port()), command, scratch.path());
        process.wait_for_listener(address);
        (process, address)
    }

    /// A seed of the whole payload, which listens.
    fn seed(&self, scratch: &Scratch, torrent: &Torrent, payload: &Payload, options: &[&str]) -> (Process, SocketAddr) {
        let address = SocketAddr::from((ADDRESS, free_port()));
        let mut command = Command::new(&self.0);
        command.arg("seed").arg(torrent.path()).arg(payload.folder_path()).args(options);
        command.arg(format!("--port={}", address.port()));
        let mut process = Process::start(&format!("seed at {}", address.port()), command, scratch.path());
        process.wait_for_listener(address);
        (process, address)
    }

    /// A download by the torrent's trackers only, to its end. Returns what it said.
    fn download(&self, scratch: &Scratch, torrent: &Torrent, folder: &Path) -> String {
        let mut command = Command::new(&self.0);
        command.arg("download").arg(torrent.path()).arg("-o").arg(folder).arg(format!("--port={}", free_port()));
        let mut process = Process::start("download", command, scratch.path());
        assert_eq!(process.wait().code(), Some(0));
        process.stderr()
    }

    /// Peers that the tracker names to one who asks and leaves again.
    fn peers(&self, url: &str, torrent: &Torrent) -> Vec<String> {
        let peers = self.json(&["announce", "--json", "--port=9", url, torrent.info_hash()])["peers"].clone();
        self.json(&["announce", "--json", "--port=9", "--event=stopped", url, torrent.info_hash()]);
        serde_json::from_value(peers).unwrap()
    }

    /// Seeds, leeches and finished downloads by `torrent scrape`. Who knows nobody may as well not know the torrent.
    fn counts(&self, url: &str, torrent: &Torrent) -> [u64; 3] {
        let answer = self.json(&["scrape", "--json", url, torrent.info_hash()]);
        let entry = &answer["torrents"][0];
        ["seeders", "leechers", "downloaded"].map(|name| entry[name].as_u64().unwrap_or_default())
    }

    fn wait_for_counts(&self, url: &str, torrent: &Torrent, [seeds, leeches]: [u64; 2]) {
        let mut last = [0; 3];
        let reached = until(|| {
            last = self.counts(url, torrent);
            (last[..2] == [seeds, leeches]).then_some(())
        });
        assert!(reached.is_some(), "{url} has {last:?}");
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = Command::new(&self.0).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
