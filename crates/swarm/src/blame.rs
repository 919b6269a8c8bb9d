//! Which address sent the bad block of a piece that failed. When the piece is good later, blocks that differ name the liar.
//! In: digests of the blocks of failed and good copies. Out: hosts. Never here: what follows for them (see `torrent`).
//!
//! A piece that failed with several senders is a *suspect*: the next copy is fetched from one peer alone. If that one does not
//! get on, the copy after it may come from everybody again, so that a suspect is never held up. Each host fails a piece alone
//! or holds it up once at most before all others had their turn.

use std::collections::{BTreeMap, BTreeSet};

use torrent_types::PieceIndex;

use crate::shared::Host;

/// Digest of one block: SHA-1, or any hash that a liar cannot aim at.
pub type BlockDigest = [u8; 20];

/// Suspects that are remembered. The oldest is forgotten first.
const MAX_SUSPECTS: usize = 64;
/// Blocks of failed copies that are remembered, each some 60 bytes: 4 MiB.
const MAX_TESTIMONIES: usize = 65_536;
/// Hosts whose bad copies are counted.
const MAX_RECORDS: usize = 1024;

/// One block of a failed copy: its number in the piece, its sender, and its digest.
type Testimony = (u32, Host, BlockDigest);

#[derive(Debug, Default)]
struct Suspect {
    copies: Vec<Testimony>,
    /// The next copy may come from everybody.
    shared: bool,
    /// Hosts that had the piece alone and did not get on.
    tried: BTreeSet<Host>,
    /// When it became one: the smallest is the oldest.
    number: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Blame {
    suspects: BTreeMap<PieceIndex, Suspect>,
    testimonies: usize,
    /// How many bad copies, or bad blocks of copies, each host is guilty of for certain.
    records: BTreeMap<Host, u32>,
    number: u64,
}

impl Blame {
    pub(crate) fn is_suspect(&self, piece: PieceIndex) -> bool {
        self.suspects.contains_key(&piece)
    }

    /// The suspects.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = PieceIndex> {
        self.suspects.keys().copied()
    }

    /// Whether the next copy of a piece comes from one peer alone.
    pub(crate) fn wants_solo(&self, piece: PieceIndex) -> bool {
        self.suspects.get(&piece).is_some_and(|suspect| !suspect.shared)
    }

    /// Whether `host` may fetch the next copy, alone or with others.
    pub(crate) fn may_open(&self, piece: PieceIndex, host: Host) -> bool {
        self.suspects.get(&piece).is_none_or(|suspect| suspect.shared || !suspect.tried.contains(&host))
    }

    /// A copy failed, and several hosts had sent it.
    pub(crate) fn record(&mut self, piece: PieceIndex, copy: Vec<Testimony>) {
        while self.testimonies + copy.len() > MAX_TESTIMONIES || self.suspects.len() > MAX_SUSPECTS {
            let oldest = self.suspects.iter().filter(|(other, _)| **other != piece);
            let Some(oldest) = oldest.min_by_key(|(_, suspect)| suspect.number).map(|(piece, _)| *piece) else { break };
            self.forget(oldest);
        }
        self.number += 1;
        let number = self.number;
        let suspect = self.suspects.entry(piece).or_insert_with(|| Suspect { number, ..Suspect::default() });
        suspect.shared = false;
        if self.testimonies + copy.len() <= MAX_TESTIMONIES {
            self.testimonies += copy.len();
            suspect.copies.extend(copy);
        }
    }

    /// The host that had a suspect alone did not get on.
    pub(crate) fn held_up(&mut self, piece: PieceIndex, host: Host) {
        if let Some(suspect) = self.suspects.get_mut(&piece) {
            suspect.shared = true;
            suspect.tried.insert(host);
        }
    }

    /// Another host gets a suspect, for it is faster than the one that had it alone.
    pub(crate) fn passed_over(&mut self, piece: PieceIndex, host: Host) {
        if let Some(suspect) = self.suspects.get_mut(&piece) {
            suspect.tried.insert(host);
        }
    }

