//! Bodies of the fuzz targets `utp_packet` and `utp_connection`. Each holds what it is given to a property, not only to not panicking.

#![expect(clippy::unwrap_used, reason = "what does not hold is to be seen")]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{Config, Endpoint, Event, Key, Packet, Read, packet};

/// What is decoded and encoded again, decodes to the same.
pub fn packet(data: &[u8]) {
    let Ok(packet) = Packet::decode(data) else { return };
    assert!(packet::is_utp(data[0]));
    let received: Vec<u16> = packet.selective_ack.into_iter().flat_map(|sack| sack.received()).collect();
    assert!(received.is_sorted());
    let mut end = 0;
    for (begin, next) in packet.ranges() {
        assert!(end <= begin && begin <= next);
        end = next;
    }
    let mut again = Vec::new();
    Packet::encode(&packet.header, packet.selective_ack, packet.close_reason, packet.payload, &mut again);
    let decoded = Packet::decode(&again).unwrap();
    assert_eq!(
        (decoded.header, decoded.payload, decoded.close_reason),
        (packet.header, packet.payload, packet.close_reason)
    );
}

/// An op list of writes, reads, packets in any order, losses, forgeries and time, between two endpoints. As long as nothing is forged, what is
/// read is what was written; and once the network behaves, all of it arrives.
pub fn connection(data: &[u8]) {
    let mut run = Run::new();
    let mut ops = Ops(data);
    while let Some(op) = ops.next() {
        run.step(op, &mut ops);
    }
    run.finish();
}

struct Ops<'a>(&'a [u8]);

impl Ops<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn bytes(&mut self, count: usize) -> &[u8] {
        let (now, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        now
    }
}

struct Side {
    endpoint: Endpoint,
    address: SocketAddr,
    key: Option<Key>,
    /// Datagrams on their way to the other side.
    wire: Vec<Vec<u8>>,
    written: u64,
    read: u64,
    finished: bool,
    ended: bool,
    over: bool,
}

struct Run {
    sides: [Side; 2],
    now: Instant,
    forged: bool,
}

/// The byte at a place of either stream.
fn expected(at: u64) -> u8 {
    (at % 251) as u8
}

