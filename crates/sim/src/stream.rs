//! Byte streams over a world: what TCP does for a core, without its congestion control.
//! In: a core that speaks over streams. Out: a [`Node`] whose parcels are segments.
//!
//! The rate comes from the links and bottlenecks of the world, the order from reliable parcels, the flow control from a window: a
//! sender has at most that many bytes on the way or unread, so a receiver that does not read stops it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Instant,
};

use crate::{
    parcel::{Delivery, Parcel, Transmit},
    world::Node,
};

/// Bytes of one segment at most: what Ethernet leaves to TCP.
const SEGMENT: usize = 1448;

/// Default of [`Streams::window`], in bytes.
const WINDOW: usize = 256 * 1024;

/// A core that speaks over byte streams.
pub trait StreamNode {
    /// A stream is open: one that we dialled, or one that a peer did.
    fn handle_opened(&mut self, now: Instant, stream: StreamId);
    /// Bytes have come. How many of them are taken; the rest is offered again, with what follows, after the next call of any
    /// kind.
    fn handle_bytes(&mut self, now: Instant, stream: StreamId, bytes: &[u8]) -> usize;
    /// The peer has closed the stream and everything before that was taken, or it was reset.
    fn handle_closed(&mut self, now: Instant, stream: StreamId);
    /// The deadline has come.
    fn handle_timeout(&mut self, now: Instant);
    /// The next stream to open or to end.
    fn poll_command(&mut self, now: Instant) -> Option<StreamCommand>;
    /// Appends at most `room` bytes for `stream` to `out`. Called when there is room.
    fn poll_write(&mut self, now: Instant, stream: StreamId, room: usize, out: &mut Vec<u8>);
    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is planned.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// Names a stream at one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct StreamId {
    /// The other end.
    pub peer: SocketAddr,
    /// The end that opened it.
    pub opened: Opened,
    number: u32,
}

/// The end that opened a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a stream has two ends")]
pub enum Opened {
    /// This one.
    ByUs,
    /// The other one.
    ByPeer,
}

/// What a core does to its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the adaptor carries all of them out")]
pub enum StreamCommand {
    /// Opens one. If no node is at the address, nothing follows.
    Dial(SocketAddr),
    /// Ends it after the bytes that are written already. The core is asked for more once, as far as the peer has room.
    Close(StreamId),
    /// Ends it at once, in both directions.
    Reset(StreamId),
}

/// A part of a stream on its way.
#[derive(Clone, Debug)]
pub struct Segment {
    number: u32,
    by_dialer: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Open,
    Accept,
    Data(Vec<u8>),
    /// The receiver has taken so many bytes.
    Credit(usize),
    Close,
    Reset,
}

impl Parcel for Segment {
    const DELIVERY: Delivery = Delivery::Reliable;
    /// IPv4, and TCP with timestamps.
    const HEADERS: usize = 52;

    fn size(&self) -> usize {
        match &self.what {
            What::Data(bytes) => bytes.len(),
            What::Open | What::Accept | What::Credit(_) | What::Close | What::Reset => 0,
        }
    }
}

/// A core with its streams.
#[derive(Debug)]
pub struct Streams<N> {
    node: N,
    window: usize,
    next_number: u32,
    streams: BTreeMap<StreamId, Stream>,
    out: VecDeque<Transmit<Segment>>,
    /// The core was called since unread bytes were offered last.
    is_touched: bool,
}

#[derive(Debug, Default)]
struct Stream {
    is_open: bool,
    /// Bytes that may be sent.
    credit: usize,
    unread: Vec<u8>,
    peer_closed: bool,
    we_closed: bool,
}

impl<N: StreamNode> Streams<N> {
    /// A core without streams yet.
    pub const fn new(node: N) -> Self {
        Self { node, window: WINDOW, next_number: 0, streams: BTreeMap::new(), out: VecDeque::new(), is_touched: false }
    }

    /// Bytes of each stream that may be on the way to its peer or unread there. Default 256 KiB. Set it before streams open.
    #[must_use]
    pub const fn window(mut self, bytes: usize) -> Self {
        self.window = bytes;
        self
    }

    /// The core.
    pub const fn node(&self) -> &N {
        &self.node
    }

