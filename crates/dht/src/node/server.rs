//! The side that answers.
//! Spec: BEP 5 § "DHT Queries", BEPs 32, 33, 43, 44, 51. In: datagrams. Out: at most one answer to each.
//! Never: an answer to what is no query, an error with text that makes it longer than what caused it, an answer past the rates
//! of [`Limits`](super::Limits).

use std::{net::SocketAddr, time::Instant};

use torrent_types::{Datagram, Scope};

use super::{
    Family, Node, Verdict,
    peers::{Store, Wish},
    table::{Choice, K},
};
use crate::{
    id::Id,
    item::Item,
    krpc::{
        AnnouncePort, Body, Contact, DecodeError, MAX_DATAGRAM, MAX_SENT, Message, Method, Put, Query, RemoteError,
        Response, Role, Want, code,
    },
};

/// The longest answer that carries an item: its value alone may have 1,000 bytes. Fits a datagram on Ethernet.
const MAX_SENT_ITEM: usize = 1400;
/// What an answer needs beside nodes, peers, filters and items, with some room.
const OVERHEAD: usize = 150;
/// Two Bloom filters and their keys.
const FILTERS: usize = 2 * (256 + 10);
/// Peers in one answer.
const MAX_VALUES: usize = 50;

/// Whom to answer, and what it asked with.
#[derive(Clone, Copy)]
struct Asker<'a> {
    from: SocketAddr,
    transaction: &'a [u8],
    /// Bytes of the query.
    length: usize,
}

#[expect(clippy::large_enum_variant, reason = "it lives on the stack while one datagram is handled")]
enum Reply<'a> {
    Response(Response<'a>),
    Error(RemoteError<'static>),
}

const fn refuse<'a>(code: i64, message: &'static str) -> Reply<'a> {
    Reply::Error(RemoteError { code, message: message.as_bytes() })
}

