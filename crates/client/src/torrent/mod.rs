//! One torrent of a client: the handle that applications hold.

mod add;
mod announce;
mod cell;
mod content;
mod files;
mod inner;
mod lifecycle;
mod metadata;
mod reader;
mod start;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering};

use tokio::sync::broadcast;
use torrent_metainfo::Metainfo;
use torrent_swarm::{PeerStats, Source, Stats};
use torrent_tracker::SwarmSize;
use torrent_types::{Bitfield, InfoHash};

use crate::{Error, Event, PeerAddress, Phase, clock, names};
pub use add::AddTorrent;
pub(crate) use add::Place;
pub(crate) use cell::{Batch, Mail};
pub use files::File;
pub(crate) use inner::{REQUEST_QUEUE, TorrentInner};
pub use reader::{ReadError, Reader};

/// A torrent of a client. Clones are handles of the same torrent; it goes on without them until it or its client is stopped.
#[derive(Clone, Debug)]
pub struct Torrent {
    inner: Arc<TorrentInner>,
}

impl Torrent {
    pub(crate) fn new(inner: Arc<TorrentInner>) -> Self {
        Self { inner }
    }

    /// The hash by which peers and trackers know it.
    #[must_use]
    pub fn info_hash(&self) -> InfoHash {
        self.inner.info_hash
    }

    /// What it is called. A magnet link's own word counts until the metadata is known, then the torrent's.
    #[must_use]
    pub fn name(&self) -> String {
        self.inner.name()
    }

    /// Its .torrent file; of a magnet link, once peers have given the metadata.
    #[must_use]
    pub fn metainfo(&self) -> Option<Metainfo> {
        self.inner.content.get().map(|content| content.metainfo.clone())
    }

    /// What it is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.inner.phase().borrow()
    }

    /// What keeps it from going on, after [`Event::Failed`] or [`Event::StorageFailed`].
    #[must_use]
    pub fn failure(&self) -> Option<Arc<Error>> {
        lock(&self.inner.failure).clone()
    }

    /// Numbers, as of now. Cheap.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.look(|swarm| swarm.stats(clock::now()))
    }

    /// How large the swarm is by the last count of its trackers; a tracker whose answers do not say is scraped.
    #[must_use]
    pub fn swarm_size(&self) -> SwarmSize {
        self.inner.swarm_size()
    }

    /// The connected peers, as of now.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStats> {
        self.inner.look(|swarm| swarm.peers(clock::now()).collect())
    }

    /// The pieces that are in storage and good. None while the metadata is unknown or storage is being checked.
    #[must_use]
    pub fn have(&self) -> Bitfield {
        self.inner.have()
    }

    /// What happens from now on. A receiver that is too slow misses the oldest events.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events()
    }

    /// Fetches everything that is wanted: all files, unless [priorities](Self::set_priorities) say otherwise. Until then a torrent only checks and serves what it has. It also tries again at once what storage
    /// has refused.
    pub fn download_all(&self) {
        self.inner.downloading.store(true, Ordering::Relaxed);
        self.inner.apply_selection();
        self.inner.with(|swarm, now| swarm.handle_resume(now));
    }

    /// Stops fetching; serves on.
    pub fn stop_downloading(&self) {
        self.inner.downloading.store(false, Ordering::Relaxed);
        self.inner.apply_selection();
    }

    /// Closes all connections and opens none until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.inner.with(|swarm, now| swarm.handle_pause(now));
    }

    /// Goes on after a pause, or after a storage failure.
    pub fn resume(&self) {
        self.inner.with(|swarm, now| swarm.handle_resume(now));
    }

    /// Checks what is in storage again, whatever was known of it.
    pub fn verify(&self) {
        self.inner.with(|swarm, now| swarm.handle_recheck(now));
    }

    /// Tells it of a peer. A host name is looked up; the peer is tried again and again.
    pub fn add_peer(&self, peer: impl Into<PeerAddress>) {
        names::add_peers(&self.inner, Source::User, [peer.into()]);
    }

    /// Waits until `wanted` is true of what the torrent does, or it is stopped. Returns what it then does.
    pub async fn wait_for(&self, wanted: impl Fn(Phase) -> bool) -> Phase {
        let mut phase = self.inner.phase();
        let seen = phase.wait_for(|phase| *phase == Phase::Stopped || wanted(*phase)).await;
        seen.map_or(Phase::Stopped, |phase| *phase)
    }

    /// Says goodbye to trackers and peers and writes what was accepted. Returns when that is done.
    pub async fn stop(&self) {
        self.begin_stop();
        self.wait_for(|phase| phase == Phase::Stopped).await;
    }

    pub(crate) fn begin_stop(&self) {
        self.inner.with(|swarm, now| swarm.handle_stop(now));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
