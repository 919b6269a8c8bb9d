//! The driver: a handle, one task, sockets.

mod announcer;
mod builder;
mod follow;
mod lookup;
mod socket;
mod task;
pub(crate) mod testnet;

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use torrent_bencode::RawValueBuf;
use torrent_types::InfoHash;

pub use announcer::{Announced, Announcer};
#[cfg(feature = "mainline")]
pub(crate) use builder::public_routers;
pub use builder::{Builder, Engine, PUBLIC_ROUTERS, StartError};
pub use follow::{Follow, Update};
pub use lookup::{LookupError, Peers, Report};
pub use socket::DatagramSocket;
pub use testnet::Testnet;

use self::{
    lookup::{Interest, Lookup},
    task::Shared,
};
use crate::{
    id::Id,
    item::{Item, ItemError, PublicKey, Salt, SignedItem},
    krpc::{Contact, code},
    node::{Announce, Answer, Ask, Family, QueryError, Scrape, Search, Stats},
    snapshot::Snapshot,
};

/// A running DHT. Clones are the same DHT; it ends when the last of them, and of what they gave out, is dropped.
#[derive(Clone, Debug)]
pub struct Dht(Arc<Handle>);

#[derive(Debug)]
struct Handle(Engines);

#[derive(Debug)]
pub(crate) enum Engines {
    Native(Arc<Shared>),
    #[cfg(feature = "mainline")]
    Mainline(Arc<crate::mainline::Guard>),
}

impl Drop for Handle {
    fn drop(&mut self) {
        match &self.0 {
            Engines::Native(shared) => shared.act(|state, _| state.close()),
            #[cfg(feature = "mainline")]
            Engines::Mainline(guard) => guard.close(),
        }
    }
}

/// One of the nodes of a [`Dht`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Its address family.
    pub family: Family,
    /// Its id.
    pub id: Id,
    /// Where its socket is bound.
    pub local_addr: SocketAddr,
    /// The address by which others see it, once it is known.
    pub external: Option<IpAddr>,
    /// Counters and gauges.
    pub stats: Stats,
}

/// Why an item was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// It cannot be an item.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// No node to store it on was found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// What is stored has another sequence number than was expected. Read it and try again. BEP 44 § "CAS".
    #[error("what is stored has another sequence number than expected")]
    CasFailed,
    /// What is stored has a greater sequence number.
    #[error("what is stored has a greater sequence number")]
    SeqTooLow,
    /// No node stored it.
    #[error("no node stored it{}", .0.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Rejected(Option<String>),
}

impl Dht {
    /// Sets one up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A network of `nodes` nodes on loopback, for tests.
    ///
    /// # Errors
    /// If sockets cannot be bound.
    pub async fn testnet(nodes: usize) -> Result<Testnet, StartError> {
        Testnet::start(nodes).await
    }

    /// A node of the `mainline` crate that is running already, behind this handle. It is used as it is: read-only or not.
    #[cfg(feature = "mainline")]
    #[must_use]
    pub fn from_mainline(node: ::mainline::Dht) -> Self {
        Self::mainline(crate::mainline::Guard::adopt(node))
    }