    /// Suspects that no peer may open, though some could: everybody gets another turn. `can`: whether some connected host that
    /// is not among those that were tried could fetch the piece.
    pub(crate) fn next_round(&mut self, can: impl Fn(PieceIndex, &BTreeSet<Host>) -> bool) -> bool {
        let mut changed = false;
        for (piece, suspect) in &mut self.suspects {
            if !suspect.shared && !suspect.tried.is_empty() && !can(*piece, &suspect.tried) {
                suspect.tried.clear();
                suspect.shared = true;
                changed = true;
            }
        }
        changed
    }

    /// The piece is good now: the hosts whose blocks differ from it.
    pub(crate) fn settle(&mut self, piece: PieceIndex, good: &[(u32, BlockDigest)]) -> BTreeSet<Host> {
        let good: BTreeMap<_, _> = good.iter().copied().collect();
        let copies = self.forget(piece);
        let lies = |(index, _, said): &Testimony| good.get(index).is_some_and(|good| good != said);
        copies.into_iter().filter(lies).map(|(_, host, _)| host).collect()
    }

    fn forget(&mut self, piece: PieceIndex) -> Vec<Testimony> {
        let copies = self.suspects.remove(&piece).map(|suspect| suspect.copies).unwrap_or_default();
        self.testimonies -= copies.len();
        copies
    }

    /// The host is guilty of one bad copy more, for certain. Returns how many that makes.
    pub(crate) fn convict(&mut self, host: Host) -> u32 {
        if self.records.len() >= MAX_RECORDS && !self.records.contains_key(&host) {
            let least = self.records.iter().min_by_key(|(_, count)| **count).map(|(host, _)| *host);
            least.map(|host| self.records.remove(&host));
        }
        let count = self.records.entry(host).or_insert(0);
        *count += 1;
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::of(text.parse().unwrap())
    }

    #[test]
    fn only_the_liar_is_named() {
        let (honest, liar) = (host("1.1.1.1:1"), host("2.2.2.2:2"));
        let piece = PieceIndex::new(3);
        let mut blame = Blame::default();
        blame.record(piece, vec![(0, honest, [0; 20]), (1, liar, [9; 20]), (2, honest, [2; 20])]);
        assert!(blame.is_suspect(piece));
        let good: Vec<_> = (0..3).map(|index| (index, [index as u8; 20])).collect();
        assert_eq!(blame.settle(piece, &good).into_iter().collect::<Vec<_>>(), [liar]);
        assert!(!blame.is_suspect(piece));
    }

    #[test]
    fn a_host_that_held_a_suspect_up_lets_the_others_try_first() {
        let (slow, other) = (host("1.1.1.1:1"), host("2.2.2.2:2"));
        let piece = PieceIndex::new(3);
        let mut blame = Blame::default();
        blame.record(piece, Vec::new());
        assert!(blame.wants_solo(piece) && blame.may_open(piece, slow));
        blame.held_up(piece, slow);
        assert!(!blame.wants_solo(piece) && blame.may_open(piece, slow), "everybody together");
        blame.record(piece, Vec::new());
        assert!(!blame.may_open(piece, slow) && blame.may_open(piece, other));
        assert!(!blame.next_round(|_, tried| !tried.contains(&other)));
        assert!(blame.next_round(|_, _| false));
        assert!(blame.may_open(piece, slow));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut blame = Blame::default();
        for index in 0..1000 {
            let copy = (0..500).map(|block| (block, host("1.1.1.1:1"), [0; 20])).collect();
            blame.record(PieceIndex::new(index), copy);
        }
        assert!(blame.testimonies <= MAX_TESTIMONIES && blame.suspects.len() <= MAX_SUSPECTS + 1);
        for index in 0..2000u32 {
            blame.convict(host(&format!("[2001:db8:{index:x}::1]:1")));
        }
        assert!(blame.records.len() <= MAX_RECORDS);
    }
}
