//! LEDBAT (RFC 6817, BEP 29 "congestion control") with what was learnt since: it fills a link that nobody else wants and leaves
//! it to those who do.
//!
//! * Slow start doubles, turns careful at the first sign of a queue, and ends when a whole round trip saw one.
//! * Near the target, a window of `w` packets grows by about `√w / 8` packets a round trip and above it shrinks in proportion to itself,
//!   so that flows of different size drift towards each other (LEDBAT++, "multiplicative decrease").
//! * From time to time the window shrinks to nothing for one round trip, so that the queue which we keep ourselves is not taken for the
//!   path's base delay, least of all by a late-comer (LEDBAT++, "slowdown").
//! * A loss halves the window, once a round trip. But where the queue is known to hold more than twice of what is in it, a loss was not
//!   congestion; up to a seventh of the packets may be lost so without an effect.

use std::time::Duration;

use super::{Ack, Controller, Loss, delay::Delays};
use crate::clock::{MILLI, Micros, SECOND};

/// Packets in flight before anything is known.
const INITIAL_PACKETS: f64 = 4.0;
/// Packets that are always allowed: with one alone, a loss is only found out by a timeout.
const MIN_PACKETS: f64 = 2.0;
/// Queueing delay at which slow start turns careful, as a part of the target.
const CAREFUL: f64 = 1.0 / 8.0;
/// Queueing delay that, if it is never less during a round trip, ends slow start, as a part of the target.
const STANDING: f64 = 1.0 / 16.0;
/// Where slow start puts the queue when it ends, as a part of the target.
const LANDING: f64 = 0.6;
/// The part of the excess that is given up in a round trip.
const YIELD: f64 = 0.8;
/// Growth in a round trip while the queue is known to be empty, as a part of the window.
const IDLE_LINK_GROWTH: f64 = 1.0 / 16.0;
/// A slowdown is planned so long after the last, plus up to a quarter. It costs a round trip and a half.
const SLOWDOWN_EVERY: Micros = 20 * SECOND;
/// A slowdown that takes longer is given up.
const SLOWDOWN_MAX: Micros = 10 * SECOND;
/// A smaller window has no queue of its own to drain, in packets.
const SLOWDOWN_MIN_PACKETS: f64 = 8.0;
/// More than this part of a round trip lost is congestion, whatever the delay says.
const TOLERATED_LOSS: f64 = 0.15;
/// But a few packets may be lost of any number.
const TOLERATED_PACKETS: f64 = 3.0;
/// Queues that are never longer than this, in microseconds, are too short to tell losses apart by.
const NOISE: f64 = 5_000.0;
/// What is known about the length of the queue is half forgotten after about this time.
const FORGET: f64 = 60.0 * SECOND as f64;
/// After a loss of congestion the queue does not count as deep for this time: a flow that fills it is about.
const SHALLOW_FOR: Micros = 20 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Slow start: doubles each round trip.
    Start,
    /// Slow start that has seen a queue: grows by a quarter.
    Careful,
    /// Follows the delay.
    Steady,
    /// Keeps nearly nothing in flight until the queue is empty.
    Slowdown {
        /// The window before.
        window: f64,
        /// The round trip before.
        rtt: f64,
        since: Micros,
        /// When enough was seen; known once what was in flight has arrived.
        until: Option<Micros>,
    },
}

/// What a round trip brought.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    began: Micros,
    delivered: f64,
    lost: f64,
    /// The shortest queue that was seen.
    least: Option<u32>,
}

/// Low Extra Delay Background Transport.
#[derive(Debug)]
pub struct Ledbat {
    /// Queueing delay to aim at, in microseconds.
    target: f64,
    window: f64,
    max_window: f64,
    /// Slow start ends here.
    threshold: f64,
    packet: f64,
    rtt: Micros,
    phase: Phase,
    delays: Delays,
    /// The queueing delay now.
    queue: Option<u32>,
    round: Round,
    /// The shortest queue of the last round trip, in microseconds: at zero, the link has been idle for a moment.
    least: f64,
    /// Bytes a second that the last full round trip brought.
    rate: f64,
    /// Losses of packets sent before this were answered.
    recovered: Micros,
    /// The longest queue that was seen of late, in microseconds: so much the bottleneck holds without loss.
    deepest: f64,
    /// The last loss that was congestion.
    congested: Option<Micros>,
    updated: Micros,
    slowdown_at: Option<Micros>,
    /// Window, threshold and phase before the last reaction.
    undo: Option<(f64, f64, Phase)>,
}

