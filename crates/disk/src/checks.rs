//! Work that reads all of a torrent, or waits for the disk: checks, finishing, flushing. Queued per device, beside reads and
//! writes, so that a hundred torrents that are added at once are checked one after the other while others are served.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use torrent_content::{Check, Checked, Foreign, Recorded, Thoroughness, find_occupied, resume};
use torrent_storage::{Owner, StorageError};
use torrent_types::Bitfield;

use crate::{CheckThreads, Event, TorrentDisk, lock, torrent::Shared, writer::Task};

/// Progress is reported so many times per check.
const REPORTS: u32 = 200;

impl TorrentDisk {
    /// Queues a check of all pieces. [`Event::CheckProgress`] and [`Event::Checked`] follow.
    pub fn check(&self) {
        self.shared().cancel_check.store(false, Ordering::Relaxed);
        self.shared().queue(|torrent| {
            let outcome = check(torrent, None).and_then(|checked| look_for_others(torrent, checked, None));
            torrent.checked(outcome);
        });
    }

    /// As [`check`](Self::check), but reads only what is not known from the run before: see [`resume`]. Files of which
    /// something was recorded as had are the torrent's.
    pub fn check_recorded(&self, recorded: Recorded, thoroughness: Thoroughness, seed: u64) {
        self.shared().cancel_check.store(false, Ordering::Relaxed);
        self.shared().queue(move |torrent| {
            let outcome = with_check(torrent, None, |check| resume(check, &recorded, thoroughness, seed));
            let outcome = outcome.and_then(|checked| look_for_others(torrent, checked, Some(&recorded.have)));
            torrent.checked(outcome);
        });
    }

    /// Ends a check that is under way or queued: [`Event::Checked`] comes soon, with what was found so far.
    pub fn cancel_check(&self) {
        self.shared().cancel_check.store(true, Ordering::Relaxed);
    }

    /// These pieces are in storage, as is known from somewhere else than a check: reads of others are refused, and the files
    /// that they lie in are the torrent's.
    pub fn assume(&self, have: &Bitfield) {
        let shared = self.shared();
        if let Some(layout) = shared.storage.layout() {
            for file in 0..layout.files().len() {
                if shared.geometry.pieces_of(layout.file_range(file)).any(|piece| have.get(piece)) {
                    shared.storage.set_owner(file, Owner::Torrent);
                }
            }
        }
        have.clone_into(&mut lock(&shared.have));
    }

    /// Files that were found [occupied](Checked::occupied) are the torrent's after all: they may be written over and cut. The
    /// user wants that.
    pub fn take_over(&self) {
        let storage = &self.shared().storage;
        let files = storage.layout().map_or(0, |layout| layout.files().len());
        (0..files).for_each(|file| storage.set_owner(file, Owner::Torrent));
    }

    /// Every wanted piece is stored: makes empty files and gives files their exact length, then looks whether somebody else
    /// has changed files while they were being fetched, and checks what they had. [`Event::Finished`] follows.
    pub fn finish(&self) {
        self.shared().queue(|torrent| {
            let outcome = finish(torrent);
            torrent.listener.handle_disk_event(Event::Finished(outcome));
        });
    }

    /// Calls `done` from a thread of the disk once everything that was stored before is safe from a loss of power, or with the
    /// reason why not.
    pub fn flush(&self, done: impl FnOnce(Result<(), StorageError>) + Send + 'static) {
        self.shared().queue(|torrent| done(torrent.storage.flush()));
    }
}

impl Shared {
    fn queue(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        self.disk.touch();
        let torrent = Arc::clone(self);
        if let Err(work) = self.device.slow.push(Box::new(move || work(&torrent))) {
            // The writer has a thread already.
            self.push(Task::Barrier(work));
        }
    }

    fn checked(&self, outcome: Result<Checked, StorageError>) {
        if let Ok(checked) = &outcome {
            checked.have.clone_into(&mut lock(&self.have));
        }
        self.listener.handle_disk_event(Event::Checked(outcome));
    }
}

