//! Our requests to one peer: what is in flight, how many more to send, when to give one up. BEP 3 § "peer messages".
//!
//! ```text
//!             sent              deadline, or choke with BEP 6
//!   (none) ────────▶ live ───────────────────────────────────▶ ghost
//!                     │  the block comes, is rejected,           │ the block comes, is rejected, the peer
//!                     ▼  is cancelled, is skipped, or choke      ▼ unchokes, a later one was answered instead
//!                   (none)                                     (none)
//! ```
//!
//! A *live* request is one of those that its block counts. A *ghost* is not: others are asked for the block, but if it comes
//! after all it is welcome. The depth follows the measured rate (rate × time), grows by one with each block until the rate no
//! longer grows, and never passes what the peer says it keeps (BEP 10 `reqq`). A peer that leaves requests unanswered is
//! asked for less, one block at a time in the end, with growing pauses, but never for nothing.
//! Never here: which block to ask for (see `picker`).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use torrent_types::{BLOCK_LENGTH, Block, PieceIndex};

/// Queue length assumed for peers that send no `reqq`: libtorrent's default.
const DEFAULT_REQUEST_QUEUE: u32 = 250;
/// A peer that has just proven itself gets this many.
const FIRST_DEPTH: u32 = 8;
/// Even a slow peer has the next request waiting while it sends a block.
const MIN_DEPTH: u32 = 4;
/// Requests are sent when so many are due: one read brings about as many blocks.
const BATCH: u32 = 16;
/// Growth per second under which the start is over, in bytes per second.
const START_OVER: u64 = 10_000;
/// No request is given up sooner, for a busy disk may need a moment.
const MIN_PATIENCE: Duration = Duration::from_secs(2);
/// No request is waited for longer, whatever the peer was like before.
const MAX_PATIENCE: Duration = Duration::from_secs(60);
/// How long a peer that never sent a block may take for its first one before others are asked.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between single requests to a silent peer double this often: from 2 s to about a minute.
const MAX_DOUBLINGS: u32 = 5;
/// Rejects in a row, without a block in between, after which a peer that says it would answer counts as silent.
const MAX_REJECTS: u32 = 4;
/// A block that was asked of a second peer is asked of a third after so long, unless one of the two is gone.
const DOUBLED_AGAIN: Duration = Duration::from_secs(1);
/// A request that was passed over counts as dropped if the answered one was sent later by this and the response time.
const REORDERED: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct Requests {
    list: VecDeque<Request>,
    live: u32,
    depth: u32,
    /// What the peer seems to keep, found out by what it dropped or rejected.
    ceiling: u32,
    reqq: u32,
    starting: bool,
    last_rate: u64,
    /// When a block came last, or the oldest request began to wait.
    progress: Instant,
    response: Response,
    /// Since when it owes us a block. A choke of a moment does not end that.
    unanswered: Option<Instant>,
    choked_at: Instant,
    /// Its rate when it last had something to answer.
    pace: u64,
    /// It let all of its requests pass their deadline.
    snubbed: bool,
    doublings: u32,
    probe_at: Option<Instant>,
    rejects: u32,
    /// The peer rejects: nothing more before the next block or tick.
    held: bool,
    /// It has sent a block that we had asked for.
    proven: bool,
    /// Blocks since the ceiling was last touched.
    since_ceiling: u32,
    /// Blocks since the peer last let us request.
    since_unchoke: u32,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    block: Block,
    sent: Instant,
    live: bool,
    /// When another peer was asked for the block because this one is too slow.
    doubled: Option<Instant>,
}

/// What a peer owes for a block that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was asked for it, and the block counts this request.
    Live,
    /// It was asked for it long ago.
    Ghost,
    /// It was not asked for it.
    No,
}

/// Smoothed time from a request to its block, and how much it varies: TCP's estimator, RFC 6298 § 2.
#[derive(Clone, Copy, Debug, Default)]
struct Response {
    /// The shortest: what a request takes that finds no queue.
    least: Duration,
    mean: Duration,
    deviation: Duration,
    known: bool,
}

impl Response {
    fn add(&mut self, sample: Duration) {
        if !self.known {
            *self = Self { least: sample, mean: sample, deviation: sample / 2, known: true };
            return;
        }
        self.least = self.least.min(sample);
        self.deviation = (self.deviation * 3 + sample.abs_diff(self.mean)) / 4;
        self.mean = (self.mean * 7 + sample) / 8;
    }

    fn patience(&self) -> Duration {
        if !self.known {
            return FIRST_PATIENCE;
        }
        // Twice the mean: the queue at the peer may just have become twice as long.
        (self.mean * 2 + self.deviation * 4).clamp(MIN_PATIENCE, MAX_PATIENCE)
    }
}

