//! One limit that the torrents of a client share fairly: bytes of memory, connections, upload slots.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A number of units that are taken and given back. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
    /// Torrents that want some, or hold some.
    claimants: AtomicUsize,
    /// Counts refusals. A torrent that holds something it cannot use gives it back when it sees this move.
    refusals: AtomicUsize,
}

impl Allowance {
    pub(crate) fn new(limit: usize) -> Self {
        let inner =
            Inner { limit, used: AtomicUsize::new(0), claimants: AtomicUsize::new(0), refusals: AtomicUsize::new(0) };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn used(&self) -> usize {
        self.inner.used.load(Ordering::Relaxed)
    }

    pub(crate) fn refusals(&self) -> usize {
        self.inner.refusals.load(Ordering::Relaxed)
    }

    /// What each torrent may have when all of them want more.
    pub(crate) fn share(&self) -> usize {
        self.inner.limit / self.inner.claimants.load(Ordering::Relaxed).max(1)
    }
}

/// What one torrent holds of an [`Allowance`]. Dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct Claim {
    of: Allowance,
    held: usize,
    wants: bool,
    counted: bool,
}

impl Claim {
    pub(crate) fn new(of: Allowance) -> Self {
        Self { of, held: 0, wants: false, counted: false }
    }

    pub(crate) fn of(&self) -> &Allowance {
        &self.of
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Whether the torrent wants some from now on: those that do share the limit.
    pub(crate) fn set_wants(&mut self, wants: bool) {
        self.wants = wants;
        self.recount();
    }

    /// How many units this torrent may have now at most, those it holds included.
    pub(crate) fn fair_limit(&self) -> usize {
        self.of.share().max(1)
    }

    /// Takes `units` if they are free and within the fair share. A torrent that holds nothing gets at least `units` of the
    /// last quarter of the limit, which is kept for that.
    pub(crate) fn take(&mut self, units: usize) -> bool {
        let limit = self.of.inner.limit;
        let share = self.fair_limit();
        let first = self.held == 0;
        let alone = self.of.inner.claimants.load(Ordering::Relaxed) <= 1;
        let within = first || alone || self.held.saturating_add(units) <= share;
        let open = if first || alone { limit } else { limit - limit / 4 };
        let fits = |used: usize| used.checked_add(units).filter(|sum| *sum <= open);
        let taken = within && self.of.inner.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if taken {
            self.held += units;
            self.recount();
        } else {
            self.of.inner.refusals.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Gives `units` back.
    pub(crate) fn give(&mut self, units: usize) {
        let units = units.min(self.held);
        self.held -= units;
        self.of.inner.used.fetch_sub(units, Ordering::Relaxed);
        self.recount();
    }

    fn recount(&mut self) {
        let counts = self.wants || self.held > 0;
        match (self.counted, counts) {
            (false, true) => self.of.inner.claimants.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.of.inner.claimants.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        self.counted = counts;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.wants = false;
        self.give(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_hands_out_more_than_it_has() {
        let all = Allowance::new(10);
        let (mut one, mut other) = (Claim::new(all.clone()), Claim::new(all.clone()));
        assert!(one.take(6) && !other.take(5) && other.take(4));
        assert_eq!(all.used(), 10);
        drop(one);
        assert_eq!(all.used(), 4);
        assert!(!other.take(usize::MAX) && other.take(6));
    }

    #[test]
    fn torrents_that_want_more_get_equal_shares_and_newcomers_find_a_rest() {
        let all = Allowance::new(16);
        let mut claims: Vec<_> = (0..3).map(|_| Claim::new(all.clone())).collect();
        claims.iter_mut().for_each(|claim| claim.set_wants(true));
        for claim in &mut claims {
            while claim.take(1) {}
        }
        assert_eq!(claims.iter().map(Claim::held).collect::<Vec<_>>(), [5, 5, 2]);
        let mut late = Claim::new(all.clone());
        assert!(late.take(4), "the last quarter is for torrents that have nothing");
        claims.pop();
        drop(claims);
        assert!(late.take(12), "alone, it gets everything");
    }
}
