#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

#[cfg(feature = "conformance")]
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests, on numbers of their own")]
pub mod conformance;
mod error;
mod file;
mod gather;
mod layout;
mod memory;
pub mod names;
mod presence;
mod storage;

pub use error::{ErrorKind, Operation, StorageError};
pub use file::{Allocation, FileStorage, HandlePool};
pub use layout::{FileEntry, Layout, LayoutError, Segment};
pub use memory::MemoryStorage;
pub use presence::{Extent, Presence};
pub use storage::{FileStat, Owner, Storage, TorrentStorage};
