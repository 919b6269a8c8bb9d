//! The `mainline` crate as an engine, behind a guard.
//! In: the jobs that it can do. Out: peers, items, reports. Never: more than [`STARTS_A_SECOND`] starts, more than
//! [`MAX_RUNNING`] at once, two on one target, an address that is none.
//!
//! It needs the guard: unpaced, its jobs lose one another's answers; two on one target take one another's places; and its thread
//! may end by an assertion, after which each call panics.

mod engine;
mod queue;

use std::{
    collections::BTreeSet,
    net::{SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};
use torrent_types::Scope;

use self::{
    engine::{Engine, Gone},
    queue::{Listener, Queue, Work},
};
use crate::{
    Announced, Builder, Dht, LookupError, NodeStatus, PublicKey, Report, Salt, SignedItem, Snapshot, StartError,
    Urgency,
    id::Id,
    item::Item,
    krpc::AnnouncePort,
    node::{Announce, Family, Search, Stats},
    snapshot::NodeSnapshot,
};

/// Jobs that begin in a second. Measured: all succeed at 50, a sixth fails at 100.
const STARTS_A_SECOND: u32 = 20;
/// Jobs at once.
const MAX_RUNNING: usize = 64;
/// Whoever waits for a job waits no longer than this.
const DEADLINE: Duration = Duration::from_secs(10);
/// A target stays taken until its job has ended inside the engine, which nothing can speed up; at most for so long.
const LONGEST: Duration = Duration::from_secs(60);
/// Peers that one job brings.
const MAX_PEERS: usize = 4096;
/// With a longer list each lookup visits all of it.
const MAX_BOOTSTRAP: usize = 16;

/// The engine, and everything that waits for it.
#[derive(Debug)]
pub(crate) struct Guard {
    queue: Mutex<Queue>,
    changed: Notify,
    engine: Engine,
}

/// Starts an engine of our own.
pub(crate) async fn start(builder: &Builder) -> Result<Dht, StartError> {
    let mut bootstrap: Vec<SocketAddrV4> = Vec::new();
    for node in builder.snapshot.nodes.iter().filter(|node| node.family == Family::V4) {
        bootstrap.extend(node.addresses().filter_map(v4).take(MAX_BOOTSTRAP - 4));
    }
    let routers = builder.routers.clone().unwrap_or_else(crate::net::public_routers);
    let mut resolved = Vec::new();
    for router in routers {
        match tokio::net::lookup_host((router.host(), router.port())).await {
            Ok(found) => resolved.extend(found.filter_map(v4)),
            Err(error) => tracing::debug!(%router, %error, "cannot resolve"),
        }
    }
    // Routers always: saved nodes may all be gone.
    bootstrap.truncate(MAX_BOOTSTRAP.saturating_sub(resolved.len().min(4)));
    bootstrap.extend(resolved);
    bootstrap.truncate(MAX_BOOTSTRAP);
    let bind = builder.first_v4();
    let engine = Engine::start(bind, bootstrap).await.map_err(StartError::System)?;
    Ok(Dht::mainline(Guard::new(engine)))
}

fn v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }
}

impl Guard {
    /// Uses a node that runs already. Needs a tokio runtime.
    pub(crate) fn adopt(node: ::mainline::Dht) -> Arc<Self> {
        Self::new(Engine::adopt(node))
    }