impl Run {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a run has to begin somewhen")]
        let now = Instant::now();
        let side = |n: u8| {
            let config = Config { max_receive_window: 1 << 20, ..Config::default() };
            Side {
                endpoint: Endpoint::new(now, [n; 32], config),
                address: SocketAddr::from(([10, 0, 0, n], 1)),
                key: None,
                wire: Vec::new(),
                written: 0,
                read: 0,
                finished: false,
                ended: false,
                over: false,
            }
        };
        let mut run = Self { sides: [side(1), side(2)], now, forged: false };
        let to = run.sides[1].address;
        run.sides[0].key = run.sides[0].endpoint.connect(now, to).ok();
        run.settle();
        run
    }

    fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        let who = usize::from(op & 1);
        match op / 2 % 12 {
            0 => self.write(who, usize::from(ops.byte()) * 40 + 1),
            1 => self.read(who, usize::from(ops.byte()) * 40 + 1),
            2 | 3 => self.deliver(who, 0),
            4 => {
                let index = ops.byte().into();
                self.deliver(who, index);
            }
            5 => {
                // Lost.
                let index: usize = ops.byte().into();
                if index < self.sides[who].wire.len() {
                    self.sides[who].wire.remove(index);
                }
            }
            6 => {
                // Twice.
                if let Some(first) = self.sides[who].wire.first().cloned() {
                    self.sides[who].wire.push(first);
                }
            }
            7 => self.wait(Duration::from_millis(u64::from(ops.byte()) * 4)),
            8 => {
                for _ in 0..ops.byte() {
                    self.deliver(who, 0);
                }
            }
            9 => {
                if let Some(key) = self.sides[who].key {
                    let _ = self.sides[who].endpoint.finish(key);
                    self.sides[who].finished = true;
                }
            }
            10 => {
                // Damaged, or made up: a packet that was sent, with some bytes changed.
                let from = self.sides[1 - who].address;
                let mut forged = self.sides[1 - who].wire.first().cloned().unwrap_or_else(|| vec![0x01; 24]);
                let (at, with) = (usize::from(ops.byte()), usize::from(ops.byte() % 8));
                let with = ops.bytes(with);
                for (place, byte) in forged.iter_mut().skip(at % 24).zip(with) {
                    *place = *byte;
                }
                self.forged = true;
                let now = self.now;
                self.sides[who].endpoint.handle_datagram(now, from, &forged);
            }
            _ => match ops.byte() % 8 {
                0 => self.give_up(who, true),
                1 => self.give_up(who, false),
                2 => {
                    if let Some(key) = self.sides[who].key {
                        self.sides[who].endpoint.handle_too_long(self.now, key, 1472);
                    }
                }
                3 => {
                    let peer = self.sides[1 - who].address;
                    self.sides[who].endpoint.handle_unreachable(peer.ip());
                }
                _ => self.wait(Duration::from_secs(u64::from(ops.byte()))),
            },
        }
        self.settle();
    }

    fn give_up(&mut self, who: usize, at_once: bool) {
        let now = self.now;
        let side = &mut self.sides[who];
        let Some(key) = side.key else { return };
        if at_once {
            side.endpoint.abort(key)
        } else {
            side.endpoint.close(now, key, None)
        }
        side.over = true;
    }

    fn write(&mut self, who: usize, count: usize) {
        let side = &mut self.sides[who];
        let Some(key) = side.key else { return };
        let bytes: Vec<u8> = (0..count as u64).map(|n| expected(side.written + n)).collect();
        if let Ok(count) = side.endpoint.write(self.now, key, &bytes) {
            side.written += count as u64;
        }
    }

    fn read(&mut self, who: usize, count: usize) {
        let forged = self.forged;
        let limit = self.sides[1 - who].written;
        let side = &mut self.sides[who];
        let Some(key) = side.key else { return };
        let mut out = vec![0; count];
        match side.endpoint.read(self.now, key, &mut out) {
            Ok(Read::Bytes(count)) => {
                if !forged {
                    assert!(out[..count].iter().zip(side.read..).all(|(&byte, at)| byte == expected(at)));
                }
                side.read += count as u64;
                assert!(forged || side.read <= limit);
            }
            Ok(Read::End) => side.ended = true,
            Ok(Read::Pending) | Err(_) => {}
        }
    }

    fn deliver(&mut self, from: usize, index: usize) {
        if index >= self.sides[from].wire.len() {
            return;
        }
        let datagram = self.sides[from].wire.remove(index);
        let address = self.sides[from].address;
        self.sides[1 - from].endpoint.handle_datagram(self.now, address, &datagram);
        self.settle();
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.sides.iter().filter_map(|side| side.endpoint.poll_timeout()).min();
            let Some(at) = next.filter(|&at| at <= end) else { break };
            assert!(at >= self.now || self.now == end, "deadlines move on");
            self.now = self.now.max(at);
            for side in &mut self.sides {
                if side.endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                    side.endpoint.handle_timeout(self.now);
                    assert!(side.endpoint.poll_timeout().is_none_or(|at| at > self.now));
                }
            }
            self.settle();
        }
        self.now = end;
    }

    fn settle(&mut self) {
        let now = self.now;
        let mut buffer = Vec::new();
        for side in &mut self.sides {
            while let Some(transmit) = side.endpoint.poll_transmit(now, 10, &mut buffer) {
                assert!(transmit.segment > 0 && buffer.len() <= 65_535);
                for datagram in buffer.chunks(transmit.segment) {
                    assert!(datagram.len() <= 1472);
                    Packet::decode(datagram).unwrap();
                    // A network holds only so much.
                    if side.wire.len() < 2_000 {
                        side.wire.push(datagram.to_vec());
                    }
                }
            }
            while let Some(event) = side.endpoint.poll_event() {
                match event {
                    Event::Incoming { key, .. } => {
                        side.endpoint.accept(key);
                        side.key.get_or_insert(key);
                    }
                    Event::Closed(..) => side.over = true,
                    Event::Connected(_) | Event::Readable(_) | Event::Writable(_) => {}
                }
            }
        }
    }

    /// The network behaves: all that was written arrives, unless somebody gave up.
    fn finish(&mut self) {
        for round in 0..400 {
            for who in [0, 1] {
                while !self.sides[who].wire.is_empty() {
                    self.deliver(who, 0);
                }
                self.read(who, 1 << 16);
                self.settle();
            }
            self.wait(Duration::from_millis(if round < 200 { 20 } else { 1000 }));
        }
        let gone = self.sides.iter().any(|side| side.over || side.key.is_none());
        if gone || self.forged {
            return;
        }
        for who in [0, 1] {
            assert_eq!(self.sides[who].read, self.sides[1 - who].written, "everything arrives");
            self.read(who, 1);
            assert_eq!(self.sides[who].ended, self.sides[1 - who].finished, "and the end after it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            run(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "there is a corpus");
    }

    #[test]
    fn the_corpus_of_packets_holds() {
        replay("utp_packet", super::packet);
    }

    #[test]
    fn the_corpus_of_connections_holds() {
        replay("utp_connection", super::connection);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_history_keeps_the_stream(data in prop::collection::vec(any::<u8>(), 0..400)) {
            super::connection(&data);
        }

        #[test]
        fn a_history_without_forgeries_loses_nothing(data in prop::collection::vec(0_u8..20, 0..400)) {
            super::connection(&data);
        }
    }
}
