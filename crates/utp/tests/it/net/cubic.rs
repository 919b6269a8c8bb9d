//! A TCP flow as far as its window goes: CUBIC (RFC 9438) over segments that are acknowledged one by one. It always has data.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_sim::Transmit;

use super::Wire;

const BETA: f64 = 0.7;
const C: f64 = 0.4;
const PAYLOAD: u64 = 1448;

pub(crate) struct Cubic {
    to: Option<SocketAddr>,
    pub(crate) received: u64,
    window: f64,
    threshold: f64,
    before_loss: f64,
    epoch: Option<Instant>,
    recovery: u64,
    next: u64,
    in_flight: BTreeMap<u64, Instant>,
    rtt: Duration,
    deadline: Option<Instant>,
    acks: VecDeque<(SocketAddr, u64)>,
}

impl Cubic {
    pub(crate) fn receiver() -> Self {
        Self {
            to: None,
            received: 0,
            window: 10.0,
            threshold: f64::INFINITY,
            before_loss: 0.0,
            epoch: None,
            recovery: 0,
            next: 0,
            in_flight: BTreeMap::new(),
            rtt: Duration::from_millis(100),
            deadline: None,
            acks: VecDeque::new(),
        }
    }

    pub(crate) fn sender(to: SocketAddr) -> Self {
        Self { to: Some(to), ..Self::receiver() }
    }

    pub(crate) fn handle_segment(&mut self, from: SocketAddr, number: u64) {
        self.received += PAYLOAD;
        self.acks.push_back((from, number));
    }

    pub(crate) fn handle_ack(&mut self, now: Instant, number: u64) {
        let Some(sent) = self.in_flight.remove(&number) else { return };
        self.rtt = (self.rtt * 7 + now.duration_since(sent)) / 8;
        self.deadline = Some(now + self.rtt * 2 + Duration::from_millis(200));
        let mut lost = None;
        while let Some((&first, _)) = self.in_flight.first_key_value().filter(|&(&first, _)| first + 3 <= number) {
            self.in_flight.remove(&first);
            lost = Some(first);
        }
        if let Some(lost) = lost.filter(|&lost| lost >= self.recovery) {
            let _ = lost;
            self.recovery = self.next;
            self.before_loss = self.window;
            self.window = (self.window * BETA).max(2.0);
            self.threshold = self.window;
            self.epoch = Some(now);
        } else if self.window < self.threshold {
            self.window += 1.0;
        } else {
            let epoch = *self.epoch.get_or_insert(now);
            let t = (now.duration_since(epoch) + self.rtt).as_secs_f64();
            let k = (self.before_loss * (1.0 - BETA) / C).cbrt();
            let cubic = C * (t - k).powi(3) + self.before_loss;
            let reno = self.before_loss * BETA + 3.0 * (1.0 - BETA) / (1.0 + BETA) * t / self.rtt.as_secs_f64();
            let target = cubic.max(reno).clamp(self.window, self.window * 1.5);
            self.window += (target - self.window) / self.window;
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.in_flight.clear();
        self.threshold = self.window / 2.0;
        self.window = 2.0;
        self.epoch = None;
        self.deadline = Some(now + self.rtt * 2 + Duration::from_secs(1));
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<Wire>> {
        if let Some((to, number)) = self.acks.pop_front() {
            return Some(Transmit { to, parcel: Wire::SegmentAck(number) });
        }
        let to = self.to?;
        if self.in_flight.len() as f64 >= self.window {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.in_flight.insert(number, now);
        self.deadline.get_or_insert(now + Duration::from_secs(1));
        Some(Transmit { to, parcel: Wire::Segment(number) })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}
