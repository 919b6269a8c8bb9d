//! What a core that speaks UDP hands to its driver.

use std::net::SocketAddr;

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram {
    /// The address it goes to.
    pub to: SocketAddr,
    /// The bytes behind the UDP header.
    pub payload: Vec<u8>,
}

impl Datagram {
    /// A datagram with `payload` for `to`.
    #[must_use]
    pub const fn new(to: SocketAddr, payload: Vec<u8>) -> Self {
        Self { to, payload }
    }
}
