//! The sockets of a tracker: one for datagrams, one listener, one task per connection.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{TryRng as _, rngs::SysRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket},
    task::{AbortHandle, JoinSet},
    time::{Instant, interval, timeout, timeout_at},
};

use super::{
    config::ServerConfig,
    connections::{ConnectionId, Connections},
    files,
    http::HttpTracker,
    shards::Shards,
    udp::UdpTracker,
};
use crate::clock::now;

/// A tracker in this process, over HTTP and UDP on one port. It stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    inner: Arc<Inner>,
    /// Dropped with the server, and all tasks with it.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Inner {
    shards: Shards,
    http: AtomicU64,
    udp: AtomicU64,
    connections: Mutex<Connections<AbortHandle>>,
}

/// What a tracker has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Requests answered over HTTP.
    pub http: u64,
    /// Datagrams answered.
    pub udp: u64,
    /// Swarms now.
    pub swarms: usize,
    /// Peers now.
    pub peers: usize,
}

impl Server {
    /// Listens on `address`, TCP and UDP. Port 0 finds a free one.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::bind_with(address, ServerConfig::default()).await
    }

    /// Like [`bind`](Self::bind), with a configuration. The soft limit of open files of this process is raised as far as the
    /// connections need and the system allows.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind_with(address: impl ToSocketAddrs, config: ServerConfig) -> io::Result<Self> {
        let (listener, sockets) = bind_both(address).await?;
        let address = listener.local_addr()?;
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        let connections =
            Connections::new(files::make_room(config.max_connections), config.max_connections_per_address);
        let shards = Shards::new(config, now(), seed);
        let connections = Mutex::new(connections);
        let inner = Arc::new(Inner { shards, http: AtomicU64::new(0), udp: AtomicU64::new(0), connections });
        let mut tasks = JoinSet::new();
        for datagrams in sockets {
            tasks.spawn(serve_udp(datagrams, Arc::clone(&inner)));
        }
        tasks.spawn(serve_http(listener, Arc::clone(&inner)));
        tasks.spawn(sweep(Arc::clone(&inner)));
        Ok(Self { address, inner, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Its announce URL over HTTP.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}/announce", self.reachable())
    }

    /// Its announce URL over UDP.
    #[must_use]
    pub fn udp_url(&self) -> String {
        format!("udp://{}/announce", self.reachable())
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        let (swarms, peers) = self.inner.shards.counts();
        let (http, udp) = (self.inner.http.load(Ordering::Relaxed), self.inner.udp.load(Ordering::Relaxed));
        ServerStats { http, udp, swarms, peers }
    }

    fn reachable(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => [127, 0, 0, 1].into(),
            IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }
}

/// The same port twice; with port 0 another one is tried if UDP has it taken.
async fn bind_both(address: impl ToSocketAddrs) -> io::Result<(TcpListener, Vec<UdpSocket>)> {
    let addresses: Vec<_> = tokio::net::lookup_host(address).await?.collect();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for _ in 0..BIND_ATTEMPTS {
        let listener = TcpListener::bind(&*addresses).await?;
        match bind_datagrams(listener.local_addr()?) {
            Ok(sockets) => return Ok((listener, sockets)),
            Err(error) => last = error,
        }
        if addresses.iter().any(|address| address.port() != 0) {
            break;
        }
    }
    Err(last)
}

/// One socket for each core, where the system can spread datagrams over sockets of one port.
fn bind_datagrams(address: SocketAddr) -> io::Result<Vec<UdpSocket>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_UDP_SOCKETS);
    let count = if cfg!(target_os = "linux") { cores } else { 1 };
    let bind = |_| {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
        #[cfg(target_os = "linux")]
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into())
    };
    // Without sharing first: a port that another process shares is not ours.
    drop(std::net::UdpSocket::bind(address)?);
    (0..count).map(bind).collect()
}

async fn serve_udp(socket: UdpSocket, inner: Arc<Inner>) {
    let mut tracker = UdpTracker::default();
    let mut datagram = vec![0; MAX_DATAGRAM];
    let mut answer = Vec::new();
    loop {
        // Errors here are ICMP messages about answers to closed ports.
        let Ok((length, from)) = socket.recv_from(&mut datagram).await else { continue };
        answer.clear();
        let question = datagram.get(..length).unwrap_or_default();
        if tracker.handle_datagram(now(), from, question, &inner.shards, &mut answer).is_ok() && !answer.is_empty() {
            inner.udp.fetch_add(1, Ordering::Relaxed);
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn serve_http(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, from)) = listener.accept().await else {
            // Out of file descriptors after all: make room by ending a connection.
            let oldest = inner.connections().end_oldest();
            end(oldest);
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // An address that has enough connections is hung up on.
        let Some((id, ended)) = inner.connections().enter(from.ip()) else { continue };
        end(ended);
        let open = Open { id, inner: Arc::clone(&inner) };
        let handle = connections.spawn(async move {
            if let Err(error) = serve_connection(stream, from, &open).await {
                tracing::debug!(peer = %from, %error, "connection ended");
            }
        });
        inner.connections().set_handle(id, handle);
    }
}

fn end(connection: Option<AbortHandle>) {
    if let Some(connection) = connection {
        connection.abort();
    }
}

impl Inner {
    fn connections(&self) -> MutexGuard<'_, Connections<AbortHandle>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that counts for as long as this lives.
struct Open {
    id: ConnectionId,
    inner: Arc<Inner>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.inner.connections().leave(self.id);
    }
}

async fn serve_connection(mut stream: TcpStream, from: SocketAddr, open: &Open) -> io::Result<()> {
    let inner = &*open.inner;
    stream.set_nodelay(true)?;
    let mut tracker = HttpTracker::default();
    let (mut input, mut output) = (Vec::with_capacity(1024), Vec::new());
    let mut deadline = idle_deadline();
    loop {
        // One deadline for a whole head: a slow drip does not extend it.
        let length = timeout_at(deadline, stream.read_buf(&mut input)).await??;
        if length == 0 {
            return Ok(());
        }
        loop {
            let answer = tracker.handle_bytes(now(), from, &input, &inner.shards, &mut output);
            input.drain(..answer.consumed.min(input.len()));
            if !output.is_empty() {
                inner.http.fetch_add(u64::try_from(answer.answered).unwrap_or_default(), Ordering::Relaxed);
                timeout(WRITE, stream.write_all(&output)).await??;
                output.clear();
            }
            if answer.close {
                return stream.shutdown().await;
            }
            if answer.consumed == 0 {
                break;
            }
            deadline = idle_deadline();
            inner.connections().touch(open.id);
        }
    }
}

async fn sweep(inner: Arc<Inner>) {
    let mut ticks = interval(inner.shards.sweep_interval());
    loop {
        ticks.tick().await;
        inner.shards.handle_timeout(now());
    }
}

fn idle_deadline() -> Instant {
    let now = Instant::now();
    now.checked_add(IDLE).unwrap_or(now)
}

/// The largest announce has 98 bytes and its URL data, the largest scrape 1496.
const MAX_DATAGRAM: usize = 4096;

/// For the next request of a connection to be there.
const IDLE: Duration = Duration::from_secs(30);
/// For a client to take its answers.
const WRITE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const BIND_ATTEMPTS: usize = 16;
const MAX_UDP_SOCKETS: usize = 16;
