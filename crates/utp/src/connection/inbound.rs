//! Packets that arrive for a connection: what they acknowledge, what they bring, what the answer is.

use super::{ACK_DELAY, ACK_EVERY, Connection, Context, State};
use crate::{
    clock::Micros,
    congestion::{Ack, Loss},
    error::Fault,
    packet::{Header, Kind, Packet},
    receive::{Inserted, ReceiveQueue},
    send::{Acked, BadAck, Lost, MAX_LOSS_THRESHOLD},
    seq::SeqNr,
};

/// Repeated acks without a bitmask after which the next packet is lost (BEP 29).
const DUPLICATE_ACKS: u32 = 3;
/// A window that stays closed is probed at least every 16 s or so.
const MAX_WINDOW_BACKOFF: u32 = 5;
/// uTorrent sends this where it has no measurement.
const NO_DELAY: u32 = 0x7fff_ffff;
/// A round trip that two timestamps show is not longer than this.
const MAX_PATH_RTT: u32 = 60_000_000;
/// A RESET names a packet that we have sent of late: one of those in flight, or so many before.
const RESET_SLACK: u16 = 64;

impl Connection {
    pub(crate) fn handle_packet(&mut self, cx: &Context<'_>, packet: &Packet<'_>) {
        let header = &packet.header;
        match self.state {
            State::SynSent { seq, sends, .. } => self.handle_answer(cx, packet, seq, sends),
            State::Open if header.kind == Kind::Syn => {
                // Our answer to the SYN was lost, or the SYN was late.
                self.ack.due = true;
            }
            State::Open => self.handle_open(cx, packet),
            State::Failed(_) => {}
        }
    }

    /// The peer says that it knows nothing of this connection.
    pub(crate) fn handle_reset(&mut self, header: &Header) {
        match self.state {
            State::SynSent { seq, .. } if header.ack == seq => self.fail(Fault::Refused),
            State::Open => {
                let behind = self.send.next().distance_from(header.ack);
                let window = u16::try_from(self.send.packets()).unwrap_or(u16::MAX).saturating_add(RESET_SLACK);
                if behind <= window {
                    self.fail(Fault::Reset);
                } else {
                    self.stats.dropped = self.stats.dropped.saturating_add(1);
                }
            }
            State::SynSent { .. } | State::Failed(_) => {}
        }
    }

    /// The peer's host says that nobody listens there. Anybody can send such messages, so only a call that was not answered believes them.
    pub(crate) fn handle_unreachable(&mut self) {
        if matches!(self.state, State::SynSent { .. }) {
            self.fail(Fault::Refused);
        }
    }

    /// What waits for the answer to our SYN.
    fn handle_answer(&mut self, cx: &Context<'_>, packet: &Packet<'_>, seq: SeqNr, sends: u32) {
        let header = &packet.header;
        if header.ack != seq || !matches!(header.kind, Kind::State | Kind::Data | Kind::Fin) {
            self.stats.dropped = self.stats.dropped.saturating_add(1);
            return;
        }
        self.state = State::Open;
        self.signals.connected = true;
        self.recovery.at = None;
        if sends == 1 {
            self.rtt.sample(cx.now.saturating_sub(self.last_sent));
        }
        // Implementations agree that the answer to a SYN does not use a number up.
        self.receive = ReceiveQueue::new(header.seq, cx.config.receive_window, cx.config.max_receive_window);
        self.measure(cx, header);
        self.peer_window = header.window;
        self.pacer.set_rate(cx.now, self.control.pace().unwrap_or(0), self.full_payload().into());
        // The peer sends nothing before it knows that we are where we say.
        self.ack.due = true;
        self.signals.writable |= self.wants_write;
        if header.kind != Kind::State {
            self.take_payload(cx, packet);
        }
    }

    fn handle_open(&mut self, cx: &Context<'_>, packet: &Packet<'_>) {
        let header = &packet.header;
        let in_flight = self.send.in_flight();
        let acked = match self.send.acknowledge(header.ack, packet.selective_ack, packet.ranges()) {
            Ok(acked) => acked,
            Err(BadAck::Unknown) => {
                self.stats.dropped = self.stats.dropped.saturating_add(1);
                return;
            }
            Err(BadAck::Withheld) => {
                self.fail(Fault::OptimisticAck);
                self.ending.reset_due = true;
                return;
            }
        };
        self.measure(cx, header);
        self.ending.theirs = packet.close_reason.or(self.ending.theirs);
        let window_changed = self.peer_window != header.window;
        if header.ack.plus(1) == self.send.first() {
            if self.peer_window == 0 && header.window > 0 && acked.packets == 0 {
                // What probed the closed window was not taken; now it is.
                self.send.lose_first();
                self.recovery.backoff = 0;
            }
            self.peer_window = header.window;
        }
        if acked.packets > 0 {
            self.handle_progress(cx, header, &acked, in_flight);
        } else if self.peer_window == 0 || self.window_probe_at.is_some() {
            // It is alive, and only has no room.
            self.recovery.failures = 0;
            self.recovery.backoff = self.recovery.backoff.min(MAX_WINDOW_BACKOFF);
        }
        let mut lost = Lost::default();
        if packet.selective_ack.is_some() || acked.packets > 0 {
            lost = self.send.detect_losses();
        }
        let repeated = header.kind == Kind::State && packet.selective_ack.is_none() && !window_changed;
        if repeated && acked.packets == 0 && in_flight > 0 && header.ack.plus(1) == self.send.first() {
            self.recovery.duplicate_acks = self.recovery.duplicate_acks.saturating_add(1);
            if self.recovery.duplicate_acks == DUPLICATE_ACKS {
                lost = self.send.lose_first();
            }
        }
        self.handle_losses(cx, &lost);
        if matches!(header.kind, Kind::Data | Kind::Fin) {
            self.take_payload(cx, packet);
        }
        self.settle_ending(cx);
    }

