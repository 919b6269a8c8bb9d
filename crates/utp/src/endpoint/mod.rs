//! All connections of one UDP socket.
//! In: datagrams, time, what the application does. Out: batches of datagrams, events, one deadline. Never: sockets, clocks, and answers
//! that are longer than what a stranger sent.

mod half_open;
mod slots;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use half_open::HalfOpens;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
pub use slots::Key;
use slots::Slots;

use crate::{
    clock::{Clock, Micros},
    config::Config,
    connection::{Connection, Context, Fragmentation, Scratch, Stats},
    error::{ConnectError, Fault, StreamError},
    packet::{CloseReason, EXTENSION_NONE, HEADER_LENGTH, Header, Kind, Packet},
    seq::SeqNr,
};

/// Answers to SYNs that wait to leave, at most.
const MAX_ANSWERS: usize = 1024;
/// Random connection ids that are tried before a call fails.
const ID_ATTEMPTS: usize = 64;

/// What the application should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to handle all of them")]
pub enum Event {
    /// A peer has opened a connection. It counts towards [`Config::backlog`] until [`Endpoint::accept`].
    Incoming {
        /// The new connection.
        key: Key,
        /// The peer.
        from: SocketAddr,
    },
    /// The peer has answered our call.
    Connected(Key),
    /// [`Endpoint::read`] has had nothing, and now has.
    Readable(Key),
    /// [`Endpoint::write`] has had no room, and now has.
    Writable(Key),
    /// The connection has failed. What has arrived can still be read; [`Endpoint::close`] frees it.
    Closed(Key, Fault),
}

/// Datagrams to send. Their bytes stand one after the other in the buffer that was passed to [`Endpoint::poll_transmit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a driver has to look at all of it")]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// The length of each datagram except the last, which may be shorter, in bytes.
    pub segment: usize,
    /// May routers cut them?
    pub fragmentation: Fragmentation,
    /// The connection they belong to; answers to strangers belong to none.
    pub key: Option<Key>,
}

/// What [`Endpoint::read`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else to find")]
pub enum Read {
    /// So many bytes were moved.
    Bytes(usize),
    /// Nothing yet. [`Event::Readable`] follows.
    Pending,
    /// The peer has finished its stream.
    End,
}

/// Names a connection on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    /// The id by which the peer addresses us.
    id: u16,
    peer: SocketAddr,
}

/// What an endpoint has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Connections now.
    pub connections: usize,
    /// Connections that wait for confirmation.
    pub half_open: usize,
    /// Datagrams that were no packets, or for no connection.
    pub stray: u64,
    /// SYNs that were not answered as there was no room.
    pub refused: u64,
}

/// All uTP connections of one UDP socket, without the socket.
///
/// After each call with `handle_` in its name, and after writing, reading, finishing and closing, ask [`poll_transmit`](Self::poll_transmit)
/// until there is nothing more, then [`poll_event`](Self::poll_event), then [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    clock: Clock,
    rng: StdRng,
    slots: Slots,
    routes: BTreeMap<Route, u32>,
    /// Where the last packet belonged: packets of one connection come in rows.
    last: Option<(Route, u32)>,
    half_open: HalfOpens,
    answers: VecDeque<(SocketAddr, Header)>,
    /// Connections that may have something to send.
    ready: VecDeque<u32>,
    events: VecDeque<Event>,
    scratch: Scratch,
    unaccepted: usize,
    stray: u64,
    refused: u64,
}

