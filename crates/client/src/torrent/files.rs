//! The files of a torrent: their paths, which of them are wanted, and how far they are. In: priorities of files. Out:
//! priorities of pieces for the swarm; for storage, which files are to appear. A piece that several files share is as urgent
//! as the most urgent of them.

use std::{
    ops::Range,
    sync::{Arc, MutexGuard, atomic::Ordering},
};

use torrent_storage::{Layout, StorageError};
use torrent_swarm::{Goal, Priority};
use torrent_types::{Geometry, PieceIndex};

use super::{Torrent, TorrentInner, content::Content, lock};

/// A file of a torrent. Clones are handles of the same file.
#[derive(Clone, Debug)]
pub struct File {
    torrent: Torrent,
    index: usize,
}

impl File {
    /// Its number among the torrent's [`files`](Torrent::files).
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Where it lies below the torrent's folder, with the torrent's own name in front.
    #[must_use]
    pub fn path(&self) -> String {
        self.content().path(self.index)
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        let bytes = self.bytes();
        bytes.end - bytes.start
    }

    /// The torrent's bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> Range<u64> {
        self.content().layout.file_range(self.content().listed[self.index])
    }

    /// The pieces that hold bytes of it. The first and the last one may hold bytes of other files, too.
    #[must_use]
    pub fn pieces(&self) -> Range<PieceIndex> {
        pieces_of(&self.content().geometry, &self.bytes())
    }

    /// Bytes of it that are in storage and good.
    #[must_use]
    pub fn verified(&self) -> u64 {
        let (bytes, geometry) = (self.bytes(), self.content().geometry);
        let length = |piece: u32| {
            let begin = geometry.piece_offset(PieceIndex::new(piece));
            let end = begin + u64::from(geometry.length_of(PieceIndex::new(piece)));
            end.min(bytes.end).saturating_sub(begin.max(bytes.start))
        };
        let pieces = self.pieces();
        self.torrent.inner.look(|swarm| {
            let have = swarm.have();
            let pieces = pieces.start.get()..pieces.end.get();
            pieces.filter(|piece| have.get(PieceIndex::new(*piece))).map(length).sum()
        })
    }

    /// How urgent it is. All files are [`Priority::Normal`] at first.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.torrent.inner.priorities().get(&self.index).copied().unwrap_or_default()
    }

    /// Says how urgent it is; see [`Torrent::set_priorities`].
    ///
    /// # Errors
    /// As there.
    pub async fn set_priority(&self, priority: Priority) -> Result<(), Arc<StorageError>> {
        self.torrent.set_priorities([(self.index, priority)]).await
    }

    pub(super) fn torrent(&self) -> &Torrent {
        &self.torrent
    }

    fn content(&self) -> &Content {
        self.torrent.inner.content.get().expect("files exist once the metadata is known")
    }
}

impl Torrent {
    /// The files, without those that only pad others. Empty as long as the metadata is unknown.
    #[must_use]
    pub fn files(&self) -> Vec<File> {
        let count = self.inner.content.get().map_or(0, |content| content.listed.len());
        (0..count).map(|index| File { torrent: self.clone(), index }).collect()
    }

    /// Says how urgent some files are, by their numbers. A file of [`Priority::Skip`] is not fetched and does not appear; what
    /// it shares with others in pieces is kept elsewhere. Numbers that no file has are ignored.
    ///
    /// # Errors
    /// If storage cannot bring what was kept elsewhere to a file that is wanted now.
    pub async fn set_priorities(
        &self,
        priorities: impl IntoIterator<Item = (usize, Priority)>,
    ) -> Result<(), Arc<StorageError>> {
        let Some(content) = self.inner.content.get() else { return Ok(()) };
        let mut changed = Vec::new();
        {
            let mut known = self.inner.priorities();
            for (index, priority) in priorities.into_iter().filter(|(index, _)| *index < content.listed.len()) {
                let before = known.insert(index, priority).unwrap_or_default();
                if (before == Priority::Skip) != (priority == Priority::Skip) {
                    changed.push((content.listed[index], priority != Priority::Skip));
                }
            }
        }
        // First storage: what arrives from now on is to find its place.
        let disk = content.disk.clone();
        let work = tokio::task::spawn_blocking(move || {
            changed.into_iter().try_for_each(|(file, wanted)| disk.storage().set_wanted(file, wanted))
        });
        let outcome = work.await.unwrap_or(Ok(()));
        self.inner.apply_selection();
        outcome.map_err(Arc::new)
    }
}

