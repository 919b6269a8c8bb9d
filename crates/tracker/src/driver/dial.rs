//! Streams to HTTP trackers: from the right local address, through the proxy, inside TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, SockRef, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream, UdpSocket},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    config::Config,
    proxy::{Kind, Proxy},
    resolve::{Resolver, check_unresolved, written_address},
};
use crate::{
    error::{Error, Refused},
    url::{Scheme, TrackerUrl},
};

/// A connection, and what is known of the place where it ends.
pub(super) struct Dialed {
    pub(super) stream: TokioIo<Box<dyn Stream>>,
    /// The address that was connected to; `None` for a name that a proxy resolves.
    pub(super) ip: Option<IpAddr>,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) struct Dialer {
    pub(super) config: Config,
    pub(super) resolver: Resolver,
    #[cfg(feature = "tls")]
    tls: tokio_rustls::TlsConnector,
}

impl Dialer {
    pub(super) fn new(config: Config) -> Self {
        Self {
            resolver: Resolver::new(config.family),
            #[cfg(feature = "tls")]
            tls: super::tls::connector(&config.roots),
            config,
        }
    }

    pub(super) async fn dial(&self, url: &TrackerUrl) -> Result<Dialed, Error> {
        let (stream, ip) = match &self.config.proxy {
            Some(proxy) => (self.dial_proxy(proxy, url).await?, written_address(url.host())),
            None => {
                let stream = self.connect_any(&self.resolver.resolve(url).await?).await?;
                let ip = stream.peer_addr()?.ip();
                (stream, Some(ip))
            }
        };
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match url.scheme() {
            #[cfg(feature = "tls")]
            Scheme::Https => Box::new(super::tls::handshake(&self.tls, url.host(), stream).await?),
            _ => Box::new(stream),
        };
        Ok(Dialed { stream: TokioIo::new(stream), ip })
    }

    /// What can be said against a URL before its name is resolved; all that can be said if the proxy does that.
    pub(super) fn check(&self, url: &TrackerUrl) -> Result<(), Refused> {
        match (url.scheme(), &self.config.proxy) {
            (Scheme::Https, _) if cfg!(not(feature = "tls")) => Err(Refused::TlsDisabled),
            (_, Some(_)) => check_unresolved(url),
            (_, None) => Ok(()),
        }
    }

    /// Does the proxy want whole URLs in request lines?
    pub(super) fn absolute_form(&self, url: &TrackerUrl) -> Option<&Proxy> {
        self.config.proxy.as_ref().filter(|proxy| proxy.kind == Kind::Http && url.scheme() == Scheme::Http)
    }

    async fn dial_proxy(&self, proxy: &Proxy, url: &TrackerUrl) -> Result<TcpStream, Error> {
        // The user named the proxy: any address will do.
        let addresses = tokio::net::lookup_host((proxy.address.host(), proxy.address.port())).await?;
        let mut stream = self.connect_any(&addresses.collect::<Vec<_>>()).await?;
        if self.absolute_form(url).is_none() {
            proxy.tunnel(&mut stream, url.host(), url.port()).await?;
        }
        Ok(stream)
    }

    /// To the first that answers; the next one is tried, too, when one fails or has been silent for a moment. RFC 8305 § 5.
    async fn connect_any(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let (mut attempts, mut addresses) = (JoinSet::new(), addresses.iter().peekable());
        loop {
            if let Some(&address) = addresses.next() {
                match self.socket(address.ip()) {
                    Ok(socket) => _ = attempts.spawn(timeout(CONNECT_TIMEOUT, socket.connect(address))),
                    Err(error) => {
                        last = error;
                        continue;
                    }
                }
            }
            tokio::select! {
                Some(outcome) = attempts.join_next() => match outcome {
                    Ok(Ok(Ok(stream))) => return Ok(stream),
                    Ok(Ok(Err(error))) => last = error,
                    _ => last = io::ErrorKind::TimedOut.into(),
                },
                () = sleep(HEAD_START), if addresses.peek().is_some() => {}
                else => return Err(last),
            }
        }
    }

    fn socket(&self, to: IpAddr) -> io::Result<TcpSocket> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(local) = self.config.bind_for(to)? {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        bind_interface(&SockRef::from(&socket), self.config.interface.as_deref())?;
        Ok(socket)
    }

    /// A socket for UDP trackers of the family of `like`.
    pub(super) fn datagrams(&self, like: SocketAddr) -> io::Result<UdpSocket> {
        let any = if like.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
        let local = self.config.bind_for(like.ip())?.unwrap_or(any);
        let socket = socket2::Socket::new(Domain::for_address(like), Type::DGRAM, Some(Protocol::UDP))?;
        if like.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        bind_interface(&SockRef::from(&socket), self.config.interface.as_deref())?;
        socket.bind(&SocketAddr::new(local, 0).into())?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket.into())
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn bind_interface(socket: &SockRef<'_>, name: Option<&str>) -> io::Result<()> {
    name.map_or(Ok(()), |name| socket.bind_device(Some(name.as_bytes())))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn bind_interface(_socket: &SockRef<'_>, name: Option<&str>) -> io::Result<()> {
    name.map_or(Ok(()), |_| Err(io::ErrorKind::Unsupported.into()))
}

/// For one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Of an address before the next.
const HEAD_START: Duration = Duration::from_millis(250);

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A listener whose queue is full: it does not answer.
    async fn silent() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            waiting.push(stream);
        }
        (listener, waiting)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_and_one_that_refuses_hold_up_nobody() {
        let (silent, _waiting) = silent().await;
        let listens = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let [silent, listens] = [&silent, &listens].map(|listener| listener.local_addr().unwrap());
        let refuses = ([127, 0, 0, 1], 1).into();
        let dialer = Dialer::new(Config::default());
        let start = tokio::time::Instant::now();
        let stream = dialer.connect_any(&[refuses, silent, listens]).await.unwrap();
        assert_eq!((stream.peer_addr().unwrap(), start.elapsed().as_millis() / 10), (listens, 25));
        let error = dialer.connect_any(&[silent, refuses]).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 10));
        assert_eq!(dialer.connect_any(&[]).await.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
