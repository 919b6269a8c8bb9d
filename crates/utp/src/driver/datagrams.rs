//! The end of another protocol on a shared port: it sees its own datagrams and no others.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::port::Guard;

/// Datagrams that wait for a reader, at most. Further ones are dropped, as by a full socket.
pub(super) const QUEUE: usize = 1024;

/// A datagram of another protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The sender, as the datagram says.
    pub from: SocketAddr,
    /// What it says.
    pub payload: Bytes,
}

impl Received {
    pub(super) fn new(from: SocketAddr, payload: &[u8]) -> Self {
        Self { from, payload: Bytes::copy_from_slice(payload) }
    }
}

/// One protocol's end of a [`UdpPort`](super::UdpPort).
pub struct Datagrams {
    guard: Arc<Guard>,
    queue: mpsc::Receiver<Received>,
}

impl Datagrams {
    pub(super) const fn new(guard: Arc<Guard>, queue: mpsc::Receiver<Received>) -> Self {
        Self { guard, queue }
    }

    /// The next datagram. Cancel safe.
    ///
    /// # Errors
    /// If the port was closed.
    pub async fn recv(&mut self) -> io::Result<Received> {
        self.queue.recv().await.ok_or_else(closed)
    }

    /// The next datagram: its length and its sender. What does not fit into `out` is cut off.
    ///
    /// # Errors
    /// If the port was closed.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let Received { from, payload } = ready!(self.queue.poll_recv(cx)).ok_or_else(closed)?;
        let count = payload.len().min(out.len());
        if let (Some(to), Some(bytes)) = (out.get_mut(..count), payload.get(..count)) {
            to.copy_from_slice(bytes);
        }
        Poll::Ready(Ok((count, from)))
    }

    /// Sends a datagram now.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the socket's buffer is full, and what else the system says.
    pub fn try_send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        self.guard.port().io.try_send_one(payload, to)
    }

    /// Sends a datagram. Cancel safe.
    ///
    /// # Errors
    /// What the system says.
    pub async fn send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        loop {
            match self.try_send(payload, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.guard.port().io.writable().await?,
                result => return result,
            }
        }
    }

    /// The port's own address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.guard.port().io.local_addr()
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").field("local_addr", &self.local_addr()).finish_non_exhaustive()
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the UDP port was closed")
}