impl Ledbat {
    /// A controller that aims at `target` of queueing delay, for packets of `packet` bytes, and never allows more than `max_window` bytes.
    #[must_use]
    pub fn new(target: Duration, packet: u64, max_window: u64) -> Self {
        let packet = packet.max(1) as f64;
        let max_window = (max_window as f64).max(packet * MIN_PACKETS);
        Self {
            target: (target.as_micros() as f64).max(1.0),
            window: (packet * INITIAL_PACKETS).min(max_window),
            max_window,
            threshold: f64::INFINITY,
            packet,
            rtt: 0,
            phase: Phase::Start,
            delays: Delays::default(),
            queue: None,
            round: Round::default(),
            least: 0.0,
            rate: 0.0,
            recovered: 0,
            deepest: 0.0,
            congested: None,
            updated: 0,
            slowdown_at: None,
            undo: None,
        }
    }

    /// The queueing delay that the last acks showed.
    #[must_use]
    pub fn queueing_delay(&self) -> Option<Duration> {
        self.queue.map(|queue| Duration::from_micros(queue.into()))
    }

    fn queue(&self) -> f64 {
        f64::from(self.queue.unwrap_or(0))
    }

    fn base_rtt(&self) -> f64 {
        self.delays.base_path().map_or(self.rtt.max(1) as f64, f64::from)
    }

    fn set_window(&mut self, window: f64) {
        self.window = window.clamp(self.packet * MIN_PACKETS, self.max_window);
    }

    /// The bottleneck's queue holds far more than what is in it.
    fn is_short(&self) -> bool {
        self.deepest >= NOISE && self.queue() < self.deepest / 2.0
    }

    /// Growing fast meets no loss: the queue is short, or it holds our target.
    fn has_room(&self, now: Micros) -> bool {
        let calm = self.congested.is_none_or(|at| now.saturating_sub(at) > SHALLOW_FOR);
        self.is_short() || (calm && self.deepest >= self.target * 0.9)
    }

    fn note_queue(&mut self, now: Micros) {
        let passed = now.saturating_sub(self.updated) as f64;
        self.updated = now;
        self.deepest = (self.deepest * (1.0 - passed / FORGET).max(0.0)).max(self.queue());
    }

    /// Ends the round trip if it is over. Returns what it brought.
    fn turn_round(&mut self, ack: &Ack) -> Option<Round> {
        self.round.delivered += ack.bytes as f64;
        if let Some(queue) = self.queue {
            self.round.least = Some(self.round.least.map_or(queue, |least| least.min(queue)));
        }
        let lasted = ack.now.saturating_sub(self.round.began);
        if lasted < ack.rtt.max(1) {
            return None;
        }
        let round = self.round;
        self.least = round.least.map_or(0.0, f64::from);
        self.rate = round.delivered * SECOND as f64 / lasted as f64;
        self.round = Round { began: ack.now, ..Round::default() };
        Some(round)
    }

    fn start(&mut self, ack: &Ack, round: Option<&Round>, limited: bool) {
        let queue = self.queue();
        if let Some(round) = round {
            let standing = round.least.map_or(0.0, f64::from) >= self.target * STANDING;
            if self.phase == Phase::Careful && standing {
                return self.land(ack.now, LANDING);
            }
            if self.phase == Phase::Careful && !standing && queue < self.target * STANDING {
                self.phase = Phase::Start;
            }
        }
        if queue >= self.target {
            return self.land(ack.now, LANDING);
        }
        if queue >= self.target * CAREFUL {
            self.phase = Phase::Careful;
        }
        if limited {
            let part = if self.phase == Phase::Careful { 0.25 } else { 1.0 };
            self.set_window(self.window + ack.bytes as f64 * part);
            if self.window >= self.threshold {
                self.phase = Phase::Steady;
            }
        }
    }

    /// Ends slow start where the queue will be this part of the target.
    fn land(&mut self, now: Micros, part: f64) {
        let window = self.rate * (self.base_rtt() + self.target * part) / SECOND as f64;
        // The rate may be that of a round trip in which little was sent.
        self.set_window(window.clamp(self.window / 2.0, self.window));
        self.threshold = self.window;
        self.phase = Phase::Steady;
        if self.slowdown_at.is_none() {
            self.slowdown_at = Some(now.saturating_add(self.rtt.saturating_mul(2)));
        }
    }

    fn steady(&mut self, ack: &Ack, limited: bool) {
        let queue = self.queue();
        let packets = self.window / self.packet;
        let share = ack.bytes as f64 / self.window;
        let excess = queue - self.target;
        if excess > 0.0 {
            let per_round = (YIELD * excess / (self.target + self.base_rtt())).min(0.5);
            self.set_window(self.window - self.window * per_round * share);
        }
        if limited && excess < self.target {
            let brisk = (packets.sqrt() / 8.0).max(0.25);
            let gain = if self.deepest >= NOISE && self.least < self.target * STANDING {
                // The link is not full, and nobody waits.
                brisk.max(packets * IDLE_LINK_GROWTH)
            } else if self.has_room(ack.now) {
                brisk
            } else {
                brisk.min(1.0)
            };
            self.set_window(self.window + gain * self.packet * share);
        }
        let due = self.slowdown_at.is_some_and(|at| ack.now >= at);
        if due && limited && queue >= self.target / 4.0 && packets >= SLOWDOWN_MIN_PACKETS {
            let rtt = self.base_rtt() + queue;
            self.phase = Phase::Slowdown { window: self.window, rtt, since: ack.now, until: None };
            self.set_window(0.0);
        }
    }

