//! Sockets: our own, or an end of somebody else's.

use std::{
    fmt, io,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    task::{Context, Poll},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::ReadBuf, net::UdpSocket};

/// What the driver sends and receives with. `tokio::net::UdpSocket` is one; a client that shares its port with uTP gives an end
/// of its demultiplexer, which passes on what begins with `d`.
///
/// Datagrams may be lost: an implementation that has no room drops them.
pub trait DatagramSocket: fmt::Debug + Send + Sync + 'static {
    /// The next datagram: its length, and where it comes from. What does not fit into the buffer is cut off.
    fn poll_recv(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>>;

    /// Sends a datagram.
    fn poll_send(&self, cx: &mut Context<'_>, payload: &[u8], to: SocketAddr) -> Poll<io::Result<()>>;

    /// Where it is bound. Decides the address family of its node.
    ///
    /// # Errors
    /// If the system does not say.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

impl DatagramSocket for UdpSocket {
    fn poll_recv(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        self.poll_recv_from(cx, &mut buffer).map_ok(|from| (buffer.filled().len(), from))
    }

    fn poll_send(&self, cx: &mut Context<'_>, payload: &[u8], to: SocketAddr) -> Poll<io::Result<()>> {
        self.poll_send_to(cx, payload, to).map_ok(|_| ())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

/// What a burst of answers needs. The system may give less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A socket of our own. An IPv6 one takes no IPv4 datagrams: the other DHT has its own. BEP 32 § "Operation".
pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(StdUdpSocket::from(socket))
}
