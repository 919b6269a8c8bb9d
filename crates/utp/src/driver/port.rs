//! One UDP port for everything: the task that owns the socket, tells protocols apart and drives the uTP endpoint.
//!
//! The first byte decides: `d` begins a bencoded dictionary, which is the DHT's; a uTP packet begins with its type and version; the rest are
//! answers of trackers, whose first byte is zero.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

use quinn_udp::RecvMeta;
use rand::{TryRng as _, rngs::SysRng};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    sync::{Notify, mpsc},
    task::coop,
    time,
};

use super::{
    datagrams::{Datagrams, QUEUE, Received},
    io::{BUFFER, BUFFERS, Io, Sent},
    socket::UtpSocket,
};
use crate::{
    config::Config,
    endpoint::{Endpoint, Event, Key, Transmit},
    packet,
};

/// Once nobody holds the port any more, connections get this long to end in order.
const FAREWELL: Duration = Duration::from_secs(5);

/// Tasks that wait for a connection.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) read: Option<Waker>,
    pub(super) write: Option<Waker>,
}

/// What streams and the port's task share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    /// By the index of the connection's key.
    waiting: Vec<Waiting>,
    pub(super) accepted: std::collections::VecDeque<(Key, SocketAddr)>,
    pub(super) acceptors: Vec<Waker>,
}

impl Shared {
    pub(super) fn waiting(&mut self, key: Key) -> &mut Waiting {
        let index = usize::try_from(key.index()).unwrap_or(usize::MAX);
        if index >= self.waiting.len() {
            self.waiting.resize_with(index.saturating_add(1), Waiting::default);
        }
        #[expect(clippy::indexing_slicing, reason = "the line above makes it so long")]
        &mut self.waiting[index]
    }

    /// Wakes tasks that wait for what has happened.
    fn dispatch(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            let (key, read, write) = match event {
                Event::Incoming { key, from } => {
                    self.accepted.push_back((key, from));
                    *self.waiting(key) = Waiting::default();
                    for waker in self.acceptors.drain(..) {
                        waker.wake();
                    }
                    continue;
                }
                Event::Readable(key) => (key, true, false),
                Event::Writable(key) | Event::Connected(key) => (key, false, true),
                Event::Closed(key, _) => (key, true, true),
            };
            let waiting = self.waiting(key);
            if let Some(waker) = waiting.read.take_if(|_| read) {
                waker.wake();
            }
            if let Some(waker) = waiting.write.take_if(|_| write) {
                waker.wake();
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Port {
    pub(super) io: Io,
    shared: Mutex<Shared>,
    /// Somebody has written, read or closed.
    pub(super) changed: Notify,
    dht: Mutex<Option<mpsc::Sender<Received>>>,
    trackers: Mutex<Option<mpsc::Sender<Received>>>,
    abandoned: std::sync::atomic::AtomicBool,
}

impl Port {
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, place: &Mutex<Option<mpsc::Sender<Received>>>) -> mpsc::Receiver<Received> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }
}

/// Keeps the port's task alive. All handles share one.
#[derive(Debug)]
pub(super) struct Guard(Arc<Port>);

impl Guard {
    pub(super) fn port(&self) -> &Port {
        &self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abandoned.store(true, std::sync::atomic::Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

/// A UDP port that uTP, the DHT and UDP trackers share.
#[derive(Clone, Debug)]
pub struct UdpPort {
    guard: Arc<Guard>,
}

impl UdpPort {
    /// Binds a port and starts the task that serves it. An IPv6 port takes no IPv4: bind two.
    ///
    /// # Errors
    /// If the system refuses the address.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(address: SocketAddr, config: Config) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        Self::from_std(socket.into(), config)
    }

    /// Takes over a bound socket and starts the task that serves it.
    ///
    /// # Errors
    /// If the socket cannot be prepared.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_std(socket: std::net::UdpSocket, config: Config) -> io::Result<Self> {
        let io = Io::new(socket)?;
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        let shared = Shared {
            endpoint: Endpoint::new(now(), seed, config),
            waiting: Vec::new(),
            accepted: std::collections::VecDeque::new(),
            acceptors: Vec::new(),
        };
        let port = Arc::new(Port {
            io,
            shared: Mutex::new(shared),
            changed: Notify::new(),
            dht: Mutex::new(None),
            trackers: Mutex::new(None),
            abandoned: std::sync::atomic::AtomicBool::new(false),
        });
        tokio::spawn(Task::new(Arc::clone(&port)).run());
        Ok(Self { guard: Arc::new(Guard(port)) })
    }

    /// The uTP end. Clones accept from the same queue.
    #[must_use]
    pub fn utp(&self) -> UtpSocket {
        UtpSocket::new(Arc::clone(&self.guard))
    }

    /// The DHT's end: datagrams that begin with `d`. An earlier end receives nothing more.
    #[must_use]
    pub fn dht(&self) -> Datagrams {
        let port = self.guard.port();
        Datagrams::new(Arc::clone(&self.guard), port.end(&port.dht))
    }

    /// The end of UDP trackers: what is neither uTP nor the DHT's. An earlier end receives nothing more.
    #[must_use]
    pub fn trackers(&self) -> Datagrams {
        let port = self.guard.port();
        Datagrams::new(Arc::clone(&self.guard), port.end(&port.trackers))
    }

    /// The port's own address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.guard.port().io.local_addr()
    }
}

/// The clock of the driver.
#[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Datagrams that did not fit into the socket's buffer.
struct Blocked(Transmit);

struct Task {
    port: Arc<Port>,
    memory: Vec<u8>,
    batch: Vec<u8>,
    blocked: Option<Blocked>,
}

impl Task {
    fn new(port: Arc<Port>) -> Self {
        Self { port, memory: vec![0; BUFFERS.saturating_mul(BUFFER)], batch: Vec::new(), blocked: None }
    }

