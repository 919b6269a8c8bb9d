//! How fast what is on disk (here: in the page cache) is checked, and how fast pieces are written.
#![expect(clippy::unwrap_used, reason = "a test or bench that cannot go on has failed")]

use std::io::IoSlice;

use divan::{Bencher, counter::BytesCount};
use torrent_content::{Check, Sha1Hashes};
use torrent_storage::{FileEntry, FileStorage, Layout, Storage, TorrentStorage};
use torrent_types::Geometry;

const TOTAL: u64 = 256 << 20;

fn main() {
    divan::main();
}

fn torrent(folder: &tempfile::TempDir) -> Box<dyn TorrentStorage> {
    let layout = Layout::new([FileEntry::new("a", TOTAL / 2), FileEntry::new("b", TOTAL / 2)]).unwrap();
    FileStorage::new(folder.path()).open(&layout).unwrap()
}

fn write_all(torrent: &dyn TorrentStorage, piece: &[u8]) {
    let blocks: Vec<_> = piece.chunks(16 * 1024).map(IoSlice::new).collect();
    for offset in (0..TOTAL).step_by(piece.len()) {
        torrent.write_at(offset, &blocks).unwrap();
    }
}

#[divan::bench(args = [16 << 10, 256 << 10, 4 << 20], sample_count = 5)]
fn check(bencher: Bencher<'_, '_>, piece_length: u32) {
    let folder = tempfile::tempdir().unwrap();
    let torrent = torrent(&folder);
    write_all(&*torrent, &[7; 1 << 20]);
    let geometry = Geometry::new(TOTAL, piece_length).unwrap();
    let hashes = Sha1Hashes::new(vec![[0; 20]; geometry.piece_count() as usize]);
    bencher.counter(BytesCount::new(TOTAL)).bench(|| Check::new(&*torrent, &geometry, &hashes).run().unwrap().checked);
}

#[divan::bench(args = [16 << 10, 1 << 20], sample_count = 5)]
fn write(bencher: Bencher<'_, '_>, piece_length: usize) {
    let folder = tempfile::tempdir().unwrap();
    let torrent = torrent(&folder);
    let piece = vec![7; piece_length];
    bencher.counter(BytesCount::new(TOTAL)).bench(|| write_all(&*torrent, &piece));
}
