//! uTP as a transport (BEP 29), over UDP ports with the number of the TCP port.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use torrent_utp::{UdpPort, UtpSocket};

use super::{Acceptor, BoxFuture, BoxStream, Dialer, Incoming, Transport};

#[derive(Debug)]
pub(crate) struct UtpAcceptor(UtpSocket);

impl UtpAcceptor {
    pub(crate) fn new(port: &UdpPort) -> Self {
        Self(port.utp())
    }
}

impl Acceptor for UtpAcceptor {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        let stream = ready!(self.0.poll_accept(context))?;
        let address = stream.peer_addr();
        Poll::Ready(Ok(Incoming::new(Box::new(stream), address, Transport::Utp)))
    }
}

/// Calls from the port of the peer's family.
#[derive(Debug)]
pub(crate) struct UtpDialer(Vec<UtpSocket>);

impl UtpDialer {
    pub(crate) fn new(ports: &[UdpPort]) -> Self {
        Self(ports.iter().map(UdpPort::utp).collect())
    }
}

impl Dialer for UtpDialer {
    fn transport(&self) -> Transport {
        Transport::Utp
    }

    fn dial(&self, address: SocketAddr) -> BoxFuture<io::Result<BoxStream>> {
        let socket = self.0.iter().find(|socket| socket.local_addr().is_ipv4() == address.is_ipv4()).cloned();
        Box::pin(async move {
            let Some(socket) = socket else {
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no UDP port of this address family"));
            };
            Ok(Box::new(socket.connect(address).await?) as BoxStream)
        })
    }
}
