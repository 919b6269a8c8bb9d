//! The uTP end of a port: calls and is called.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    port::{Guard, UdpPort, now},
    stream::UtpStream,
};
use crate::{config::Config, endpoint::EndpointStats};

/// A uTP socket: opens connections and accepts them, all on one UDP port.
#[derive(Clone, Debug)]
pub struct UtpSocket {
    guard: Arc<Guard>,
}

impl UtpSocket {
    pub(super) const fn new(guard: Arc<Guard>) -> Self {
        Self { guard }
    }

    /// Binds a UDP port for uTP alone.
    ///
    /// # Errors
    /// If the system refuses the address.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::bind_with(address, Config::default())
    }

    /// Binds a UDP port for uTP alone.
    ///
    /// # Errors
    /// If the system refuses the address.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind_with(address: SocketAddr, config: Config) -> io::Result<Self> {
        Ok(UdpPort::bind(address, config)?.utp())
    }

    /// Opens a connection. Dropping the future gives the call up.
    ///
    /// # Errors
    /// If the peer refuses or does not answer, or there are too many connections.
    pub async fn connect(&self, to: SocketAddr) -> io::Result<UtpStream> {
        let port = self.guard.port();
        let key = port.shared().endpoint.connect(now(), to)?;
        let stream = UtpStream::new(Arc::clone(&self.guard), key, to);
        port.changed.notify_one();
        poll_fn(|cx| stream.poll_connected(cx)).await?;
        Ok(stream)
    }

    /// The next connection of a peer. Cancel safe.
    ///
    /// # Errors
    /// None so far.
    pub async fn accept(&self) -> io::Result<UtpStream> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The next connection of a peer.
    ///
    /// # Errors
    /// None so far.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UtpStream>> {
        let mut shared = self.guard.port().shared();
        let Some((key, from)) = shared.accepted.pop_front() else {
            if !shared.acceptors.iter().any(|waker| waker.will_wake(cx.waker())) {
                shared.acceptors.push(cx.waker().clone());
            }
            return Poll::Pending;
        };
        shared.endpoint.accept(key);
        drop(shared);
        Poll::Ready(Ok(UtpStream::new(Arc::clone(&self.guard), key, from)))
    }

    /// The port's own address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.guard.port().io.local_addr()
    }

    /// What all connections together have done.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.guard.port().shared().endpoint.endpoint_stats()
    }
}
