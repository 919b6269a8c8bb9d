//! How a connection begins and ends.

use std::{error, fmt, net::SocketAddr};

use torrent_types::PeerId;

use crate::{AttemptId, Obfuscation, Transport};

/// One connection of one torrent. A key is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub(crate) u32);

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which side opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two sides")]
pub enum Direction {
    /// The peer dialled us.
    Incoming,
    /// We dialled the peer.
    Outgoing,
}

/// How a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two sides")]
pub enum Via {
    /// The peer dialled us.
    Accepted,
    /// We carried out this attempt.
    Dialed(AttemptId),
}

impl Via {
    /// Which side opened the connection.
    #[must_use]
    pub const fn direction(self) -> Direction {
        match self {
            Self::Accepted => Direction::Incoming,
            Self::Dialed(_) => Direction::Outgoing,
        }
    }
}

/// A connection whose handshakes are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a driver fills in every field")]
pub struct Connected {
    /// The remote address of the socket.
    pub address: SocketAddr,
    /// BEP 3 `peer_id` of the peer's handshake.
    pub id: PeerId,
    /// Which side opened the connection.
    pub via: Via,
    /// What carries the bytes.
    pub transport: Transport,
    /// How the connection began on the wire.
    pub obfuscation: Obfuscation,
    /// Whether both sides speak the fast extension, BEP 6.
    pub fast: bool,
}

/// Why a connection is not admitted. The driver closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The address has sent bad data, or has broken the protocol again and again.
    Banned,
    /// The same peer is connected already, or its address has as many connections as one address may have.
    Duplicate,
    /// There are as many connections as allowed, and none of them is useless.
    Full,
    /// It is a connection to ourselves.
    Ourselves,
    /// The torrent is paused, being checked, or stopped.
    NotActive,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Banned => "the address is banned",
            Self::Duplicate => "the peer or its address is connected already",
            Self::Full => "there are enough connections",
            Self::Ourselves => "it is a connection to ourselves",
            Self::NotActive => "the torrent admits no peers now",
        })
    }
}

impl error::Error for Refused {}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver names one of them")]
pub enum Ending {
    /// The peer closed it, or the network failed.
    Closed,
    /// The peer broke the protocol, or spent its budget of useless messages. Repeated serious faults ban the address.
    Fault(Severity),
    /// We closed it: [`Action::Disconnect`](crate::Action::Disconnect), or the driver shuts down.
    Ours,
    /// Nothing was heard from the peer for too long.
    Silent,
}

/// How much a fault of a peer matters. The words are those of `torrent-wire`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a driver names one of them")]
pub enum Severity {
    /// Sloppy clients do this: it counts for nothing.
    Ignore,
    /// The connection is over. The peer may be dialled again; an address that does this five times is banned.
    Disconnect,
    /// The connection is over, and the address is no peer of this torrent.
    Forget,
    /// No honest client does this: the address is banned at once.
    Ban,
}
