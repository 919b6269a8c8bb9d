//! One peer that claims to have the metadata: what it was asked for, how fast it answers, when it is left alone.
//! In: requests, answers, time. Out: how much more it may be asked for. Never: blocks.

use std::time::{Duration, Instant};

/// Requests that a peer is given before it has answered any: as many as it may refuse without harm.
const FIRST_WINDOW: usize = 4;
/// The most requests that a peer has to answer at a time: 1 MiB a round trip. Transmission refuses more than 64.
const MAX_WINDOW: usize = 64;
/// The window grows while answers come faster than this: what is asked for beyond only waits in the peer's queue.
const PROMPT: Duration = Duration::from_secs(2);
/// The window shrinks when answers take longer than this.
const SLUGGISH: Duration = Duration::from_secs(5);

/// Answers that come faster than this come faster than another peer would be asked.
const HELPFUL: Duration = super::attempt::RETRY;

/// How long a peer may let a request wait while it answers nothing, at first.
const MIN_PATIENCE: Duration = Duration::from_secs(10);
/// The same for a peer that has shown to be slow: at 16 KiB in 160 s it would still be heard.
const MAX_PATIENCE: Duration = Duration::from_secs(160);
/// A request that the peer has passed over while it answered others is void after so many times its patience.
const PASSED_OVER: u32 = 3;

/// How long a peer is left alone that has let requests time out; doubled each time in a row.
const SILENCE_PAUSE: Duration = Duration::from_secs(5);
/// How long a peer is left alone that has refused a request; doubled each time in a row. One that has delivered before is
/// only busy.
const REFUSAL_PAUSE: Duration = Duration::from_secs(10);
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// The longest pauses are so many times doubled: five minutes.
const MAX_DOUBLINGS: u32 = 5;

/// Requests that were given up and may be answered yet. The oldest are forgotten.
const MAX_LATE: usize = 64;
/// How often a peer may claim another size: some claim one before they have the metadata.
const MAX_CHANGES: u8 = 4;

#[derive(Clone, Debug)]
pub(super) struct Peer {
    size: u32,
    outstanding: Vec<Outstanding>,
    /// Blocks that it was asked for and that are no longer waited for. Their answers are as good as any.
    late: Vec<u32>,
    window: usize,
    patience: Duration,
    delivered: u32,
    last_delivery: Option<Instant>,
    /// From request to answer, the last time.
    last_took: Option<Duration>,
    /// Timeouts in a row.
    silences: u32,
    /// Refusals in a row.
    refusals: u32,
    paused_until: Option<Instant>,
    changes: u8,
    convicted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    block: u32,
    asked: Instant,
}

impl Peer {
    pub(super) const fn new(size: u32) -> Self {
        Self {
            size,
            outstanding: Vec::new(),
            late: Vec::new(),
            window: FIRST_WINDOW,
            patience: MIN_PATIENCE,
            delivered: 0,
            last_delivery: None,
            last_took: None,
            silences: 0,
            refusals: 0,
            paused_until: None,
            changes: 0,
            convicted: false,
        }
    }

    /// The size that it claims.
    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// It claims another size from now on. Returns whether it may: its record stays, so that nothing is gained by it.
    pub(super) fn change_size(&mut self, size: u32) -> bool {
        if self.changes >= MAX_CHANGES {
            return false;
        }
        self.changes = self.changes.saturating_add(1);
        self.size = size;
        self.outstanding.clear();
        self.late.clear();
        true
    }

    /// It has lied, and is asked for nothing any more.
    pub(super) fn convict(&mut self) {
        self.convicted = true;
        self.outstanding = Vec::new();
        self.late = Vec::new();
    }

    pub(super) const fn is_convicted(&self) -> bool {
        self.convicted
    }

    /// Blocks that it has delivered, ever.
    pub(super) const fn delivered(&self) -> u32 {
        self.delivered
    }

    pub(super) fn may_be_asked(&self, now: Instant) -> bool {
        !self.convicted && self.outstanding.len() < self.window && self.paused_until.is_none_or(|until| until <= now)
    }

    /// Whether it may be asked for what others were asked for already: if it has nothing else to do, or is prompt.
    pub(super) fn may_help(&self, now: Instant) -> bool {
        self.may_be_asked(now) && (self.outstanding.is_empty() || self.last_took.is_some_and(|took| took <= HELPFUL))
    }

