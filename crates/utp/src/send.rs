//! What was written and has not been acknowledged (BEP 29, "packet loss").
//! In: bytes, acks, the decision that a packet leaves. Out: which packets arrived and which are lost. Never: time by itself, windows.
//!
//! Packets keep their number and their bytes for good. Each time one leaves it gets a new place in the order of leaving, and it is lost when
//! three that left after it have arrived, so a second loss of the same packet is found like the first.

use std::collections::VecDeque;

use crate::{buffer::ByteQueue, clock::Micros, packet::SelectiveAck, seq::SeqNr};

/// Packets that must have arrived after one before it is lost (BEP 29).
pub(crate) const LOSS_THRESHOLD: u32 = 3;
/// More reordering than this is not waited for.
pub(crate) const MAX_LOSS_THRESHOLD: u32 = 64;
/// Packets between the first that is not acknowledged and the last: numbers have 16 bits, and half of the circle is the past.
pub(crate) const MAX_PACKETS: usize = 32_000;

/// Where a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has a number but has not left: a peer that acknowledges it lies.
    Withheld,
    InFlight,
    /// Acknowledged out of order.
    Arrived,
    Lost,
}

/// A packet that has a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Its place in the stream.
    pub(crate) offset: u64,
    /// When it left last.
    pub(crate) sent: Micros,
    /// Its place in the order of leaving.
    order: u32,
    pub(crate) len: u16,
    /// The length of the datagram if it left as a probe of the path MTU, else 0.
    pub(crate) probe: u16,
    pub(crate) state: State,
    pub(crate) sends: u8,
    /// Shorter than a full packet.
    small: bool,
    pub(crate) fin: bool,
}

/// What an ack brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acked {
    /// Payload bytes that arrived.
    pub(crate) bytes: u64,
    /// Packets that arrived.
    pub(crate) packets: u32,
    /// The front moved.
    pub(crate) advanced: bool,
    /// When the last of them that left only once had left.
    pub(crate) sent: Option<Micros>,
    /// When the last of those that left more than once had left.
    pub(crate) resent: Option<Micros>,
    /// Length of a probe that arrived.
    pub(crate) probe: Option<u16>,
    pub(crate) fin: bool,
    /// Some were thought lost and had not been sent again.
    pub(crate) was_lost: bool,
}

/// An ack for something that never left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadAck {
    /// For a number that was not given out: nonsense, or somebody guesses.
    Unknown,
    /// For a packet that was withheld: proof that the peer acknowledges what it has not got.
    Withheld,
}

/// Packets that were found lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lost {
    pub(crate) bytes: u64,
    pub(crate) packets: u32,
    /// When the last of them had left.
    pub(crate) sent: Micros,
    /// Length of a lost probe, which says nothing about congestion.
    pub(crate) probe: Option<u16>,
}

/// The sending side's buffer.
#[derive(Debug)]
pub(crate) struct SendQueue {
    buffer: ByteQueue,
    /// The stream offset of the buffer's front.
    start: u64,
    segments: VecDeque<Segment>,
    /// Number of the first segment.
    first: SeqNr,
    /// Bytes in segments.
    numbered: usize,
    in_flight: u64,
    packets_in_flight: u32,
    next_order: u32,
    /// The highest place in the order of leaving that has arrived.
    arrived_order: u32,
    /// Segments before this index may have been overtaken.
    overtaken: usize,
    /// Those before `overtaken` that have not arrived, in order; some are gone.
    gaps: Vec<SeqNr>,
    lost: VecDeque<SeqNr>,
    /// Undersized packets in flight or lost (for Nagle's rule).
    small: u32,
    pub(crate) threshold: u32,
    withheld: Option<SeqNr>,
}

