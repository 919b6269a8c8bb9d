//! One allowance of memory for all pieces in flight of all torrents of a client.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A number of bytes that is handed out and given back. Clones share it.
///
/// When it is spent, torrents stop requesting; pieces that could never fit are written block by block instead.
#[derive(Clone, Debug)]
pub struct Budget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// `limit` is in bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { inner: Arc::new(Inner { limit, used: AtomicUsize::new(0) }) }
    }

    /// Bytes in all.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.inner.limit
    }

    /// Bytes handed out.
    #[must_use]
    pub fn used(&self) -> usize {
        self.inner.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes` if there are as many.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.inner.limit);
        self.inner.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Gives `bytes` back.
    pub(crate) fn give(&self, bytes: usize) {
        self.inner.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_hands_out_more_than_it_has() {
        let budget = Budget::new(10);
        let other = budget.clone();
        assert!(budget.take(6) && !other.take(5) && other.take(4));
        assert_eq!(budget.used(), 10);
        budget.give(6);
        assert!(other.take(5) && !budget.take(usize::MAX));
    }
}
