//! The public API: files to torrents, torrents to files, and what strangers may send.

mod create;
mod foreign;
mod random_trees;
mod tree;
mod verify;