/// Which files are somebody else's; not those of which something `was_had` in the run before.
fn look_for_others(
    torrent: &Shared,
    mut checked: Checked,
    was_had: Option<&Bitfield>,
) -> Result<Checked, StorageError> {
    // A check that was cancelled knows too little.
    if torrent.cancel_check.load(Ordering::Relaxed) {
        return Ok(checked);
    }
    checked.occupied = find_occupied(&*torrent.storage, &torrent.geometry, &checked.have)?;
    if let (Some(was_had), Some(layout)) = (was_had, torrent.storage.layout()) {
        checked.occupied.retain(|occupied| {
            let mut pieces = torrent.geometry.pieces_of(layout.file_range(occupied.file));
            let is_ours = occupied.why == Foreign::NothingRight && pieces.any(|piece| was_had.get(piece));
            if is_ours {
                torrent.storage.set_owner(occupied.file, Owner::Torrent);
            }
            !is_ours
        });
    }
    Ok(checked)
}

fn check(torrent: &Arc<Shared>, only: Option<&Bitfield>) -> Result<Checked, StorageError> {
    with_check(torrent, only, |check| check.run()?.into_checked())
}

fn with_check(
    torrent: &Arc<Shared>,
    only: Option<&Bitfield>,
    run: impl FnOnce(Check<'_>) -> Result<Checked, StorageError>,
) -> Result<Checked, StorageError> {
    let total = only.map_or(torrent.geometry.piece_count(), Bitfield::count_ones);
    let done = AtomicU32::new(0);
    let interval = total.div_ceil(REPORTS).max(1);
    let on_piece = |_, _| {
        let done = done.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if only.is_none() && (done.is_multiple_of(interval) || done == total) {
            torrent.listener.handle_disk_event(Event::CheckProgress { done, total });
        }
    };
    let mut check = Check::new(&*torrent.storage, &torrent.geometry, &*torrent.hashes)
        .on_piece(&on_piece)
        .cancel(&torrent.cancel_check);
    if let Some(threads) = threads(torrent) {
        check = check.threads(threads);
    }
    if let Some(only) = only {
        check = check.only(only);
    }
    run(check)
}

fn threads(torrent: &Shared) -> Option<NonZeroUsize> {
    match torrent.disk.config.check_threads {
        CheckThreads::Fixed(threads) => Some(threads),
        CheckThreads::Automatic => torrent.device.id.is_some_and(is_rotating).then_some(NonZeroUsize::MIN),
    }
}

/// Whether the system knows that this device has a head that has to move.
#[cfg(target_os = "linux")]
fn is_rotating(device: u64) -> bool {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    // A partition knows nothing of its disk, which is the folder above.
    ["queue/rotational", "../queue/rotational"].iter().any(|file| {
        std::fs::read(format!("/sys/dev/block/{major}:{minor}/{file}")).is_ok_and(|flag| flag.starts_with(b"1"))
    })
}

#[cfg(not(target_os = "linux"))]
fn is_rotating(_device: u64) -> bool {
    false
}

fn finish(torrent: &Arc<Shared>) -> Result<(), StorageError> {
    torrent.storage.finish()?;
    let changed = torrent.storage.changed()?;
    let Some((path, _)) = changed.first() else { return Ok(()) };
    let have = lock(&torrent.have).clone();
    let mut suspects = Bitfield::new(torrent.geometry.piece_count());
    for (_, range) in &changed {
        for piece in torrent.geometry.pieces_of(range.clone()).filter(|piece| have.get(*piece)) {
            suspects.set(piece);
        }
    }
    torrent.cancel_check.store(false, Ordering::Relaxed);
    let checked = check(torrent, Some(&suspects))?;
    let pieces: Vec<_> = suspects.ones().filter(|piece| !checked.have.get(*piece)).collect();
    if pieces.is_empty() {
        return Ok(());
    }
    let mut have = lock(&torrent.have);
    for piece in &pieces {
        have.clear(*piece);
    }
    drop(have);
    let error = StorageError::new(torrent_storage::ErrorKind::Changed, torrent_storage::Operation::Inspect, path);
    torrent.listener.handle_disk_event(Event::PiecesLost { pieces, error });
    Ok(())
}
