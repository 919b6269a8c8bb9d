#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod checks;
mod config;
mod descriptors;
mod disk;
mod error;
mod event;
mod extent;
mod piece;
mod pool;
mod queue;
mod reads;
mod torrent;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use config::{CheckThreads, DiskConfig};
pub use disk::Disk;
pub use error::PutError;
pub use event::{Event, Listener, Verdict};
pub use extent::EXTENT;
pub use piece::Slot;
pub use reads::Run;
pub use torrent::TorrentDisk;
pub use torrent_content::{Checked, Foreign, Occupied, Recorded, Thoroughness};
pub use torrent_storage::StorageError;

/// A panic of another thread under a lock leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
