//! The client: the handle that applications hold, and what its torrents share.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rand::{TryRng, rngs::SysRng};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, broadcast},
    task::AbortHandle,
};
use torrent_disk::{Disk, DiskConfig};
use torrent_storage::{FileStorage, Storage};
use torrent_swarm::{Limits, Shared};
use torrent_types::{HostPort, InfoHash, PeerId};
use torrent_utp::UdpPort;
use torrent_wire::{ExtensionId, Extensions, Reserved, mse::SkeyHash};
use tracing::Instrument;

use crate::{
    AddTorrent, Config, Error, Event, Torrent,
    discovery::Discovery,
    event::Lazy,
    names,
    net::{self, Acceptor, Dialer, Gate, Ports, TcpAcceptor, TcpDialer, Transport, UtpAcceptor, UtpDialer},
    registry::Registry,
    scheduler::{Scheduler, SleeperKey},
    torrent::{Place, TorrentInner},
};

/// Events of all torrents that a slow listener may be behind before it misses some.
const EVENTS_KEPT: usize = 1024;

/// A BitTorrent client. Dropping it drops its torrents without goodbye: [`stop`](Self::stop) first.
#[derive(Debug)]
pub struct Client {
    inner: Arc<Inner>,
    tasks: Vec<AbortHandle>,
    #[cfg(feature = "dht")]
    dht: Option<torrent_dht::Dht>,
}

/// Puts a client together from settings and plug-ins.
#[derive(Default)]
pub struct ClientBuilder {
    config: Config,
    dialers: Vec<Arc<dyn Dialer>>,
    acceptors: Vec<Box<dyn Acceptor>>,
    discoveries: Vec<Arc<dyn Discovery>>,
    #[cfg(feature = "dht")]
    dht: Option<torrent_dht::Builder>,
}

/// What the torrents of a client share.
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) wire: torrent_wire::Config,
    /// BEP 27: private torrents tell peers neither of other peers nor the metadata.
    pub(crate) private_wire: torrent_wire::Config,
    /// The port on which peers reach us; 0 if none does.
    pub(crate) port: u16,
    pub(crate) registry: Registry,
    pub(crate) scheduler: Arc<Scheduler<TorrentInner>>,
    pub(crate) trackers: torrent_tracker::Client,
    pub(crate) disk: Disk,
    pub(crate) discoveries: Vec<Arc<dyn Discovery>>,
    pub(crate) events: Lazy<(InfoHash, Event)>,
    /// Turns to look up a name.
    pub(crate) lookups: Arc<Semaphore>,
    dialers: Vec<Arc<dyn Dialer>>,
    /// UDP ports, one for each address family; the DHT and trackers may share them with uTP.
    udp: Vec<UdpPort>,
    shared: Shared,
    runtime: Handle,
    next_key: AtomicU64,
}

impl ClientBuilder {
    /// Settings. Default: [`Config::default`].
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Dials peers with this, too. One for [`Transport::Tcp`] replaces the built-in one.
    #[must_use]
    pub fn dialer(mut self, dialer: impl Dialer) -> Self {
        self.dialers.push(Arc::new(dialer));
        self
    }

    /// Takes connections from this, too.
    #[must_use]
    pub fn acceptor(mut self, acceptor: impl Acceptor) -> Self {
        self.acceptors.push(Box::new(acceptor));
        self
    }

    /// Asks this for peers of public torrents, too.
    #[must_use]
    pub fn discovery(mut self, discovery: impl Discovery) -> Self {
        self.discoveries.push(Arc::new(discovery));
        self
    }

    /// Runs a DHT with these settings on the client's UDP port, and looks for peers of public torrents there. Addresses that the
    /// settings name are bound besides.
    #[cfg(feature = "dht")]
    #[must_use]
    pub fn dht(mut self, dht: torrent_dht::Builder) -> Self {
        self.dht = Some(dht);
        self
    }

