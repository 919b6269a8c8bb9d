//! What is in storage, as far as that is known from the run before: only what disagrees is read, and a sample of the rest.
//! In: what was recorded, and what the disk says now. Out: the pieces that are had. Never: where records are kept.

use torrent_storage::{ErrorKind, FileEntry, FileStat, Layout, Operation, StorageError};
use torrent_types::{Bitfield, PieceIndex};

use crate::{Check, Checked};

/// Pieces that are hashed to find out whether the record can be believed.
const SAMPLE: u32 = 16;

/// What was known at the end of the run before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair")]
pub struct Recorded {
    /// The pieces that were in storage and right.
    pub have: Bitfield,
    /// What [`TorrentStorage::stat`](torrent_storage::TorrentStorage::stat) said then. Of each file, length and time count.
    pub files: Vec<Option<FileStat>>,
}

/// How much of a record is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Thoroughness {
    /// Files whose length and time are as recorded are believed after a sample of their pieces was hashed; the others are
    /// checked, and all of them if the sample is wrong.
    #[default]
    Automatic,
    /// Nothing is believed.
    Full,
    /// Everything is believed of files that are as long as recorded; nothing is read.
    Trust,
}

/// Finds out which pieces are had, reading as little as the thoroughness allows. `check` is a check of all pieces that was
/// set up and not run; `seed` chooses the sample.
///
/// # Errors
/// If storage cannot be read; and with [`ErrorKind::NotFound`] if data was recorded, and none of its files is there any more:
/// the disk may not be mounted, and nothing should be downloaded into its mount point by mistake. A full check does not ask.
pub fn resume(
    check: Check<'_>,
    recorded: &Recorded,
    thoroughness: Thoroughness,
    seed: u64,
) -> Result<Checked, StorageError> {
    let torrent = check.torrent();
    let geometry = check.geometry();
    let fits = recorded.have.len() == geometry.piece_count();
    let (Some(layout), true, false) = (torrent.layout(), fits, thoroughness == Thoroughness::Full) else {
        return check.run()?.into_checked();
    };
    let layout = layout.clone();
    let now = torrent.stat()?;
    if let Some(path) = all_vanished(&layout, recorded, &now) {
        return Err(StorageError::new(ErrorKind::NotFound, Operation::Inspect, path));
    }
    let mut suspects = Bitfield::new(geometry.piece_count());
    let has_bytes = |(_, entry): &(usize, &FileEntry)| !entry.is_pad() && entry.length() > 0;
    for (file, _) in layout.files().iter().enumerate().filter(has_bytes) {
        let (then, now) = (recorded.files.get(file).copied().flatten(), now.get(file).copied().flatten());
        let agrees = match thoroughness {
            Thoroughness::Trust => now.map(|stat| stat.length) == then.map(|stat| stat.length),
            _ => now.map(|stat| (stat.length, stat.modified)) == then.map(|stat| (stat.length, stat.modified)),
        };
        if !agrees {
            geometry.pieces_of(layout.file_range(file)).for_each(|piece| {
                suspects.set(piece);
            });
        }
    }
    let mut have = recorded.have.clone();
    suspects.ones().for_each(|piece| {
        have.clear(piece);
    });
    if thoroughness == Thoroughness::Trust {
        return Ok(Checked { have, occupied: Vec::new() });
    }
    let sample = sample(&have, seed);
    let mut to_read = suspects;
    sample.ones().for_each(|piece| {
        to_read.set(piece);
    });
    let found = check.clone().only(&to_read).run()?.into_checked()?.have;
    if sample.ones().any(|piece| !found.get(piece)) {
        // What was recorded is not what is there: nothing of it counts.
        return check.run()?.into_checked();
    }
    found.ones().for_each(|piece| {
        have.set(piece);
    });
    Ok(Checked { have, occupied: Vec::new() })
}

/// The first of the files that had data, if none of them is there any more.
fn all_vanished(layout: &Layout, recorded: &Recorded, now: &[Option<FileStat>]) -> Option<std::path::PathBuf> {
    let had_data = |stat: &Option<FileStat>| stat.is_some_and(|stat| stat.length > 0);
    let mut had = recorded.files.iter().enumerate().filter(|(_, stat)| had_data(stat)).peekable();
    let (first, _) = *had.peek()?;
    let is_gone = recorded.have.count_ones() > 0 && had.all(|(file, _)| now.get(file).copied().flatten().is_none());
    is_gone.then(|| layout.files().get(first).map(|entry| entry.path().to_owned()).unwrap_or_default())
}

/// Some of the pieces: the first and the last, and others that the seed chooses.
fn sample(have: &Bitfield, seed: u64) -> Bitfield {
    let mut sample = Bitfield::new(have.len());
    let count = u64::from(have.count_ones());
    if count == 0 {
        return sample;
    }
    let mut state = seed | 1;
    let mut wanted: Vec<u64> = vec![0, count.saturating_sub(1)];
    for _ in 2..SAMPLE {
        // xorshift: any spread will do.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        wanted.push(state.checked_rem(count).unwrap_or(0));
    }
    wanted.sort_unstable();
    let mut wanted = wanted.into_iter().peekable();
    for (number, piece) in (0_u64..).zip(have.ones()) {
        while wanted.next_if_eq(&number).is_some() {
            sample.set(PieceIndex::new(piece.get()));
        }
    }
    sample
}
