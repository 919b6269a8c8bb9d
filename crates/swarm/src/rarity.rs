//! Pieces that can be picked, by how many connected peers have them. Rarest first costs O(1) a change:
//! one list per count, in which a piece's place is known.
//! Never: who has what (see `peer`), what is open (see `pieces`). Seeds are not counted here: they have every piece.

use torrent_types::PieceIndex;

const NOWHERE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Rarity {
    /// `buckets[n]`: the pickable pieces that n peers have, in no order.
    buckets: Vec<Vec<PieceIndex>>,
    /// Place of a piece in its bucket, or `NOWHERE`.
    places: Vec<u32>,
    counts: Vec<u16>,
    pickable: u32,
}

impl Rarity {
    /// Nobody has anything and nothing is pickable.
    pub(crate) fn new(pieces: u32) -> Self {
        Self {
            buckets: vec![Vec::new()],
            places: vec![NOWHERE; pieces as usize],
            counts: vec![0; pieces as usize],
            pickable: 0,
        }
    }

    /// How many pieces can be picked.
    pub(crate) fn len(&self) -> u32 {
        self.pickable
    }

    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        self.places.get(piece.as_usize()).is_some_and(|place| *place != NOWHERE)
    }

    /// How many peers that are no seeds have it.
    pub(crate) fn count(&self, piece: PieceIndex) -> u16 {
        self.counts.get(piece.as_usize()).copied().unwrap_or(0)
    }

    pub(crate) fn insert(&mut self, piece: PieceIndex) {
        if !self.contains(piece) && piece.as_usize() < self.places.len() {
            self.enter(piece);
            self.pickable += 1;
        }
    }

    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        if self.contains(piece) {
            self.leave(piece);
            self.pickable -= 1;
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

    /// The pickable pieces, rarest first. Inside a count they begin at a place that `luck` chooses.
    pub(crate) fn rarest_first(&self, luck: u32) -> impl Iterator<Item = PieceIndex> {
        self.buckets.iter().filter(|bucket| !bucket.is_empty()).flat_map(move |bucket| {
            let (before, after) = bucket.split_at(luck as usize % bucket.len());
            after.iter().chain(before).copied()
        })
    }

    fn recount(&mut self, piece: PieceIndex, count: u16) {
        let listed = self.contains(piece);
        if listed {
            self.leave(piece);
        }
        if let Some(slot) = self.counts.get_mut(piece.as_usize()) {
            *slot = count;
        }
        if listed {
            self.enter(piece);
        }
    }

    fn enter(&mut self, piece: PieceIndex) {
        let count = usize::from(self.count(piece));
        if self.buckets.len() <= count {
            self.buckets.resize_with(count + 1, Vec::new);
        }
        let bucket = &mut self.buckets[count];
        self.places[piece.as_usize()] = u32::try_from(bucket.len()).expect("fewer pieces than 2^32");
        bucket.push(piece);
    }

    fn leave(&mut self, piece: PieceIndex) {
        let place = std::mem::replace(&mut self.places[piece.as_usize()], NOWHERE);
        let bucket = &mut self.buckets[usize::from(self.counts[piece.as_usize()])];
        bucket.swap_remove(place as usize);
        if let Some(moved) = bucket.get(place as usize) {
            self.places[moved.as_usize()] = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(steps in proptest::collection::vec((0u32..20, 0u8..4), 0..200), luck: u32) {
            let mut rarity = Rarity::new(20);
            let mut counts = [0u16; 20];
            let mut listed = BTreeMap::new();
            for (index, step) in steps {
                let piece = PieceIndex::new(index);
                match step {
                    0 => { rarity.insert(piece); listed.insert(index, ()); }
                    1 => { rarity.remove(piece); listed.remove(&index); }
                    2 => { rarity.increment(piece); counts[index as usize] += 1; }
                    _ => { rarity.decrement(piece); counts[index as usize] = counts[index as usize].saturating_sub(1); }
                }
            }
            let order: Vec<_> = rarity.rarest_first(luck).map(|piece| counts[piece.as_usize()]).collect();
            prop_assert!(order.is_sorted());
            prop_assert_eq!(order.len(), listed.len());
            prop_assert_eq!(rarity.len() as usize, listed.len());
            let mut pieces: Vec<_> = rarity.rarest_first(luck).map(PieceIndex::get).collect();
            pieces.sort_unstable();
            prop_assert_eq!(pieces, listed.keys().copied().collect::<Vec<_>>());
        }
    }
}