impl SendQueue {
    pub(crate) fn new(first: SeqNr) -> Self {
        Self {
            buffer: ByteQueue::default(),
            start: 0,
            segments: VecDeque::new(),
            first,
            numbered: 0,
            in_flight: 0,
            packets_in_flight: 0,
            next_order: 1,
            arrived_order: 0,
            overtaken: 0,
            gaps: Vec::new(),
            lost: VecDeque::new(),
            small: 0,
            threshold: LOSS_THRESHOLD,
            withheld: None,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.buffer.push(bytes);
    }

    /// Bytes that are not acknowledged, sent or not.
    pub(crate) const fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes that have no number yet.
    pub(crate) const fn unnumbered(&self) -> usize {
        self.buffer.len().saturating_sub(self.numbered)
    }

    pub(crate) const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    pub(crate) const fn packets_in_flight(&self) -> u32 {
        self.packets_in_flight
    }

    /// Packets with a number that are not acknowledged in order.
    pub(crate) fn packets(&self) -> usize {
        self.segments.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.segments.len() >= MAX_PACKETS
    }

    pub(crate) const fn first(&self) -> SeqNr {
        self.first
    }

    /// The number that the next new packet gets.
    #[expect(clippy::cast_possible_truncation, reason = "there are at most MAX_PACKETS")]
    pub(crate) fn next(&self) -> SeqNr {
        self.first.plus(self.segments.len() as u16)
    }

    pub(crate) const fn has_small_outstanding(&self) -> bool {
        self.small > 0
    }

    pub(crate) const fn withheld(&self) -> Option<SeqNr> {
        self.withheld
    }

    fn index(&self, seq: SeqNr) -> usize {
        seq.distance_from(self.first).into()
    }

    /// Appends a segment's payload.
    pub(crate) fn copy_payload(&self, segment: &Segment, out: &mut Vec<u8>) {
        let offset = usize::try_from(segment.offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.buffer.copy_to(offset, segment.len.into(), out);
    }

    /// Gives a number to the next `len` bytes, or to the end of the stream.
    pub(crate) fn number(&mut self, len: u16, full_size: u16, fin: bool) -> SeqNr {
        let seq = self.next();
        let small = !fin && len < full_size;
        self.small = self.small.saturating_add(small.into());
        self.segments.push_back(Segment {
            offset: self.start.saturating_add(u64::try_from(self.numbered).unwrap_or(u64::MAX)),
            sent: 0,
            order: 0,
            len,
            probe: 0,
            small,
            state: State::Withheld,
            sends: 0,
            fin,
        });
        self.numbered = self.numbered.saturating_add(len.into());
        seq
    }

    /// Keeps a numbered packet back.
    pub(crate) const fn withhold(&mut self, seq: SeqNr) {
        self.withheld = Some(seq);
    }

    /// A packet that was kept back may leave after all.
    pub(crate) fn release_withheld(&mut self) {
        let Some(seq) = self.withheld.take() else { return };
        let index = self.index(seq);
        if let Some(segment) = self.segments.get_mut(index).filter(|segment| segment.state == State::Withheld) {
            segment.state = State::Lost;
            self.lost.push_back(seq);
        }
    }

    /// The packet leaves; `probe` is the datagram's length if it tests the path MTU.
    pub(crate) fn leave(&mut self, seq: SeqNr, now: Micros, probe: u16) -> Option<Segment> {
        let order = self.next_order;
        let index = self.index(seq);
        let segment = self.segments.get_mut(index)?;
        self.next_order = self.next_order.saturating_add(1);
        if segment.state != State::InFlight {
            self.in_flight = self.in_flight.saturating_add(segment.len.into());
            self.packets_in_flight = self.packets_in_flight.saturating_add(1);
        }
        segment.state = State::InFlight;
        segment.order = order;
        segment.sent = now;
        segment.sends = segment.sends.saturating_add(1);
        segment.probe = probe;
        let segment = *segment;
        if self.withheld == Some(seq) {
            self.withheld = None;
        }
        Some(segment)
    }

    /// The lost packet to send next. It stays lost until it leaves.
    pub(crate) fn next_lost(&mut self) -> Option<(SeqNr, Segment)> {
        while let Some(&seq) = self.lost.front() {
            match self.segments.get(self.index(seq)) {
                Some(segment) if segment.state == State::Lost => return Some((seq, *segment)),
                _ => self.lost.pop_front(),
            };
        }
        None
    }

    /// The last packet in flight, for a probe of the tail.
    pub(crate) fn last_in_flight(&self) -> Option<SeqNr> {
        let back = self.segments.iter().rev().position(|segment| segment.state == State::InFlight)?;
        Some(self.next().minus(u16::try_from(back).ok()?.wrapping_add(1)))
    }

    /// Takes `ack` (all up to it arrived) and `sack` in.
    ///
    /// # Errors
    /// If it is for packets that never left. Nothing is changed then.
    pub(crate) fn acknowledge(
        &mut self,
        ack: SeqNr,
        sack: Option<SelectiveAck<'_>>,
        ranges: impl Iterator<Item = (u16, u16)>,
    ) -> Result<Acked, BadAck> {
        let before_first = self.first.minus(1);
        let count = usize::from(ack.distance_from(before_first));
        // The other half of the circle is the past: an ack that was overtaken, or a keep-alive.
        let old = count > usize::from(u16::MAX / 2);
        let count = if old { 0 } else { count };
        if count > self.segments.len() {
            return Err(BadAck::Unknown);
        }
        let mut acked = Acked::default();
        if let Some(withheld) = self.withheld {
            let at = self.index(withheld);
            let base = ack.plus(2);
            let claimed = at < count || sack.is_some_and(|sack| sack.received().any(|bit| base.plus(bit) == withheld));
            if claimed {
                return Err(BadAck::Withheld);
            }
        }
        for _ in 0..count {
            let Some(segment) = self.segments.pop_front() else { break };
            self.note_arrival(&segment, &mut acked);
            self.first = self.first.plus(1);
            self.overtaken = self.overtaken.saturating_sub(1);
            let len = usize::from(segment.len);
            self.buffer.discard(len);
            self.start = self.start.saturating_add(segment.len.into());
            self.numbered = self.numbered.saturating_sub(len);
            acked.advanced = true;
        }
        if let Some(sack) = sack {
            let base = ack.plus(2);
            for bit in sack.received() {
                self.arrived(base.plus(bit), &mut acked);
            }
        }
        for (begin, end) in ranges {
            // What is behind the last number is not worth a look, so the work is bounded by the window.
            for n in begin..end.min(u16::MAX / 2) {
                if usize::from(ack.plus(n).distance_from(self.first)) >= self.segments.len() {
                    break;
                }
                self.arrived(ack.plus(n), &mut acked);
            }
        }
        Ok(acked)
    }

    fn arrived(&mut self, seq: SeqNr, acked: &mut Acked) {
        let index = self.index(seq);
        let Some(segment) = self.segments.get_mut(index).filter(|segment| segment.state != State::Arrived) else {
            return;
        };
        if segment.state == State::Withheld {
            return;
        }
        let copy = *segment;
        segment.state = State::Arrived;
        self.note_arrival(&copy, acked);
        while self.overtaken < index {
            if self.segments.get(self.overtaken).is_some_and(|segment| segment.state != State::Arrived) {
                self.gaps.push(self.first.plus(u16::try_from(self.overtaken).unwrap_or(u16::MAX)));
            }
            self.overtaken = self.overtaken.saturating_add(1);
        }
    }

    fn note_arrival(&mut self, segment: &Segment, acked: &mut Acked) {
        match segment.state {
            State::Arrived => return,
            State::InFlight => {
                self.in_flight = self.in_flight.saturating_sub(segment.len.into());
                self.packets_in_flight = self.packets_in_flight.saturating_sub(1);
            }
            State::Lost => acked.was_lost |= segment.sends == 1,
            State::Withheld => {}
        }
        acked.bytes = acked.bytes.saturating_add(segment.len.into());
        acked.packets = acked.packets.saturating_add(1);
        acked.fin |= segment.fin;
        self.small = self.small.saturating_sub(segment.small.into());
        if segment.probe > 0 {
            acked.probe = Some(segment.probe);
        }
        let newest = if segment.sends > 1 { &mut acked.resent } else { &mut acked.sent };
        *newest = (*newest).max(Some(segment.sent));
        if segment.state == State::InFlight {
            self.arrived_order = self.arrived_order.max(segment.order);
        }
    }

    /// Finds packets that enough later ones have overtaken.
    pub(crate) fn detect_losses(&mut self) -> Lost {
        let mut lost = Lost::default();
        let newest = self.arrived_order;
        let mut gaps = std::mem::take(&mut self.gaps);
        gaps.retain(|&seq| {
            let index = self.index(seq);
            let Some(segment) = self.segments.get_mut(index) else { return false };
            match segment.state {
                State::Arrived => return false,
                State::InFlight if segment.order.saturating_add(self.threshold) <= newest => {
                    self.lose(index, &mut lost)
                }
                State::Withheld => {
                    // Its successors have arrived without a word about it: the peer is honest, and it may leave.
                    segment.state = State::Lost;
                    self.lost.push_back(seq);
                    self.withheld = None;
                }
                State::InFlight | State::Lost => {}
            }
            true
        });
        self.gaps = gaps;
        lost
    }

    /// The first packet is lost, by repeated acks for the one before it.
    pub(crate) fn lose_first(&mut self) -> Lost {
        let mut lost = Lost::default();
        if self.segments.front().is_some_and(|segment| segment.state == State::InFlight) {
            self.lose(0, &mut lost);
        }
        lost
    }

    /// Everything in flight is lost.
    pub(crate) fn lose_all(&mut self) -> Lost {
        let mut lost = Lost::default();
        self.lost.clear();
        for index in 0..self.segments.len() {
            match self.segments.get_mut(index) {
                Some(segment) if segment.state == State::InFlight => self.lose(index, &mut lost),
                Some(segment) if matches!(segment.state, State::Lost | State::Withheld) => {
                    segment.state = State::Lost;
                    self.lost.push_back(self.first.plus(u16::try_from(index).unwrap_or(0)));
                }
                _ => {}
            }
        }
        self.withheld = None;
        lost
    }

    fn lose(&mut self, index: usize, lost: &mut Lost) {
        let Some(segment) = self.segments.get_mut(index) else { return };
        segment.state = State::Lost;
        self.in_flight = self.in_flight.saturating_sub(segment.len.into());
        self.packets_in_flight = self.packets_in_flight.saturating_sub(1);
        if segment.probe > 0 {
            lost.probe = Some(segment.probe);
            segment.probe = 0;
        } else {
            lost.bytes = lost.bytes.saturating_add(segment.len.into());
            lost.packets = lost.packets.saturating_add(1);
            lost.sent = lost.sent.max(segment.sent);
        }
        self.lost.push_back(self.first.plus(u16::try_from(index).unwrap_or(0)));
    }

    /// Gives unused memory back.
    pub(crate) fn shrink(&mut self) {
        self.buffer.shrink();
        self.lost.shrink_to_fit();
        self.gaps.shrink_to_fit();
        self.segments.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl SendQueue {
        /// Nothing is forgotten: what is lost waits to be sent again, and what was overtaken is looked at.
        fn check(&self) {
            for (index, segment) in self.segments.iter().enumerate() {
                let seq = self.first.plus(u16::try_from(index).unwrap());
                assert!(segment.state != State::Lost || self.lost.contains(&seq), "{seq:?} is lost and forgotten");
                let seen = segment.state == State::Arrived || self.gaps.contains(&seq);
                assert!(index >= self.overtaken || seen, "{seq:?} was overtaken and is not looked at");
                assert!(segment.state != State::Withheld || self.withheld == Some(seq), "{seq:?} never leaves");
            }
            let in_flight = self.segments.iter().filter(|segment| segment.state == State::InFlight);
            assert_eq!(in_flight.map(|segment| u64::from(segment.len)).sum::<u64>(), self.in_flight);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_forgotten(ops in prop::collection::vec((0_u8..10, any::<u32>()), 1..200)) {
            let mut queue = SendQueue::new(SeqNr(65_500));
            // What the peer has, by distance from the first number.
            let mut has: Vec<bool> = Vec::new();
            let start = SeqNr(65_500);
            for (now, (op, luck)) in ops.into_iter().enumerate() {
                match op {
                    0..=3 => {
                        queue.write(&[1; 10]);
                        let seq = queue.number(10, 10, false);
                        has.push(false);
                        if op == 0 && queue.withheld.is_none() {
                            queue.withhold(seq);
                        } else {
                            queue.leave(seq, now as u64, 0);
                            *has.last_mut().unwrap() = luck % 4 > 0;
                        }
                    }
                    4 | 5 => {
                        if let Some((seq, _)) = queue.next_lost() {
                            queue.leave(seq, now as u64, 0);
                            has[usize::from(seq.distance_from(start))] = luck % 4 > 0;
                        }
                    }
                    6..=8 => {
                        let front = has.iter().take_while(|&&has| has).count();
                        let mut mask = vec![0; 32];
                        for (bit, _) in has.iter().skip(front + 1).enumerate().filter(|(_, has)| **has) {
                            mask[bit / 8] |= 1 << (bit % 8);
                        }
                        mask.truncate(4 * (1 + luck as usize % 8));
                        let ack = start.plus(u16::try_from(front).unwrap()).minus(1);
                        queue.acknowledge(ack, Some(SelectiveAck::new(&mask)), std::iter::empty()).unwrap();
                        queue.detect_losses();
                    }
                    _ if luck % 4 == 0 => {
                        queue.lose_all();
                    }
                    _ => queue.release_withheld(),
                }
                queue.check();
            }
        }
    }
}
