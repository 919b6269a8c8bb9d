//! The address by which others see this node, learned by vote.
//! Spec: BEP 42 § "Bootstrapping". In: what each answering node says. Out: an address, once enough agree.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
};

use super::limits::Source;

/// Votes that are kept, one for each source.
const MAX_VOTES: usize = 40;
/// Votes for one address before it counts.
const ENOUGH: usize = 10;

#[derive(Debug, Default)]
pub(crate) struct ExternalAddress {
    votes: VecDeque<(Source, IpAddr)>,
    known: Option<IpAddr>,
}

impl ExternalAddress {
    pub(crate) const fn new(known: Option<IpAddr>) -> Self {
        Self { votes: VecDeque::new(), known }
    }

    pub(crate) const fn known(&self) -> Option<IpAddr> {
        self.known
    }

    /// A node says so. Returns the address when it has become another than before.
    pub(crate) fn vote(&mut self, voter: SocketAddr, seen: IpAddr) -> Option<IpAddr> {
        let source = Source::of(voter);
        self.votes.retain(|(other, _)| *other != source);
        if self.votes.len() >= MAX_VOTES {
            self.votes.pop_front();
        }
        self.votes.push_back((source, seen));
        if self.known == Some(seen) {
            return None;
        }
        let mut counts = BTreeMap::<IpAddr, usize>::new();
        for (_, ip) in &self.votes {
            *counts.entry(*ip).or_default() += 1;
        }
        let count = counts.get(&seen).copied().unwrap_or_default();
        // Two thirds, so that a change of address is believed and a few liars are not.
        if count < ENOUGH || count * 3 < self.votes.len() * 2 {
            return None;
        }
        self.known = Some(seen);
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voter(n: u8) -> SocketAddr {
        SocketAddr::from(([8, 8, 8, n], 1000))
    }

    #[test]
    fn one_voter_has_one_vote_and_a_majority_is_believed() {
        let (ours, lie) = (IpAddr::from([5, 5, 5, 5]), IpAddr::from([6, 6, 6, 6]));
        let mut external = ExternalAddress::default();
        for _ in 0..100 {
            assert_eq!(external.vote(voter(1), lie), None);
        }
        for n in 2..=10 {
            assert_eq!(external.vote(voter(n), ours), None);
        }
        assert_eq!(external.vote(voter(11), ours), Some(ours));
        assert_eq!(external.vote(voter(12), ours), None);
        for n in 20..30 {
            assert_eq!(external.vote(voter(n), lie), None, "11 against 12");
        }
        assert_eq!(external.known(), Some(ours));
    }
}