    pub(crate) fn native(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Handle(Engines::Native(shared))))
    }

    #[cfg(feature = "mainline")]
    pub(crate) fn mainline(guard: Arc<crate::mainline::Guard>) -> Self {
        Self(Arc::new(Handle(Engines::Mainline(guard))))
    }

    pub(crate) fn engines(&self) -> &Engines {
        &self.0.0
    }

    /// The peers of a torrent, as nodes answer. Dropping the stream ends the lookup.
    pub fn get_peers(&self, info_hash: InfoHash) -> Peers {
        self.peers(Search::GetPeers { info_hash: info_hash.into(), announce: None, scrape: false })
    }

    /// Looks for the peers of a torrent and announces it to the closest nodes at the end. Keep the stream until it has ended, or
    /// [`finish`](Peers::finish) it: dropped before, nothing is announced.
    pub fn announce(&self, info_hash: InfoHash, announce: Announce) -> Peers {
        self.peers(Search::GetPeers { info_hash: info_hash.into(), announce: Some(announce), scrape: false })
    }

    /// Keeps many torrents announced.
    #[must_use]
    pub fn announcer(&self) -> Announcer {
        Announcer::new(self.clone())
    }

    /// Counts the peers of a torrent. BEP 33.
    ///
    /// # Errors
    /// If no node answered.
    pub async fn scrape(&self, info_hash: InfoHash) -> Result<Scrape, LookupError> {
        let search = Search::GetPeers { info_hash: info_hash.into(), announce: None, scrape: true };
        Ok(self.run(search).await?.scrape.unwrap_or_default())
    }

    /// The value with this hash. BEP 44 § "Immutable Items".
    ///
    /// # Errors
    /// If no node answered.
    pub async fn get(&self, target: Id) -> Result<Option<RawValueBuf>, LookupError> {
        match self.run(Search::Get { target, salt: Salt::default(), seq: None }).await?.item {
            Some(Item::Immutable(value)) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// The newest value of a key. BEP 44 § "Mutable Items".
    ///
    /// # Errors
    /// If no node answered.
    pub async fn get_mutable(&self, key: &PublicKey, salt: &Salt) -> Result<Option<SignedItem>, LookupError> {
        #[cfg(feature = "mainline")]
        if let Engines::Mainline(guard) = self.engines() {
            return guard.get_mutable(key, salt).await;
        }
        match self.run(Search::Get { target: key.target(salt), salt: salt.clone(), seq: None }).await?.item {
            Some(Item::Mutable(item)) => Ok(Some(item)),
            _ => Ok(None),
        }
    }

    /// Stores a value under its hash, which is in the result. BEP 44 § "Immutable Items".
    ///
    /// # Errors
    /// If it is longer than 1,000 bytes, or no node stored it.
    pub async fn put(&self, value: RawValueBuf) -> Result<(Id, Report), PutError> {
        let item = Item::immutable(value)?;
        let target = item.target();
        Ok((target, self.store(item, None).await?))
    }

    /// Stores a signed value; with `cas` only where the stored one has this sequence number. BEP 44 § "Mutable Items".
    ///
    /// # Errors
    /// If no node stored it.
    pub async fn put_mutable(&self, item: SignedItem, cas: Option<i64>) -> Result<Report, PutError> {
        self.store(Item::Mutable(item), cas).await
    }

    /// Follows the torrents of a publisher. BEP 46.
    #[must_use]
    pub fn follow(&self, key: PublicKey, salt: Salt) -> Follow {
        let interval = Duration::from_secs(5 * 60);
        Follow { dht: self.clone(), key, salt, interval, newest: None, looked: None, stored: None }
    }

    /// The nodes closest to a target.
    ///
    /// # Errors
    /// If no node answered.
    pub async fn find_node(&self, target: Id) -> Result<Vec<Contact>, LookupError> {
        Ok(self.run(Search::FindNode { target }).await?.closest)
    }

    /// Asks one node whether it is there.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self, node: SocketAddr) -> Result<Answer, QueryError> {
        self.ask(node, Ask::Ping).await
    }

    /// A sample of the info hashes that a node has, and its nodes closest to a target. BEP 51.
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub async fn sample_infohashes(&self, node: SocketAddr, target: Id) -> Result<Answer, QueryError> {
        self.ask(node, Ask::SampleInfohashes(target)).await
    }

    /// Asks one node.
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub async fn ask(&self, node: SocketAddr, ask: Ask) -> Result<Answer, QueryError> {
        match self.engines() {
            Engines::Native(shared) => {
                let (sender, done) = oneshot::channel();
                shared.act(|state, now| {
                    if !state.is_closed() {
                        state.ask(now, node, ask, sender);
                    }
                });
                done.await.unwrap_or(Err(QueryError::Closed))
            }
            #[cfg(feature = "mainline")]
            Engines::Mainline(_) => Err(QueryError::Refused),
        }
    }

    /// Waits until the first nodes have answered.
    ///
    /// # Errors
    /// If the DHT was shut down.
    pub async fn ready(&self) -> Result<(), LookupError> {
        match self.engines() {
            Engines::Native(shared) => {
                let mut ready = shared.lock().ready();
                let result = ready.wait_for(|ready| *ready).await.map(|_| ());
                result.map_err(|_| LookupError::Closed)
            }
            #[cfg(feature = "mainline")]
            Engines::Mainline(guard) => guard.ready().await,
        }
    }

    /// A node that somebody knows: a PORT message, a torrent's `nodes`, a link's `x.pe`. It is asked before it is believed.
    pub fn add_node(&self, node: SocketAddr) {
        match self.engines() {
            Engines::Native(shared) => shared.act(|state, now| {
                for bound in &mut state.nodes {
                    bound.node.handle_node(now, node);
                }
            }),
            #[cfg(feature = "mainline")]
            Engines::Mainline(guard) => guard.add_node(node),
        }
    }

    /// Its nodes, one for each address that is bound.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeStatus> {
        match self.engines() {
            Engines::Native(shared) => {
                let now = task::now();
                let state = shared.lock();
                let status = |bound: &task::Bound| NodeStatus {
                    family: bound.node.family(),
                    id: *bound.node.id(),
                    local_addr: bound.address,
                    external: bound.node.external(),
                    stats: bound.node.stats(now),
                };
                state.nodes.iter().map(status).collect()
            }
            #[cfg(feature = "mainline")]
            Engines::Mainline(guard) => guard.status(),
        }
    }

    /// Where it can be reached, for each address that is bound.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.nodes().into_iter().map(|node| node.local_addr).collect()
    }

    /// What to begin with next time.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        match self.engines() {
            Engines::Native(shared) => shared.lock().snapshot(),
            #[cfg(feature = "mainline")]
            Engines::Mainline(guard) => guard.snapshot(),
        }
    }

    /// Ends it for all handles, and returns what to begin with next time.
    pub fn shutdown(&self) -> Snapshot {
        let snapshot = self.snapshot();
        match self.engines() {
            Engines::Native(shared) => shared.act(|state, _| state.close()),
            #[cfg(feature = "mainline")]
            Engines::Mainline(guard) => guard.close(),
        }
        snapshot
    }

    fn peers(&self, search: Search) -> Peers {
        let (sender, found) = mpsc::unbounded_channel();
        let (done_sender, done) = oneshot::channel();
        let search = self.begin(search, sender, done_sender);
        Peers { found, done, interest: Interest { dht: self.clone(), search }, seen: BTreeSet::new() }
    }

    fn begin(
        &self,
        search: Search,
        found: mpsc::UnboundedSender<SocketAddr>,
        done: oneshot::Sender<Result<Report, LookupError>>,
    ) -> Option<u64> {
        match self.engines() {
            Engines::Native(shared) => {
                shared.act(|state, now| (!state.is_closed()).then(|| state.search(now, search, found, done)))
            }
            #[cfg(feature = "mainline")]
            Engines::Mainline(guard) => {
                guard.search(search, found, done);
                None
            }
        }
    }

    /// Runs a lookup of which only the end matters.
    pub(crate) async fn run(&self, search: Search) -> Result<Report, LookupError> {
        let (sender, _found) = mpsc::unbounded_channel();
        let (done_sender, done) = oneshot::channel();
        let search = self.begin(search, sender, done_sender);
        Lookup { done, interest: Interest { dht: self.clone(), search } }.await
    }

    async fn store(&self, item: Item, cas: Option<i64>) -> Result<Report, PutError> {
        let report = self.run(Search::Put { item, cas }).await?;
        if report.stored > 0 {
            return Ok(report);
        }
        Err(match report.refused {
            Some((code::CAS_MISMATCH, _)) => PutError::CasFailed,
            Some((code::SEQ_TOO_LOW, _)) => PutError::SeqTooLow,
            refused => PutError::Rejected(refused.map(|(_, text)| text)),
        })
    }

    pub(crate) fn cancel(&self, search: u64) {
        match self.engines() {
            Engines::Native(shared) => shared.act(|state, now| state.cancel(now, search)),
            #[cfg(feature = "mainline")]
            Engines::Mainline(_) => {}
        }
    }
}

impl Snapshot {
    /// Reads one from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or is none.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::from_bytes(&std::fs::read(path)?).map_err(io::Error::other)
    }

    /// Writes it to a file, which is replaced whole: a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = Path::new(&temporary);
        let mut file = std::fs::File::create(temporary)?;
        io::Write::write_all(&mut file, &self.to_bytes())?;
        file.sync_all()?;
        std::fs::rename(temporary, path)
    }
}
