//! The client: sockets, threads and memory that its torrents share.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use rand::{TryRng, rngs::SysRng};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{broadcast, mpsc, watch},
};
use torrent_storage::{FileEntry, Layout};
use torrent_swarm::{Budget, Swarm};
use torrent_types::{Bitfield, InfoHash, PeerId};
use torrent_wire::{
    ExtensionId, Extensions,
    mse::{SkeyHash, SkeyIndex},
};

use crate::{
    AddTorrent, Config, Error, Listen, Phase, Torrent,
    announce::announce,
    brain::Brain,
    clock, connect,
    disk::{InFlight, Pool, Writer},
    torrent::{REQUEST_QUEUE, Shared, supervise},
};

/// Events that a slow listener may be behind before it misses some.
const EVENTS_KEPT: usize = 256;
/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: u32 = 128;

/// A BitTorrent client. Dropping it drops its torrents without goodbye: [`stop`](Self::stop) first.
#[derive(Debug)]
pub struct Client {
    pub(crate) core: Arc<Core>,
    listener: Option<tokio::task::JoinHandle<()>>,
}

/// What torrents share.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) wire: torrent_wire::Config,
    /// BEP 27: private torrents tell peers neither of other peers nor the metadata.
    pub(crate) private_wire: torrent_wire::Config,
    pub(crate) port: u16,
    pub(crate) writer: Writer,
    pub(crate) trackers: torrent_tracker::Client,
    budget: Budget,
    pool: Pool,
    torrents: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    /// Everything added and not stopped; served only once it is checked.
    all: BTreeMap<InfoHash, Arc<Shared>>,
    served: SkeyIndex,
}

impl Client {
    /// Opens sockets and starts the writing thread. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// If it cannot listen where it was told to.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let listener = match config.listen {
            Listen::At(address) => Some(bind(address)?),
            Listen::Usual(ip) => Some(bind_usual(ip)?),
            Listen::Nowhere => None,
        };
        let port =
            listener.as_ref().and_then(|listener| listener.local_addr().ok()).map_or(0, |address| address.port());
        let core = Arc::new(Core {
            wire: torrent_wire::Config::default(),
            private_wire: torrent_wire::Config::default()
                .extensions(Extensions::standard().without(ExtensionId::PEX).without(ExtensionId::METADATA)),
            port,
            writer: Writer::start().map_err(Error::System)?,
            trackers: torrent_tracker::Client::new(torrent_tracker::Config::default()),
            budget: Budget::new(config.memory),
            pool: Pool::default(),
            torrents: Mutex::default(),
            config,
        });
        let listener = listener.map(|listener| tokio::spawn(connect::listen(Arc::downgrade(&core), listener)));
        Ok(Self { core, listener })
    }

    /// The port on which peers reach us; 0 if none does.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.core.port
    }

    /// Adds a torrent: checks what is there of it, then serves that. Content is fetched once
    /// [`download_all`](Torrent::download_all) says so.
    ///
    /// # Errors
    /// If the torrent makes no sense, or it is added already. Storage may refuse later: that is an event.
    pub fn add(&self, add: AddTorrent) -> Result<Torrent, Error> {
        let AddTorrent { metainfo, storage, peers, use_trackers } = add;
        let info = metainfo.info();
        let info_hash = info.info_hashes().v1().ok_or(Error::V2Only)?;
        let entry = |file: &torrent_metainfo::File| match file.is_pad() {
            true => FileEntry::pad(file.length()),
            false => FileEntry::new(file.path().as_str(), file.length()),
        };
        let layout = Layout::new(info.files().iter().filter(|file| file.symlink().is_none()).map(entry))?;
        let geometry = info.geometry();
        let storage = storage.open(&layout)?;

        let core = Arc::clone(&self.core);
        let peer_id = core.make_peer_id()?;
        let (seed, swarm_config) = (random_u64()?, core.swarm_config(peer_id));
        let budget = core.budget.clone();
        let make_swarm =
            move |have: Bitfield| Swarm::new(clock::now(), geometry, have, swarm_config.clone(), budget.clone(), seed);
        let (orders_in, orders) = mpsc::unbounded_channel();
        let nothing = Bitfield::new(geometry.piece_count());
        let shared = Arc::new(Shared {
            info_hash,
            peer_id,
            geometry,
            info: info.clone(),
            storage,
            brain: Brain::new(make_swarm(nothing), orders_in),
            pieces: InFlight::new(geometry, core.pool.clone()),
            events: broadcast::Sender::new(EVENTS_KEPT),
            phase: watch::Sender::new(Phase::Checking { done: 0, total: geometry.piece_count() }),
            wanted: watch::Sender::new(false),
            stop: watch::Sender::new(false),
            swarm_size: watch::Sender::default(),
            cancel_check: AtomicBool::new(false),
            core,
        });
        let trackers = if use_trackers { metainfo.trackers().to_vec() } else { Vec::new() };
        let announcing = announce(Arc::clone(&shared), trackers, random_u64()?);
        self.core.insert(&shared)?;
        let torrent = Torrent::new(Arc::clone(&shared));
        tokio::spawn(supervise(shared, orders, make_swarm, peers, announcing));
        Ok(torrent)
    }

    /// Stops every torrent, and waits for them.
    pub async fn stop(&self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        let torrents: Vec<_> = self.core.lock().all.values().cloned().map(Torrent::new).collect();
        torrents.iter().for_each(Torrent::begin_stop);
        for torrent in torrents {
            torrent.stop().await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        let torrents = std::mem::take(&mut self.core.lock().all);
        torrents.values().for_each(|torrent| {
            torrent.stop.send_replace(true);
        });
    }
}

