//! Packets that leave: SYN, data, acks, probes, FIN, RESET.
//! A batch is packets of one length, of which the last may be shorter, so that the system can cut it from one buffer.

use super::{Connection, Context, State, full_payload};
use crate::{
    clock::{MILLI, Micros},
    packet::{EXTENSION_NONE, HEADER_LENGTH, Header, Kind, MIN_PADDING, SelectiveAck, is_padding},
    seq::SeqNr,
};

/// The most bytes of a batch: it has to fit into one datagram's length field.
const MAX_BATCH: usize = 65_000;
/// New packets until one is withheld for the first time, and from then on.
pub(super) const FIRST_WITHHELD: u32 = 100;
const WITHHELD_EVERY: u32 = 16_384;
/// Packets that must follow at once, so that the gap shows.
const WITHHELD_FOLLOWERS: usize = 24;
/// The window must have room for so many packets before one of them is a probe of the path MTU.
const PROBE_WINDOW: u64 = 3;
/// The extension that says why a connection is closed.
const CLOSE_REASON_LENGTH: usize = MIN_PADDING + 6;
/// First wait before a closed window is probed, and the longest.
const WINDOW_PROBE: Micros = 500 * MILLI;
const WINDOW_PROBE_MAX: Micros = 15_000 * MILLI;

/// What has arrived beyond the reach of a selective ack is told this often; it is long, and changes little.
const RANGES_EVERY: Micros = 5 * MILLI;

/// May routers cut a datagram?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to do either")]
pub enum Fragmentation {
    /// The datagram is to be dropped where it is too long, so that its loss shows the path MTU.
    Forbidden,
    /// The datagram was lost before and cannot be made shorter.
    Allowed,
}

/// Scratch space that all connections share.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    mask: Vec<u8>,
    ranges: Vec<(u16, u16)>,
}

/// A batch of packets that stand in the buffer one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) segment: usize,
    pub(crate) fragmentation: Fragmentation,
}

/// What leaves next.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Again { seq: SeqNr, len: u16, sends: u8 },
    New { len: u16 },
    Fin,
}

impl Connection {
    pub(super) const fn full_payload(&self) -> u16 {
        full_payload(self.mtu.current())
    }