    pub(super) fn waits_for(&self, block: u32) -> bool {
        self.outstanding.iter().any(|request| request.block == block)
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.outstanding.is_empty()
    }

    pub(super) fn ask(&mut self, now: Instant, block: u32) {
        self.late.retain(|late| *late != block);
        self.outstanding.push(Outstanding { block, asked: now });
    }

    /// Whether it was asked for this block, recently or once.
    pub(super) fn was_asked_for(&self, block: u32) -> bool {
        self.waits_for(block) || self.late.contains(&block)
    }

    /// It has delivered a block. Returns whether that was still waited for.
    pub(super) fn deliver(&mut self, now: Instant, block: u32) -> bool {
        self.delivered = self.delivered.saturating_add(1);
        self.last_delivery = Some(now);
        (self.silences, self.refusals, self.paused_until) = (0, 0, None);
        self.late.retain(|late| *late != block);
        let Some(asked) = self.take(block) else { return false };
        let took = now.saturating_duration_since(asked);
        self.last_took = Some(took);
        self.patience = took.saturating_mul(3).clamp(MIN_PATIENCE, MAX_PATIENCE);
        if took <= PROMPT {
            self.window = self.window.saturating_add(1).min(MAX_WINDOW);
        } else if took >= SLUGGISH {
            self.window = self.window.saturating_sub(1).max(1);
        }
        true
    }

    /// It refuses a block. Returns whether that was waited for.
    pub(super) fn refuse(&mut self, now: Instant, block: u32) -> bool {
        self.late.retain(|late| *late != block);
        if self.take(block).is_none() {
            return false;
        }
        let pause = if self.delivered > 0 { BUSY_PAUSE } else { REFUSAL_PAUSE };
        self.paused_until = now.checked_add(doubled(pause, self.refusals));
        self.refusals = self.refusals.saturating_add(1);
        self.window = (self.window / 2).max(1);
        true
    }

    /// Gives up what it has not answered in time; returns which blocks that were.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<u32> {
        let (patience, last) = (self.patience, self.last_delivery);
        let overdue = |request: &mut Outstanding| deadline(request.asked, last, patience).is_some_and(|due| due <= now);
        let given_up: Vec<u32> = self.outstanding.extract_if(.., overdue).map(|request| request.block).collect();
        if !given_up.is_empty() {
            self.paused_until = now.checked_add(doubled(SILENCE_PAUSE, self.silences));
            self.silences = self.silences.saturating_add(1);
            self.patience = self.patience.saturating_mul(2).min(MAX_PATIENCE);
            self.window = (self.window / 2).max(1);
            self.remember(&given_up);
        }
        given_up
    }

    /// Nothing that it was asked for is waited for any longer, through no fault of its own.
    pub(super) fn release(&mut self) {
        let blocks: Vec<u32> = self.outstanding.drain(..).map(|request| request.block).collect();
        self.remember(&blocks);
    }

    /// The blocks that are waited for.
    pub(super) fn blocks(&self) -> impl Iterator<Item = u32> {
        self.outstanding.iter().map(|request| request.block)
    }

    /// When something changes if the peer says nothing.
    pub(super) fn next(&self) -> impl Iterator<Item = Instant> {
        let due =
            self.outstanding.iter().filter_map(|request| deadline(request.asked, self.last_delivery, self.patience));
        due.chain(self.paused_until)
    }

    fn take(&mut self, block: u32) -> Option<Instant> {
        let position = self.outstanding.iter().position(|request| request.block == block)?;
        Some(self.outstanding.swap_remove(position).asked)
    }

    fn remember(&mut self, blocks: &[u32]) {
        self.late.extend(blocks);
        let excess = self.late.len().saturating_sub(MAX_LATE);
        self.late.drain(..excess);
    }
}

/// A peer that delivers is not silent: the others of its requests have waited for the one that came.
fn deadline(asked: Instant, last_delivery: Option<Instant>, patience: Duration) -> Option<Instant> {
    let silent = last_delivery.map_or(asked, |last| last.max(asked)).checked_add(patience)?;
    let passed_over = asked.checked_add(patience.saturating_mul(PASSED_OVER))?;
    Some(silent.min(passed_over))
}

fn doubled(pause: Duration, times: u32) -> Duration {
    pause.saturating_mul(1_u32.checked_shl(times.min(MAX_DOUBLINGS)).unwrap_or(1))
}
