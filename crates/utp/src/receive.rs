//! What has arrived and was not read (BEP 29, "wnd_size" and "Selective ACK").
//! In: payloads with numbers, in any order. Out: bytes in order, the window to advertise, what to acknowledge. Never: more memory
//! than the window allows.

use std::collections::VecDeque;

use crate::{buffer::ByteQueue, clock::Micros, packet::MAX_SELECTIVE_ACK, seq::SeqNr};

/// Packets ahead of the first missing one that are kept, at least.
const MIN_AHEAD: usize = 256;
/// Packets ahead that are kept, at most: half of the circle of numbers.
const MAX_AHEAD: usize = 32_767;
/// Windows are cut into packets of at least this many bytes when room for packets is counted.
const SMALL_PACKET: usize = 256;
/// Bytes that are taken beyond the window: senders count a little differently.
const SLACK: usize = 16 << 10;
/// Buffers of early packets that are kept for reuse.
const SPARE: usize = 64;
/// Pairs in the list of ranges, at most: they fit into a datagram that every path carries.
const MAX_RANGES: usize = 120;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It was the next one.
    InOrder,
    /// It waits for earlier ones.
    Early,
    /// It had arrived before.
    Again,
    /// There is no room for it.
    Refused,
}

#[derive(Debug)]
struct Early {
    payload: Vec<u8>,
    fin: bool,
}

/// The receiving side's buffer.
#[derive(Debug)]
pub(crate) struct ReceiveQueue {
    /// The number of the first packet that is missing.
    next: SeqNr,
    buffer: ByteQueue,
    /// Packets after `next`, by how far: index 0 is `next + 1`. The last one is present.
    early: VecDeque<Option<Early>>,
    early_bytes: usize,
    early_count: usize,
    spare: Vec<Vec<u8>>,
    /// The number of the last packet of the stream.
    end: Option<SeqNr>,
    /// All up to the end has arrived.
    ended: bool,
    capacity: usize,
    least_capacity: usize,
    most_capacity: usize,
    /// Bytes that were read since `round`.
    read: usize,
    round: Micros,
}

impl ReceiveQueue {
    pub(crate) fn new(next: SeqNr, least_capacity: usize, most_capacity: usize) -> Self {
        Self {
            next,
            buffer: ByteQueue::default(),
            early: VecDeque::new(),
            early_bytes: 0,
            early_count: 0,
            spare: Vec::new(),
            end: None,
            ended: false,
            capacity: least_capacity,
            least_capacity,
            most_capacity: most_capacity.max(least_capacity),
            read: 0,
            round: 0,
        }
    }

    /// The last number that arrived in order.
    pub(crate) const fn ack(&self) -> SeqNr {
        self.next.minus(1)
    }

