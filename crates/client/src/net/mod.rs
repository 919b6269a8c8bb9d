//! How bytes travel to peers and from them. TCP and uTP are built in; every other transport plugs in as a [`Dialer`] and an
//! [`Acceptor`]. In: addresses to dial, streams that peers opened. Out: connections whose handshakes are done.
//! Never: which address to dial (the swarm says), messages (see `peer`).

mod bind;
mod dial;
mod gate;
mod handshake;
mod limits;
mod listen;
mod ports;
mod tcp;
mod utp;

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};

pub use torrent_swarm::Transport;

pub(crate) use dial::dial;
pub(crate) use gate::Gate;
pub(crate) use handshake::{Offer, Opened, Torrents};
pub(crate) use limits::open_files;
pub(crate) use listen::accept_all;
pub(crate) use ports::Ports;
pub(crate) use tcp::{TcpAcceptor, TcpDialer};
pub(crate) use utp::{UtpAcceptor, UtpDialer};

/// A reliable, ordered stream of bytes to one peer. Implemented for everything that reads and writes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream of any transport.
pub type BoxStream = Box<dyn Stream>;

/// A future that a plug-in returns.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A stream that a peer has opened.
#[non_exhaustive]
pub struct Incoming {
    /// The stream, with no byte read from it yet.
    pub stream: BoxStream,
    /// The peer's address.
    pub address: SocketAddr,
    /// What carries the stream.
    pub transport: Transport,
}

impl Incoming {
    /// All parts of it.
    #[must_use]
    pub fn new(stream: BoxStream, address: SocketAddr, transport: Transport) -> Self {
        Self { stream, address, transport }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("address", &self.address)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// Takes streams that peers open. The client polls it from one task until the client is stopped or dropped.
pub trait Acceptor: Send + 'static {
    /// The next stream.
    ///
    /// # Errors
    /// What the transport says. The client logs it, pauses for a moment and polls again.
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Incoming>>;
}

/// Opens streams to peers.
pub trait Dialer: fmt::Debug + Send + Sync + 'static {
    /// What it dials over. A client has one dialer for each transport; the last one given counts.
    fn transport(&self) -> Transport;

    /// Opens a stream. The client drops the future when the attempt has taken too long.
    fn dial(&self, address: SocketAddr) -> BoxFuture<io::Result<BoxStream>>;
}

/// In the swarm's words.
pub(crate) fn obfuscation_of(obfuscation: torrent_wire::mse::Obfuscation) -> torrent_swarm::Obfuscation {
    match obfuscation {
        torrent_wire::mse::Obfuscation::Plain => torrent_swarm::Obfuscation::Plain,
        torrent_wire::mse::Obfuscation::Mse => torrent_swarm::Obfuscation::Mse,
    }
}