    async fn run(mut self) {
        let mut abandoned_at = None;
        let sleep = time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        loop {
            let received = self.receive();
            let deadline = self.drive();
            if received {
                // There may be more. Other tasks of this thread get their turn.
                coop::consume_budget().await;
                continue;
            }
            if self.port.abandoned.load(std::sync::atomic::Ordering::Relaxed) {
                let since = *abandoned_at.get_or_insert_with(now);
                let over = now().saturating_duration_since(since) >= FAREWELL;
                if over || self.port.shared().endpoint.endpoint_stats().connections == 0 {
                    return;
                }
            }
            if let Some(at) = deadline {
                let at = time::Instant::from_std(at);
                if sleep.deadline() != at {
                    sleep.as_mut().reset(at);
                }
            }
            let (port, is_blocked) = (&self.port, self.blocked.is_some());
            tokio::select! {
                biased;
                result = port.io.readable() => match result {
                    Ok(true) => self.take_errors(),
                    Ok(false) => {}
                    Err(_) => return,
                },
                () = port.changed.notified() => {}
                () = &mut sleep, if deadline.is_some() => {}
                result = port.io.writable(), if is_blocked => if result.is_err() { return },
            }
        }
    }

    /// Takes what has arrived. Was there anything?
    fn receive(&mut self) -> bool {
        let mut metas = [RecvMeta::default(); BUFFERS];
        let mut chunks = self.memory.chunks_exact_mut(BUFFER);
        let mut buffers: [IoSliceMut<'_>; BUFFERS] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let count = match self.port.io.receive(&mut buffers, &mut metas) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // An error of something that was sent, which is told in the queue of errors.
            Err(_) => return false,
        };
        let now = now();
        let mut shared = self.port.shared();
        for (meta, buffer) in metas.iter().zip(&buffers).take(count) {
            let filled = buffer.get(..meta.len).unwrap_or_default();
            for datagram in filled.chunks(meta.stride.max(1)) {
                match datagram.first() {
                    Some(&first) if packet::is_utp(first) => shared.endpoint.handle_datagram(now, meta.addr, datagram),
                    Some(b'd') => pass(&self.port.dht, meta.addr, datagram),
                    Some(_) => pass(&self.port.trackers, meta.addr, datagram),
                    None => {}
                }
            }
        }
        true
    }

    /// Takes what the network says about datagrams that it did not deliver.
    fn take_errors(&self) {
        while let Some(error) = self.port.io.take_error() {
            if let Some(address) = error {
                self.port.shared().endpoint.handle_unreachable(address.ip());
            }
        }
        self.port.io.errors_taken();
    }

    /// Lets the endpoint do what it has to, and sends what it wants to. Returns its deadline.
    fn drive(&mut self) -> Option<Instant> {
        {
            let mut shared = self.port.shared();
            let now = now();
            if shared.endpoint.poll_timeout().is_some_and(|at| at <= now) {
                shared.endpoint.handle_timeout(now);
            }
        }
        loop {
            if let Some(Blocked(transmit)) = self.blocked.take()
                && !self.send(transmit)
            {
                break;
            }
            let most = self.port.io.batch();
            let transmit = self.port.shared().endpoint.poll_transmit(now(), most, &mut self.batch);
            let Some(transmit) = transmit else { break };
            if !self.send(transmit) {
                break;
            }
        }
        let mut shared = self.port.shared();
        shared.dispatch();
        shared.endpoint.poll_timeout()
    }

    /// Sends the batch. If the socket is full, it is kept.
    fn send(&mut self, transmit: Transmit) -> bool {
        let may_fragment = transmit.fragmentation == crate::Fragmentation::Allowed;
        match self.port.io.send(transmit.to, &self.batch, transmit.segment, may_fragment) {
            Sent::Gone => true,
            Sent::Blocked => {
                self.blocked = Some(Blocked(transmit));
                false
            }
            Sent::TooLong => {
                if let Some(key) = transmit.key {
                    self.port.shared().endpoint.handle_too_long(now(), key, transmit.segment);
                }
                true
            }
        }
    }
}

fn pass(place: &Mutex<Option<mpsc::Sender<Received>>>, from: SocketAddr, datagram: &[u8]) {
    if let Some(sender) = &*place.lock().unwrap_or_else(PoisonError::into_inner) {
        // A reader that does not keep up loses datagrams, as it would with a socket of its own.
        let _ = sender.try_send(Received::new(from, datagram));
    }
}
