//! Pieces that can be picked, by priority and by how many connected peers have them. Rarest first costs O(log counts) for
//! each change: there is one list per priority and count, and the place of each piece in its list is known.
//! Never here: which peer has what (see `peer`), what is open (see `pieces`).

use std::collections::BTreeMap;

use torrent_types::PieceIndex;

use crate::{
    Priority,
    bits::{Bits, Place, Search},
};

const NOWHERE: u32 = u32::MAX;
/// The two highest bits of a place name the priority; `MAX_PIECES` leaves them free.
const LEVEL_SHIFT: u32 = 30;
const LEVELS: usize = 4;

#[derive(Debug)]
pub(crate) struct Rarity {
    /// For each priority, the lowest first: the pickable pieces by count, in no order.
    levels: [BTreeMap<i16, Vec<PieceIndex>>; LEVELS],
    /// Place of a piece in its list and its level, or `NOWHERE`.
    places: Box<[u32]>,
    /// Peers that have the piece, relative to the number of seeds: a seed counts as nothing, and a seed that has lost the piece
    /// (BEP 54) as one less. So a seed that comes, goes, or loses a piece costs O(1).
    counts: Box<[i16]>,
    pickable: Bits,
}

impl Rarity {
    /// No peer has anything, and nothing is pickable.
    pub(crate) fn new(pieces: u32) -> Self {
        Self {
            levels: Default::default(),
            places: vec![NOWHERE; pieces as usize].into(),
            counts: vec![0; pieces as usize].into(),
            pickable: Bits::new(pieces),
        }
    }

    /// How many pieces can be picked.
    pub(crate) fn len(&self) -> u32 {
        self.pickable.count()
    }

    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        self.pickable.contains(piece)
    }

    /// How many peers have it, relative to the number of seeds.
    pub(crate) fn count(&self, piece: PieceIndex) -> i16 {
        self.counts.get(piece.as_usize()).copied().unwrap_or(0)
    }

    /// The piece can be picked from now on, unless `priority` is to skip it.
    pub(crate) fn insert(&mut self, piece: PieceIndex, priority: Priority) {
        self.remove(piece);
        let Some(level) = level(priority) else { return };
        if self.pickable.insert(piece) {
            self.enter(piece, level);
        }
    }

    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        if self.pickable.remove(piece) {
            self.leave(piece);
        }
    }

    /// One peer more has it.
    pub(crate) fn increment(&mut self, piece: PieceIndex) {
        self.recount(piece, self.count(piece).saturating_add(1));
    }

    /// One peer less has it.
    pub(crate) fn decrement(&mut self, piece: PieceIndex) {
        self.recount(piece, self.count(piece).saturating_sub(1));
    }

    /// The pickable pieces, the highest priority first, then the rarest. Inside a list they begin at a place that `random`
    /// chooses. `at_least`: the lowest count to look at; a peer that is no seed is counted itself.
    pub(crate) fn rarest_first(&self, random: u32, at_least: i16) -> impl Iterator<Item = PieceIndex> {
        self.levels.iter().rev().flat_map(move |lists| lists.range(at_least..)).flat_map(move |(_, list)| {
            let (before, after) = list.split_at(random as usize % list.len().max(1));
            after.iter().chain(before).copied()
        })
    }

    /// Looks through a bounded part of the pickable pieces for one of `theirs`, from a place on.
    pub(crate) fn search(
        &self,
        theirs: Option<&Bits>,
        from: &mut Place,
        words: u32,
        fits: impl Fn(PieceIndex) -> bool,
    ) -> Search {
        self.pickable.search(theirs, from, words, fits)
    }

    /// The highest priority of which something can be picked.
    pub(crate) fn top(&self) -> Option<Priority> {
        let top = self.levels.iter().rposition(|lists| !lists.is_empty())?;
        Some([Priority::Low, Priority::Normal, Priority::High, Priority::Now][top])
    }

    /// The priority of a pickable piece.
    pub(crate) fn priority(&self, piece: PieceIndex) -> Option<Priority> {
        let place = *self.places.get(piece.as_usize()).filter(|place| **place != NOWHERE)?;
        Some([Priority::Low, Priority::Normal, Priority::High, Priority::Now][(place >> LEVEL_SHIFT) as usize])
    }

    fn recount(&mut self, piece: PieceIndex, count: i16) {
        let level = self.contains(piece).then(|| self.leave(piece));
        if let Some(slot) = self.counts.get_mut(piece.as_usize()) {
            *slot = count;
        }
        if let Some(level) = level {
            self.enter(piece, level);
        }
    }

    fn enter(&mut self, piece: PieceIndex, level: usize) {
        let list = self.levels[level].entry(self.counts[piece.as_usize()]).or_default();
        let place = u32::try_from(list.len()).expect("fewer than `MAX_PIECES`");
        self.places[piece.as_usize()] = place | u32::try_from(level).expect("one of four") << LEVEL_SHIFT;
        list.push(piece);
    }

    /// Takes a pickable piece from its list; returns its level.
    fn leave(&mut self, piece: PieceIndex) -> usize {
        let place = std::mem::replace(&mut self.places[piece.as_usize()], NOWHERE);
        let level = (place >> LEVEL_SHIFT) as usize;
        let index = (place & ((1 << LEVEL_SHIFT) - 1)) as usize;
        let count = self.counts[piece.as_usize()];
        if let Some(list) = self.levels[level].get_mut(&count) {
            list.swap_remove(index);
            if let Some(moved) = list.get(index) {
                self.places[moved.as_usize()] = place;
            }
            if list.is_empty() {
                self.levels[level].remove(&count);
            }
        }
        level
    }
}

fn level(priority: Priority) -> Option<usize> {
    match priority {
        Priority::Skip => None,
        Priority::Low => Some(0),
        Priority::Normal => Some(1),
        Priority::High => Some(2),
        Priority::Now => Some(3),
    }
}

#[cfg(test)]
mod tests {
    use std::{cmp::Reverse, collections::BTreeMap};

    use proptest::prelude::*;

    use super::*;

    const PRIORITIES: [Priority; 5] = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High, Priority::Now];

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(
            steps in proptest::collection::vec((0u32..20, 0u8..4, 0usize..5), 0..200),
            random: u32,
        ) {
            let mut rarity = Rarity::new(20);
            let mut counts = [0i16; 20];
            let mut listed = BTreeMap::new();
            for (index, step, priority) in steps {
                let piece = PieceIndex::new(index);
                let priority = PRIORITIES[priority];
                match step {
                    0 => {
                        rarity.insert(piece, priority);
                        listed.remove(&index);
                        if priority != Priority::Skip { listed.insert(index, priority); }
                    }
                    1 => { rarity.remove(piece); listed.remove(&index); }
                    2 => { rarity.increment(piece); counts[index as usize] += 1; }
                    _ => { rarity.decrement(piece); counts[index as usize] -= 1; }
                }
            }
            let order: Vec<_> = rarity.rarest_first(random, i16::MIN)
                .map(|piece| (Reverse(listed[&piece.get()]), counts[piece.as_usize()]))
                .collect();
            prop_assert!(order.is_sorted());
            prop_assert_eq!(order.len(), listed.len());
            prop_assert_eq!(rarity.len() as usize, listed.len());
            prop_assert_eq!(rarity.top(), listed.values().max().copied());
            let above = rarity.rarest_first(random, 1).count();
            prop_assert_eq!(above, listed.keys().filter(|index| counts[**index as usize] >= 1).count());
        }
    }
}
