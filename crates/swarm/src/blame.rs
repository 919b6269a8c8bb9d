//! Who sent the bad block of a piece that failed. When the piece is good later, blocks that differ name the liar.
//! In: digests of the blocks of failed and good copies. Out: addresses. Never: bans (see `addresses`).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use torrent_types::PieceIndex;

/// Digest of one block: SHA-1, or any hash that a liar cannot aim at.
pub type BlockDigest = [u8; 20];

/// Failed copies remembered; each costs some 60 bytes a block. The oldest is forgotten first.
const MAX_PIECES: usize = 32;

/// One block of a failed copy: its number in the piece, who sent it, and its digest.
type Testimony = (u32, SocketAddr, BlockDigest);

#[derive(Debug, Default)]
pub(crate) struct Blame {
    failed: BTreeMap<PieceIndex, Vec<Testimony>>,
}

impl Blame {
    /// Whether a copy of this piece has failed before: then it is fetched from one peer alone.
    pub(crate) fn is_suspect(&self, piece: PieceIndex) -> bool {
        self.failed.contains_key(&piece)
    }

    pub(crate) fn record(&mut self, piece: PieceIndex, blocks: Vec<Testimony>) {
        while self.failed.len() >= MAX_PIECES {
            self.failed.pop_first();
        }
        self.failed.entry(piece).or_default().extend(blocks);
    }

    /// The piece is good now: those whose blocks differ from it.
    pub(crate) fn settle(
        &mut self,
        piece: PieceIndex,
        mut digest: impl FnMut(u32) -> Option<BlockDigest>,
    ) -> BTreeSet<SocketAddr> {
        let testimonies = self.failed.remove(&piece).unwrap_or_default();
        let lies = |(index, _, said): &Testimony| digest(*index).is_some_and(|good| good != *said);
        testimonies.into_iter().filter(lies).map(|(_, address, _)| address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_liar_is_named() {
        let (honest, liar) = ("1.1.1.1:1".parse().unwrap(), "2.2.2.2:2".parse().unwrap());
        let piece = PieceIndex::new(3);
        let mut blame = Blame::default();
        blame.record(piece, vec![(0, honest, [0; 20]), (1, liar, [9; 20]), (2, honest, [2; 20])]);
        assert!(blame.is_suspect(piece));
        let named = blame.settle(piece, |index| Some([index as u8; 20]));
        assert_eq!(named.into_iter().collect::<Vec<_>>(), [liar]);
        assert!(!blame.is_suspect(piece));
    }
}