    /// Opens sockets and starts threads. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// If it cannot listen where it was told to.
    pub async fn build(self) -> Result<Client, Error> {
        #[cfg(feature = "dht")]
        let Self { config, dialers, acceptors, mut discoveries, dht } = self;
        #[cfg(not(feature = "dht"))]
        let Self { config, dialers, acceptors, discoveries } = self;
        let disk = Disk::start(DiskConfig::default()).map_err(Error::System)?;
        let Ports { tcp, udp, number: port } = Ports::bind(config.listen, config.transports)?;
        #[cfg(feature = "dht")]
        let dht = match dht {
            Some(builder) => {
                Some(crate::dht::start(builder, &udp, tcp.as_ref().and_then(|tcp| tcp.local_addr().ok())).await?)
            }
            None => None,
        };
        #[cfg(feature = "dht")]
        discoveries.extend(dht.clone().map(|dht| Arc::new(crate::DhtDiscovery::new(dht)) as Arc<dyn Discovery>));
        let mut built_in: Vec<Arc<dyn Dialer>> = Vec::new();
        if config.transports.tcp() {
            built_in.push(Arc::new(TcpDialer));
        }
        if config.transports.utp() {
            built_in.push(Arc::new(UtpDialer::new(&udp)));
        }
        // Half for connections; the rest is for files, trackers, handshakes and the application.
        let open_files = net::open_files().and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        let connections = config.max_connections.min(open_files / 2);
        let shared = Shared::new(&Limits {
            memory: config.memory,
            connections,
            half_open: config.max_dialing,
            upload_slots: config.max_upload_slots,
            ..Limits::default()
        });
        let scheduler = Arc::new(Scheduler::new());
        let mut tasks = vec![tokio::spawn(Arc::clone(&scheduler).run()).abort_handle()];
        let inner = Arc::new(Inner {
            wire: torrent_wire::Config::default(),
            private_wire: torrent_wire::Config::default()
                .extensions(Extensions::standard().without(ExtensionId::PEX).without(ExtensionId::METADATA)),
            port,
            registry: Registry::default(),
            scheduler,
            trackers: torrent_tracker::Client::new(torrent_tracker::Config::default()),
            disk,
            discoveries,
            events: Lazy::default(),
            lookups: Arc::new(Semaphore::new(names::MAX_LOOKUPS)),
            dialers: built_in.into_iter().chain(dialers).collect(),
            udp,
            shared,
            runtime: Handle::current(),
            next_key: AtomicU64::new(0),
            config,
        });
        let (gate, weak) = (Gate::default(), || Arc::downgrade(&inner));
        let tcp = tcp.map(|listener| Box::new(TcpAcceptor(listener)) as Box<dyn Acceptor>);
        let reachable = if port > 0 { inner.udp.as_slice() } else { &[] };
        let utp = reachable.iter().map(|port| Box::new(UtpAcceptor::new(port)) as Box<dyn Acceptor>);
        for acceptor in tcp.into_iter().chain(utp).chain(acceptors) {
            tasks.push(tokio::spawn(net::accept_all(weak(), acceptor, gate.clone())).abort_handle());
        }
        Ok(Client {
            inner,
            tasks,
            #[cfg(feature = "dht")]
            dht,
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Client {
    /// A client with these settings and nothing plugged in.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`].
    pub async fn start(config: Config) -> Result<Self, Error> {
        Self::builder().config(config).build().await
    }

    /// Puts a client together.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The DHT that it runs.
    #[cfg(feature = "dht")]
    #[must_use]
    pub const fn dht(&self) -> Option<&torrent_dht::Dht> {
        self.dht.as_ref()
    }

    /// The port on which peers reach us; 0 if none does.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// The UDP ports that uTP uses, one for each address family, with the number of the TCP port: the DHT and UDP trackers may share them.
    /// None if uTP is off.
    #[must_use]
    pub fn udp_ports(&self) -> &[UdpPort] {
        &self.inner.udp
    }

    /// Adds a torrent: checks what is there of it, then serves that; of a magnet link, fetches the metadata first. Content
    /// is fetched once [`download_all`](Torrent::download_all) says so. To be called inside the client's runtime.
    ///
    /// # Errors
    /// If the torrent makes no sense, or it is added already. Storage may refuse later: that is an event.
    pub fn add(&self, add: AddTorrent) -> Result<Torrent, Error> {
        TorrentInner::start(&self.inner, add).map(Torrent::new)
    }

    /// The torrents that were added and are not stopped, by info hash.
    #[must_use]
    pub fn torrents(&self) -> Vec<Torrent> {
        self.inner.registry.all().into_iter().map(Torrent::new).collect()
    }

    /// The torrent of this hash, if it was added and is not stopped.
    #[must_use]
    pub fn torrent(&self, info_hash: InfoHash) -> Option<Torrent> {
        self.inner.registry.find(info_hash).map(Torrent::new)
    }

    /// What happens to any torrent from now on. A receiver that is too slow misses the oldest events.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<(InfoHash, Event)> {
        self.inner.events.subscribe(EVENTS_KEPT)
    }

    /// Connections of all torrents.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.shared.connections()
    }

    /// Stops every torrent, and waits for them. No torrent can be added afterwards.
    pub async fn stop(&self) {
        let torrents: Vec<_> = self.inner.registry.close().into_iter().map(Torrent::new).collect();
        // No new connection, and no deadline any more.
        self.tasks.iter().for_each(AbortHandle::abort);
        torrents.iter().for_each(Torrent::begin_stop);
        for torrent in torrents {
            torrent.stop().await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.inner.registry.close().into_iter().map(Torrent::new).for_each(|torrent| torrent.begin_stop());
    }
}

impl Inner {
    /// What dials over this transport.
    pub(crate) fn dialer(&self, transport: Transport) -> Option<Arc<dyn Dialer>> {
        self.dialers.iter().rev().find(|dialer| dialer.transport() == transport).cloned()
    }

    /// BEP 5: peers tell their DHT port to those that set this bit.
    pub(crate) fn reserved(&self) -> Reserved {
        if self.dht_port().is_some() { Reserved::DHT } else { Reserved::NONE }
    }

    /// The UDP port of our DHT node.
    pub(crate) fn dht_port(&self) -> Option<u16> {
        self.discoveries.iter().find_map(|discovery| discovery.dht_port())
    }

    /// Somebody says that there is a DHT node.
    pub(crate) fn node_found(&self, node: &HostPort) {
        self.discoveries.iter().for_each(|discovery| discovery.handle_node(node));
    }

    /// Starts a task of a torrent. It need not be called on a thread of the runtime.
    pub(crate) fn spawn(&self, torrent: &TorrentInner, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(work.instrument(torrent.span.clone())));
    }

    /// Starts work that hashes or touches a disk.
    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        drop(self.runtime.spawn_blocking(work));
    }

    /// Enters the runtime on a thread that is not its own.
    pub(crate) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Where a torrent's content lives. All files share one pool of open ones.
    pub(crate) fn storage(&self, place: Place) -> Arc<dyn Storage> {
        match place {
            Place::Folder(folder) => Arc::new(FileStorage::new(folder).pool(self.disk.handles())),
            Place::Storage(storage) => storage,
        }
    }

    pub(crate) fn make_key(&self) -> SleeperKey {
        SleeperKey(self.next_key.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn make_swarm(&self, peer_id: PeerId) -> Result<torrent_swarm::Swarm, Error> {
        let config = torrent_swarm::Config::default()
            .local_id(peer_id)
            .max_peers(self.config.max_peers)
            .max_dialing(self.config.max_dialing)
            .upload_slots(self.config.upload_slots)
            .request_queue(crate::torrent::REQUEST_QUEUE)
            .openings(self.config.encryption.attempts().iter().copied().map(net::obfuscation_of))
            .transports(self.transports());
        Ok(torrent_swarm::Swarm::new(crate::clock::now(), random_u64()?, config, self.shared.clone()))
    }

    /// What we dial over; the first that was plugged in comes first.
    fn transports(&self) -> Vec<Transport> {
        let mut transports = Vec::new();
        for dialer in &self.dialers {
            if !transports.contains(&dialer.transport()) {
                transports.push(dialer.transport());
            }
        }
        transports
    }

    pub(crate) fn make_peer_id(&self) -> Result<PeerId, Error> {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut id = [0; 20];
        SysRng.try_fill_bytes(&mut id).map_err(|error| Error::System(std::io::Error::other(error)))?;
        id.iter_mut().for_each(|byte| *byte = LETTERS[usize::from(*byte) % LETTERS.len()]);
        id[..8].copy_from_slice(&self.config.peer_id_prefix);
        Ok(PeerId::new(id))
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("port", &self.port).finish_non_exhaustive()
    }
}

impl net::Torrents for Inner {
    fn offer(&self, info_hash: InfoHash) -> Option<net::Offer> {
        self.registry.find(info_hash).map(|torrent| torrent.offer())
    }

    fn lookup(&self, skey: &SkeyHash) -> Option<InfoHash> {
        self.registry.find_skey(skey)
    }

    fn is_banned(&self, ip: std::net::IpAddr) -> bool {
        self.shared.is_banned(ip)
    }
}

pub(crate) fn random_u64() -> Result<u64, Error> {
    SysRng.try_next_u64().map_err(|error| Error::System(std::io::Error::other(error)))
}