    fn new(engine: Engine) -> Arc<Self> {
        let guard = Arc::new(Self { queue: Mutex::new(Queue::default()), changed: Notify::new(), engine });
        tokio::spawn(guard.clone().dispatch());
        guard
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lookup that it can do.
    pub(crate) fn search(
        &self,
        search: Search,
        found: mpsc::UnboundedSender<SocketAddr>,
        done: oneshot::Sender<Result<Report, LookupError>>,
    ) {
        let target = search.target();
        let work = match search {
            Search::GetPeers { announce, scrape: false, .. } => Work::Peers(announce),
            Search::Get { salt, .. } if salt.as_bytes().is_empty() => Work::Get,
            Search::Put { item, cas } => Work::Put(item, cas),
            _ => return drop(done.send(Err(LookupError::Unsupported))),
        };
        self.add(target, work, Listener { found: Some(found), done });
    }

    /// The newest value of a key.
    pub(crate) async fn get_mutable(&self, key: &PublicKey, salt: &Salt) -> Result<Option<SignedItem>, LookupError> {
        let (sender, done) = oneshot::channel();
        let work = Work::GetMutable(*key, salt.clone());
        self.add(key.target(salt), work, Listener { found: None, done: sender });
        match done.await.unwrap_or(Err(LookupError::Closed))?.item {
            Some(Item::Mutable(item)) => Ok(Some(item)),
            _ => Ok(None),
        }
    }

    fn add(&self, target: Id, work: Work, listener: Listener) {
        self.lock().add(target, work, listener);
        self.changed.notify_one();
    }

    pub(crate) fn schedule(
        &self,
        hash: Id,
        announce: Announce,
        urgency: Urgency,
        events: mpsc::Sender<Announced>,
    ) -> Result<(), LookupError> {
        let result = self.lock().schedule(Instant::now(), hash, announce, urgency, events);
        self.changed.notify_one();
        result
    }

    pub(crate) fn unschedule(&self, hash: &Id) {
        self.lock().unschedule(hash);
    }

    pub(crate) fn add_node(&self, _node: SocketAddr) {
        // The engine takes nodes at its start only.
    }

    pub(crate) fn close(&self) {
        self.lock().close();
        self.changed.notify_one();
    }

    pub(crate) async fn ready(&self) -> Result<(), LookupError> {
        loop {
            if self.lock().is_closed() {
                return Err(LookupError::Closed);
            }
            if !self.engine.nodes().await.unwrap_or_default().is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn status(&self) -> Vec<NodeStatus> {
        let Some(info) = self.engine.info() else { return Vec::new() };
        let queue = self.lock();
        let stats = Stats {
            waiting: queue.waiting(),
            lookups: queue.running(),
            scheduled: queue.scheduled(),
            ..Stats::default()
        };
        vec![NodeStatus { family: Family::V4, id: info.id, local_addr: info.local_addr.into(), external: None, stats }]
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        // Without ids, which the engine does not tell: the id of each is found out by asking it.
        let contacts = self
            .engine
            .last_nodes()
            .into_iter()
            .map(|address| crate::Contact { id: Id::default(), address: address.into() });
        let id = self.engine.info().map(|info| info.id).unwrap_or_default();
        Snapshot::new(vec![NodeSnapshot { family: Family::V4, id, contacts: contacts.collect() }])
    }

    /// Begins one job after the other, at the pace.
    async fn dispatch(self: Arc<Self>) {
        self.engine.look().await;
        let mut pace = tokio::time::interval(Duration::from_secs(1) / STARTS_A_SECOND);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let (job, wait) = {
                let mut queue = self.lock();
                if queue.is_closed() {
                    return;
                }
                (queue.next(Instant::now()), queue.next_due())
            };
            match job {
                Some((target, work)) => {
                    tokio::spawn(self.clone().run(target, work));
                    pace.tick().await;
                }
                None => {
                    let due = wait.unwrap_or_else(|| Instant::now() + LONGEST);
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
            }
        }
    }

    /// Does one job. Those who wait are told after [`DEADLINE`] at the latest; the target is free when the engine is done with it.
    async fn run(self: Arc<Self>, target: Id, work: Work) {
        let job = self.clone().perform(target, work);
        tokio::pin!(job);
        let early = tokio::select! {
            result = &mut job => Some(result),
            () = tokio::time::sleep(DEADLINE) => None,
        };
        match early {
            Some(result) => self.finish(target, result).await,
            None => {
                self.lock().tell(&target, &Err(LookupError::TimedOut));
                drop(tokio::time::timeout(LONGEST, job).await);
                self.lock().release(&target);
            }
        }
        self.changed.notify_one();
    }

    async fn finish(&self, target: Id, result: Result<Report, Gone>) {
        let result = match result {
            Ok(report) if report.answers > 0 => Ok(report),
            Ok(_) => Err(LookupError::NoNodes),
            Err(Gone) => {
                self.engine.restart().await;
                Err(LookupError::EngineRestarted)
            }
        };
        let mut queue = self.lock();
        queue.tell(&target, &result);
        queue.release(&target);
        let stored = result.map_or(0, |report| report.stored);
        queue.announced(Instant::now(), &target, stored);
    }

    async fn perform(self: Arc<Self>, target: Id, work: Work) -> Result<Report, Gone> {
        let mut report = Report::default();
        match work {
            Work::Peers(announce) => {
                self.gather_peers(target, &mut report).await?;
                // Only after the lookup has ended: the engine would mix both up.
                if let Some(announce) = announce {
                    let port = match announce.port {
                        AnnouncePort::Explicit(port) => Some(port),
                        AnnouncePort::Implied => None,
                    };
                    report.stored = u32::from(self.engine.announce(target, port).await?);
                }
            }
            Work::Get => report.item = self.engine.get(target).await?.map(Item::Immutable),
            Work::GetMutable(key, salt) => report.item = self.engine.get_mutable(&key, &salt).await?.map(Item::Mutable),
            Work::Put(Item::Immutable(value), _) => report.stored = self.engine.put(&value).await?,
            Work::Put(Item::Mutable(item), cas) => {
                (report.stored, report.refused) = self.engine.put_mutable(&item, cas).await?;
            }
        }
        // It says nothing of answers: where it knows nodes, there were some.
        let found = report.peers > 0 || report.stored > 0 || report.item.is_some();
        report.answers = if found { 1 } else { u32::try_from(self.engine.nodes().await?.len()).unwrap_or(u32::MAX) };
        Ok(report)
    }

    async fn gather_peers(&self, target: Id, report: &mut Report) -> Result<(), Gone> {
        let scope = self.engine.scope();
        let mut seen = BTreeSet::new();
        let mut batches = self.engine.peers(target)?;
        while let Some(batch) = batches.next().await? {
            let may = |peer: &SocketAddr| peer.port() != 0 && scope.may_name(*peer) && !peer.ip().is_unspecified();
            let fresh: Vec<SocketAddr> = batch.into_iter().map(SocketAddr::from).filter(may).collect();
            let fresh: Vec<SocketAddr> =
                fresh.into_iter().filter(|peer| seen.len() < MAX_PEERS && seen.insert(*peer)).collect();
            if !fresh.is_empty() {
                self.lock().found(&target, &fresh);
            }
        }
        report.peers = u32::try_from(seen.len()).unwrap_or(u32::MAX);
        Ok(())
    }
}

/// The scope of the nearest of these: who is on loopback may name loopback, who is on the internet only the internet.
fn nearest(nodes: &[SocketAddrV4]) -> Scope {
    nodes.iter().map(|node| Scope::of((*node.ip()).into())).min().unwrap_or(Scope::Global)
}
