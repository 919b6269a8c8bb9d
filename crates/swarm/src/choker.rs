//! Who may request from us. Spec: BEP 3 § "choking and optimistic unchoking".
//! Leeching: those who give us most. Seeding: those who take fastest, in turns. One slot goes to luck, for newcomers.
//! In: a line per interested peer. Out: who holds a slot. Never: messages.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt, rngs::SmallRng};

use crate::PeerKey;

/// How often slots are given anew.
pub(crate) const ROUND: Duration = Duration::from_secs(10);
/// How long luck lasts.
const OPTIMISTIC: Duration = Duration::from_secs(30);
/// While seeding, a peer that held its slot for so long makes room for one that waits.
const TURN: Duration = Duration::from_secs(60);

/// An interested peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) key: PeerKey,
    /// Bytes per second that count: what it gives us, or takes from us when we seed.
    pub(crate) rate: u64,
    pub(crate) unchoked: bool,
    /// Since when it is choked or unchoked.
    pub(crate) since: Instant,
}

#[derive(Debug)]
pub(crate) struct Choker {
    slots: usize,
    next: Option<Instant>,
    optimistic: Option<(PeerKey, Instant)>,
}

impl Choker {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, next: None, optimistic: None }
    }

    /// Whether a round is due.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// Whether a peer that becomes interested between rounds can be let in at once.
    pub(crate) fn has_room(&self, unchoked: usize) -> bool {
        unchoked < self.slots
    }

    /// Gives the slots anew. The result is sorted.
    pub(crate) fn round(
        &mut self,
        now: Instant,
        mut candidates: Vec<Candidate>,
        seeding: bool,
        luck: &mut SmallRng,
    ) -> Vec<PeerKey> {
        self.next = Some(now + ROUND);
        let had_turn = |peer: &Candidate| seeding && peer.unchoked && now.saturating_duration_since(peer.since) >= TURN;
        // Best first; ties go to those who hold a slot, then to who waits longest.
        candidates
            .sort_by_key(|peer| (had_turn(peer), std::cmp::Reverse((peer.rate, peer.unchoked)), peer.since, peer.key));
        let regular = self.slots.saturating_sub(1).min(candidates.len());
        let rest = candidates.split_off(regular);
        let mut chosen: Vec<_> = candidates.iter().map(|peer| peer.key).collect();
        chosen.extend(self.lucky(now, &rest, luck));
        chosen.sort_unstable();
        chosen
    }

    fn lucky(&mut self, now: Instant, rest: &[Candidate], luck: &mut (impl Rng + ?Sized)) -> Option<PeerKey> {
        if self.slots == 0 || rest.is_empty() {
            return None;
        }
        let stays = self.optimistic.filter(|(key, until)| now < *until && rest.iter().any(|peer| peer.key == *key));
        let (key, _) = *self
            .optimistic
            .insert(stays.unwrap_or_else(|| (rest[luck.random_range(0..rest.len())].key, now + OPTIMISTIC)));
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn peers(rates: &[u64], since: Instant) -> Vec<Candidate> {
        let line =
            |(key, rate): (usize, &u64)| Candidate { key: PeerKey(key as u32), rate: *rate, unchoked: false, since };
        rates.iter().enumerate().map(line).collect()
    }

    #[test]
    fn slots_go_to_the_fastest_and_one_to_luck() {
        let now = start();
        let mut luck = SmallRng::seed_from_u64(1);
        let chosen = Choker::new(3).round(now, peers(&[5, 1, 9, 1, 1], now), false, &mut luck);
        assert_eq!(chosen.len(), 3);
        assert!(chosen.contains(&PeerKey(0)) && chosen.contains(&PeerKey(2)));
    }

    #[test]
    fn luck_reaches_everybody_in_time() {
        let mut now = start();
        let mut luck = SmallRng::seed_from_u64(1);
        let mut choker = Choker::new(2);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            seen.extend(choker.round(now, peers(&[9, 1, 1, 1, 1], now), false, &mut luck));
            now += ROUND;
        }
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn seeding_takes_turns() {
        let now = start();
        let mut luck = SmallRng::seed_from_u64(1);
        let mut all = peers(&[100, 50, 10], now);
        all[0].unchoked = true;
        let chosen = Choker::new(2).round(now + TURN, all, true, &mut luck);
        assert!(chosen.contains(&PeerKey(1)), "the fastest has had its turn");
    }
}
