//! What is sent to and fro: bytes that no two blocks share, and the comparison at the end.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{PIECE_LENGTH, Scratch};

/// Files in a folder, under a name.
#[derive(Debug)]
pub struct Payload {
    folder: PathBuf,
    name: &'static str,
    /// Paths below `folder`, with `/`, and their content.
    files: Vec<(String, Vec<u8>)>,
}

impl Payload {
    /// One file whose last piece is short.
    #[must_use]
    pub fn file(scratch: &Scratch) -> Self {
        Self::new(scratch, "single.bin", &[("", 12 * PIECE_LENGTH + 12_345)])
    }

    /// One file of 64 MiB.
    #[must_use]
    pub fn large(scratch: &Scratch) -> Self {
        Self::new(scratch, "large.bin", &[("", 64 << 20)])
    }

    /// One file of one block, which is all of the only piece.
    #[must_use]
    pub fn block(scratch: &Scratch) -> Self {
        Self::new(scratch, "block.bin", &[("", 16 * 1024)])
    }

    /// One file that ends where a piece ends.
    #[must_use]
    pub fn whole_pieces(scratch: &Scratch) -> Self {
        Self::new(scratch, "whole.bin", &[("", 4 * PIECE_LENGTH)])
    }

    /// Nested folders, empty files in the middle and at the end, a file of one byte, one of whole pieces.
    #[must_use]
    pub fn folder(scratch: &Scratch) -> Self {
        let files = [
            ("/a.bin", 2 * PIECE_LENGTH),
            ("/deep/er/b.bin", 700_001),
            ("/deep/empty.txt", 0),
            ("/deep/one byte", 1),
            ("/e.bin", PIECE_LENGTH + 1),
            ("/z empty.txt", 0),
        ];
        Self::new(scratch, "folder", &files)
    }

    fn new(scratch: &Scratch, name: &'static str, files: &[(&str, u64)]) -> Self {
        let folder = scratch.folder("payload");
        let files: Vec<_> = files
            .iter()
            .zip(1..)
            .map(|((path, length), seed)| (format!("{name}{path}"), bytes(seed, *length)))
            .collect();
        for (path, content) in &files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("below a folder")).expect("a folder for the payload");
            fs::write(path, content).expect("the payload on disk");
        }
        Self { folder, name, files }
    }

    /// What it lies in: what a client calls its download folder.
    #[must_use]
    pub fn folder_path(&self) -> &Path {
        &self.folder
    }

    /// The file or folder itself.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// Its name in the torrent.
    #[must_use]
    pub const fn name(&self) -> &str {
        self.name
    }

    /// The first file.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        self.files.first().map_or(&[], |(_, content)| content)
    }

    /// # Panics
    /// If what was downloaded to `folder` differs in a byte, lacks a file, or has one more.
    #[track_caller]
    pub fn assert_same(&self, folder: &Path) {
        self.assert_same_files(folder, 0);
    }

    /// # Panics
    /// As [`assert_same`](Self::assert_same), but empty files may be missing.
    #[track_caller]
    pub fn assert_same_but_for_empty_files(&self, folder: &Path) {
        self.assert_same_files(folder, 1);
    }

    #[track_caller]
    fn assert_same_files(&self, folder: &Path, shortest: usize) {
        let mut expected = BTreeSet::new();
        for (path, content) in self.files.iter().filter(|(_, content)| content.len() >= shortest) {
            let path = folder.join(path);
            let found = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let (is, should) = (found.len(), content.len());
            assert!(found == *content, "{} differs: {is} bytes instead of {should}", path.display());
            expected.insert(path);
        }
        let more: Vec<_> =
            files_below(&folder.join(self.name)).into_iter().filter(|path| !expected.contains(path)).collect();
        assert!(more.is_empty(), "too many: {more:?}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Noise (xorshift64), the same on each run.
fn bytes(seed: u64, length: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(usize::try_from(length).expect("a payload fits memory")).collect()
}
