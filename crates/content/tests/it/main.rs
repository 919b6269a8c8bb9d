//! The public API: files to torrents and back, and what a storage holds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod create;
#[cfg(unix)]
mod nasty_names;
mod occupied;
mod random_trees;
mod resume;
mod tree;
mod verify;

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
