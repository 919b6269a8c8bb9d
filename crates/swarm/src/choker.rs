//! Which peers may request from us. Spec: BEP 3 § "choking and optimistic unchoking".
//!
//! ```text
//!                 interested, a slot is free               a round prefers others, no interest,
//!  choked ─────────────────────────────────────▶ unchoked ───────────────────────────────────────▶ choked
//!                                                    │ no request for 1.5 s, or its socket takes nothing for 3 s:
//!                                                    └──────────▶ choked, and behind all others for a minute
//! ```
//!
//! Leeching: the peers that give us most. Seeding: the peers that take fastest, in turns. One slot goes to a random peer, for
//! newcomers. In: a line per interested peer. Out: which of them hold a slot. Never here: messages, the client's limit.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use rand::{Rng, RngExt, rngs::SmallRng};

use crate::PeerKey;

/// How often slots are given anew.
pub(crate) const ROUND: Duration = Duration::from_secs(10);
/// How often slots that are not used are looked for.
pub(crate) const CHECK: Duration = Duration::from_millis(500);
/// A peer that asks for nothing for so long after an unchoke does not need the slot. A request takes a round trip to come.
pub(crate) const UNUSED: Duration = Duration::from_millis(1500);
/// The same for a peer that has used a slot before.
pub(crate) const UNUSED_AGAIN: Duration = Duration::from_secs(10);
/// A peer whose socket takes nothing for so long does not read.
pub(crate) const NOT_READING: Duration = Duration::from_secs(3);
/// For so long, peers that wasted a slot come behind all others.
pub(crate) const PENALTY: Duration = Duration::from_secs(60);
/// A peer is not choked and unchoked faster than this because its interest changes.
pub(crate) const CALM: Duration = Duration::from_secs(10);
/// How long the random slot lasts.
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
    /// It wasted a slot, or leaves our requests unanswered.
    pub(crate) penalty: bool,
}

#[derive(Debug)]
pub(crate) struct Choker {
    next: Option<Instant>,
    optimistic: Option<(PeerKey, Instant)>,
}

impl Choker {
    pub(crate) fn new() -> Self {
        Self { next: None, optimistic: None }
    }

    /// Whether a round is due.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// Gives `slots` slots anew. The result is sorted.
    pub(crate) fn round(
        &mut self,
        now: Instant,
        slots: usize,
        candidates: Vec<Candidate>,
        seeding: bool,
        rng: &mut SmallRng,
    ) -> Vec<PeerKey> {
        self.next = Some(now + ROUND);
        let mut candidates = ordered(now, candidates, seeding);
        let regular = slots.saturating_sub(1).min(candidates.len());
        let rest = candidates.split_off(regular);
        let mut chosen: Vec<_> = candidates.iter().map(|peer| peer.key).collect();
        if slots > 0 {
            chosen.extend(self.lucky(now, &rest, rng));
        }
        chosen.sort_unstable();
        chosen
    }

    /// The next peers for slots that became free between rounds: the choked ones that wait longest come first.
    pub(crate) fn next_in_line(mut candidates: Vec<Candidate>) -> impl Iterator<Item = PeerKey> {
        candidates.retain(|peer| !peer.unchoked);
        candidates.sort_by_key(|peer| (peer.penalty, peer.since, peer.key));
        candidates.into_iter().map(|peer| peer.key)
    }

    fn lucky(&mut self, now: Instant, rest: &[Candidate], rng: &mut (impl Rng + ?Sized)) -> Option<PeerKey> {
        let stays = self.optimistic.filter(|(key, until)| now < *until && rest.iter().any(|peer| peer.key == *key));
        let eligible: Vec<_> = rest.iter().filter(|peer| !peer.penalty).collect();
        let pool = if eligible.is_empty() { rest.iter().collect() } else { eligible };
        if pool.is_empty() {
            return None;
        }
        let drawn = (pool.get(rng.random_range(0..pool.len()))?.key, now + OPTIMISTIC);
        Some(self.optimistic.insert(stays.unwrap_or(drawn)).0)
    }
}

/// Best first; ties go to peers that hold a slot, then to the one that waits longest.
fn ordered(now: Instant, mut candidates: Vec<Candidate>, seeding: bool) -> Vec<Candidate> {
    let had_turn = |peer: &Candidate| seeding && peer.unchoked && now.saturating_duration_since(peer.since) >= TURN;
    candidates
        .sort_by_key(|peer| (peer.penalty, had_turn(peer), Reverse((peer.rate, peer.unchoked)), peer.since, peer.key));
    candidates
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
        let line = |(key, rate): (usize, &u64)| Candidate {
            key: PeerKey(key as u32),
            rate: *rate,
            unchoked: false,
            since,
            penalty: false,
        };
        rates.iter().enumerate().map(line).collect()
    }

    #[test]
    fn slots_go_to_the_fastest_and_one_to_a_random_peer() {
        let now = start();
        let mut rng = SmallRng::seed_from_u64(1);
        let chosen = Choker::new().round(now, 3, peers(&[5, 1, 9, 1, 1], now), false, &mut rng);
        assert_eq!(chosen.len(), 3);
        assert!(chosen.contains(&PeerKey(0)) && chosen.contains(&PeerKey(2)));
    }

    #[test]
    fn the_random_slot_reaches_every_peer_in_time() {
        let mut now = start();
        let mut rng = SmallRng::seed_from_u64(1);
        let mut choker = Choker::new();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            seen.extend(choker.round(now, 2, peers(&[9, 1, 1, 1, 1], now), false, &mut rng));
            now += ROUND;
        }
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn seeding_takes_turns() {
        let now = start();
        let mut rng = SmallRng::seed_from_u64(1);
        let mut all = peers(&[100, 50, 10], now);
        all[0].unchoked = true;
        let chosen = Choker::new().round(now + TURN, 2, all, true, &mut rng);
        assert!(chosen.contains(&PeerKey(1)), "the fastest has had its turn");
    }

    #[test]
    fn peers_that_wasted_a_slot_come_last() {
        let now = start();
        let mut rng = SmallRng::seed_from_u64(1);
        let mut all = peers(&[100, 50, 10], now);
        all[0].penalty = true;
        assert_eq!(Choker::new().round(now, 2, all.clone(), false, &mut rng), [PeerKey(1), PeerKey(2)]);
        assert_eq!(Choker::next_in_line(all).last(), Some(PeerKey(0)));
    }
}
