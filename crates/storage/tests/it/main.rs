//! Public API only: what holds for every backend, a naive twin, faults of the disk, and what only files can do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backends;
mod faults;
mod files;
#[cfg(unix)]
mod owners;
mod twin;

use std::io::IoSlice;

use torrent_storage::{FileEntry, Layout, TorrentStorage};

/// Files named by their number.
fn layout(lengths: &[u64]) -> Layout {
    Layout::new(lengths.iter().enumerate().map(|(index, length)| FileEntry::new(format!("d/{index}"), *length)))
        .unwrap()
}

fn write(torrent: &dyn TorrentStorage, offset: u64, bytes: &[u8]) {
    torrent.write_at(offset, &[IoSlice::new(bytes)]).unwrap();
}

fn read(torrent: &dyn TorrentStorage, offset: u64, length: usize) -> Vec<u8> {
    let mut buffer = vec![0xEE; length];
    let read = torrent.read_at(offset, &mut buffer).unwrap();
    buffer.truncate(read);
    buffer
}