impl Core {
    /// The torrent of this hash, if it is served.
    pub(crate) fn find(&self, info_hash: InfoHash) -> Option<Arc<Shared>> {
        let registry = self.lock();
        let served = registry.served.lookup(&SkeyHash::of(&info_hash)).is_some();
        registry.all.get(&info_hash).filter(|_| served).cloned()
    }

    pub(crate) fn lookup_skey(&self, skey: &SkeyHash) -> Option<InfoHash> {
        self.lock().served.lookup(skey)
    }

    /// Incoming connections may ask for the torrent from now on.
    pub(crate) fn serve(&self, torrent: &Shared) {
        self.lock().served.insert(torrent.info_hash);
    }

    pub(crate) fn forget(&self, info_hash: InfoHash) {
        let mut registry = self.lock();
        registry.served.remove(&info_hash);
        registry.all.remove(&info_hash);
    }

    fn insert(&self, torrent: &Arc<Shared>) -> Result<(), Error> {
        let mut registry = self.lock();
        if registry.all.contains_key(&torrent.info_hash) {
            return Err(Error::Duplicate(torrent.info_hash));
        }
        registry.all.insert(torrent.info_hash, Arc::clone(torrent));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.torrents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn make_peer_id(&self) -> Result<PeerId, Error> {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut id = [0; 20];
        SysRng.try_fill_bytes(&mut id).map_err(|error| Error::System(std::io::Error::other(error)))?;
        id.iter_mut().for_each(|byte| *byte = LETTERS[usize::from(*byte) % LETTERS.len()]);
        id[..8].copy_from_slice(&self.config.peer_id_prefix);
        Ok(PeerId::new(id))
    }

    fn swarm_config(&self, peer_id: PeerId) -> torrent_swarm::Config {
        torrent_swarm::Config::default()
            .local_id(peer_id)
            .max_peers(self.config.max_peers)
            .upload_slots(self.config.upload_slots)
            .request_queue(REQUEST_QUEUE)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("port", &self.port).finish_non_exhaustive()
    }
}

fn random_u64() -> Result<u64, Error> {
    SysRng.try_next_u64().map_err(|error| Error::System(std::io::Error::other(error)))
}

/// The first free port of the usual ones, or else any; IPv4 alone where there is no IPv6.
fn bind_usual(ip: IpAddr) -> Result<TcpListener, Error> {
    let listen = |ip: IpAddr| {
        let ports = (6881..=6889).chain([0]);
        ports.map(|port| bind(SocketAddr::new(ip, port))).reduce(Result::or).expect("ten ports")
    };
    match ip {
        IpAddr::V6(v6) if v6.is_unspecified() => listen(ip).or_else(|_| listen(Ipv4Addr::UNSPECIFIED.into())),
        ip => listen(ip),
    }
}

/// IPv6 sockets take IPv4 peers too.
fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let open = || {
        let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        if address.is_ipv6() {
            socket2::SockRef::from(&socket).set_only_v6(false)?;
        }
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|source| Error::Listen { address, source })
}