impl Endpoint {
    /// An endpoint without connections. `seed` must not be guessable.
    #[must_use]
    pub fn new(now: Instant, seed: [u8; 32], config: Config) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let clock = Clock::new(now, rng.random());
        Self {
            config,
            clock,
            rng,
            slots: Slots::default(),
            routes: BTreeMap::new(),
            last: None,
            half_open: HalfOpens::default(),
            answers: VecDeque::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            scratch: Scratch::default(),
            unaccepted: 0,
            stray: 0,
            refused: 0,
        }
    }

    fn micros(&self, now: Instant) -> Micros {
        self.clock.micros(now)
    }

    /// Calls a peer. What is written before it answers is sent when it does.
    ///
    /// # Errors
    /// If there are too many connections, or no id is free for this address.
    pub fn connect(&mut self, now: Instant, to: SocketAddr) -> Result<Key, ConnectError> {
        if self.slots.len() >= self.config.max_connections {
            return Err(ConnectError::TooMany);
        }
        if to.port() == 0 || to.ip().is_unspecified() || to.ip().is_multicast() {
            return Err(ConnectError::Address);
        }
        let peer = canonical(to);
        let rng = &mut self.rng;
        let routes = &self.routes;
        let route = (0..ID_ATTEMPTS)
            .map(|_| Route { id: rng.random(), peer })
            .find(|route| !routes.contains_key(route))
            .ok_or(ConnectError::Address)?;
        let seq = SeqNr(self.rng.random());
        let now = self.micros(now);
        let cx = Context { now, stamp: self.clock.stamp(now), config: &self.config };
        let connection = Connection::dial(&cx, peer, route.id, seq);
        let key = self.slots.insert(connection);
        self.routes.insert(route, key.index());
        self.enqueue(key.index());
        Ok(key)
    }

    /// A datagram arrives.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let now = self.micros(now);
        let Ok(packet) = Packet::decode(datagram) else {
            self.stray = self.stray.saturating_add(1);
            return;
        };
        let from = canonical(from);
        match packet.header.kind {
            Kind::Syn => self.handle_syn(now, from, &packet),
            Kind::Reset => self.handle_reset(from, &packet.header),
            Kind::Data | Kind::Fin | Kind::State => {
                let route = Route { id: packet.header.connection_id, peer: from };
                if let Some(index) = self.find(route).or_else(|| self.confirm(now, route, &packet.header)) {
                    self.deliver(now, index, &packet);
                } else {
                    // No RESET: whoever sent this may not be who it says.
                    self.stray = self.stray.saturating_add(1);
                }
            }
        }
    }

    fn find(&mut self, route: Route) -> Option<u32> {
        if let Some((last, index)) = self.last
            && last == route
        {
            return Some(index);
        }
        let index = *self.routes.get(&route)?;
        self.last = Some((route, index));
        Some(index)
    }

    fn deliver(&mut self, now: Micros, index: u32, packet: &Packet<'_>) {
        let cx = Context { now, stamp: self.clock.stamp(now), config: &self.config };
        if let Some(connection) = self.slots.get_mut(index) {
            connection.handle_packet(&cx, packet);
            self.signal(index);
            self.enqueue(index);
        }
    }

    fn handle_syn(&mut self, now: Micros, from: SocketAddr, packet: &Packet<'_>) {
        let syn = packet.header;
        let route = Route { id: syn.connection_id.wrapping_add(1), peer: from };
        if let Some(index) = self.find(route) {
            return self.deliver(now, index, packet);
        }
        let seq = SeqNr(self.rng.random());
        let full = self.slots.len() >= self.config.max_connections
            || self.unaccepted >= self.config.backlog
            || self.answers.len() >= MAX_ANSWERS;
        let admitted =
            if full { None } else { self.half_open.admit(now, route, syn.seq, seq, self.config.max_half_open) };
        let Some(entry) = admitted else {
            self.refused = self.refused.saturating_add(1);
            return;
        };
        let stamp = self.clock.stamp(now);
        let answer = Header {
            kind: Kind::State,
            connection_id: syn.connection_id,
            timestamp: stamp,
            timestamp_difference: stamp.wrapping_sub(syn.timestamp),
            window: u32::try_from(self.config.receive_window).unwrap_or(u32::MAX),
            seq: entry.seq,
            ack: syn.seq,
        };
        self.answers.push_back((from, answer));
    }

    /// A packet for no connection may confirm one.
    fn confirm(&mut self, now: Micros, route: Route, header: &Header) -> Option<u32> {
        if self.slots.len() >= self.config.max_connections || self.unaccepted >= self.config.backlog {
            return None;
        }
        let entry = self.half_open.confirm(now, &route, header)?;
        // A peer that has counted our answer as a packet expects the next number.
        let first = header.ack.plus(1);
        let cx = Context { now, stamp: self.clock.stamp(now), config: &self.config };
        let connection = Connection::accepted(&cx, route.peer, route.id, entry.syn.plus(1), first);
        let key = self.slots.insert(connection);
        self.slots.set_unaccepted(key.index());
        self.unaccepted = self.unaccepted.saturating_add(1);
        self.routes.insert(route, key.index());
        self.events.push_back(Event::Incoming { key, from: route.peer });
        Some(key.index())
    }

    /// A RESET may carry the id of either direction.
    fn handle_reset(&mut self, from: SocketAddr, header: &Header) {
        let id = header.connection_id;
        let found = [id, id.wrapping_sub(1), id.wrapping_add(1)].into_iter().find_map(|receive_id| {
            let index = *self.routes.get(&Route { id: receive_id, peer: from })?;
            let connection = self.slots.get(index)?;
            (connection.receive_id() == id || connection.send_id() == id).then_some(index)
        });
        let Some(index) = found else {
            self.stray = self.stray.saturating_add(1);
            return;
        };
        if let Some(connection) = self.slots.get_mut(index) {
            connection.handle_reset(header);
            self.signal(index);
            self.enqueue(index);
        }
    }

    /// The host says that nobody listens at the port. Systems do not tell which port was meant, and anybody can say so: it ends the one call
    /// to this host that was not answered, if there is one.
    pub fn handle_unreachable(&mut self, host: IpAddr) {
        let slots = &self.slots;
        let mut calls = self
            .routes
            .iter()
            .filter(|(route, _)| route.peer.ip() == host)
            .map(|(_, &index)| index)
            .filter(|&index| slots.get(index).is_some_and(Connection::is_dialling));
        let (Some(index), None) = (calls.next(), calls.next()) else { return };
        if let Some(connection) = self.slots.get_mut(index) {
            connection.handle_unreachable();
            self.signal(index);
            self.enqueue(index);
        }
    }

    /// The system did not send datagrams of this length, as they are too long for the way out.
    pub fn handle_too_long(&mut self, now: Instant, key: Key, length: usize) {
        let now = self.micros(now);
        if let Some(connection) = self.slots.named_mut(key) {
            connection.handle_too_long(now, u16::try_from(length).unwrap_or(u16::MAX));
            self.enqueue(key.index());
        }
    }

    /// Tells the application what has happened to a connection.
    fn signal(&mut self, index: u32) {
        let Some((key, connection)) = self.slots.keyed_mut(index) else { return };
        let signals = connection.take_signals();
        if signals.connected {
            self.events.push_back(Event::Connected(key));
        }
        if signals.readable {
            self.events.push_back(Event::Readable(key));
        }
        if signals.writable {
            self.events.push_back(Event::Writable(key));
        }
        if let Some(fault) = connection.fault().filter(|_| signals.closed) {
            self.events.push_back(Event::Closed(key, fault));
        }
    }

    fn enqueue(&mut self, index: u32) {
        if self.slots.set_queued(index) {
            self.ready.push_back(index);
        }
    }

    /// Writes the next datagrams into `out`, which is emptied first: up to `most` of one length, and to one address.
    pub fn poll_transmit(&mut self, now: Instant, most: usize, out: &mut Vec<u8>) -> Option<Transmit> {
        out.clear();
        if let Some((to, answer)) = self.answers.pop_front() {
            answer.encode(EXTENSION_NONE, out);
            return Some(Transmit { to, segment: HEADER_LENGTH, fragmentation: Fragmentation::Forbidden, key: None });
        }
        let now = self.micros(now);
        let cx = Context { now, stamp: self.clock.stamp(now), config: &self.config };
        while let Some(index) = self.ready.pop_front() {
            self.slots.clear_queued(index);
            let Some((key, connection)) = self.slots.keyed_mut(index) else { continue };
            if let Some(batch) = connection.transmit(&cx, most.max(1), &mut self.scratch, out) {
                let transmit = Transmit {
                    to: connection.peer(),
                    segment: batch.segment,
                    fragmentation: batch.fragmentation,
                    key: Some(key),
                };
                // The others come first, then this one again.
                if self.slots.set_queued(index) {
                    self.ready.push_back(index);
                }
                return Some(transmit);
            }
            if connection.is_over(now) {
                let route = Route { id: connection.receive_id(), peer: connection.peer() };
                self.routes.remove(&route);
                self.last = None;
                self.slots.remove(index);
            } else {
                let deadline = connection.next_deadline(&cx);
                self.slots.arm(index, deadline.map(|at| at.max(now.saturating_add(1))));
            }
        }
        None
    }

    /// What has happened, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.slots.next_deadline().and_then(|at| self.clock.instant(at))
    }

    /// The deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.micros(now);
        let cx = Context { now, stamp: self.clock.stamp(now), config: &self.config };
        while let Some(index) = self.slots.due(now) {
            let Some(connection) = self.slots.get_mut(index) else { continue };
            connection.handle_timeout(&cx);
            if self.slots.set_queued(index) {
                self.ready.push_back(index);
            }
            let Some((key, connection)) = self.slots.keyed_mut(index) else { continue };
            let signals = connection.take_signals();
            if let Some(fault) = connection.fault().filter(|_| signals.closed) {
                self.events.push_back(Event::Closed(key, fault));
            }
        }
    }

    /// The application takes an incoming connection; see [`Config::backlog`].
    pub fn accept(&mut self, key: Key) {
        if self.slots.clear_unaccepted(key) {
            self.unaccepted = self.unaccepted.saturating_sub(1);
        }
    }

    /// Takes as much of `bytes` as there is room for. Zero: [`Event::Writable`] follows.
    ///
    /// # Errors
    /// If the connection has ended, or was finished from this side.
    pub fn write(&mut self, now: Instant, key: Key, bytes: &[u8]) -> Result<usize, StreamError> {
        let now = self.micros(now);
        let cx = Context { now, stamp: self.clock.stamp(now), config: &self.config };
        let connection = self.slots.named_mut(key).ok_or(StreamError::Unknown)?;
        let count = connection.write(&cx, bytes)?;
        // What waits for an ack or for the pacer leaves with those.
        if count > 0 && connection.may_send() {
            self.enqueue(key.index());
        }
        Ok(count)
    }

    /// Moves what has arrived in order into `out`.
    ///
    /// # Errors
    /// If the connection has ended other than in order, and everything was read.
    pub fn read(&mut self, now: Instant, key: Key, out: &mut [u8]) -> Result<Read, StreamError> {
        let now = self.micros(now);
        let cx = Context { now, stamp: self.clock.stamp(now), config: &self.config };
        let connection = self.slots.named_mut(key).ok_or(StreamError::Unknown)?;
        let read = connection.read(&cx, out)?;
        if connection.has_ack_due() {
            self.enqueue(key.index());
        }
        Ok(match read {
            None => Read::Pending,
            Some(0) if !out.is_empty() => Read::End,
            Some(count) => Read::Bytes(count),
        })
    }

    /// Ends our direction of the stream: a FIN follows what was written.
    ///
    /// # Errors
    /// If there is no such connection.
    pub fn finish(&mut self, key: Key) -> Result<(), StreamError> {
        self.slots.named_mut(key).ok_or(StreamError::Unknown)?.finish();
        self.enqueue(key.index());
        Ok(())
    }

    /// Has the peer answered?
    ///
    /// # Errors
    /// If the connection has ended, or there is none.
    pub fn connected(&self, key: Key) -> Result<bool, StreamError> {
        let connection = self.slots.named(key).ok_or(StreamError::Unknown)?;
        match connection.fault() {
            Some(fault) => Err(StreamError::Ended(fault)),
            None => Ok(connection.is_open()),
        }
    }

    /// Would [`poll_transmit`](Self::poll_transmit) look at anything?
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        !self.ready.is_empty() || !self.answers.is_empty()
    }

    /// Everything that was written has been acknowledged, a FIN among it.
    #[must_use]
    pub fn is_flushed(&self, key: Key) -> bool {
        self.slots.named(key).is_none_or(Connection::is_flushed)
    }

    /// Gives a connection up. What was written is still sent, then it ends. The key is void.
    pub fn close(&mut self, now: Instant, key: Key, reason: Option<CloseReason>) {
        self.accept(key);
        let now = self.micros(now);
        let cx = Context { now, stamp: self.clock.stamp(now), config: &self.config };
        if let Some(connection) = self.slots.named_mut(key) {
            connection.detach(&cx, reason);
            self.enqueue(key.index());
        }
    }

    /// Gives a connection up with a RESET. The key is void.
    pub fn abort(&mut self, key: Key) {
        self.accept(key);
        if let Some(connection) = self.slots.named_mut(key) {
            connection.abort();
            connection.take_signals();
            self.enqueue(key.index());
        }
    }

    /// The other end of a connection.
    #[must_use]
    pub fn peer(&self, key: Key) -> Option<SocketAddr> {
        self.slots.named(key).map(Connection::peer)
    }

    /// Why the peer closes a connection, if it has said so (libtorrent's extension).
    #[must_use]
    pub fn close_reason(&self, key: Key) -> Option<CloseReason> {
        self.slots.named(key).and_then(Connection::close_reason)
    }

    /// What a connection has done so far.
    #[must_use]
    pub fn stats(&self, key: Key) -> Option<Stats> {
        self.slots.named(key).map(Connection::stats)
    }

    /// What the endpoint has done so far.
    #[must_use]
    pub fn endpoint_stats(&self) -> EndpointStats {
        EndpointStats {
            connections: self.slots.len(),
            half_open: self.half_open.len(),
            stray: self.stray,
            refused: self.refused,
        }
    }
}

/// The same peer always has the same address.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mut v6) => {
            v6.set_flowinfo(0);
            SocketAddr::V6(v6)
        }
        SocketAddr::V4(_) => address,
    }
}