impl Requests {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            list: VecDeque::new(),
            live: 0,
            depth: FIRST_DEPTH,
            ceiling: u32::MAX,
            reqq: DEFAULT_REQUEST_QUEUE,
            starting: true,
            last_rate: 0,
            progress: now,
            response: Response::default(),
            unanswered: None,
            choked_at: now,
            pace: 0,
            snubbed: false,
            doublings: 0,
            probe_at: None,
            rejects: 0,
            held: false,
            proven: false,
            since_ceiling: 0,
            since_unchoke: 0,
        }
    }

    pub(crate) fn set_reqq(&mut self, reqq: u32) {
        self.reqq = reqq.max(1);
    }

    /// How many more to send now; 0 until there are a few, so that requests leave in batches.
    pub(crate) fn room(&self, now: Instant, cap: u32) -> u32 {
        if self.held {
            return 0;
        }
        if self.snubbed {
            let due = self.probe_at.is_none_or(|at| now >= at);
            return u32::from(due && self.live == 0);
        }
        if !self.proven {
            return 1u32.saturating_sub(self.len());
        }
        let depth = self.depth.min(self.ceiling).min(self.reqq).min(cap).max(1);
        let free = depth.saturating_sub(self.len());
        if free < (depth / 4).min(BATCH) { 0 } else { free }
    }

    /// The present depth.
    pub(crate) fn depth(&self) -> u32 {
        if self.snubbed || !self.proven { 1 } else { self.depth.min(self.ceiling).min(self.reqq) }
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    pub(crate) fn response_time(&self) -> Duration {
        self.response.mean
    }

    /// The time that a request takes that finds no queue.
    pub(crate) fn least_response_time(&self) -> Duration {
        self.response.least
    }

    /// Bytes per second when it last had something to answer; 0 while that is not known.
    pub(crate) fn pace(&self) -> u64 {
        self.pace
    }

    /// How long nothing has come though something was due.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        match self.unanswered {
            Some(since) if self.live > 0 => now.saturating_duration_since(since),
            _ => Duration::ZERO,
        }
    }

    /// Whether the block was asked for and may still come.
    pub(crate) fn contains(&self, block: Block) -> bool {
        self.list.iter().any(|request| request.block == block)
    }

    pub(crate) fn has_ghosts(&self) -> bool {
        self.live < self.len()
    }

    /// The live requests, the oldest first.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> {
        self.list.iter().filter(|request| request.live).map(|request| request.block)
    }

    pub(crate) fn sent(&mut self, now: Instant, block: Block) {
        if self.has_ghosts() {
            self.list.retain(|request| request.live || request.block != block);
        }
        if self.live == 0 {
            self.progress = now;
        }
        self.live += 1;
        self.unanswered.get_or_insert(now);
        self.list.push_back(Request { block, sent: now, live: true, doubled: None });
    }

    /// A block came. Requests that the peer has passed over go to `dropped` if their blocks counted them.
    pub(crate) fn received(&mut self, now: Instant, block: Block, dropped: &mut Vec<Block>) -> Known {
        // Peers answer in order: nearly always this is the first.
        let Some(place) = self.list.iter().position(|request| request.block == block) else { return Known::No };
        let Some(request) = self.list.remove(place) else { return Known::No };
        self.live -= u32::from(request.live);
        if place > 0 {
            self.drop_skipped(request.sent, dropped);
        }
        self.response.add(now.saturating_duration_since(request.sent));
        self.progress = now;
        self.unanswered = (self.live > 0).then_some(now);
        self.proven = true;
        self.rejects = 0;
        self.held = false;
        self.snubbed = false;
        self.doublings = 0;
        self.probe_at = None;
        if self.starting {
            self.depth = self.depth.saturating_add(1);
        }
        self.since_unchoke = self.since_unchoke.saturating_add(1);
        self.since_ceiling += 1;
        if self.ceiling != u32::MAX && self.since_ceiling >= 64 {
            self.since_ceiling = 0;
            self.ceiling += 1;
        }
        if request.live { Known::Live } else { Known::Ghost }
    }

    /// Requests that were sent well before one that was answered: the peer has dropped them.
    fn drop_skipped(&mut self, answered: Instant, dropped: &mut Vec<Block>) {
        let grace = self.response.mean + self.response.deviation * 4 + REORDERED;
        let before = self.list.len();
        self.list.retain(|request| {
            let skipped = request.sent + grace < answered;
            if skipped && request.live {
                dropped.push(request.block);
            }
            !skipped
        });
        self.live = u32::try_from(self.list.iter().filter(|request| request.live).count()).unwrap_or(u32::MAX);
        let gone = before - self.list.len();
        if gone > 0 && self.since_ceiling >= 16 {
            // It keeps fewer than we thought.
            self.ceiling = (self.ceiling.min(self.depth) / 4 * 3).max(MIN_DEPTH);
            self.since_ceiling = 0;
        }
    }

    /// The block is no longer asked for. True if it counted this request.
    pub(crate) fn forget(&mut self, block: Block) -> Option<bool> {
        let place = self.list.iter().position(|request| request.block == block)?;
        let request = self.list.remove(place)?;
        self.live -= u32::from(request.live);
        Some(request.live)
    }

    /// Forgets everything of a piece. Returns the live ones.
    pub(crate) fn forget_piece(&mut self, piece: PieceIndex) -> Vec<Block> {
        let mut live = Vec::new();
        self.list.retain(|request| {
            let theirs = request.block.piece() == piece;
            if theirs && request.live {
                live.push(request.block);
            }
            !theirs
        });
        self.live -= u32::try_from(live.len()).unwrap_or(0);
        live
    }

    /// The peer chokes us. `keeps`: requests that it answers all the same. `fast`: it says which others it drops, BEP 6, so
    /// those become ghosts. Returns the blocks that are counted no longer.
    pub(crate) fn choked(&mut self, now: Instant, fast: bool, keeps: impl Fn(PieceIndex) -> bool) -> Vec<Block> {
        self.choked_at = now;
        // Chokes and unchokes without a block in between must not make us send a full pipeline of requests each time.
        if std::mem::take(&mut self.since_unchoke) == 0 {
            self.depth = (self.depth / 2).max(1);
            self.ceiling = self.ceiling.min(self.depth).max(1);
        }
        let mut released = Vec::new();
        for request in &mut self.list {
            if request.live && !(fast && keeps(request.block.piece())) {
                request.live = false;
                released.push(request.block);
            }
        }
        self.live -= u32::try_from(released.len()).unwrap_or(0);
        if !fast {
            self.list.clear();
        }
        released
    }

    /// The peer answers again. Ghosts are gone for good, and the pipeline starts where it was.
    pub(crate) fn unchoked(&mut self, now: Instant) {
        if now.saturating_duration_since(self.choked_at) >= Duration::from_secs(1) {
            self.unanswered = None;
        }
        self.list.retain(|request| request.live);
        self.snubbed = false;
        self.probe_at = None;
        self.held = false;
        self.rejects = 0;
        self.starting = true;
        self.last_rate = 0;
    }

    /// Forgets everything. Returns the live ones.
    pub(crate) fn clear(&mut self) -> Vec<Block> {
        self.live = 0;
        std::mem::take(&mut self.list).into_iter().filter(|request| request.live).map(|request| request.block).collect()
    }

    /// The peer rejected a live request though it lets us request: it keeps fewer than it says.
    pub(crate) fn rejected(&mut self, now: Instant) {
        self.starting = false;
        self.held = true;
        self.ceiling = self.len().max(1);
        self.since_ceiling = 0;
        self.rejects += 1;
        if self.rejects >= MAX_REJECTS && self.live == 0 {
            self.snub(now);
        }
    }

    /// Once a second: follows the rate. Does nothing while nothing is asked for, so that a choke does not undo the depth.
    pub(crate) fn tick(&mut self, rate: u64, time: Duration, max: u32) {
        self.held = false;
        if self.list.is_empty() || !self.proven {
            return;
        }
        if self.starting && self.last_rate > 0 && rate < self.last_rate.saturating_add(START_OVER) {
            self.starting = false;
        }
        self.last_rate = rate;
        self.pace = rate;
        if !self.starting {
            let bytes = u128::from(rate) * time.as_millis() / 1000;
            let blocks = u32::try_from(bytes / u128::from(BLOCK_LENGTH)).unwrap_or(u32::MAX);
            self.depth = blocks.max(MIN_DEPTH);
        }
        self.depth = self.depth.min(max);
    }

    /// Gives up what has passed its deadline. Returns the blocks that others may be asked for; they become ghosts.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Block> {
        let patience = self.response.patience() * (1 << self.doublings.min(MAX_DOUBLINGS));
        if self.list.is_empty() || now.saturating_duration_since(self.progress) < patience {
            return Vec::new();
        }
        if self.live == 0 {
            // The ghosts had their second chance.
            self.list.clear();
            self.progress = now;
            return Vec::new();
        }
        let mut released = Vec::new();
        for request in &mut self.list {
            if request.live && now.saturating_duration_since(request.sent) >= patience {
                request.live = false;
                released.push(request.block);
            }
        }
        self.live -= u32::try_from(released.len()).unwrap_or(0);
        if self.live == 0 {
            self.snub(now);
        }
        released
    }

    fn snub(&mut self, now: Instant) {
        // The first single request follows at once: what was lost is asked for again soon.
        self.probe_at = self.snubbed.then(|| now + MIN_PATIENCE * (1 << self.doublings.min(MAX_DOUBLINGS)));
        if self.snubbed {
            self.doublings = (self.doublings + 1).min(MAX_DOUBLINGS);
        }
        self.snubbed = true;
        self.rejects = 0;
        self.progress = now;
    }

    /// Requests beyond what the peer can answer soon, the last ones first: it has become slow, and they are taken back.
    pub(crate) fn excess(&mut self) -> Vec<Block> {
        let most = (self.depth() * 4).max(MIN_DEPTH * 8);
        let mut excess = Vec::new();
        if self.starting || self.snubbed {
            return excess;
        }
        while self.live > most {
            let Some(place) = self.list.iter().rposition(|request| request.live) else { break };
            excess.extend(self.list.remove(place).map(|request| request.block));
            self.live -= 1;
        }
        excess
    }

    /// The live requests that no other peer was asked to take over just now, the last one first, each with its place among
    /// the live ones. `alone`: whether a block is asked of one peer only, for the other one may have gone.
    pub(crate) fn takeable(&self, now: Instant, alone: impl Fn(Block) -> bool) -> impl Iterator<Item = (u32, Block)> {
        let live = self.list.iter().filter(|request| request.live);
        let open = |request: &Request| {
            let lately = request.doubled.is_some_and(|at| now.saturating_duration_since(at) < DOUBLED_AGAIN);
            !lately || alone(request.block)
        };
        let numbered: Vec<_> = (0u32..).zip(live).filter(|(_, request)| open(request)).collect();
        numbered.into_iter().rev().map(|(place, request)| (place, request.block))
    }

    /// Another peer was asked for this block.
    pub(crate) fn set_doubled(&mut self, now: Instant, block: Block) {
        if let Some(request) = self.list.iter_mut().find(|request| request.block == block) {
            request.doubled = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torrent_types::Geometry;

    const SECOND: Duration = Duration::from_secs(1);

    fn block(index: u32) -> Block {
        Geometry::new(1 << 30, 1 << 20).unwrap().nth_block(PieceIndex::new(index / 64), index % 64).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    /// A peer that has answered one request.
    fn proven(now: Instant) -> Requests {
        let mut requests = Requests::new(now);
        requests.sent(now, block(9000));
        assert_eq!(requests.received(now, block(9000), &mut Vec::new()), Known::Live);
        requests
    }

    fn answer(requests: &mut Requests, now: Instant, index: u32) -> Known {
        requests.received(now, block(index), &mut Vec::new())
    }

    #[test]
    fn a_peer_that_never_gave_a_block_gets_one_request() {
        let now = start();
        let mut requests = Requests::new(now);
        assert_eq!(requests.room(now, 100), 1);
        requests.sent(now, block(0));
        assert_eq!(requests.room(now, 100), 0);
        answer(&mut requests, now, 0);
        assert!(requests.room(now, 100) >= FIRST_DEPTH);
    }

    #[test]
    fn depth_doubles_a_round_trip_at_first_and_follows_the_rate_later() {
        let now = start();
        let mut requests = proven(now);
        requests.depth = FIRST_DEPTH;
        for round in 0..4u32 {
            let room = requests.room(now, 1000);
            (0..room).for_each(|index| requests.sent(now, block(round * 1000 + index)));
            (0..room).for_each(|index| assert_eq!(answer(&mut requests, now, round * 1000 + index), Known::Live));
        }
        assert_eq!(requests.depth, FIRST_DEPTH * 16);
        // A rate that has stopped growing: 10 MiB/s for 3 s are 1920 blocks.
        requests.sent(now, block(5));
        requests.tick(10 << 20, SECOND * 3, 5000);
        requests.tick(10 << 20, SECOND * 3, 5000);
        assert_eq!(requests.depth, 1920);
        requests.tick(0, SECOND * 3, 5000);
        assert_eq!(requests.depth, MIN_DEPTH);
    }

    #[test]
    fn never_more_than_the_peer_keeps() {
        let now = start();
        let mut requests = proven(now);
        requests.set_reqq(5);
        assert_eq!(requests.room(now, 100), 5);
        assert_eq!(requests.room(now, 2), 2);
        requests.set_reqq(0);
        assert_eq!(requests.room(now, 100), 1);
    }

    #[test]
    fn a_silent_peer_loses_its_requests_and_is_asked_for_one_block_at_a_time() {
        let mut now = start();
        let mut requests = proven(now);
        (0..3).for_each(|index| requests.sent(now, block(index)));
        now += MIN_PATIENCE - Duration::from_millis(1);
        assert_eq!(requests.expire(now), []);
        now += Duration::from_millis(1);
        assert_eq!(requests.expire(now), [block(0), block(1), block(2)]);
        assert!(requests.is_snubbed());
        assert_eq!(requests.room(now, 100), 1, "one is asked at once");
        requests.sent(now, block(0));
        assert_eq!(requests.room(now, 100), 0);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let began = now;
            while requests.expire(now).is_empty() {
                now += SECOND;
            }
            while requests.room(now, 100) == 0 {
                now += SECOND;
            }
            pauses.push((now - began).as_secs());
            requests.sent(now, block(0));
        }
        assert!(pauses.is_sorted() && pauses[7] >= 60 && pauses[7] < 200, "{pauses:?}");
        assert_eq!(answer(&mut requests, now, 1), Known::Ghost, "late blocks are welcome");
        assert!(!requests.is_snubbed() && requests.room(now, 100) > 1);
    }

    #[test]
    fn requests_that_were_passed_over_are_given_up_while_others_are_answered() {
        let mut now = start();
        let mut requests = proven(now);
        let mut dropped = Vec::new();
        for index in 0..200 {
            requests.sent(now, block(index));
            now += Duration::from_millis(20);
            if index != 7 {
                assert_eq!(requests.received(now, block(index), &mut dropped), Known::Live);
            }
        }
        assert_eq!(dropped, [block(7)]);
        assert!(!requests.is_snubbed() && requests.is_empty());
    }

    #[test]
    fn a_choke_does_not_undo_the_depth() {
        let now = start();
        let mut requests = proven(now);
        requests.depth = 100;
        (0..5).for_each(|index| requests.sent(now, block(index)));
        assert_eq!(requests.choked(now, true, |_| false).len(), 5);
        assert_eq!(answer(&mut requests, now, 2), Known::Ghost, "it was being read when the choke was sent");
        (0..10).for_each(|_| requests.tick(0, SECOND * 3, 500));
        requests.unchoked(now);
        assert_eq!(answer(&mut requests, now, 3), Known::No, "what was not sent before the unchoke is gone");
        assert!(requests.room(now, 500) >= 100);
    }

    #[test]
    fn bep6_what_is_allowed_fast_stays_in_flight_through_a_choke() {
        let now = start();
        let mut requests = proven(now);
        (0..5).for_each(|index| requests.sent(now, block(index)));
        assert_eq!(requests.choked(now, true, |piece| piece == PieceIndex::new(0)), []);
        assert_eq!(requests.live(), 5);
    }

    #[test]
    fn chokes_and_unchokes_without_a_block_in_between_cost_us_few_requests() {
        let now = start();
        let mut requests = proven(now);
        requests.depth = 500;
        requests.set_reqq(500);
        let mut asked = 0;
        for _ in 0..1000 {
            requests.unchoked(now);
            let room = requests.room(now, 500);
            (0..room).for_each(|index| requests.sent(now, block(index)));
            asked += room;
            requests.choked(now, false, |_| false);
        }
        assert!(asked < 3000, "{asked}");
    }

    #[test]
    fn a_peer_that_rejects_is_asked_for_less_and_never_in_a_loop() {
        let mut now = start();
        let mut requests = proven(now);
        let mut asked = 0;
        for second in 0..120 {
            for _ in 0..100 {
                if requests.room(now, 100) > 0 {
                    requests.sent(now, block(second));
                    asked += 1;
                    assert_eq!(requests.forget(block(second)), Some(true));
                    requests.rejected(now);
                }
            }
            now += SECOND;
            requests.tick(0, SECOND * 3, 500);
        }
        assert!((6..40).contains(&asked), "{asked}");
    }

    #[test]
    fn a_peer_that_becomes_slow_gives_back_what_it_cannot_answer_soon() {
        let now = start();
        let mut requests = proven(now);
        (0..200).for_each(|index| requests.sent(now, block(index)));
        requests.tick(1 << 20, SECOND * 3, 500);
        requests.tick(16 * 1024, SECOND * 3, 500);
        let excess = requests.excess();
        assert_eq!(excess.first(), Some(&block(199)));
        assert_eq!(requests.live(), MIN_DEPTH * 8);
    }
}
