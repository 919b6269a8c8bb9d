//! How much a peer may say that is of no use. In: what each message cost, what earned something back. Out: whether the
//! peer has gone over. Never: what to do about it (see [`Severity`](crate::Severity)).
//!
//! A token bucket. Each message that tells nothing new takes a token, and so does each request that we have to refuse;
//! expensive ones take more. Tokens come back with time, and with what both sides do for each other, because honest
//! peers say useless things in proportion to that: a peer that follows our haves may change its mind with each of them.
//!
//! The numbers let every known client pass with a factor of ten to spare and still end a flood after [`CAPACITY`]
//! messages, which is some milliseconds of one core.

use std::time::{Duration, Instant};

/// Tokens of a full bucket.
///
/// The largest honest burst is a request for each block of the largest metadata, from a client that asks for all of it
/// at once as anacrolix does: 2,048, twice if it asks again after a timeout. The next one is a queue of requests that
/// is refused when we choke: Transmission keeps 512, libtorrent up to 2,000.
pub(super) const CAPACITY: u32 = 8192;

/// Tokens that come back in a second.
///
/// Keep-alives come every two minutes, chokes change every ten seconds, aria2 repeats its haves and bitfields every ten
/// seconds, endgames cancel some hundred requests once. What is left is a margin for clients that nobody has tested.
const REFILL_PER_SECOND: u64 = 64;

/// Tokens for a `have` that we send: libtorrent answers each at once with `interested`, and with `not interested` as soon
/// as it has got the piece from another peer. Two leechers of a fast seed exchange thousands of these in a second.
pub(super) const EARNED_BY_HAVE: u32 = 2;

/// Tokens for a block that was asked for, in either direction. Who trades may also cancel and repeat itself: anacrolix
/// cancels and asks again whenever its readers move.
pub(super) const EARNED_BY_BLOCK: u32 = 1;

/// Tokens for a `choke` that we send: all requests that the peer has in its pipeline are refused, and those that it sends
/// until it hears of it. Only once in [`CHOKE_PAUSE`], because a peer can provoke chokes.
const EARNED_BY_CHOKE: u32 = 2048;
const CHOKE_PAUSE: Duration = Duration::from_secs(5);

/// A message that tells nothing, or a request that is refused.
pub(super) const USELESS: u32 = 1;
/// Makes the application act towards a third party, as a relay or as a node of the DHT.
pub(super) const INDIRECT: u32 = 16;
/// An extended handshake. Parsing takes some microseconds; clients send one or two, and one more when they become seeds.
pub(super) const HANDSHAKE: u32 = 32;
/// Breaks a rule that no client breaks twice in a second: `Severity::Ignore`, but not often.
pub(super) const FAULTY: u32 = 64;

/// What a further bitfield of so many bytes costs that tells of `gained` new pieces.
///
/// It costs us work for each piece of the torrent. aria2 sends one only in place of at least `bytes / 9` haves, and pays
/// nothing. At most [`MAX_BITFIELD_COST`], so that one unnecessary bitfield of a large torrent ends no connection.
pub(super) fn cost_of_bitfield(bytes: usize, gained: u32) -> u32 {
    let cost = u32::try_from(bytes / 16).unwrap_or(u32::MAX).saturating_add(USELESS);
    cost.min(MAX_BITFIELD_COST).saturating_sub(gained)
}
const MAX_BITFIELD_COST: u32 = 512;

/// What a message costs that nobody understands: more if it is long.
pub(super) fn cost_of_unknown(payload: &[u8]) -> u32 {
    u32::try_from(payload.len() / 1024).unwrap_or(u32::MAX).saturating_add(USELESS)
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    tokens: u32,
    refilled: Instant,
    choked: Option<Instant>,
    overdrawn: bool,
}

impl Budget {
    pub(super) const fn new(now: Instant) -> Self {
        Self { tokens: CAPACITY, refilled: now, choked: None, overdrawn: false }
    }

    pub(super) fn spend(&mut self, now: Instant, cost: u32) {
        if self.tokens < cost {
            self.refill(now);
        }
        match self.tokens.checked_sub(cost) {
            Some(left) => self.tokens = left,
            None => self.overdrawn = true,
        }
    }

    /// Whether more has been spent than there was, ever.
    pub(super) const fn is_overdrawn(&self) -> bool {
        self.overdrawn
    }

    pub(super) fn earn(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(CAPACITY);
    }

    /// We choke the peer.
    pub(super) fn earn_by_choke(&mut self, now: Instant) {
        if self.choked.is_none_or(|last| now.saturating_duration_since(last) >= CHOKE_PAUSE) {
            self.choked = Some(now);
            self.earn(EARNED_BY_CHOKE);
        }
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.refilled).as_millis();
        let due = u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_mul(REFILL_PER_SECOND) / 1000;
        // The rest of the division stays for the next time.
        let paid = Duration::from_micros(due.saturating_mul(1_000_000 / REFILL_PER_SECOND));
        self.refilled = self.refilled.checked_add(paid).unwrap_or(now);
        self.earn(u32::try_from(due).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhen")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_steady_trickle_below_the_refill_never_overdraws() {
        let (start, mut budget) = (start(), Budget::new(start()));
        for n in 0..200_000_u32 {
            budget.spend(start + Duration::from_millis(17) * n, USELESS);
        }
        assert!(!budget.is_overdrawn());
        for n in 0..400_000_u32 {
            budget.spend(start + Duration::from_millis(3_400_000) + Duration::from_millis(14) * n, USELESS);
        }
        assert!(budget.is_overdrawn(), "71 in a second are more than come back");
    }

    #[test]
    fn a_flood_ends_after_one_bucket() {
        let (start, mut budget) = (start(), Budget::new(start()));
        let passed = (0..).take_while(|_| {
            budget.spend(start, USELESS);
            !budget.is_overdrawn()
        });
        assert_eq!(passed.count(), CAPACITY as usize);
    }

    #[test]
    fn chokes_that_are_provoked_earn_once_in_five_seconds() {
        let (start, mut budget) = (start(), Budget::new(start()));
        budget.spend(start, CAPACITY);
        for n in 0..1000 {
            budget.earn_by_choke(start + Duration::from_millis(n));
        }
        assert_eq!(budget.tokens, EARNED_BY_CHOKE);
    }

    #[test]
    fn aria2s_bitfields_are_free_and_repeated_ones_are_not() {
        for bytes in 3..20_000 {
            let haves = u32::try_from((bytes + 5) / 9 + 1).unwrap().max(20);
            assert_eq!(cost_of_bitfield(bytes, haves.min(u32::try_from(bytes * 8).unwrap())), 0, "{bytes}");
            assert!(cost_of_bitfield(bytes, 0) >= USELESS);
        }
        assert_eq!(cost_of_bitfield(262_144, 0), MAX_BITFIELD_COST);
    }
}
