//! What sources of addresses, dialling drivers and the address book tell each other.

use std::{net::SocketAddr, time::Duration};

use torrent_types::Scope;

use crate::PeerKey;

/// Where an address came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver names one of them")]
pub enum Source {
    /// The user named it: it is always believed, tried first, and never forgotten.
    User,
    /// A tracker at this distance.
    Tracker(Scope),
    /// A node of the DHT, BEP 5.
    Dht,
    /// BEP 14 local service discovery.
    Lsd,
    /// BEP 11: this peer knows it.
    Pex(PeerKey),
    /// BEP 55 `connect`: this peer asks us to open a uTP connection to it at once.
    Holepunch(PeerKey),
    /// It dialled us, and said where it listens.
    Incoming,
    /// Resume data of an earlier run.
    Resume,
}

/// An address of a peer, and what its source knows about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a driver fills in every field")]
pub struct Candidate {
    /// Where the peer listens.
    pub address: SocketAddr,
    /// BEP 11 flag 0x02: it has every piece.
    pub seed: bool,
    /// BEP 11 flag 0x04: it speaks uTP.
    pub utp: bool,
    /// BEP 11 flag 0x01: it prefers encrypted connections.
    pub encrypted: bool,
}

impl From<SocketAddr> for Candidate {
    fn from(address: SocketAddr) -> Self {
        Self { address, seed: false, utp: false, encrypted: false }
    }
}

/// What carries the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to be able to open each of them")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// uTP, BEP 29.
    Utp,
}

/// How a connection begins on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to be able to do each of them")]
pub enum Obfuscation {
    /// With the handshake of BEP 3.
    Plain,
    /// With a message stream encryption handshake.
    Mse,
}

/// Names one [`Action::Dial`](crate::Action::Dial). Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub(crate) u32);

/// A connection to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a driver needs every field")]
pub struct Attempt {
    /// Names it in the answer.
    pub id: AttemptId,
    /// Where to.
    pub address: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// How it begins.
    pub obfuscation: Obfuscation,
    /// How long the transport may take to connect. The handshakes that follow have the driver's own deadline.
    pub timeout: Duration,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver names one of them")]
pub enum DialFault {
    /// The transport did not connect: refused, unreachable, or timed out. Another way to begin would not help.
    Unreachable,
    /// It connected, but no sensible handshake came back: another way to begin may help.
    NotUnderstood,
    /// The peer answered for another torrent, or says that it does not have this one.
    WrongTorrent,
    /// The peer is this client.
    Ourselves,
    /// The driver could not try: it has no socket left, or shuts down. It says nothing about the address.
    NotTried,
}

/// An address that other peers may be told by BEP 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a driver encodes every field")]
pub struct PexPeer {
    /// Where the peer listens.
    pub address: SocketAddr,
    /// BEP 11 flag 0x02: it has every piece, or wants nothing.
    pub seed: bool,
    /// BEP 11 flag 0x04: we are connected by uTP.
    pub utp: bool,
    /// BEP 11 flag 0x10: we connected to it, so others can.
    pub reachable: bool,
    /// BEP 11 flag 0x01: the connection is obfuscated.
    pub encrypted: bool,
}
