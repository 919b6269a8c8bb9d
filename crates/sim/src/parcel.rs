//! What travels through a world: datagrams, messages, segments of streams.

use std::net::SocketAddr;

use torrent_types::Datagram;

/// Something that a node sends to another. Links look at its size only.
pub trait Parcel: Clone {
    /// Whether the network may lose, repeat and reorder it.
    const DELIVERY: Delivery = Delivery::Lossy;
    /// Bytes that every parcel takes on a link in addition to its [`size`](Self::size). Default: an IPv4 and a UDP header.
    const HEADERS: usize = 28;

    /// Bytes of payload.
    fn size(&self) -> usize;
}

impl Parcel for Vec<u8> {
    fn size(&self) -> usize {
        self.len()
    }
}

/// What the network promises for a kind of parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third kind")]
pub enum Delivery {
    /// Nothing, as for UDP.
    Lossy,
    /// Everything arrives once, and in order between two nodes, as over one TCP connection. A parcel that a link loses is sent
    /// again after [`RETRANSMIT`](crate::RETRANSMIT), then after twice that, and holds up those behind it. Full queues make it wait, and it has no
    /// MTU.
    Reliable,
}

/// A parcel to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every node makes them")]
pub struct Transmit<P> {
    /// The address of another node.
    pub to: SocketAddr,
    /// What is sent.
    pub parcel: P,
}

impl From<Datagram> for Transmit<Vec<u8>> {
    fn from(Datagram { to, payload, .. }: Datagram) -> Self {
        Self { to, parcel: payload }
    }
}
