//! Files that were there before a torrent and are not its own: a download that has a file of the same name must not write over
//! them. In: what a check has found. Out: whose each file is. Never: changes to files.

use std::{ops::Range, path::PathBuf};

use torrent_storage::{Extent, FileStat, Layout, Owner, Presence, StorageError, TorrentStorage};
use torrent_types::{Bitfield, Geometry};

/// Bytes read at a time when a file of zeros is told from others.
const READ_LENGTH: usize = 256 << 10;

/// A file where one of the torrent's should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Occupied {
    /// Number of the file in the layout.
    pub file: usize,
    /// Its path in the layout.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
    /// Why it is taken for somebody else's.
    pub why: Foreign,
}

/// Why a file is taken for somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// It has another name, too (a hard link), and not all of its pieces are right: writing would change that one.
    Linked,
    /// It is longer than the torrent's.
    Longer,
    /// No piece in it is right, and it is not all zeros.
    NothingRight,
}

/// Finds the files that are somebody else's, and tells the storage whose each file is: `have` are the pieces that a check of
/// all has found right. After [`TorrentStorage::protect`], storage refuses to write to those found.
///
/// # Errors
/// If a file cannot be looked at.
pub fn find_occupied(
    torrent: &dyn TorrentStorage,
    geometry: &Geometry,
    have: &Bitfield,
) -> Result<Vec<Occupied>, StorageError> {
    let Some(layout) = torrent.layout() else { return Ok(Vec::new()) };
    let stats = torrent.stat()?;
    if stats.iter().flatten().all(|stat| stat.length == 0) {
        return Ok(Vec::new());
    }
    let presence = torrent.presence()?;
    let mut occupied = Vec::new();
    for (file, (entry, stat)) in layout.files().iter().zip(&stats).enumerate() {
        let Some(stat) = stat else { continue };
        match foreign(torrent, layout, geometry, have, &presence, file, stat)? {
            None => torrent.set_owner(file, Owner::Torrent),
            Some(why) => {
                torrent.set_owner(file, Owner::Other);
                occupied.push(Occupied { file, path: entry.path().to_owned(), length: stat.length, why });
            }
        }
    }
    Ok(occupied)
}

/// Whether a file is somebody else's, and why.
fn foreign(
    torrent: &dyn TorrentStorage,
    layout: &Layout,
    geometry: &Geometry,
    have: &Bitfield,
    presence: &Presence,
    file: usize,
    stat: &FileStat,
) -> Result<Option<Foreign>, StorageError> {
    let range = layout.file_range(file);
    if stat.length > range.end.saturating_sub(range.start) {
        return Ok(Some(Foreign::Longer));
    }
    let pieces = || geometry.pieces_of(range.clone());
    if stat.links > 1 && stat.length > 0 && pieces().any(|piece| !have.get(piece)) {
        return Ok(Some(Foreign::Linked));
    }
    if pieces().any(|piece| have.get(piece)) || is_zeros(torrent, presence, &range)? {
        return Ok(None);
    }
    Ok(Some(Foreign::NothingRight))
}

/// Whether nothing but zeros is there. Stops at the first other byte.
fn is_zeros(torrent: &dyn TorrentStorage, presence: &Presence, range: &Range<u64>) -> Result<bool, StorageError> {
    if presence.of(range.clone()) == Extent::Zeros {
        return Ok(true);
    }
    let mut buffer = vec![0; READ_LENGTH];
    for run in presence.data() {
        let (mut at, end) = (run.start.max(range.start), run.end.min(range.end));
        while at < end {
            let length = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(READ_LENGTH);
            let part = buffer.get_mut(..length).unwrap_or_default();
            let read = torrent.read_at(at, part)?;
            if part.get(..read).unwrap_or_default().iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            if read == 0 {
                break;
            }
            at = at.saturating_add(read as u64);
        }
    }
    Ok(true)
}
