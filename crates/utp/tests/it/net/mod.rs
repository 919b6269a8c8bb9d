//! A world of uTP endpoints and TCP-like flows, with small applications on top.

pub(crate) mod cubic;
pub(crate) mod peer;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use cubic::Cubic;
pub(crate) use peer::Peer;
use torrent_sim::{Bottleneck, Link, NodeId, Parcel, Transmit, World};
use torrent_utp::Config;

/// What travels.
#[derive(Clone, Debug)]
pub(crate) enum Wire {
    Utp(Vec<u8>),
    /// A TCP segment or its ack, by number.
    Segment(u64),
    SegmentAck(u64),
}

impl Parcel for Wire {
    fn size(&self) -> usize {
        match self {
            Self::Utp(bytes) => bytes.len(),
            Self::Segment(_) => 1472,
            Self::SegmentAck(_) => 24,
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "there are few nodes")]
pub(crate) enum Node {
    Utp(Peer),
    Tcp(Cubic),
}

impl Node {
    pub(crate) fn utp(&mut self) -> &mut Peer {
        match self {
            Self::Utp(peer) => peer,
            Self::Tcp(_) => panic!("not a uTP node"),
        }
    }

    pub(crate) fn received(&self) -> u64 {
        match self {
            Self::Utp(peer) => peer.received,
            Self::Tcp(cubic) => cubic.received,
        }
    }
}

impl torrent_sim::Node for Node {
    type Parcel = Wire;

    fn handle_parcel(&mut self, now: Instant, from: SocketAddr, parcel: Wire) {
        match (self, parcel) {
            (Self::Utp(peer), Wire::Utp(bytes)) => peer.handle_datagram(now, from, &bytes),
            (Self::Tcp(cubic), Wire::Segment(number)) => cubic.handle_segment(from, number),
            (Self::Tcp(cubic), Wire::SegmentAck(number)) => cubic.handle_ack(now, number),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Utp(peer) => peer.handle_timeout(now),
            Self::Tcp(cubic) => cubic.handle_timeout(now),
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<Wire>> {
        match self {
            Self::Utp(peer) => peer.poll_transmit(now).map(|(to, bytes)| Transmit { to, parcel: Wire::Utp(bytes) }),
            Self::Tcp(cubic) => cubic.poll_transmit(now),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Utp(peer) => peer.poll_timeout(),
            Self::Tcp(cubic) => cubic.poll_timeout(),
        }
    }
}

pub(crate) type Net = World<Node>;

pub(crate) fn address(n: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 6881))
}

/// A sender and a receiver on a path, the sender dialling.
pub(crate) struct Pair {
    pub(crate) sender: NodeId,
    pub(crate) receiver: NodeId,
}

/// Adds a pair of uTP peers with `there` and `back` between them. The sender has `bytes` to send and dials at once.
pub(crate) fn pair(net: &mut Net, n: u16, there: Link, back: Link, bytes: u64) -> Pair {
    pair_with(net, n, there, back, bytes, &Config::default())
}

pub(crate) fn pair_with(net: &mut Net, n: u16, there: Link, back: Link, bytes: u64, config: &Config) -> Pair {
    let start = net.now();
    let sender = net.add(address(2 * n), Node::Utp(Peer::new(start, 2 * n, config.clone())));
    let receiver = net.add(address(2 * n + 1), Node::Utp(Peer::new(start, 2 * n + 1, config.clone())));
    net.one_way(sender, receiver, there);
    net.one_way(receiver, sender, back);
    let to = net.address(receiver);
    net.with(sender, |node, now| {
        node.utp().to_send = bytes;
        node.utp().dial(now, to);
    });
    Pair { sender, receiver }
}

/// Adds a TCP-like flow.
pub(crate) fn tcp(net: &mut Net, n: u16, there: Link, back: Link) -> Pair {
    let receiver = net.add(address(2 * n + 1), Node::Tcp(Cubic::receiver()));
    let to = net.address(receiver);
    let sender = net.add(address(2 * n), Node::Tcp(Cubic::sender(to)));
    net.one_way(sender, receiver, there);
    net.one_way(receiver, sender, back);
    net.with(sender, |_, _| {});
    Pair { sender, receiver }
}

/// A link through a bottleneck, with the whole propagation delay on the way there.
pub(crate) fn through(bottleneck: &Bottleneck, rtt: Duration) -> (Link, Link) {
    (Link::new().through(bottleneck).delay(rtt / 2), Link::new().delay(rtt / 2))
}

/// A queue that holds what the link moves in `milliseconds`.
pub(crate) fn bottleneck(mbit: f64, milliseconds: u64) -> Bottleneck {
    let rate = (mbit * 125_000.0) as u64;
    Bottleneck::new(rate, (rate * milliseconds / 1000) as usize)
}

pub(crate) fn forever() -> u64 {
    u64::MAX / 2
}
