//! The public API: files to torrents, torrents to files, and what strangers may send.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod create;
mod foreign;
mod random_trees;
mod tree;
mod verify;