impl Node {
    /// A datagram came in.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, payload: &[u8]) {
        self.handle_datagram_beside(now, from, payload, None);
    }

    /// A datagram came in, and a node of the other family is at hand, whose neighbours the sender may want, too.
    /// BEP 32 § "want".
    pub fn handle_datagram_beside(&mut self, now: Instant, from: SocketAddr, payload: &[u8], other: Option<&Self>) {
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += payload.len() as u64;
        if payload.len() > MAX_DATAGRAM {
            self.stats.malformed += 1;
            return;
        }
        let valid =
            Family::of(from) == self.config.family && from.port() != 0 && Scope::of(from.ip()) != Scope::Nowhere;
        if !valid || !self.config.policy.may_contact(from) {
            self.stats.refused += 1;
            return;
        }
        // The decoder lends its memory to the message: it is put back afterwards.
        let mut decoder = std::mem::take(&mut self.decoder);
        self.handle_message(now, from, payload, decoder.decode(payload), other);
        self.decoder = decoder;
        self.pump(now);
    }

    fn handle_message(
        &mut self,
        now: Instant,
        from: SocketAddr,
        payload: &[u8],
        message: Result<Message<'_>, DecodeError<'_>>,
        other: Option<&Self>,
    ) {
        match message {
            Ok(Message { transaction, version, body }) => match body {
                Body::Query(query) => {
                    self.handle_query(now, Asker { from, transaction, length: payload.len() }, &query, other)
                }
                Body::Response(response) => self.handle_response(now, from, transaction, version, response),
                Body::Error(error) => self.handle_error(now, from, transaction, &error),
            },
            Err(DecodeError::NotKrpc(_)) => self.stats.malformed += 1,
            Err(DecodeError::Response { transaction }) => self.handle_nonsense(now, from, transaction),
            Err(DecodeError::Query { transaction, error }) => {
                self.stats.malformed += 1;
                if self.config.role == Role::Server && self.answers.admit(now, from, &self.config.limits) {
                    self.reply(now, Asker { from, transaction, length: payload.len() }, Reply::Error(error));
                }
            }
        }
    }

    fn handle_query(&mut self, now: Instant, asker: Asker<'_>, query: &Query<'_>, other: Option<&Self>) {
        let from = asker.from;
        self.count(&query.method);
        if self.config.role == Role::ReadOnly || query.id == *self.table.own() {
            return;
        }
        if !self.answers.admit(now, from, &self.config.limits) {
            self.stats.rate_limited += 1;
            return;
        }
        match self.config.policy.on_query(from, query) {
            Verdict::Answer => {}
            Verdict::Ignore => return,
            Verdict::Refuse(error) => return self.reply(now, asker, Reply::Error(error)),
        }
        match &query.method {
            Method::Ping => self.reply(now, asker, Reply::Response(Response::default())),
            Method::FindNode { target, want } | Method::Unknown { target: Some(target), want, .. } => {
                let nodes = self.nodes(target, *want, other);
                self.reply(now, asker, Reply::Response(nodes.response()));
            }
            Method::Unknown { target: None, .. } => {
                self.reply(now, asker, refuse(code::METHOD_UNKNOWN, "Method Unknown"));
            }
            Method::GetPeers { info_hash, want, noseed, scrape } => {
                let nodes = self.nodes(info_hash, *want, other);
                self.answer_get_peers(now, asker, info_hash, (*noseed, *scrape), &nodes);
            }
            Method::AnnouncePeer { info_hash, port, seed, token } => {
                let reply = self.announce_peer(now, from, info_hash, *port, *seed, token);
                self.reply(now, asker, reply);
            }
            Method::Get { target, seq, want } => {
                let nodes = self.nodes(target, *want, other);
                self.answer_get(now, asker, target, *seq, &nodes);
            }
            Method::Put(put) => {
                let reply = self.put(now, from, put);
                self.reply(now, asker, reply);
            }
            Method::SampleInfohashes { target, want } => {
                let nodes = self.nodes(target, *want, other);
                let own = *self.table.own();
                let stored = self.peers.hashes() as u64;
                let (samples, interval) = self.peers.hash_samples(now, &own, &mut self.rng);
                let samples = samples.to_vec();
                let response = Response {
                    samples: Some(&samples),
                    stored: Some(stored),
                    interval: Some(interval),
                    ..nodes.response()
                };
                self.reply(now, asker, Reply::Response(response));
            }
        }
        if query.role == Role::Server {
            self.meet(now, Contact { id: query.id, address: from });
        }
    }

    const fn count(&mut self, method: &Method<'_>) {
        let stats = &mut self.stats;
        stats.queries_in += 1;
        let counter = match method {
            Method::Ping => &mut stats.pings_in,
            Method::FindNode { .. } => &mut stats.find_nodes_in,
            Method::GetPeers { .. } => &mut stats.get_peers_in,
            Method::AnnouncePeer { .. } => &mut stats.announces_in,
            Method::Get { .. } => &mut stats.gets_in,
            Method::Put(_) => &mut stats.puts_in,
            Method::SampleInfohashes { .. } => &mut stats.samples_in,
            Method::Unknown { .. } => &mut stats.unknown_in,
        };
        *counter += 1;
    }

    /// The closest nodes of the families that are wanted, as far as they are at hand.
    fn nodes(&self, target: &Id, want: Want, other: Option<&Self>) -> Nodes {
        let v4 = self.config.family == Family::V4;
        let of = |family: Family| if family == self.config.family { Some(self) } else { other };
        let pack = |node: Option<&Self>| {
            let mut packed = Vec::new();
            for contact in node?.table.closest(target, K, Choice::Good) {
                contact.pack(&mut packed);
            }
            Some(packed)
        };
        Nodes {
            v4: if want.v4(v4) { pack(of(Family::V4)) } else { None },
            v6: if want.v6(v4) { pack(of(Family::V6)) } else { None },
        }
    }

    fn answer_get_peers(
        &mut self,
        now: Instant,
        asker: Asker<'_>,
        info_hash: &Id,
        (noseed, scrape): (bool, bool),
        nodes: &Nodes,
    ) {
        let (limits, from) = (&self.config.limits, asker.from);
        let distance = self.table.own().distance(info_hash);
        let filters = if scrape { self.peers.filters(now, &distance, limits) } else { None };
        let packed = if self.config.family == Family::V4 { 8 } else { 21 };
        let taken = OVERHEAD + nodes.len() + if filters.is_some() { FILTERS } else { 0 };
        let room = (MAX_SENT.saturating_sub(taken) / packed).min(MAX_VALUES);
        let wish = Wish { asker: Scope::of(from.ip()), noseed, most: room };
        let values = self.peers.sample(now, &distance, wish, &mut self.rng, limits);
        // No token: an announce would not be stored. BEP 33 § "New GET_PEERS semantics".
        let has_room = self.peers.has_room(&distance, from.ip(), limits);
        let token = has_room.then(|| self.tokens.give(now, &mut self.rng, from.ip()));
        let mut response = Response { values, token: token.as_ref().map(|token| token.as_slice()), ..nodes.response() };
        if let Some((seeds, leeches)) = filters {
            (response.seeds, response.leeches) = (Some(Box::new(seeds)), Some(Box::new(leeches)));
        }
        self.reply(now, asker, Reply::Response(response));
    }

    fn announce_peer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        info_hash: &Id,
        port: AnnouncePort,
        seed: bool,
        token: &[u8],
    ) -> Reply<'static> {
        if !self.tokens.accept(now, &mut self.rng, from.ip(), token) {
            self.stats.bad_tokens += 1;
            return refuse(code::PROTOCOL, "bad token");
        }
        let mut peer = from;
        if let AnnouncePort::Explicit(port) = port {
            peer.set_port(port);
        }
        let distance = self.table.own().distance(info_hash);
        match self.peers.insert(now, distance, peer, seed, &self.config.limits) {
            Store::Stored => Reply::Response(Response::default()),
            Store::Full => refuse(code::SERVER, "full"),
        }
    }

    fn answer_get(&mut self, now: Instant, asker: Asker<'_>, target: &Id, seq: Option<i64>, nodes: &Nodes) {
        let token = self.tokens.give(now, &mut self.rng, asker.from.ip());
        let distance = self.table.own().distance(target);
        let item = self.items.get(now, &distance, &self.config.limits).cloned();
        let mut response = Response { token: Some(&token), ..nodes.response() };
        match &item {
            None => {}
            Some(Item::Immutable(value)) => response.value = Some(value.borrow()),
            Some(Item::Mutable(item)) => {
                response.seq = Some(item.seq());
                if seq.is_none_or(|seq| item.seq() > seq) {
                    let signed = item.signed();
                    response.value = Some(item.value());
                    (response.key, response.signature) = (Some(signed.key), Some(signed.signature));
                }
            }
        }
        self.reply(now, asker, Reply::Response(response));
    }

    fn put(&mut self, now: Instant, from: SocketAddr, put: &Put<'_>) -> Reply<'static> {
        if !self.tokens.accept(now, &mut self.rng, from.ip(), put.token) {
            self.stats.bad_tokens += 1;
            return refuse(code::PROTOCOL, "bad token");
        }
        let own = *self.table.own();
        match self.items.put(now, &own, put, &self.config.limits) {
            Ok(()) => Reply::Response(Response::default()),
            Err(error) => Reply::Error(error),
        }
    }

    fn reply(&mut self, now: Instant, asker: Asker<'_>, reply: Reply<'_>) {
        let Asker { from: to, transaction, length } = asker;
        let mut payload = Vec::with_capacity(512);
        match reply {
            Reply::Response(mut response) => {
                response.id = *self.table.own();
                response.observed = Some(to);
                let carries_item = response.value.is_some();
                Message::new(transaction, Body::Response(response.clone())).encode(&mut payload);
                let most = if carries_item { MAX_SENT_ITEM } else { MAX_SENT };
                if payload.len() > most {
                    // Nodes of both families beside an item: the item matters more.
                    (response.nodes, response.nodes6) = (None, None);
                    payload.clear();
                    Message::new(transaction, Body::Response(response)).encode(&mut payload);
                }
            }
            Reply::Error(mut error) => {
                self.stats.errors_out += 1;
                Message::new(transaction, Body::Error(error)).encode(&mut payload);
                // What forges a source address must not send more to it than it sends to us; 12 bytes are allowed, so that even the
                // shortest query learns that it was wrong.
                if payload.len() > length {
                    error.message = b"";
                    payload.clear();
                    Message { version: None, ..Message::new(transaction, Body::Error(error)) }.encode(&mut payload);
                }
            }
        }
        self.answers.spent(now, to, payload.len(), &self.config.limits);
        self.transmits.push_back(Datagram::new(to, payload));
    }
}

/// Packed nodes.
struct Nodes {
    v4: Option<Vec<u8>>,
    v6: Option<Vec<u8>>,
}

impl Nodes {
    fn response(&self) -> Response<'_> {
        Response { nodes: self.v4.as_deref(), nodes6: self.v6.as_deref(), ..Response::default() }
    }

    fn len(&self) -> usize {
        [&self.v4, &self.v6].into_iter().flatten().map(|packed| packed.len() + 15).sum()
    }
}
