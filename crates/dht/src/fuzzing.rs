//! Bodies of the fuzz targets `dht_krpc` and `dht_node`. Each holds what it is given to a property, not only to not panicking.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    Announce, AnnouncePort, Ask, Completeness, Config, Family, Id, Item, Limits, Node, Role, Salt, Search, Urgency,
    krpc::{Body, DecodeError, Decoder, MAX_DATAGRAM, Message, Method, Query, Response, Want},
};

/// What is decoded, encodes to something that decodes to the same; what is not, never has an answer that is none.
pub fn krpc(data: &[u8]) {
    let mut decoder = Decoder::default();
    let message = match decoder.decode(data) {
        Ok(message) => message,
        Err(DecodeError::Query { error, .. }) => return assert!(error.code >= 203),
        Err(_) => return,
    };
    let mut again = Vec::new();
    message.encode(&mut again);
    if again.len() > MAX_DATAGRAM {
        return;
    }
    let mut decoder = Decoder::default();
    match decoder.decode(&again) {
        // An unknown method keeps its target, whatever key that had.
        Ok(decoded) => assert_eq!(decoded, message),
        Err(error) => panic!("{error}: {}", again.escape_ascii()),
    }
}

/// An op list against a node: datagrams from several addresses, well-formed and not, answers to what it asked, time, and what
/// its caller may do. Its bounds hold at every moment, and every lookup ends.
pub fn node(data: &[u8]) {
    let mut run = Run::new();
    let mut ops = Ops(data);
    while !ops.0.is_empty() {
        run.step(&mut ops);
        run.drain();
    }
    run.end();
}

struct Run {
    node: Node,
    now: Instant,
    asked: Vec<(SocketAddr, Vec<u8>)>,
    open: usize,
}

struct Ops<'a>(&'a [u8]);

impl<'a> Ops<'a> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn id(&mut self) -> Id {
        Id::new([self.byte(); 20])
    }

    /// A few addresses, of several scopes.
    fn address(&mut self) -> SocketAddr {
        let n = self.byte();
        match n % 4 {
            0 => SocketAddr::from(([127, 0, 0, 1], 2000 + u16::from(n))),
            1 => SocketAddr::from(([10, 0, 0, n], 6881)),
            _ => SocketAddr::from(([8, n, 8, 8], 6881)),
        }
    }
}

const LIMITS: fn() -> Limits = || Limits {
    lookups: 4,
    waiting: 8,
    background_lookups: 2,
    in_flight: 16,
    stored_hashes: 8,
    stored_peers: 32,
    peers_per_hash: 8,
    stored_items: 4,
    ..Limits::default()
};

impl Run {
    #[expect(clippy::disallowed_methods, reason = "a run has to begin at some time")]
    fn new() -> Self {
        let now = Instant::now();
        let node = Node::new(now, [3; 32], Config { limits: LIMITS(), ..Config::new(Family::V4) });
        Self { node, now, asked: Vec::new(), open: 0 }
    }

    fn step(&mut self, ops: &mut Ops<'_>) {
        match ops.byte() % 12 {
            0 => {
                let from = ops.address();
                let length = usize::from(ops.byte()) * 4;
                self.node.handle_datagram(self.now, from, ops.take(length));
            }
            1 | 2 => self.query(ops),
            3..=5 => self.answer(ops),
            6 => {
                self.now += Duration::from_millis(u64::from(ops.byte()) * 50);
                self.node.handle_timeout(self.now);
            }
            7 => {
                let search = self.search(ops);
                self.open += usize::from(self.node.handle_search(self.now, search).is_ok());
            }
            8 => self.node.handle_node(self.now, ops.address()),
            9 => drop(self.node.handle_ask(self.now, ops.address(), Ask::Ping)),
            10 => {
                let announce = Announce { port: AnnouncePort::Implied, completeness: Completeness::Leech };
                let urgency = if ops.byte().is_multiple_of(2) { Urgency::Now } else { Urgency::InTurn };
                let _ = self.node.handle_schedule(self.now, ops.id(), announce, urgency);
            }
            _ => {
                self.now += Duration::from_secs(u64::from(ops.byte()) * 10);
                self.node.handle_timeout(self.now);
                self.node.handle_unschedule(self.now, &ops.id());
            }
        }
    }

