//! An endpoint with an application that sends a known stream and checks what it receives.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_utp::{Config, Endpoint, Event, Fault, Fragmentation, Key, Read, Stats};

/// The stream repeats after this many bytes; a prime, so that no packet length divides it.
const PERIOD: usize = 8191;
/// A datagram that routers cut travels in parts, which begin with this.
const PART: &[u8] = b"part";

pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    pub(crate) key: Option<Key>,
    pub(crate) to_send: u64,
    pub(crate) written: u64,
    pub(crate) received: u64,
    pub(crate) reading: bool,
    pub(crate) ended: bool,
    pub(crate) fault: Option<Fault>,
    pub(crate) connected: bool,
    pub(crate) finish: bool,
    pub(crate) incoming: usize,
    /// Routers cut a datagram that may be cut at this length.
    pub(crate) cut_at: Option<usize>,
    /// This peer's clock gains so many microseconds a second on the world's.
    pub(crate) drift: i64,
    start: Instant,
    out: VecDeque<(SocketAddr, Vec<u8>)>,
    parts: Vec<u8>,
    buffer: Vec<u8>,
    pattern: Vec<u8>,
    scratch: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(start: Instant, n: u16, config: Config) -> Self {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        let mut state = 1_u32;
        let pattern: Vec<u8> = (0..PERIOD)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        Self {
            endpoint: Endpoint::new(start, seed, config),
            key: None,
            to_send: 0,
            written: 0,
            received: 0,
            reading: true,
            ended: false,
            fault: None,
            connected: false,
            finish: false,
            incoming: 0,
            cut_at: None,
            drift: 0,
            start,
            out: VecDeque::new(),
            parts: Vec::new(),
            buffer: Vec::new(),
            pattern: pattern.repeat(20),
            scratch: vec![0; 100_000],
        }
    }

    fn own(&self, now: Instant) -> Instant {
        let elapsed = now.duration_since(self.start).as_micros() as i64;
        self.start + Duration::from_micros((elapsed + elapsed / 1000 * self.drift / 1000) as u64)
    }

    pub(crate) fn dial(&mut self, now: Instant, to: SocketAddr) {
        let now = self.own(now);
        self.key = Some(self.endpoint.connect(now, to).unwrap());
        self.pump(now);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.endpoint.stats(self.key.unwrap()).unwrap()
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let now = self.own(now);
        if let Some(part) = bytes.strip_prefix(PART) {
            let (&last, part) = part.split_first().unwrap();
            self.parts.extend_from_slice(part);
            if last == 1 {
                let whole = std::mem::take(&mut self.parts);
                self.endpoint.handle_datagram(now, from, &whole);
            }
        } else {
            self.endpoint.handle_datagram(now, from, bytes);
        }
        self.pump(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let now = self.own(now);
        self.endpoint.handle_timeout(now);
        self.pump(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let at = self.endpoint.poll_timeout()?;
        let elapsed = at.duration_since(self.start).as_micros() as i64;
        let world = elapsed - elapsed / 1000 * self.drift / 1000;
        let mut world = self.start + Duration::from_micros(world as u64);
        while self.own(world) < at {
            world += Duration::from_micros(1);
        }
        Some(world)
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let now = self.own(now);
        if let Some(datagram) = self.out.pop_front() {
            return Some(datagram);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        if let Some(transmit) = self.endpoint.poll_transmit(now, 44, &mut buffer) {
            for datagram in buffer.chunks(transmit.segment) {
                match self.cut_at {
                    Some(at) if transmit.fragmentation == Fragmentation::Allowed && datagram.len() > at => {
                        let count = datagram.len().div_ceil(at / 2);
                        for (n, part) in datagram.chunks(at / 2).enumerate() {
                            let last = u8::from(n + 1 == count);
                            self.out.push_back((transmit.to, [PART, &[last], part].concat()));
                        }
                    }
                    _ => self.out.push_back((transmit.to, datagram.to_vec())),
                }
            }
        }
        self.buffer = buffer;
        self.out.pop_front()
    }

    /// What the application does with what has happened.
    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Incoming { key, .. } => {
                    self.endpoint.accept(key);
                    self.incoming += 1;
                    self.key.get_or_insert(key);
                    self.connected = true;
                }
                Event::Connected(_) => self.connected = true,
                Event::Closed(_, fault) => self.fault = Some(fault),
                Event::Readable(_) | Event::Writable(_) => {}
            }
        }
        self.read(now);
        self.write(now);
    }

    pub(crate) fn read(&mut self, now: Instant) {
        let Some(key) = self.key else { return };
        while self.reading && !self.ended {
            match self.endpoint.read(now, key, &mut self.scratch) {
                Ok(Read::Bytes(count)) => {
                    let at = (self.received % PERIOD as u64) as usize;
                    assert!(self.scratch[..count] == self.pattern[at..at + count], "the stream is damaged");
                    self.received += count as u64;
                }
                Ok(Read::End) => self.ended = true,
                Ok(Read::Pending) | Err(_) => break,
            }
        }
    }

    pub(crate) fn write(&mut self, now: Instant) {
        let Some(key) = self.key else { return };
        while self.written < self.to_send {
            let at = (self.written % PERIOD as u64) as usize;
            let count = (self.to_send - self.written).min(65_536) as usize;
            match self.endpoint.write(now, key, &self.pattern[at..at + count]) {
                Ok(0) | Err(_) => return,
                Ok(count) => self.written += count as u64,
            }
        }
        if self.finish {
            self.finish = false;
            let _ = self.endpoint.finish(key);
        }
    }
}
