//! TCP as a transport.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{Acceptor, BoxFuture, BoxStream, Dialer, Incoming, Transport};

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: u32 = 512;

/// Opens the listening socket. IPv6 sockets take IPv4 peers too.
pub(super) fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        socket2::SockRef::from(&socket).set_only_v6(false)?;
    }
    // Without it a restart would have to wait until the last connections of the run before have timed out.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[derive(Debug)]
pub(crate) struct TcpAcceptor(pub(crate) TcpListener);

impl Acceptor for TcpAcceptor {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        let (stream, address) = ready!(self.0.poll_accept(context))?;
        // Messages are batched before they are written: waiting for more would only delay requests.
        stream.set_nodelay(true)?;
        // An IPv4 peer of an IPv6 socket is an IPv4 peer.
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Poll::Ready(Ok(Incoming::new(Box::new(stream), address, Transport::Tcp)))
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpDialer;

impl Dialer for TcpDialer {
    fn transport(&self) -> Transport {
        Transport::Tcp
    }

    fn dial(&self, address: SocketAddr) -> BoxFuture<io::Result<BoxStream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxStream)
        })
    }
}
