//! Files in a temporary folder, and what a torrent of them must say, computed without haste or cleverness.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use sha1::Sha1;
use sha2::Digest;
use tempfile::TempDir;
use torrent_metainfo::{Info, merkle};

/// A folder `t` with these files in a temporary one.
pub(crate) struct Tree {
    pub(crate) folder: TempDir,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    pub(crate) fn new<P: Into<String>>(files: impl IntoIterator<Item = (P, Vec<u8>)>) -> Self {
        let tree = Self {
            folder: temporary().unwrap(),
            files: files.into_iter().map(|(path, content)| (path.into(), content)).collect(),
        };
        for (path, content) in &tree.files {
            let path = tree.root().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        tree
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("t")
    }

    pub(crate) fn above(&self) -> &Path {
        self.folder.path()
    }

    /// Path below the root and length of all files but padding, as a torrent of this folder must have them.
    pub(crate) fn assert_is(&self, info: &Info) {
        let files = info.files().iter().filter(|file| !file.is_pad());
        let found: BTreeMap<_, _> =
            files.map(|file| (file.path().without_root().unwrap().to_string(), file.length())).collect();
        let expected: BTreeMap<_, _> =
            self.files.iter().map(|(path, content)| (path.clone(), content.len() as u64)).collect();
        assert_eq!(found, expected);
        assert!(info.files().iter().all(|file| !file.is_renamed()));

        let mut offset = 0;
        let mut bytes = Vec::new();
        for file in info.files() {
            assert_eq!(file.offset(), offset);
            offset = file.end();
            let path = file.path().without_root().unwrap().to_string();
            let content = if file.is_pad() { vec![0; file.length() as usize] } else { self.files[&path].clone() };
            if info.has_v2() && !file.is_pad() {
                let blocks: Vec<_> = content.chunks(16384).map(merkle::block).collect();
                let root = (!blocks.is_empty()).then(|| merkle::root(&blocks, 0));
                assert_eq!(file.pieces_root(), root.as_ref(), "{path}");
                assert!(content.is_empty() || file.offset() % u64::from(info.piece_length()) == 0, "{path} is aligned");
            }
            bytes.extend(content);
        }
        if info.has_v1() {
            let hashes = bytes.chunks(info.piece_length() as usize).map(|piece| <[u8; 20]>::from(Sha1::digest(piece)));
            assert_eq!(info.piece_hashes(), hashes.collect::<Vec<_>>());
        }
    }
}

/// In memory where the system has a folder for that: disks make thousands of trees ten times as slow.
fn temporary() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// Bytes that differ from place to place.
pub(crate) fn content(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(at).wrapping_add(seed) % 251) as u8).collect()
}
