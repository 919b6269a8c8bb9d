//! Our requests to one peer: what is in flight, how deep to go, when to give up.
//! Depth follows the measured rate (rate x time), grows by one a block until the rate no longer grows, and never
//! passes what the peer says it keeps (BEP 10 `reqq`).
//! Never: which block to ask for (see `pieces`).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use torrent_types::{BLOCK_LENGTH, Block};

/// What a peer keeps that never told: the value of the field's inventors.
const DEFAULT_REQUEST_QUEUE: u32 = 250;
/// A peer whose rate is unknown gets this many.
const FIRST_DEPTH: u32 = 8;
/// Even a slow peer has the next request waiting while it sends a block.
const MIN_DEPTH: u32 = 4;
/// Requests are sent when so many are due: one read brings about as many blocks.
const BATCH: u32 = 16;
/// Growth per second under which the start is over, in bytes per second.
const START_OVER: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Requests {
    in_flight: VecDeque<InFlight>,
    depth: u32,
    reqq: u32,
    starting: bool,
    last_rate: u64,
    /// When the oldest request began to wait: a request, or the last block that came.
    waiting_since: Instant,
    snubbed: bool,
    /// The peer refuses requests: none more before the next tick.
    held: bool,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    block: Block,
    /// Others may ask for it too: the peer has been silent for too long.
    released: bool,
}

impl Requests {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            in_flight: VecDeque::new(),
            depth: FIRST_DEPTH,
            reqq: DEFAULT_REQUEST_QUEUE,
            starting: true,
            last_rate: 0,
            waiting_since: now,
            snubbed: false,
            held: false,
        }
    }

    pub(crate) fn set_reqq(&mut self, reqq: u32) {
        self.reqq = reqq.max(1);
    }

    /// How many more to send now; 0 until there are a few, so that requests leave in batches.
    pub(crate) fn room(&self, cap: u32) -> u32 {
        let depth = if self.snubbed { 1 } else { self.depth.min(self.reqq).min(cap).max(1) };
        let free = depth.saturating_sub(self.len());
        if self.held || free < (depth / 4).min(BATCH) { 0 } else { free }
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub(crate) fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    pub(crate) fn contains(&self, block: Block) -> bool {
        self.in_flight.iter().any(|request| request.block == block)
    }

    pub(crate) fn sent(&mut self, now: Instant, block: Block) {
        if self.in_flight.is_empty() {
            self.waiting_since = now;
        }
        self.in_flight.push_back(InFlight { block, released: false });
    }

    /// A block came. Says whether it had been asked for, however long ago.
    pub(crate) fn received(&mut self, now: Instant, block: Block) -> bool {
        let known = self.remove(block).is_some();
        if known {
            self.waiting_since = now;
            self.snubbed = false;
            if self.starting {
                self.depth = self.depth.saturating_add(1);
            }
        }
        known
    }

    /// The block is no longer asked for. Says whether others have to wait no longer for that.
    pub(crate) fn forget(&mut self, block: Block) -> bool {
        self.remove(block).is_some_and(|request| !request.released)
    }

    /// Forgets everything in flight; returns the blocks that others may ask for from now on.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Block> + use<> {
        std::mem::take(&mut self.in_flight).into_iter().filter(|request| !request.released).map(|request| request.block)
    }

    /// Lets others ask for everything in flight too; returns the blocks. If they come after all, they are welcome.
    pub(crate) fn release(&mut self) -> Vec<Block> {
        let held = self.in_flight.iter_mut().filter(|request| !request.released);
        held.map(|request| {
            request.released = true;
            request.block
        })
        .collect()
    }

    fn remove(&mut self, block: Block) -> Option<InFlight> {
        // Peers answer in order: nearly always this is the first.
        let place = self.in_flight.iter().position(|request| request.block == block)?;
        self.in_flight.remove(place)
    }

    /// The peer refused a request though it lets us request: it keeps fewer than it says.
    pub(crate) fn refused(&mut self) {
        self.starting = false;
        self.held = true;
        self.depth = (self.depth / 2).max(1);
    }

    /// Once a second: follows the rate.
    pub(crate) fn tick(&mut self, rate: u64, time: Duration, max: u32) {
        self.held = false;
        if self.starting && self.last_rate > 0 && rate < self.last_rate.saturating_add(START_OVER) {
            self.starting = false;
        }
        self.last_rate = rate;
        if !self.starting {
            let bytes = u128::from(rate) * time.as_millis() / 1000;
            let blocks = u32::try_from(bytes / u128::from(BLOCK_LENGTH)).unwrap_or(u32::MAX);
            self.depth = blocks.max(MIN_DEPTH);
        }
        self.depth = self.depth.min(max);
    }

    /// Whether the peer has let requests wait for `patience`. Once true, it is true until a block comes.
    pub(crate) fn check_snub(&mut self, now: Instant, patience: Duration) -> bool {
        if !self.is_empty() && now.saturating_duration_since(self.waiting_since) >= patience {
            self.snubbed = true;
        }
        self.snubbed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torrent_types::Geometry;

    fn block(index: u32) -> Block {
        Geometry::new(1 << 30, 1 << 20)
            .unwrap()
            .nth_block(torrent_types::PieceIndex::new(index / 64), index % 64)
            .unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn depth_doubles_a_round_trip_at_first_and_follows_the_rate_later() {
        let now = start();
        let mut requests = Requests::new(now);
        for round in 0..4u32 {
            let room = requests.room(1000);
            (0..room).for_each(|index| requests.sent(now, block(round * 1000 + index)));
            (0..room).for_each(|index| assert!(requests.received(now, block(round * 1000 + index))));
        }
        assert_eq!(requests.depth, FIRST_DEPTH * 16);
        // A rate that has stopped growing: 10 MiB/s for 3 s are 1920 blocks.
        requests.tick(10 << 20, Duration::from_secs(3), 5000);
        requests.tick(10 << 20, Duration::from_secs(3), 5000);
        assert_eq!(requests.depth, 1920);
        requests.tick(0, Duration::from_secs(3), 5000);
        assert_eq!(requests.depth, MIN_DEPTH);
    }

    #[test]
    fn never_more_than_the_peer_keeps() {
        let now = start();
        let mut requests = Requests::new(now);
        requests.set_reqq(5);
        assert_eq!(requests.room(100), 5);
        assert_eq!(requests.room(2), 2);
        requests.set_reqq(0);
        assert_eq!(requests.room(100), 1);
    }

    #[test]
    fn a_silent_peer_is_snubbed_until_it_sends() {
        let now = start();
        let patience = Duration::from_secs(20);
        let mut requests = Requests::new(now);
        assert!(!requests.check_snub(now + patience, patience), "nothing asked, nothing owed");
        requests.sent(now + patience, block(0));
        assert!(!requests.check_snub(now + patience * 2 - Duration::from_millis(1), patience));
        assert!(requests.check_snub(now + patience * 2, patience));
        requests.received(now + patience * 2, block(0));
        assert!(!requests.is_snubbed());
    }
}
