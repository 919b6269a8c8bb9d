//! One torrent of a client: the handle that applications hold.

mod add;
mod shared;
mod supervise;

use std::sync::Arc;

use tokio::sync::{broadcast, watch};
use torrent_swarm::{PeerStats, Stats};
use torrent_tracker::SwarmSize;
use torrent_types::{Bitfield, InfoHash};

use crate::{Event, Phase, clock};
pub use add::AddTorrent;
pub(crate) use shared::{REQUEST_QUEUE, Shared};
pub(crate) use supervise::{stopped, supervise};

/// A torrent at work. Clones speak of the same torrent; it goes on without them until it or its client is stopped.
#[derive(Clone, Debug)]
pub struct Torrent {
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
}

impl Torrent {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let phase = shared.phase.subscribe();
        Self { shared, phase }
    }

    /// By what it is known.
    #[must_use]
    pub fn info_hash(&self) -> InfoHash {
        self.shared.info_hash
    }

    /// What it is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Numbers, as of now. Cheap.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.brain.with(|swarm| swarm.stats())
    }

    /// How large the swarm is by the last count of its trackers; a tracker whose answers do not say is scraped.
    #[must_use]
    pub fn swarm_size(&self) -> SwarmSize {
        *self.shared.swarm_size.borrow()
    }

    /// The connected peers, as of now.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStats> {
        self.shared.brain.with(|swarm| swarm.peers().collect())
    }

    /// The pieces that are in storage and good.
    #[must_use]
    pub fn have(&self) -> Bitfield {
        self.shared.brain.with(|swarm| swarm.have().clone())
    }

    /// What happens from now on. A receiver that is too slow misses the oldest events.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Fetches everything. Until then a torrent only checks and serves what it has.
    pub fn download_all(&self) {
        self.shared.wanted.send_replace(true);
        self.shared.brain.with(|swarm| swarm.pause_downloading(clock::now(), false));
    }

    /// Stops fetching; serves on.
    pub fn pause_downloading(&self) {
        self.shared.wanted.send_replace(false);
        self.shared.brain.with(|swarm| swarm.pause_downloading(clock::now(), true));
    }

    /// Tells it of a peer. It will be tried again and again.
    pub fn add_peer(&self, address: std::net::SocketAddr) {
        self.shared.add_addresses([address], true);
    }

    /// Waits until `wanted` is true of what the torrent does, or it is stopped. Returns what it then does.
    pub async fn wait_for(&self, wanted: impl Fn(Phase) -> bool) -> Phase {
        let mut phase = self.phase.clone();
        let seen = phase.wait_for(|phase| *phase == Phase::Stopped || wanted(*phase)).await;
        seen.map_or(Phase::Stopped, |phase| *phase)
    }

    /// Says goodbye to trackers and peers and writes what is complete. Returns when that is done.
    pub async fn stop(&self) {
        self.begin_stop();
        self.wait_for(|phase| phase == Phase::Stopped).await;
    }

    pub(crate) fn begin_stop(&self) {
        self.shared.stop.send_replace(true);
    }
}