    fn slowdown(&mut self, ack: &Ack) {
        let Phase::Slowdown { window, rtt, since, until } = self.phase else { return };
        let left = ack.in_flight.saturating_sub(ack.bytes) as f64;
        let until = match until {
            None if left <= self.packet * MIN_PACKETS => Some(ack.now.saturating_add(whole(self.base_rtt()))),
            until => until,
        };
        self.phase = Phase::Slowdown { window, rtt, since, until };
        if until.is_some_and(|until| ack.now >= until) || ack.now.saturating_sub(since) > SLOWDOWN_MAX {
            // What is in flight without a queue, at the rate of before.
            self.set_window(window * (self.base_rtt() / rtt).min(1.0));
            self.phase = Phase::Steady;
            let scatter = ack.now % (SLOWDOWN_EVERY / 4);
            self.slowdown_at = Some(ack.now.saturating_add(SLOWDOWN_EVERY).saturating_add(scatter));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and fractions of a byte or microsecond do not matter")]
const fn whole(number: f64) -> u64 {
    number as u64
}

impl Controller for Ledbat {
    fn handle_ack(&mut self, ack: &Ack) {
        self.packet = ack.packet.max(1) as f64;
        self.rtt = ack.rtt;
        self.queue = self.delays.sample(ack).or(self.queue);
        self.note_queue(ack.now);
        let round = self.turn_round(ack);
        if ack.bytes == 0 {
            return;
        }
        // Only a window that was used says something about the path.
        let limited = ack.in_flight as f64 + self.packet * 2.0 >= self.window;
        match self.phase {
            Phase::Start | Phase::Careful => self.start(ack, round.as_ref(), limited),
            Phase::Steady => self.steady(ack, limited),
            Phase::Slowdown { .. } => self.slowdown(ack),
        }
    }

    fn handle_loss(&mut self, loss: &Loss) {
        self.round.lost += loss.bytes as f64;
        if loss.sent < self.recovered || matches!(self.phase, Phase::Slowdown { .. }) {
            return;
        }
        let sent = self.window.max(self.round.delivered + self.round.lost);
        let few = self.round.lost <= TOLERATED_LOSS * sent + TOLERATED_PACKETS * self.packet;
        let empty = self.phase == Phase::Start && self.queue() < self.target * STANDING;
        if few && (empty || self.is_short()) {
            return;
        }
        if few && matches!(self.phase, Phase::Start | Phase::Careful) {
            self.recovered = loss.now;
            return self.land(loss.now, 0.0);
        }
        self.congested = Some(loss.now);
        self.undo = Some((self.window, self.threshold, self.phase));
        self.recovered = loss.now;
        self.set_window(self.window / 2.0);
        self.threshold = self.window;
        self.phase = Phase::Steady;
    }

    fn handle_timeout(&mut self, now: Micros) {
        let window = if let Phase::Slowdown { window, .. } = self.phase { window } else { self.window };
        self.undo = Some((window, self.threshold, self.phase));
        self.threshold = (window / 2.0).max(self.packet * MIN_PACKETS);
        self.recovered = now;
        self.set_window(0.0);
        self.phase = Phase::Start;
    }

    fn handle_spurious(&mut self) {
        if let Some((window, threshold, phase)) = self.undo.take() {
            self.set_window(window.max(self.window));
            self.threshold = threshold;
            self.phase = if matches!(phase, Phase::Slowdown { .. }) { Phase::Steady } else { phase };
        }
    }

    fn handle_idle(&mut self, timeouts: u32) {
        // What is known about the path grows old: the window falls, but growing back is quick.
        let initial = self.packet * INITIAL_PACKETS;
        if self.window > initial {
            self.threshold = if self.threshold.is_finite() { self.threshold.max(self.window) } else { self.threshold };
            self.set_window((self.window * (2.0_f64 / 3.0).powi(timeouts.min(64) as i32)).max(initial));
            self.phase = Phase::Start;
        }
    }

    fn window(&self) -> u64 {
        whole(self.window)
    }

    fn pace(&self) -> Option<u64> {
        if self.rtt == 0 {
            return None;
        }
        let gain = match self.phase {
            Phase::Start => 2.0,
            Phase::Careful => 1.5,
            Phase::Steady | Phase::Slowdown { .. } => 1.1,
        };
        // Timers are not good for less; and after an outage, whose acks come very late, a window is not spread over minutes.
        let rtt = self.rtt.clamp(MILLI / 10, SECOND) as f64;
        Some(whole(gain * self.window * SECOND as f64 / rtt))
    }
}
