//! The DHT as a source of peers: one for all torrents of a client. In: torrents that look for peers, nodes that peers and
//! torrents name. Out: addresses. Never: private torrents; the client does not name them here.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use torrent_dht::{Announce, AnnouncePort, Announced, Announcer, Completeness, DatagramSocket, Dht, Urgency};
use torrent_swarm::Source;
use torrent_types::{HostPort, InfoHash};
use torrent_utp::{Datagrams, UdpPort};

use crate::{
    Error, clock,
    discovery::{Discovery, Seeker},
};

/// The DHT's end of a UDP port, which it shares with uTP.
#[derive(Debug)]
struct SharedPort(Mutex<Datagrams>);

impl DatagramSocket for SharedPort {
    fn poll_recv(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(cx, buffer)
    }

    fn poll_send(&self, _cx: &mut Context<'_>, payload: &[u8], to: SocketAddr) -> Poll<io::Result<()>> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner).try_send(payload, to);
        // A full socket loses it, as the way there may: queries are repeated.
        Poll::Ready(sent.or_else(|error| if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) }))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).local_addr())
    }
}

/// Starts a DHT on the client's UDP ports; where it has none, on UDP ports with the number of the TCP port.
pub(crate) async fn start(
    mut builder: torrent_dht::Builder,
    ports: &[UdpPort],
    tcp: Option<SocketAddr>,
) -> Result<Dht, Error> {
    for port in ports {
        builder = builder.socket(SharedPort(Mutex::new(port.dht())));
    }
    if let (true, Some(address)) = (ports.is_empty(), tcp) {
        builder = builder.bind(address);
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            builder = builder.bind((Ipv4Addr::UNSPECIFIED, address.port()).into());
        }
    }
    builder.start().await.map_err(|error| Error::System(io::Error::other(error)))
}

/// A torrent that has too few peers is looked for again after this at the earliest.
const IMPATIENCE: Duration = Duration::from_secs(60);
/// Things to do that wait. More come only if the task does not run at all.
const MAX_WAITING: usize = 65_536;

/// Plugs a [`Dht`] into a client. `Dht` is cheap to clone: keep one, to save its nodes at the end.
#[derive(Debug)]
pub struct DhtDiscovery {
    port: Option<u16>,
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
enum Job {
    Start(Seeker),
    NeedPeers(InfoHash),
    Stop(InfoHash),
    Node(HostPort),
}

impl DhtDiscovery {
    /// Looks for peers in `dht`, and announces there. To be called inside a tokio runtime; its task ends with the client.
    #[must_use]
    pub fn new(dht: Dht) -> Self {
        let port = dht.local_addrs().first().map(SocketAddr::port);
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        drop(tokio::spawn(Task::new(dht).run(waiting)));
        Self { port, jobs }
    }

    fn tell(&self, job: Job) {
        // A client whose task cannot keep up with 65,536 changes loses some lookups; trackers are still there.
        if let Err(error) = self.jobs.try_send(job) {
            tracing::debug!(%error, "the DHT is not told");
        }
    }
}

impl Discovery for DhtDiscovery {
    fn start(&self, seeker: Seeker) {
        self.tell(Job::Start(seeker));
    }

    fn need_peers(&self, info_hash: InfoHash) {
        self.tell(Job::NeedPeers(info_hash));
    }

    fn stop(&self, info_hash: InfoHash) {
        self.tell(Job::Stop(info_hash));
    }

    fn dht_port(&self) -> Option<u16> {
        self.port
    }

    fn handle_node(&self, node: &HostPort) {
        self.tell(Job::Node(node.clone()));
    }
}

struct Task {
    dht: Dht,
    announcer: Announcer,
    torrents: BTreeMap<InfoHash, Known>,
}

struct Known {
    seeker: Seeker,
    /// When it was last looked for at once.
    looked: Option<Instant>,
}

impl Task {
    fn new(dht: Dht) -> Self {
        Self { announcer: dht.announcer(), dht, torrents: BTreeMap::new() }
    }

    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => self.handle(job),
                    None => return,
                },
                Some(event) = self.announcer.next() => self.announced(event),
            }
        }
    }

    fn handle(&mut self, job: Job) {
        match job {
            Job::Start(seeker) => {
                let hash = seeker.info_hash();
                self.torrents.insert(hash, Known { seeker, looked: None });
                // In turn: a session that starts with thousands has them all at once. Those that lack peers say so.
                self.look(hash, Urgency::InTurn);
            }
            Job::NeedPeers(hash) => {
                let now = clock::now();
                if let Some(known) = self.torrents.get_mut(&hash)
                    && known.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= IMPATIENCE)
                {
                    known.looked = Some(now);
                    self.look(hash, Urgency::Now);
                }
            }
            Job::Stop(hash) => {
                self.torrents.remove(&hash);
                self.announcer.remove(hash);
            }
            Job::Node(node) => self.add_node(node),
        }
    }

    /// Looks for peers, and keeps the torrent announced if peers can reach us.
    fn look(&mut self, hash: InfoHash, urgency: Urgency) {
        let Some(known) = self.torrents.get(&hash) else { return };
        match known.seeker.port() {
            Some(port) => {
                let announce = Announce { port: AnnouncePort::Explicit(port), completeness: Completeness::Leech };
                if let Err(error) = self.announcer.insert(hash, announce, urgency) {
                    tracing::debug!(%hash, %error, "not announced to the DHT");
                }
            }
            None => {
                let (mut peers, seeker) = (self.dht.get_peers(hash), known.seeker.clone());
                drop(tokio::spawn(async move {
                    while let Some(peer) = peers.next().await {
                        seeker.found(Source::Dht, [peer]);
                    }
                }));
            }
        }
    }

    fn announced(&self, event: Announced) {
        match event {
            Announced::Peers { info_hash, peers } => {
                if let Some(known) = self.torrents.get(&info_hash) {
                    tracing::debug!(%info_hash, peers = peers.len(), "peers from the DHT");
                    known.seeker.found(Source::Dht, peers);
                }
            }
            Announced::Announced { info_hash, stored } => tracing::debug!(%info_hash, stored, "announced to the DHT"),
            _ => {}
        }
    }

    fn add_node(&self, node: HostPort) {
        if let Some(address) = node.socket_addr() {
            return self.dht.add_node(address);
        }
        let dht = self.dht.clone();
        drop(tokio::spawn(async move {
            if let Ok(found) = tokio::net::lookup_host((node.host(), node.port())).await {
                found.take(4).for_each(|address| dht.add_node(address));
            }
        }));
    }
}
