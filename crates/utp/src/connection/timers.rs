//! What happens when nothing happens: timeouts, late acks, probes, keep-alives.

use super::{Connection, Context, State};
use crate::{
    clock::{Micros, SECOND},
    error::Fault,
    rtt::MAX_TIMEOUT,
};

/// After so long without data unused memory is given back.
const SHRINK_AFTER: Micros = 2 * SECOND;
/// Timeouts in a row after which long datagrams are suspected of not arriving.
const BLACK_HOLE_TIMEOUTS: u32 = 2;

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) is due. What can leave at once has no deadline.
    pub(crate) fn next_deadline(&self, cx: &Context<'_>) -> Option<Micros> {
        let mut next = self.ending.at.filter(|_| self.ending.detached);
        let mut consider = |at: Option<Micros>| {
            if let Some(at) = at {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        };
        match self.state {
            State::Failed(_) => {}
            State::SynSent { .. } => consider(self.recovery.at),
            State::Open => {
                consider(self.recovery.at);
                consider(self.ack.at.filter(|_| !self.ack.due));
                consider(self.pace_at);
                consider(self.window_probe_at);
                if !self.keep_alive_due {
                    consider(self.keep_alive_at(cx));
                }
                if !self.shrunk {
                    consider(Some(self.last_data.saturating_add(SHRINK_AFTER)));
                }
            }
        }
        next
    }

    fn keep_alive_at(&self, cx: &Context<'_>) -> Option<Micros> {
        let after = u64::try_from(cx.config.keep_alive?.as_micros()).unwrap_or(u64::MAX);
        Some(self.last_sent.saturating_add(after))
    }

    pub(crate) fn handle_timeout(&mut self, cx: &Context<'_>) {
        let now = cx.now;
        let due = |at: Option<Micros>| at.is_some_and(|at| now >= at);
        match self.state {
            State::Failed(_) => {}
            State::SynSent { .. } => {
                if due(self.recovery.at) {
                    self.repeat_syn(cx);
                }
            }
            State::Open => {
                if due(self.recovery.at) {
                    self.handle_silence(cx);
                }
                if due(self.ack.at) {
                    self.ack.at = None;
                    self.ack.due = true;
                }
                if due(self.pace_at) {
                    self.pace_at = None;
                }
                if due(self.window_probe_at) {
                    self.window_probe_at = None;
                    self.window_probe_due = true;
                }
                if due(self.keep_alive_at(cx)) {
                    self.keep_alive_due = true;
                }
                if !self.shrunk && now >= self.last_data.saturating_add(SHRINK_AFTER) {
                    self.shrunk = true;
                    self.send.shrink();
                    self.receive.shrink();
                }
                self.give_up_lingering(now);
            }
        }
    }

    /// A connection that nobody looks at has had its time. The peer is told if it may think otherwise.
    fn give_up_lingering(&mut self, now: Micros) {
        let over = self.ending.detached && self.ending.at.is_some_and(|at| now >= at);
        if over && !(self.ending.acknowledged && self.receive.ended()) {
            self.fail(Fault::Aborted);
            self.ending.reset_due = true;
        }
    }

    fn repeat_syn(&mut self, cx: &Context<'_>) {
        let State::SynSent { sends, due, .. } = &mut self.state else { return };
        self.recovery.at = None;
        if *sends > cx.config.syn_retries {
            self.fail(Fault::TimedOut);
        } else {
            *due = true;
        }
    }

    /// Nothing was acknowledged for a while.
    fn handle_silence(&mut self, cx: &Context<'_>) {
        let timeout = self.rtt.timeout(self.recovery.backoff);
        if !self.recovery.probed
            && self.recovery.backoff == 0
            && self.rtt.probe_timeout().is_some_and(|probe| probe < timeout)
        {
            self.recovery.probed = true;
            self.recovery.probe_due = true;
            self.recovery.at = Some(cx.now.saturating_add(timeout));
            return;
        }
        self.recovery.at = None;
        self.recovery.probed = true;
        self.recovery.failures = self.recovery.failures.saturating_add(1);
        if self.recovery.failures > cx.config.retries {
            return self.fail(Fault::TimedOut);
        }
        self.recovery.backoff = self.recovery.backoff.saturating_add(1);
        self.stats.timeouts = self.stats.timeouts.saturating_add(1);
        let lost = self.send.lose_all();
        if let Some(length) = lost.probe {
            self.mtu.probe_lost(length);
        }
        if self.recovery.failures >= BLACK_HOLE_TIMEOUTS {
            self.mtu.black_hole(cx.now);
        }
        // A window that is closed is no congestion.
        if self.peer_window > 0 && lost.packets > 0 {
            self.stats.lost = self.stats.lost.saturating_add(lost.packets.into());
            self.control.handle_timeout(cx.now);
            self.pacer.set_rate(cx.now, self.control.pace().unwrap_or(0), self.full_payload().into());
        }
    }

    /// Plans the next look at what is in flight.
    pub(super) fn rearm(&mut self, now: Micros) {
        let timeout = self.rtt.timeout(self.recovery.backoff);
        let wait = match self.rtt.probe_timeout() {
            Some(probe) if !self.recovery.probed && self.recovery.backoff == 0 => probe.min(timeout),
            _ => timeout,
        };
        self.recovery.at = (self.send.packets_in_flight() > 0).then(|| now.saturating_add(wait.min(MAX_TIMEOUT)));
    }
}
