//! A place where bytes take time: a rate, and a queue in front of it that drops what finds it full.
//! In: sizes of parcels as they arrive. Out: when each has passed, and statistics about the waiting.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::parcel::Delivery;

/// A first-in-first-out queue that drops at its tail. Clones are the same queue: put them into several links and those links share
/// its rate.
#[derive(Clone, Debug)]
pub struct Bottleneck(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    /// Bytes per second.
    rate: u64,
    /// Bytes that may wait.
    queue: usize,
    idle_at: Option<Instant>,
    since: Option<Instant>,
    passed: u64,
    bytes: u64,
    dropped: u64,
    waited: Duration,
    max_delay: Duration,
    busy: Duration,
}

/// What a [`Bottleneck`] has done since its statistics began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Parcels that went through, or will.
    pub passed: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
    /// Parcels that found the queue full.
    pub dropped: u64,
    /// How long a parcel waited before its own transmission began, on average.
    pub mean_delay: Duration,
    /// The longest such wait.
    pub max_delay: Duration,
    /// The part of the time, 0 to 1, in which something was transmitted.
    pub utilisation: f64,
}

impl Bottleneck {
    /// A queue of `queue` bytes that is emptied at `bytes_per_second`. One parcel is always taken, however small the queue.
    #[must_use]
    pub fn new(bytes_per_second: u64, queue: usize) -> Self {
        Self(Rc::new(RefCell::new(State {
            rate: bytes_per_second.max(1),
            queue,
            idle_at: None,
            since: None,
            passed: 0,
            bytes: 0,
            dropped: 0,
            waited: Duration::ZERO,
            max_delay: Duration::ZERO,
            busy: Duration::ZERO,
        })))
    }

    /// Changes the rate for parcels that arrive from now on. What is in the queue leaves at the old one.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.0.borrow_mut().rate = bytes_per_second.max(1);
    }

    /// When everything that is in it will have passed. `None`: nothing ever came. A node that paces itself by its own uplink sends
    /// the next parcel then.
    #[must_use]
    pub fn idle_at(&self) -> Option<Instant> {
        self.0.borrow().idle_at
    }

    /// The statistics since the first parcel, or since [`restart_stats`](Self::restart_stats).
    #[must_use]
    pub fn stats(&self, now: Instant) -> QueueStats {
        let state = self.0.borrow();
        let elapsed = state.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        // What is still in the queue is counted as busy time already.
        let ahead = state.idle_at.map_or(Duration::ZERO, |idle| idle.saturating_duration_since(now));
        let busy = state.busy.saturating_sub(ahead).as_secs_f64();
        QueueStats {
            passed: state.passed,
            bytes: state.bytes,
            dropped: state.dropped,
            mean_delay: state.waited.div_f64(state.passed.max(1) as f64),
            max_delay: state.max_delay,
            utilisation: if elapsed.is_zero() { 0.0 } else { (busy / elapsed.as_secs_f64()).min(1.0) },
        }
    }

    /// Forgets the statistics, for example those of the time in which flows started. The queue itself stays as it is.
    pub fn restart_stats(&self, now: Instant) {
        let mut state = self.0.borrow_mut();
        state.since = Some(now);
        (state.passed, state.bytes, state.dropped) = (0, 0, 0);
        (state.waited, state.max_delay) = (Duration::ZERO, Duration::ZERO);
        state.busy = state.idle_at.map_or(Duration::ZERO, |idle| idle.saturating_duration_since(now));
    }

    /// A parcel of `size` bytes arrives at `now`, which never goes back. When it has passed, unless it is dropped.
    pub(crate) fn enter(&self, now: Instant, size: usize, delivery: Delivery) -> Option<Instant> {
        let mut state = self.0.borrow_mut();
        state.since.get_or_insert(now);
        let start = state.idle_at.map_or(now, |idle| idle.max(now));
        let delay = start - now;
        let waiting = delay.as_secs_f64() * state.rate as f64;
        if delivery == Delivery::Lossy && !delay.is_zero() && waiting + size as f64 > state.queue as f64 {
            state.dropped += 1;
            return None;
        }
        let takes = Duration::from_secs_f64(size as f64 / state.rate as f64);
        let passed = start + takes;
        state.idle_at = Some(passed);
        state.passed += 1;
        state.bytes += size as u64;
        state.waited += delay;
        state.max_delay = state.max_delay.max(delay);
        state.busy += takes;
        Some(passed)
    }
}