    /// Appends packets to `out`, at most `most`. `None`: nothing may leave now.
    pub(crate) fn transmit(
        &mut self,
        cx: &Context<'_>,
        most: usize,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Option<Batch> {
        let begin = out.len();
        match self.state {
            State::SynSent { seq, sends, due } => {
                if !due {
                    return None;
                }
                self.state = State::SynSent { seq, sends: sends.saturating_add(1), due: false };
                self.transmit_syn(cx, seq, sends, out);
            }
            State::Failed(_) => {
                if !std::mem::take(&mut self.ending.reset_due) {
                    return None;
                }
                let header = self.header(cx, Kind::Reset, self.send.next());
                header.encode_extended(None, &[], self.ending.ours, out);
            }
            State::Open => {
                if let Some(batch) = self.transmit_data(cx, most, out) {
                    return Some(batch);
                }
                self.transmit_state(cx, scratch, out);
            }
        }
        let segment = out.len().saturating_sub(begin);
        (segment > 0).then_some(Batch { segment, fragmentation: Fragmentation::Forbidden })
    }

    fn header(&mut self, cx: &Context<'_>, kind: Kind, seq: SeqNr) -> Header {
        self.last_sent = cx.now;
        self.advertised = self.receive.window();
        Header {
            kind,
            connection_id: self.send_id,
            timestamp: cx.stamp,
            timestamp_difference: self.reply,
            window: u32::try_from(self.advertised).unwrap_or(u32::MAX),
            seq,
            ack: self.receive.ack(),
        }
    }

    fn transmit_syn(&mut self, cx: &Context<'_>, seq: SeqNr, sends: u32, out: &mut Vec<u8>) {
        let mut header = self.header(cx, Kind::Syn, seq);
        header.connection_id = self.receive_id;
        header.ack = SeqNr(0);
        header.encode(EXTENSION_NONE, out);
        self.recovery.at = Some(cx.now.saturating_add(self.rtt.timeout(sends)));
    }

    /// An ack without data, if one is due.
    fn transmit_state(&mut self, cx: &Context<'_>, scratch: &mut Scratch, out: &mut Vec<u8>) {
        let due = std::mem::take(&mut self.ack.due);
        let keep_alive = std::mem::take(&mut self.keep_alive_due);
        if !due && !keep_alive {
            return;
        }
        let mut header = self.header(cx, Kind::State, self.send.next());
        if keep_alive && !due {
            // An old ack changes nothing; it is how libutp says that it is there.
            header.ack = header.ack.minus(1);
        }
        self.receive.selective_ack(&mut scratch.mask);
        scratch.ranges.clear();
        if cx.now.saturating_sub(self.ranges_sent) >= RANGES_EVERY {
            self.ranges_sent = cx.now;
            self.receive.ranges(&mut scratch.ranges);
        }
        header.encode_extended(Some(SelectiveAck::new(&scratch.mask)), &scratch.ranges, self.ending.ours, out);
        self.acknowledged();
        self.stats.acks = self.stats.acks.saturating_add(1);
    }

    /// An ack has left.
    const fn acknowledged(&mut self) {
        self.ack.due = false;
        self.ack.at = None;
        self.ack.waiting = 0;
    }

    fn transmit_data(&mut self, cx: &Context<'_>, most: usize, out: &mut Vec<u8>) -> Option<Batch> {
        if self.pace_at.is_some_and(|at| cx.now < at) && !self.recovery.probe_due && !self.window_probe_due {
            return None;
        }
        self.pace_at = None;
        if std::mem::take(&mut self.recovery.probe_due)
            && let Some(batch) = self.transmit_tail_probe(cx, out)
        {
            return Some(batch);
        }
        self.decay_if_idle(cx);
        let forced = std::mem::take(&mut self.window_probe_due);
        if let Some(batch) = self.transmit_mtu_probe(cx, out) {
            return Some(batch);
        }
        let packet = u64::from(self.full_payload());
        let mut budget = self.pacer.allowance(cx.now, packet);
        let mut batch: Option<Batch> = None;
        let mut spent = 0_u64;
        let begin = out.len();
        for count in 0..most {
            let Some(choice) = self.choose(forced && count == 0) else { break };
            if budget == 0 {
                self.pacer.spend(spent);
                spent = 0;
                self.pace_at = self.pacer.next(cx.now, packet);
                break;
            }
            let (len, fragmentation) = match choice {
                Choice::Again { len, sends, .. } if sends > 1 && len > full_payload(self.floor) => {
                    (len, Fragmentation::Allowed)
                }
                Choice::Again { len, .. } | Choice::New { len } => (len, Fragmentation::Forbidden),
                Choice::Fin => (0, Fragmentation::Forbidden),
            };
            let extension = if len == 0 { self.fin_extension() } else { 0 };
            let size = HEADER_LENGTH.saturating_add(len.into()).saturating_add(extension);
            match batch {
                None => batch = Some(Batch { segment: size, fragmentation }),
                Some(open) => {
                    let filled = out.len().saturating_sub(begin);
                    if size > open.segment
                        || fragmentation != open.fragmentation
                        || filled.saturating_add(size) > MAX_BATCH
                    {
                        break;
                    }
                }
            }
            self.leave(cx, choice, out);
            budget = budget.saturating_sub(u64::from(len).max(1));
            spent = spent.saturating_add(len.into());
            if batch.is_some_and(|open| size < open.segment) {
                break;
            }
        }
        self.pacer.spend(spent);
        self.plan_window_probe(cx);
        batch.inspect(|_| self.data_left(cx))
    }

    /// Bytes that the reason of closing adds to a FIN.
    const fn fin_extension(&self) -> usize {
        if self.ending.ours.is_some() { CLOSE_REASON_LENGTH } else { 0 }
    }

    fn data_left(&mut self, cx: &Context<'_>) {
        if !self.receive.has_gaps() {
            self.acknowledged();
        }
        if self.recovery.at.is_none() {
            self.rearm(cx.now);
        }
    }

    /// What may leave by the windows and by Nagle's rule.
    fn choose(&mut self, forced: bool) -> Option<Choice> {
        if self.send.packets_in_flight() == 0 {
            self.send.release_withheld();
        }
        let in_flight = self.send.in_flight();
        let nothing = self.send.packets_in_flight() == 0;
        let window = self.control.window();
        if let Some((seq, segment)) = self.send.next_lost() {
            // The window has just been halved, and peers whose bitmasks reach 32 packets leave us to think that more is in flight than is. What is
            // lost replaces what was lost, and the first of it holds up all others.
            let fits = in_flight.saturating_add(segment.len.into()) <= window.saturating_mul(2);
            return (fits || nothing || seq == self.send.first()).then_some(Choice::Again {
                seq,
                len: segment.len,
                sends: segment.sends,
            });
        }
        if self.send.is_full() {
            return None;
        }
        let unnumbered = self.send.unnumbered();
        if unnumbered == 0 {
            return (self.ending.wanted && !self.ending.numbered).then_some(Choice::Fin);
        }
        let full = self.full_payload();
        let mut len = u16::try_from(unnumbered).unwrap_or(u16::MAX).min(full);
        let peer = u64::from(self.peer_window);
        if nothing && !forced && peer > 0 && peer < len.into() {
            len = u16::try_from(peer).unwrap_or(len);
        }
        let after = in_flight.saturating_add(len.into());
        let fits = (after <= window || nothing) && (after <= peer || forced);
        // A short packet waits until there is no other short one on its way, or until it is the last.
        let small = len < full && !self.ending.wanted && self.send.has_small_outstanding();
        (fits && !small).then_some(Choice::New { len })
    }

    fn leave(&mut self, cx: &Context<'_>, choice: Choice, out: &mut Vec<u8>) {
        let seq = match choice {
            Choice::Again { seq, sends, .. } => {
                if sends > 0 {
                    self.stats.resent = self.stats.resent.saturating_add(1);
                }
                seq
            }
            Choice::New { len } => {
                self.withhold_sometimes(len);
                self.send.number(len, self.full_payload(), false)
            }
            Choice::Fin => {
                self.ending.numbered = true;
                self.send.number(0, 0, true)
            }
        };
        self.emit(cx, seq, 0, out);
    }

    /// Sends a numbered packet, with filler up to a datagram of `probe` bytes if that is not 0.
    fn emit(&mut self, cx: &Context<'_>, seq: SeqNr, probe: u16, out: &mut Vec<u8>) {
        let Some(segment) = self.send.leave(seq, cx.now, probe) else { return };
        self.stats.sent = self.stats.sent.saturating_add(1);
        let header = self.header(cx, if segment.fin { Kind::Fin } else { Kind::Data }, seq);
        if probe > 0 {
            let padding = usize::from(probe).saturating_sub(HEADER_LENGTH).saturating_sub(segment.len.into());
            header.encode_padded(padding, out);
        } else if segment.fin {
            header.encode_extended(None, &[], self.ending.ours, out);
        } else {
            header.encode(EXTENSION_NONE, out);
        }
        self.send.copy_payload(&segment, out);
    }

    /// Now and then a packet gets its number but stays here for a round trip, while those behind it leave. An honest peer says that it is
    /// missing; one that acknowledges whatever it expects to be sent gives itself away.
    fn withhold_sometimes(&mut self, len: u16) {
        self.until_withheld = self.until_withheld.saturating_sub(1);
        let followers = WITHHELD_FOLLOWERS.saturating_mul(len.into());
        let room = self.control.window().min(self.peer_window.into()).saturating_sub(self.send.in_flight());
        let steady = self.send.next_lost().is_none() && self.send.withheld().is_none();
        if self.until_withheld == 0 {
            self.until_withheld = 1;
            if steady
                && len == self.full_payload()
                && self.send.unnumbered() > followers
                && room > u64::try_from(followers).unwrap_or(u64::MAX)
            {
                self.until_withheld = WITHHELD_EVERY;
                let seq = self.send.number(len, len, false);
                self.send.withhold(seq);
            }
        }
    }

    /// The last packet again, or the next one: its ack shows what of the tail is missing.
    fn transmit_tail_probe(&mut self, cx: &Context<'_>, out: &mut Vec<u8>) -> Option<Batch> {
        let seq = self.send.last_in_flight()?;
        let begin = out.len();
        self.stats.resent = self.stats.resent.saturating_add(1);
        self.emit(cx, seq, 0, out);
        self.data_left(cx);
        Some(Batch { segment: out.len().saturating_sub(begin), fragmentation: Fragmentation::Forbidden })
    }

    fn transmit_mtu_probe(&mut self, cx: &Context<'_>, out: &mut Vec<u8>) -> Option<Batch> {
        let unnumbered = self.send.unnumbered();
        let packet = u64::from(self.full_payload());
        let room = self.control.window().min(self.peer_window.into());
        let calm = self.recovery.backoff == 0 && self.send.next_lost().is_none() && !self.send.is_full();
        if unnumbered == 0
            || !calm
            || room < self.send.in_flight().saturating_add(packet).max(packet.saturating_mul(PROBE_WINDOW))
        {
            return None;
        }
        let length = self.mtu.probe(cx.now)?;
        if self.pacer.allowance(cx.now, packet) == 0 {
            self.pace_at = self.pacer.next(cx.now, packet);
            return None;
        }
        // The rest of the datagram is filler, which has a shortest length.
        let most = full_payload(length).saturating_sub(u16::try_from(MIN_PADDING).unwrap_or(u16::MAX));
        let mut len = u16::try_from(unnumbered).unwrap_or(u16::MAX).min(self.full_payload()).min(most);
        if !is_padding(usize::from(full_payload(length)).saturating_sub(len.into())) {
            len = len.saturating_sub(1);
        }
        if len == 0 {
            return None;
        }
        let begin = out.len();
        self.mtu.probe_sent();
        let seq = self.send.number(len, len, false);
        self.emit(cx, seq, length, out);
        self.pacer.spend(full_payload(length).into());
        self.data_left(cx);
        Some(Batch { segment: out.len().saturating_sub(begin), fragmentation: Fragmentation::Forbidden })
    }

    /// Data waits, nothing is in flight, and the peer has no room: somebody has to ask.
    fn plan_window_probe(&mut self, cx: &Context<'_>) {
        let waits = self.send.packets_in_flight() == 0 && self.send.unnumbered() > 0 && self.peer_window == 0;
        if waits && self.window_probe_at.is_none() && self.pace_at.is_none() {
            let wait = self.rtt.timeout(self.recovery.backoff).clamp(WINDOW_PROBE, WINDOW_PROBE_MAX);
            self.window_probe_at = Some(cx.now.saturating_add(wait));
        } else if !waits {
            self.window_probe_at = None;
        }
    }

    /// After silence the window says little about the path.
    fn decay_if_idle(&mut self, cx: &Context<'_>) {
        let silence = cx.now.saturating_sub(self.last_sent);
        let timeout = self.rtt.timeout(0);
        if self.send.packets() == 0 && self.send.unnumbered() > 0 && silence > timeout {
            self.control.handle_idle(u32::try_from(silence.checked_div(timeout).unwrap_or(0)).unwrap_or(u32::MAX));
        }
    }
}
