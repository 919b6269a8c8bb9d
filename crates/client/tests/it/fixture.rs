//! Torrents with content, clients on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use torrent_client::{AddTorrent, Client, Config, Encryption, Listen, Metainfo, Phase, Torrent};
use torrent_content::{Builder, Version};

/// A torrent and a folder that holds its content.
pub(crate) struct Fixture {
    pub(crate) metainfo: Metainfo,
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    folder: TempDir,
}

impl Fixture {
    /// One file of `length` bytes.
    pub(crate) fn single(length: usize, piece_length: u32) -> Self {
        Self::of(vec![("payload.bin".into(), noise(length, 1))], "payload.bin", piece_length)
    }

    /// The same, private.
    pub(crate) fn private(length: usize, piece_length: u32) -> Self {
        let mut fixture = Self::single(length, piece_length);
        let builder = Builder::new().version(Version::V1).piece_length(piece_length).private(true);
        fixture.metainfo = builder.build(fixture.path().join("payload.bin")).unwrap();
        fixture
    }

    /// A folder with nested and empty files, sizes around the piece length.
    pub(crate) fn folder(piece_length: u32) -> Self {
        let piece = piece_length as usize;
        let lengths =
            [("a", piece), ("b/one", 1), ("b/c/piece-1", piece - 1), ("b/c/piece+1", piece + 1), ("d/empty", 0)];
        let more = [("e/large", 7 * piece + 13), ("z-last-empty", 0)];
        let file = |(seed, (name, length)): (usize, (&str, usize))| {
            (Path::new("content").join(name), noise(length, seed as u64))
        };
        let files = lengths.into_iter().chain(more).enumerate().map(file).collect();
        Self::of(files, "content", piece_length)
    }

    fn of(files: Vec<(PathBuf, Vec<u8>)>, root: &str, piece_length: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in &files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let builder = Builder::new().version(Version::V1).piece_length(piece_length);
        let metainfo = builder.build(folder.path().join(root)).unwrap();
        Self { metainfo, files, folder }
    }

    /// The folder that holds the content.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A client that serves the content, and where it is.
    pub(crate) async fn seed(&self, encryption: Encryption) -> (Client, SocketAddr) {
        let (client, address) = client(encryption).await;
        let torrent = client.add(AddTorrent::new(self.metainfo.clone(), self.path())).unwrap();
        assert_eq!(torrent.wait_for(|phase| phase == Phase::Seeding).await, Phase::Seeding);
        (client, address)
    }

    /// Begins a download into `folder`.
    pub(crate) fn download(&self, client: &Client, folder: &Path, peers: &[SocketAddr]) -> Torrent {
        let torrent = client.add(AddTorrent::new(self.metainfo.clone(), folder).peers(peers.iter().copied())).unwrap();
        torrent.download_all();
        torrent
    }

    /// What a fake peer needs to give the content. The torrent has one file.
    pub(crate) fn seed_data(&self) -> crate::fake::Seed {
        crate::fake::Seed {
            info_hash: self.metainfo.info_hashes().short(),
            piece_length: self.metainfo.info().piece_length(),
            content: std::sync::Arc::new(self.files[0].1.clone()),
        }
    }

    /// Fails unless the folder holds exactly the content.
    pub(crate) fn assert_in(&self, folder: &Path) {
        for (path, bytes) in &self.files {
            assert!(std::fs::read(folder.join(path)).unwrap() == *bytes, "{} differs", path.display());
        }
    }
}

/// A client on a loopback port of its own.
pub(crate) async fn client(encryption: Encryption) -> (Client, SocketAddr) {
    let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let client = Client::start(Config::default().listen(Listen::At(local)).encryption(encryption)).await.unwrap();
    let address = SocketAddr::new(local.ip(), client.port());
    (client, address)
}

/// Waits until everything is there.
pub(crate) async fn complete(torrent: &Torrent) {
    let ended = torrent.wait_for(|phase| matches!(phase, Phase::Seeding | Phase::StorageFailed)).await;
    assert_eq!(ended, Phase::Seeding, "{:?}", torrent.failure());
}

/// Bytes without pattern.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}
