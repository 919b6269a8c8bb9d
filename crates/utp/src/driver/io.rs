//! The socket, through quinn-udp: batches in both directions where the system has them (GSO, GRO, recvmmsg).

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
};

use quinn_udp::{RecvMeta, Transmit, TransportErrorPayload, UdpSockRef, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

/// Buffers that are filled by one system call.
pub(super) const BUFFERS: usize = 8;
/// Bytes of one: the longest datagram, or as many as the system has joined.
pub(super) const BUFFER: usize = 64 << 10;
/// Asked of the system for each of the socket's two buffers; it may give less.
const SOCKET_BUFFER: usize = 4 << 20;

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Gone,
    /// The socket's buffer is full.
    Blocked,
    /// The datagrams are longer than the interface carries.
    TooLong,
}

#[derive(Debug)]
pub(super) struct Io {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Io {
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // Best effort: the system has limits of its own.
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let _ = state.enable_transport_errors(UdpSockRef::from(&socket));
        let local = socket.local_addr()?;
        Ok(Self { socket: UdpSocket::from_std(socket)?, state, local })
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Waits for datagrams, or for an error that the network reports. Is there such an error?
    pub(super) async fn readable(&self) -> io::Result<bool> {
        Ok(self.socket.ready(Interest::READABLE | Interest::ERROR).await?.is_error())
    }

    /// The errors that were reported have been taken: waits for new ones.
    pub(super) fn errors_taken(&self) {
        let _ = self.socket.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Datagrams that may be sent as one batch.
    pub(super) fn batch(&self) -> usize {
        self.state.max_gso_segments()
    }

    pub(super) fn receive(&self, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> io::Result<usize> {
        self.socket.try_io(Interest::READABLE, || self.state.recv(UdpSockRef::from(&self.socket), buffers, metas))
    }

    /// Takes an error that the network has reported: the host that says so, if it says that something is unreachable.
    pub(super) fn take_error(&self) -> Option<Option<SocketAddr>> {
        let error = self.state.recv_transport_error(UdpSockRef::from(&self.socket)).ok()??;
        Some(match error.payload {
            TransportErrorPayload::Unreachable => error.addr,
            _ => None,
        })
    }

    /// Sends datagrams of `segment` bytes each.
    pub(super) fn send(&self, to: SocketAddr, contents: &[u8], segment: usize, may_fragment: bool) -> Sent {
        let transmit = Transmit { destination: to, ecn: None, contents, segment_size: Some(segment), src_ip: None };
        if may_fragment {
            self.set_fragmentation(true);
        }
        // An error of an earlier datagram may be reported here, and then this one was not sent.
        let mut result = self.try_send(&transmit);
        if result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            result = self.try_send(&transmit);
        }
        if may_fragment {
            self.set_fragmentation(false);
        }
        match result {
            Ok(()) => Sent::Gone,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Sent::Blocked,
            Err(error) if quinn_udp::is_msg_size_err(&error) => Sent::TooLong,
            Err(error) => {
                // As good as lost on the way; the protocol sends again.
                tracing::debug!(%to, %error, "a uTP datagram was not sent");
                Sent::Gone
            }
        }
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), transmit))
    }

    pub(super) fn try_send_one(&self, contents: &[u8], to: SocketAddr) -> io::Result<()> {
        let transmit = Transmit { destination: to, ecn: None, contents, segment_size: None, src_ip: None };
        match self.try_send(&transmit) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.try_send(&transmit),
            result => result,
        }
    }

    /// Lets routers cut datagrams, or not. IPv6 routers never do.
    #[cfg(target_os = "linux")]
    fn set_fragmentation(&self, allowed: bool) {
        use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
        let value = if allowed { Ipv4PathMtuDiscovery::DONT } else { Ipv4PathMtuDiscovery::PROBE };
        if self.local.is_ipv4() {
            let _ = set_ip_mtu_discover(&self.socket, value);
        }
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "other systems have no such switch within reach")]
    fn set_fragmentation(&self, _allowed: bool) {}
}
