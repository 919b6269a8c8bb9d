//! What the user wants: a priority per piece, the pieces that readers wait for, and the order of the rest.
//! In: commands of the user. Out: the priority of a piece, the urgent pieces in order. Never here: what is had or open.

use std::{ops::Range, time::Instant};

use torrent_types::PieceIndex;

use crate::{Order, Priority};

/// Pieces that readers may wait for at a time; more are cut off.
const MAX_DEADLINES: usize = 1024;
/// Ranges that are remembered until the metadata is known.
const MAX_EARLY: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// One per piece, once one of them is not usual. A torrent of which everything is wanted keeps nothing here.
    priorities: Option<Box<[Priority]>>,
    pieces: u32,
    /// Set before the number of pieces was known.
    early: Vec<(Range<PieceIndex>, Priority)>,
    /// By deadline.
    deadlines: Vec<(Instant, PieceIndex)>,
    order: Order,
}

impl Wanted {
    /// The number of pieces is known now.
    pub(crate) fn set_pieces(&mut self, pieces: u32) {
        self.pieces = pieces;
        for (range, priority) in std::mem::take(&mut self.early) {
            self.set(range, priority);
        }
        self.deadlines.retain(|(_, piece)| piece.get() < pieces);
    }

    /// Sets the priority of a range.
    pub(crate) fn set(&mut self, range: Range<PieceIndex>, priority: Priority) {
        if self.pieces == 0 {
            if self.early.len() < MAX_EARLY {
                self.early.push((range, priority));
            }
            return;
        }
        let pieces = self.pieces as usize;
        let (start, end) = (range.start.as_usize().min(pieces), range.end.as_usize().min(pieces));
        if start >= end || (self.priorities.is_none() && priority == Priority::Normal) {
            return;
        }
        let all = self.priorities.get_or_insert_with(|| vec![Priority::Normal; pieces].into());
        all[start..end].fill(priority);
        if priority == Priority::Normal && all.iter().all(|priority| *priority == Priority::Normal) {
            self.priorities = None;
        }
    }

    /// Replaces the pieces that readers wait for. Returns those that were listed before or are now.
    pub(crate) fn set_deadlines(&mut self, pieces: &[(PieceIndex, Instant)]) -> Vec<PieceIndex> {
        let mut changed: Vec<_> = self.deadlines.iter().map(|(_, piece)| *piece).collect();
        self.deadlines = pieces.iter().take(MAX_DEADLINES).map(|(piece, at)| (*at, *piece)).collect();
        if self.pieces > 0 {
            self.deadlines.retain(|(_, piece)| piece.get() < self.pieces);
        }
        self.deadlines.sort_unstable();
        changed.extend(self.deadlines.iter().map(|(_, piece)| *piece));
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// A piece is here: no reader waits for it any more.
    pub(crate) fn forget_deadline(&mut self, piece: PieceIndex) {
        if !self.deadlines.is_empty() {
            self.deadlines.retain(|(_, other)| *other != piece);
        }
    }

    /// The pieces that readers wait for, the most urgent first.
    pub(crate) fn urgent(&self) -> impl Iterator<Item = (Instant, PieceIndex)> {
        self.deadlines.iter().copied()
    }

    pub(crate) fn has_urgent(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// What counts for the picker: a piece that a reader waits for is urgent, whatever its own priority.
    pub(crate) fn priority(&self, piece: PieceIndex) -> Priority {
        if !self.deadlines.is_empty() && self.deadlines.iter().any(|(_, other)| *other == piece) {
            return Priority::Now;
        }
        self.set_priority(piece)
    }

    /// What the user has set.
    pub(crate) fn set_priority(&self, piece: PieceIndex) -> Priority {
        self.priorities.as_ref().map_or(Priority::Normal, |all| all.get(piece.as_usize()).copied().unwrap_or_default())
    }

    pub(crate) fn order(&self) -> Order {
        self.order
    }

    pub(crate) fn set_order(&mut self, order: Order) {
        self.order = order;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(index: u32) -> PieceIndex {
        PieceIndex::new(index)
    }

    #[test]
    fn what_is_set_before_the_metadata_holds_afterwards() {
        let mut wanted = Wanted::default();
        wanted.set(p(0)..p(10), Priority::Skip);
        wanted.set(p(2)..p(3), Priority::High);
        wanted.set_pieces(5);
        let all: Vec<_> = (0..5).map(|index| wanted.priority(p(index))).collect();
        assert_eq!(all, [Priority::Skip, Priority::Skip, Priority::High, Priority::Skip, Priority::Skip]);
    }

    #[test]
    fn usual_priorities_cost_no_memory() {
        let mut wanted = Wanted::default();
        wanted.set_pieces(1000);
        wanted.set(p(0)..p(1000), Priority::Normal);
        assert!(wanted.priorities.is_none());
        wanted.set(p(5)..p(6), Priority::Low);
        wanted.set(p(0)..p(1000), Priority::Normal);
        assert!(wanted.priorities.is_none());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn a_piece_that_a_reader_waits_for_is_urgent_while_it_waits() {
        let now = Instant::now();
        let mut wanted = Wanted::default();
        wanted.set_pieces(5);
        wanted.set(p(0)..p(5), Priority::Skip);
        assert_eq!(wanted.set_deadlines(&[(p(3), now), (p(9), now)]), [p(3)]);
        assert_eq!(wanted.priority(p(3)), Priority::Now);
        assert_eq!(wanted.set_deadlines(&[(p(1), now)]), [p(1), p(3)]);
        assert_eq!(wanted.priority(p(3)), Priority::Skip);
        wanted.forget_deadline(p(1));
        assert!(!wanted.has_urgent());
    }
}