    fn search(&self, ops: &mut Ops<'_>) -> Search {
        let target = ops.id();
        let announce = Announce { port: AnnouncePort::Explicit(1), completeness: Completeness::Seed };
        match ops.byte() % 5 {
            0 => Search::FindNode { target },
            1 => Search::GetPeers { info_hash: target, announce: None, scrape: true },
            2 => Search::GetPeers { info_hash: target, announce: Some(announce), scrape: false },
            3 => Search::Get { target, salt: Salt::default(), seq: None },
            _ => match torrent_bencode::RawValue::new(b"1:x").map(|value| Item::Immutable(value.to_buf())) {
                Ok(item) => Search::Put { item, cas: None },
                Err(_) => Search::FindNode { target },
            },
        }
    }

    fn query(&mut self, ops: &mut Ops<'_>) {
        let (from, id, target) = (ops.address(), ops.id(), ops.id());
        let want = Want::Both;
        let token = ops.take(8);
        let method = match ops.byte() % 7 {
            0 => Method::Ping,
            1 => Method::FindNode { target, want },
            2 => Method::GetPeers { info_hash: target, want, noseed: true, scrape: true },
            3 => Method::AnnouncePeer { info_hash: target, port: AnnouncePort::Implied, seed: false, token },
            4 => Method::Get { target, seq: Some(1), want },
            5 => Method::SampleInfohashes { target, want },
            _ => Method::Unknown { name: b"x", target: Some(target), want },
        };
        let query = Query { id, role: Role::Server, method };
        let mut payload = Vec::new();
        Message::new(b"aa", Body::Query(query)).encode(&mut payload);
        self.node.handle_datagram(self.now, from, &payload);
    }

    /// Answers one of the queries that the node sent.
    fn answer(&mut self, ops: &mut Ops<'_>) {
        if self.asked.is_empty() {
            return;
        }
        let place = usize::from(ops.byte()) % self.asked.len();
        let (to, transaction) = self.asked.swap_remove(place);
        let id = if ops.byte().is_multiple_of(4) { ops.id() } else { Id::bound_to(to.ip(), [ops.byte(); 20]) };
        let length = usize::from(ops.byte() % 8) * 26;
        let nodes = ops.take(length);
        let values = (0..ops.byte() % 4).map(|_| ops.address()).collect();
        let response = Response {
            id,
            nodes: Some(nodes),
            values,
            token: Some(b"tok"),
            observed: Some(ops.address()),
            ..Response::default()
        };
        let mut payload = Vec::new();
        Message::new(&transaction, Body::Response(response)).encode(&mut payload);
        self.node.handle_datagram(self.now, to, &payload);
    }

    fn drain(&mut self) {
        while let Some(datagram) = self.node.poll_transmit() {
            assert!(datagram.payload.len() <= 1400 && datagram.to.is_ipv4());
            let mut decoder = Decoder::default();
            match decoder.decode(&datagram.payload) {
                Ok(Message { transaction, body: Body::Query(_), .. }) => {
                    self.asked.push((datagram.to, transaction.to_vec()))
                }
                Ok(_) => {}
                Err(error) => panic!("it sends what cannot be read: {error}"),
            }
        }
        self.asked.truncate(64);
        while let Some(event) = self.node.poll_event() {
            if let crate::Event::Finished { outcome, .. } = event {
                assert!(outcome.closest.len() <= 16 && outcome.queries <= 256 + 16);
                self.open -= 1;
            }
        }
        let (stats, limits) = (self.node.stats(self.now), LIMITS());
        assert!(stats.in_flight <= limits.in_flight && stats.waiting <= limits.waiting);
        assert!(stats.lookups <= limits.lookups + limits.background_lookups + 2, "{} lookups", stats.lookups);
        assert!(stats.stored_hashes <= limits.stored_hashes && stats.stored_peers <= limits.stored_peers);
        assert!(stats.stored_items <= limits.stored_items);
    }

    /// Without any answer, everything that was begun ends.
    fn end(&mut self) {
        for _ in 0..10_000 {
            if self.open == 0 {
                return;
            }
            let Some(at) = self.node.poll_timeout() else { break };
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            self.drain();
        }
        assert_eq!(self.open, 0, "lookups do not end");
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    #[test]
    fn corpora_hold() {
        for (name, target) in [("dht_krpc", super::krpc as fn(&[u8])), ("dht_node", super::node)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
            let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(files.len() >= 5, "{name} has a corpus");
            for file in files {
                target(&fs::read(file).unwrap());
            }
        }
    }
}