    /// Bytes that still find room.
    pub(crate) const fn window(&self) -> usize {
        self.capacity.saturating_sub(self.buffer.len()).saturating_sub(self.early_bytes)
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes that can be read.
    pub(crate) const fn readable(&self) -> usize {
        self.buffer.len()
    }

    /// Everything up to the peer's FIN has arrived.
    pub(crate) const fn ended(&self) -> bool {
        self.ended
    }

    pub(crate) const fn has_gaps(&self) -> bool {
        self.early_count > 0
    }

    fn most_ahead(&self) -> usize {
        (self.capacity / SMALL_PACKET).clamp(MIN_AHEAD, MAX_AHEAD)
    }

    pub(crate) fn insert(&mut self, seq: SeqNr, payload: &[u8], fin: bool) -> Inserted {
        let ahead = usize::from(seq.distance_from(self.next));
        if ahead > MAX_AHEAD || self.ended {
            return Inserted::Again;
        }
        // Nothing has a place behind the end.
        let end = self.end.map(|end| usize::from(end.distance_from(self.next)));
        if end.is_some_and(|end| ahead > end || (fin && ahead != end)) || ahead > self.most_ahead() {
            return Inserted::Refused;
        }
        // A peer that probes a closed window, or that does not see it, is not let in. A little more than was promised is.
        let held = self.buffer.len().saturating_add(self.early_bytes);
        if held.saturating_add(payload.len()) > self.capacity.saturating_add(SLACK) {
            return Inserted::Refused;
        }
        let Some(index) = ahead.checked_sub(1) else {
            if fin && self.early_count > 0 {
                // Something has arrived behind this end.
                return Inserted::Refused;
            }
            self.advance(payload, fin);
            self.join();
            return Inserted::InOrder;
        };
        if fin && index < self.early.len() {
            return Inserted::Refused;
        }
        if self.early.get(index).is_some_and(Option::is_some) {
            return Inserted::Again;
        }
        if index >= self.early.len() {
            self.early.resize_with(index.saturating_add(1), || None);
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(payload);
        self.early_bytes = self.early_bytes.saturating_add(payload.len());
        self.early_count = self.early_count.saturating_add(1);
        if fin {
            self.end = Some(seq);
        }
        if let Some(slot) = self.early.get_mut(index) {
            *slot = Some(Early { payload: kept, fin });
        }
        Inserted::Early
    }

    fn advance(&mut self, payload: &[u8], fin: bool) {
        self.buffer.push(payload);
        if fin {
            self.end = Some(self.next);
            self.ended = true;
        }
        self.next = self.next.plus(1);
    }

    /// Takes over what was only waiting for the packet that has just arrived.
    fn join(&mut self) {
        while let Some(slot) = self.early.pop_front() {
            let Some(Early { mut payload, fin }) = slot else { return };
            self.early_bytes = self.early_bytes.saturating_sub(payload.len());
            self.early_count = self.early_count.saturating_sub(1);
            self.advance(&payload, fin);
            if self.spare.len() < SPARE {
                payload.clear();
                self.spare.push(payload);
            }
        }
    }

    /// Moves bytes into `out`. `rtt` is the time in which the window should hold what the reader takes.
    pub(crate) fn read(&mut self, now: Micros, rtt: Micros, out: &mut [u8]) -> usize {
        let count = self.buffer.read(out);
        self.read = self.read.saturating_add(count);
        let passed = now.saturating_sub(self.round);
        if passed >= rtt.max(1) {
            // Twice of what was read in a round trip lets a sender double its pace in each; more, as it measures other round trips.
            let share = u128::try_from(self.read).unwrap_or(0).saturating_mul(rtt.max(1).into());
            let share = share.checked_div(passed.into()).unwrap_or(0);
            let wanted = usize::try_from(share).unwrap_or(usize::MAX).saturating_mul(3);
            if wanted > self.capacity {
                self.capacity = self.capacity.saturating_mul(2).max(wanted).min(self.most_capacity);
            }
            self.read = 0;
            self.round = now;
        }
        count
    }

    /// Writes the bitmask of a selective ack, empty if nothing is missing.
    pub(crate) fn selective_ack(&self, mask: &mut Vec<u8>) {
        mask.clear();
        if self.early_count == 0 {
            return;
        }
        let bytes = self.early.len().div_ceil(32).saturating_mul(4).min(MAX_SELECTIVE_ACK);
        mask.resize(bytes, 0);
        for (byte, slots) in mask.iter_mut().zip((0..self.early.len()).step_by(8)) {
            for bit in 0..8_usize {
                let present = self.early.get(slots.saturating_add(bit)).is_some_and(Option::is_some);
                *byte |= u8::from(present) << bit;
            }
        }
    }

    /// Writes what has arrived beyond the reach of a selective ack, as pairs of missing and received packets.
    pub(crate) fn ranges(&self, ranges: &mut Vec<(u16, u16)>) {
        ranges.clear();
        if self.early.len() <= MAX_SELECTIVE_ACK.saturating_mul(8) {
            return;
        }
        // `next` itself is missing; then come the early ones.
        let (mut missing, mut received) = (1_u16, 0_u16);
        for slot in &self.early {
            if slot.is_some() {
                received = received.saturating_add(1);
            } else {
                if received > 0 {
                    ranges.push((missing, received));
                    (missing, received) = (0, 0);
                    if ranges.len() >= MAX_RANGES {
                        return;
                    }
                }
                missing = missing.saturating_add(1);
            }
        }
        if received > 0 {
            ranges.push((missing, received));
        }
    }

    /// Gives unused memory back, and no longer promises more than in the beginning.
    pub(crate) fn shrink(&mut self) {
        self.buffer.shrink();
        self.spare = Vec::new();
        self.early.shrink_to_fit();
        if self.buffer.is_empty() && self.early_count == 0 {
            self.capacity = self.least_capacity;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queue() -> ReceiveQueue {
        ReceiveQueue::new(SeqNr(65_530), 64 * 1024, 1 << 20)
    }

    fn read_all(queue: &mut ReceiveQueue) -> Vec<u8> {
        let mut out = vec![0; queue.readable()];
        queue.read(0, 1000, &mut out);
        out
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_stream(order in Just((0..60_u16).collect::<Vec<_>>()).prop_shuffle(), again in prop::collection::vec(0..60_u16, 0..30)) {
            let mut queue = queue();
            let mut mask = Vec::new();
            for n in order.iter().chain(&again) {
                queue.insert(SeqNr(65_530).plus(*n), &n.to_be_bytes(), *n == 59);
                queue.selective_ack(&mut mask);
                prop_assert_eq!(mask.is_empty(), !queue.has_gaps());
            }
            prop_assert!(queue.ended());
            let expected: Vec<u8> = (0..60_u16).flat_map(u16::to_be_bytes).collect();
            prop_assert_eq!(read_all(&mut queue), expected);
            prop_assert_eq!(queue.window(), queue.capacity());
        }
    }

    #[test]
    fn what_is_too_far_ahead_or_finds_no_room_is_refused() {
        let mut queue = queue();
        assert_eq!(queue.insert(SeqNr(65_530).plus(400), b"x", false), Inserted::Refused);
        let large = [0; 1400];
        let mut kept = 0;
        for n in 1..250 {
            if queue.insert(SeqNr(65_530).plus(n), &large, false) == Inserted::Early {
                kept += large.len();
            }
        }
        assert!((64 * 1024..=80 * 1024).contains(&kept), "{kept}");
    }

    #[test]
    fn nothing_is_taken_behind_the_end() {
        let mut queue = queue();
        assert_eq!(queue.insert(SeqNr(65_532), b"", true), Inserted::Early);
        assert_eq!(queue.insert(SeqNr(65_533), b"x", false), Inserted::Refused);
        assert_eq!(queue.insert(SeqNr(65_531), b"", true), Inserted::Refused);
        queue.insert(SeqNr(65_530), b"a", false);
        queue.insert(SeqNr(65_531), b"b", false);
        assert!(queue.ended());
        assert_eq!(read_all(&mut queue), b"ab");
    }

    #[test]
    fn the_window_grows_with_what_is_read_and_falls_back_when_idle() {
        let mut queue = queue();
        let mut seq = SeqNr(65_530);
        for round in 1..20 {
            let mut left = queue.window();
            while left >= 1400 {
                queue.insert(seq, &[0; 1400], false);
                seq = seq.plus(1);
                left -= 1400;
            }
            let mut out = vec![0; queue.readable()];
            queue.read(round * 1000, 1000, &mut out);
        }
        assert_eq!(queue.capacity(), 1 << 20);
        queue.shrink();
        assert_eq!(queue.capacity(), 64 * 1024);
    }

    #[test]
    fn ranges_say_what_the_bitmask_cannot() {
        let mut queue = ReceiveQueue::new(SeqNr(0), 8 << 20, 8 << 20);
        let mut ranges = Vec::new();
        for n in (1..2_000).chain(2_500..3_000) {
            queue.insert(SeqNr(n), b"x", false);
        }
        queue.ranges(&mut ranges);
        assert_eq!(ranges, [(1, 1_999), (500, 500)]);
    }
}