    /// What the timestamps say: the delay towards us, which is echoed, and both together.
    fn measure(&mut self, cx: &Context<'_>, header: &Header) {
        self.reply = cx.stamp.wrapping_sub(header.timestamp);
        if has_delay(header) {
            let path = self.reply.wrapping_add(header.timestamp_difference);
            if path < MAX_PATH_RTT {
                let path = Micros::from(path).max(1);
                let smoothed = self.path_rtt.map_or(path, |before| before.saturating_mul(7).saturating_add(path) / 8);
                self.path_rtt = Some(smoothed);
            }
        }
    }

    fn handle_progress(&mut self, cx: &Context<'_>, header: &Header, acked: &Acked, in_flight: u64) {
        self.recovery.failures = 0;
        self.recovery.backoff = 0;
        self.recovery.probed = false;
        self.recovery.duplicate_acks = 0;
        self.window_probe_at = None;
        self.ending.acknowledged |= acked.fin;
        if let Some(length) = acked.probe {
            self.mtu.probe_arrived(length);
        }
        if let Some(sent) = acked.sent {
            self.rtt.sample(cx.now.saturating_sub(sent));
        }
        // An answer that comes sooner than any round trip is for the copy that was thought lost.
        let soon = self.rtt.least().map_or(0, |least| least.saturating_mul(3) / 4);
        if acked.was_lost || acked.resent.is_some_and(|sent| cx.now.saturating_sub(sent) < soon) {
            self.stats.spurious = self.stats.spurious.saturating_add(1);
            self.send.threshold = self.send.threshold.saturating_mul(2).min(MAX_LOSS_THRESHOLD);
            self.control.handle_spurious();
        }
        let packet = u64::from(self.full_payload());
        self.control.handle_ack(&Ack {
            now: cx.now,
            bytes: acked.bytes,
            in_flight,
            packet,
            rtt: self.rtt.smoothed().unwrap_or(1),
            delay: has_delay(header).then_some(header.timestamp_difference),
            reverse_delay: has_delay(header).then_some(self.reply),
        });
        self.pacer.set_rate(cx.now, self.control.pace().unwrap_or(0), packet);
        self.rearm(cx.now);
        if self.wants_write && self.send.buffered() < (self.send_limit(cx) / 4).saturating_mul(3) {
            self.wants_write = false;
            self.signals.writable = true;
        }
    }

    fn handle_losses(&mut self, cx: &Context<'_>, lost: &Lost) {
        if let Some(length) = lost.probe {
            self.mtu.probe_lost(length);
        }
        if lost.packets > 0 {
            self.stats.lost = self.stats.lost.saturating_add(lost.packets.into());
            self.control.handle_loss(&Loss { now: cx.now, sent: lost.sent, bytes: lost.bytes });
            self.pacer.set_rate(cx.now, self.control.pace().unwrap_or(0), self.full_payload().into());
        }
    }

    fn take_payload(&mut self, cx: &Context<'_>, packet: &Packet<'_>) {
        self.touch(cx);
        self.stats.received = self.stats.received.saturating_add(1);
        let gaps = self.receive.has_gaps();
        let fin = packet.header.kind == Kind::Fin;
        let inserted = self.receive.insert(packet.header.seq, packet.payload, fin);
        self.ack.waiting = self.ack.waiting.saturating_add(1);
        self.ack.quick = self.ack.quick.saturating_sub(1);
        match inserted {
            Inserted::InOrder => {
                self.advertised = self.advertised.saturating_sub(packet.payload.len());
                let now = fin || gaps || self.ack.waiting >= ACK_EVERY || self.ack.quick > 0 || self.receive.ended();
                self.ack.due |= now;
                if !now && self.ack.at.is_none() {
                    self.ack.at = Some(cx.now.saturating_add(ACK_DELAY));
                }
                self.deliver(cx);
            }
            Inserted::Early => self.ack.due = true,
            Inserted::Again => {
                self.stats.duplicates = self.stats.duplicates.saturating_add(1);
                self.ack.due = true;
            }
            Inserted::Refused => {
                self.stats.dropped = self.stats.dropped.saturating_add(1);
                self.ack.due = true;
            }
        }
    }

    fn deliver(&mut self, cx: &Context<'_>) {
        if self.ending.detached {
            if self.receive.readable() > 0 && self.ending.acknowledged {
                // Nobody reads this, and the peer should know.
                self.fail(Fault::Aborted);
                self.ending.reset_due = true;
                return;
            }
            let mut rest = [0; 2048];
            while self.receive.read(cx.now, Micros::MAX, &mut rest) > 0 {}
        } else if self.wants_read {
            self.wants_read = false;
            self.signals.readable = true;
        }
    }
}

const fn has_delay(header: &Header) -> bool {
    header.timestamp_difference != 0
        && header.timestamp_difference != NO_DELAY
        && header.timestamp_difference != u32::MAX
}
