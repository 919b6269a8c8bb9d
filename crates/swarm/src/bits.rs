//! A set of pieces that can be searched a part at a time: a search costs a bounded number of words, not O(pieces).

use torrent_types::{Bitfield, PieceIndex};

const WORD: u32 = u64::BITS;

/// One bit per piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    words: Box<[u64]>,
    len: u32,
    ones: u32,
}

/// Where a search that was not finished goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// What a search that looked at a bounded part found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    Found(PieceIndex),
    /// Nothing in this part: go on there later.
    GoOn,
    /// Nothing from the place to the end, and none of the part before it was looked at.
    Nothing,
}

impl Bits {
    pub(crate) fn new(len: u32) -> Self {
        Self { words: vec![0; len.div_ceil(WORD) as usize].into(), len, ones: 0 }
    }

    pub(crate) fn full(len: u32) -> Self {
        let mut words: Box<[u64]> = vec![u64::MAX; len.div_ceil(WORD) as usize].into();
        if let Some(last) = words.last_mut().filter(|_| !len.is_multiple_of(WORD)) {
            *last = (1 << (len % WORD)) - 1;
        }
        Self { words, len, ones: len }
    }

    pub(crate) fn from_bitfield(field: &Bitfield) -> Self {
        let mut bits = Self::new(field.len());
        field.ones().for_each(|piece| {
            bits.insert(piece);
        });
        bits
    }

    /// How many pieces are in it.
    pub(crate) fn count(&self) -> u32 {
        self.ones
    }

    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        let (word, mask) = place(piece);
        self.words.get(word).is_some_and(|word| word & mask != 0)
    }

    /// Whether it was not there before.
    pub(crate) fn insert(&mut self, piece: PieceIndex) -> bool {
        let (word, mask) = place(piece);
        if piece.get() >= self.len {
            return false;
        }
        let Some(word) = self.words.get_mut(word).filter(|word| **word & mask == 0) else { return false };
        *word |= mask;
        self.ones += 1;
        true
    }

    /// Whether it was there before.
    pub(crate) fn remove(&mut self, piece: PieceIndex) -> bool {
        let (word, mask) = place(piece);
        let Some(word) = self.words.get_mut(word).filter(|word| **word & mask != 0) else { return false };
        *word &= !mask;
        self.ones -= 1;
        true
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = PieceIndex> {
        (0..).zip(self.words.iter()).flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(PieceIndex::new(index * WORD + bit))
            })
        })
    }

    /// The first piece at or behind `from` that is in both sets and that `fits`, looking at `words` words at most. `other`:
    /// none stands for all pieces.
    pub(crate) fn search(
        &self,
        other: Option<&Self>,
        from: &mut Place,
        words: u32,
        fits: impl Fn(PieceIndex) -> bool,
    ) -> Search {
        let mut word = from.0 / WORD;
        let mut skip = from.0 % WORD;
        for _ in 0..words {
            let Some(ours) = self.words.get(word as usize) else {
                *from = Place::default();
                return Search::Nothing;
            };
            let theirs = other.map_or(u64::MAX, |other| other.words.get(word as usize).copied().unwrap_or(0));
            let mut both = ours & theirs & (u64::MAX << skip);
            while both != 0 {
                let piece = PieceIndex::new(word * WORD + both.trailing_zeros());
                if fits(piece) {
                    *from = Place(piece.get());
                    return Search::Found(piece);
                }
                both &= both - 1;
            }
            skip = 0;
            word += 1;
        }
        *from = Place(word * WORD);
        Search::GoOn
    }
}

fn place(piece: PieceIndex) -> (usize, u64) {
    ((piece.get() / WORD) as usize, 1 << (piece.get() % WORD))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_sorted_set(steps in proptest::collection::vec((0u32..200, any::<bool>()), 0..300), from in 0u32..200) {
            let mut bits = Bits::new(200);
            let mut model = BTreeSet::new();
            for (index, insert) in steps {
                let piece = PieceIndex::new(index);
                let changed = if insert { bits.insert(piece) } else { bits.remove(piece) };
                prop_assert_eq!(changed, if insert { model.insert(index) } else { model.remove(&index) });
            }
            prop_assert_eq!(bits.count() as usize, model.len());
            prop_assert_eq!(bits.iter().map(PieceIndex::get).collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            let odd = |piece: PieceIndex| piece.get() % 2 == 1;
            let expected = model.range(from..).find(|index| *index % 2 == 1);
            let found = bits.search(Some(&Bits::full(200)), &mut Place(from), 100, odd);
            prop_assert_eq!(found, expected.map_or(Search::Nothing, |index| Search::Found(PieceIndex::new(*index))));
        }
    }

    #[test]
    fn a_search_looks_at_so_many_words_and_goes_on_later() {
        let mut bits = Bits::new(64 * 10);
        bits.insert(PieceIndex::new(64 * 9));
        let mut from = Place::default();
        assert_eq!(bits.search(None, &mut from, 5, |_| true), Search::GoOn);
        assert_eq!(bits.search(None, &mut from, 5, |_| true), Search::Found(PieceIndex::new(64 * 9)));
        assert_eq!(bits.search(None, &mut Place(64 * 9 + 1), 5, |_| true), Search::Nothing);
    }
}
