//! Whether somebody else changes the files that a torrent is being written to: what the system said of each after our last
//! write is compared before the next one, and at the end. Changes within one tick of the system's clock for files are missed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::os::Handle;
use crate::{FileStat, error::Fault};

/// What is known of the files, by number.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<BTreeMap<usize, Option<FileStat>>>);

impl Watch {
    /// A file was looked at. What is known of it already stays.
    pub(super) fn look(&self, file: usize, found: FileStat) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(file).or_insert(Some(found));
    }

    /// Writes to a file. Other writes of the torrent wait: the times before and after belong to this one.
    pub(super) fn write(
        &self,
        file: usize,
        handle: &Handle,
        write: impl FnOnce() -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = handle.stat().ok();
        let is_changed = known.get(&file).is_some_and(|known| *known != before);
        let written = write();
        known.insert(file, handle.stat().ok().filter(|_| !is_changed));
        written
    }

    /// Every file that was looked at or written to: what the system said last, or nothing if somebody else has changed it
    /// between two writes. Forgets it all.
    pub(super) fn take(&self) -> BTreeMap<usize, Option<FileStat>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