    /// The core, to be called inside of [`World::with`](crate::World::with).
    pub const fn node_mut(&mut self) -> &mut N {
        self.is_touched = true;
        &mut self.node
    }

    /// Bytes that have come and are not taken, of all streams.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.streams.values().map(|stream| stream.unread.len()).sum()
    }

    fn transmit(&mut self, id: StreamId, what: What) {
        let segment = Segment { number: id.number, by_dialer: id.opened == Opened::ByUs, what };
        self.out.push_back(Transmit { to: id.peer, parcel: segment });
    }

    fn open(&mut self, now: Instant, id: StreamId) {
        let stream = self.streams.entry(id).or_default();
        (stream.is_open, stream.credit) = (true, self.window);
        self.node.handle_opened(now, id);
    }

    /// Offers what is unread. A stream whose peer has closed ends when nothing is left.
    fn offer(&mut self, now: Instant) {
        let waiting: Vec<_> =
            self.streams.iter().filter(|(_, s)| !s.unread.is_empty() || s.peer_closed).map(|(id, _)| *id).collect();
        for id in waiting {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let mut taken = 0;
            if !stream.unread.is_empty() {
                taken = self.node.handle_bytes(now, id, &stream.unread).min(stream.unread.len());
                stream.unread.drain(..taken);
            }
            if stream.unread.is_empty() && stream.peer_closed {
                self.streams.remove(&id);
                self.node.handle_closed(now, id);
            } else if taken > 0 {
                self.transmit(id, What::Credit(taken));
            }
        }
    }

    fn obey(&mut self, command: StreamCommand) {
        match command {
            StreamCommand::Dial(peer) => {
                let id = StreamId { peer, opened: Opened::ByUs, number: self.next_number };
                self.next_number += 1;
                self.streams.insert(id, Stream::default());
                self.transmit(id, What::Open);
            }
            StreamCommand::Close(id) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.we_closed = true;
                    self.transmit(id, What::Close);
                }
            }
            StreamCommand::Reset(id) => {
                if self.streams.remove(&id).is_some() {
                    self.transmit(id, What::Reset);
                }
            }
        }
    }

    /// Asks the core for bytes wherever the peer has room.
    fn write(&mut self, now: Instant) {
        let writable = self.streams.iter().filter(|(_, s)| s.is_open && !s.we_closed && s.credit > 0);
        for id in writable.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let mut bytes = Vec::new();
            self.node.poll_write(now, id, stream.credit, &mut bytes);
            assert!(bytes.len() <= stream.credit, "the core writes more than there is room for");
            stream.credit -= bytes.len();
            for segment in bytes.chunks(SEGMENT) {
                self.transmit(id, What::Data(segment.to_vec()));
            }
        }
    }
}

impl<N: StreamNode> Node for Streams<N> {
    type Parcel = Segment;

    fn handle_parcel(&mut self, now: Instant, from: SocketAddr, segment: Segment) {
        self.is_touched = true;
        let opened = if segment.by_dialer { Opened::ByPeer } else { Opened::ByUs };
        let id = StreamId { peer: from, opened, number: segment.number };
        match (segment.what, self.streams.get_mut(&id)) {
            (What::Open, None) => {
                self.open(now, id);
                self.transmit(id, What::Accept);
            }
            (What::Accept, Some(stream)) if !stream.is_open => self.open(now, id),
            (What::Data(bytes), Some(stream)) => stream.unread.extend_from_slice(&bytes),
            (What::Credit(bytes), Some(stream)) => stream.credit += bytes,
            (What::Close, Some(stream)) => stream.peer_closed = true,
            (What::Reset, Some(_)) => {
                self.streams.remove(&id);
                self.node.handle_closed(now, id);
            }
            // Of a stream that has ended here already.
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.is_touched = true;
        self.node.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<Segment>> {
        if std::mem::take(&mut self.is_touched) {
            self.offer(now);
        }
        while let Some(command) = self.node.poll_command(now) {
            // What the core wrote before it closes a stream goes first.
            if matches!(command, StreamCommand::Close(_)) {
                self.write(now);
            }
            self.obey(command);
        }
        if self.out.is_empty() {
            self.write(now);
        }
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.node.poll_timeout()
    }
}