impl TorrentInner {
    /// By number of the file; those that are not in it are as usual.
    fn priorities(&self) -> MutexGuard<'_, std::collections::BTreeMap<usize, Priority>> {
        lock(&self.priorities)
    }

    /// Tells the swarm whether to fetch, and how urgent each piece is.
    pub(super) fn apply_selection(self: &Arc<Self>) {
        let (downloading, reading) = (self.downloading.load(Ordering::Relaxed), self.has_readers());
        let runs = self.content.get().map_or_else(Vec::new, |content| {
            let priorities = self.priorities().clone();
            // A reader alone fetches only what is ahead of it.
            let usual = if reading && !downloading { Priority::Skip } else { Priority::Normal };
            let of = |index: usize| match priorities.get(&index) {
                Some(priority) if downloading || !reading => *priority,
                _ => usual,
            };
            piece_priorities(&content.layout, &content.geometry, &content.listed, of)
        });
        let goal = if downloading || reading { Goal::Download } else { Goal::Serve };
        self.with(|swarm, now| {
            for (pieces, priority) in runs {
                swarm.handle_priority(now, pieces, priority);
            }
            swarm.handle_goal(now, goal);
        });
    }
}

/// Runs of pieces of one priority, which together are all pieces.
fn piece_priorities(
    layout: &Layout,
    geometry: &Geometry,
    listed: &[usize],
    of: impl Fn(usize) -> Priority,
) -> Vec<(Range<PieceIndex>, Priority)> {
    let mut pieces = vec![Priority::Skip; geometry.piece_count() as usize];
    for (index, file) in listed.iter().enumerate() {
        let range = pieces_of(geometry, &layout.file_range(*file));
        for piece in &mut pieces[range.start.get() as usize..range.end.get() as usize] {
            *piece = (*piece).max(of(index));
        }
    }
    let mut begin = 0_u32;
    pieces
        .chunk_by(|one, next| one == next)
        .map(|run| {
            let end = begin + run.len() as u32;
            let range = PieceIndex::new(std::mem::replace(&mut begin, end))..PieceIndex::new(end);
            (range, run.first().copied().unwrap_or_default())
        })
        .collect()
}

/// The pieces that hold these bytes.
pub(super) fn pieces_of(geometry: &Geometry, bytes: &Range<u64>) -> Range<PieceIndex> {
    let length = u64::from(geometry.piece_length());
    if bytes.is_empty() {
        return PieceIndex::new(0)..PieceIndex::new(0);
    }
    // Piece numbers fit 32 bits in every geometry.
    PieceIndex::new((bytes.start / length) as u32)..PieceIndex::new(bytes.end.div_ceil(length) as u32)
}

#[cfg(test)]
mod tests {
    use torrent_storage::FileEntry;

    use super::*;

    #[test]
    fn a_shared_piece_is_as_urgent_as_its_most_urgent_file() {
        // Pieces of 10 bytes: a is 0..15, a pad 15..20, b 20..21, c is empty, d 21..40.
        let entries = [
            FileEntry::new("a", 15),
            FileEntry::pad(5),
            FileEntry::new("b", 1),
            FileEntry::new("c", 0),
            FileEntry::new("d", 19),
        ];
        let (layout, geometry) = (Layout::new(entries).unwrap(), Geometry::new(40, 10).unwrap());
        let listed = [0, 2, 3, 4];
        let runs = |priorities: [Priority; 4]| {
            piece_priorities(&layout, &geometry, &listed, |index| priorities[index])
                .into_iter()
                .map(|(range, priority)| (range.start.get()..range.end.get(), priority))
                .collect::<Vec<_>>()
        };
        use Priority::{High, Low, Normal, Skip};
        assert_eq!(runs([Normal; 4]), [(0..4, Normal)]);
        assert_eq!(runs([Skip, High, Skip, Low]), [(0..2, Skip), (2..3, High), (3..4, Low)]);
        assert_eq!(runs([Skip, Skip, High, Skip]), [(0..4, Skip)], "an empty file needs no piece");
    }
}
