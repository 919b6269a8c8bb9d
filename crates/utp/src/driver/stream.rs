//! A connection as a byte stream.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::port::{Guard, now};
use crate::{
    connection::Stats,
    endpoint::{Key, Read},
    error::StreamError,
    packet::CloseReason,
};

/// A uTP connection. Shutting it down finishes our direction only; dropping it ends both, after what was written has arrived.
pub struct UtpStream {
    guard: Arc<Guard>,
    key: Key,
    peer: SocketAddr,
}

impl UtpStream {
    pub(super) const fn new(guard: Arc<Guard>, key: Key, peer: SocketAddr) -> Self {
        Self { guard, key, peer }
    }

    /// The other end.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The port's own address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.guard.port().io.local_addr()
    }

    /// What the connection has done so far.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        self.guard.port().shared().endpoint.stats(self.key)
    }

    /// Why the peer closes the connection, if it has said so.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.guard.port().shared().endpoint.close_reason(self.key)
    }

    /// Ends the connection like dropping it does, and tells the peer why.
    pub fn close(self, reason: CloseReason) {
        self.guard.port().shared().endpoint.close(now(), self.key, Some(reason));
    }

    /// Ends the connection at once: the peer gets a RESET, and what was written may be lost.
    pub fn abort(self) {
        self.guard.port().shared().endpoint.abort(self.key);
    }

    pub(super) fn poll_connected(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.guard.port().shared();
        match shared.endpoint.connected(self.key) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => {
                register(&mut shared.waiting(self.key).write, cx);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    if place.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

impl AsyncRead for UtpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let port = self.guard.port();
        let room = out.initialize_unfilled();
        if room.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut shared = port.shared();
        let result = match shared.endpoint.read(now(), self.key, room) {
            Ok(Read::Bytes(count)) => {
                out.advance(count);
                Poll::Ready(Ok(()))
            }
            Ok(Read::End) => Poll::Ready(Ok(())),
            Ok(Read::Pending) => {
                register(&mut shared.waiting(self.key).read, cx);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error.into())),
        };
        let wants = shared.endpoint.wants_transmit();
        drop(shared);
        if wants {
            port.changed.notify_one();
        }
        result
    }
}

impl AsyncWrite for UtpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let port = self.guard.port();
        let mut shared = port.shared();
        let result = match shared.endpoint.write(now(), self.key, bytes) {
            Ok(0) if !bytes.is_empty() => {
                register(&mut shared.waiting(self.key).write, cx);
                Poll::Pending
            }
            result => Poll::Ready(result.map_err(Into::into)),
        };
        let wants = shared.endpoint.wants_transmit();
        drop(shared);
        if wants {
            port.changed.notify_one();
        }
        result
    }

    /// What is written leaves by itself.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let port = self.guard.port();
        let result = port.shared().endpoint.finish(self.key);
        port.changed.notify_one();
        Poll::Ready(match result {
            Ok(()) | Err(StreamError::Finished) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

impl Drop for UtpStream {
    fn drop(&mut self) {
        let port = self.guard.port();
        let mut shared = port.shared();
        *shared.waiting(self.key) = super::port::Waiting::default();
        shared.endpoint.close(now(), self.key, None);
        drop(shared);
        port.changed.notify_one();
    }
}

impl fmt::Debug for UtpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UtpStream").field("peer", &self.peer).finish_non_exhaustive()
    }
}
