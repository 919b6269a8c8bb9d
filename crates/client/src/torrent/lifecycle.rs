//! Carries out what a torrent's swarm decides about its life: check, finish, goodbye. In: jobs from the cell. Out: calls of
//! the disk, the trackers and the network, and their outcomes back to the swarm. Never: decisions.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::oneshot;
use torrent_swarm::{Activity, Phase as SwarmPhase};
use torrent_tracker::Content;

use super::{TorrentInner, cell::Job, content::failure_of};
use crate::{Error, Event, Phase, discovery::Seeker, net};

impl TorrentInner {
    /// Does what follows from a change of the swarm, in order. The swarm's lock is free.
    pub(super) fn work(self: &Arc<Self>, jobs: Vec<Job>) {
        for job in jobs {
            match job {
                Job::Announce(what) => self.announce(what),
                Job::Check => self.check(),
                Job::Damaged(piece) => {
                    tracing::warn!(%piece, "no connected peer has this piece right");
                    self.report(|| Event::PieceDamaged(piece));
                }
                Job::Dial(attempt) => self.client.spawn(self, net::dial(Arc::clone(self), attempt)),
                // Files get their lengths with the phase, see below.
                Job::Finished => self.finished.store(true, Ordering::Relaxed),
                Job::Leave => self.client.spawn(self, leave(Arc::clone(self))),
                Job::Phase(phase) => self.phase_changed(phase),
                Job::RetryStorage => self.content.get().into_iter().for_each(|content| content.disk.retry()),
                Job::Testify(piece) => {
                    let torrent = Arc::clone(self);
                    self.client.spawn_blocking(move || torrent.testify(piece));
                }
            }
        }
    }

    /// The swarm has said in which phase it is.
    fn phase_changed(self: &Arc<Self>, phase: SwarmPhase) {
        let public = match phase {
            SwarmPhase::Metadata => Phase::Metadata,
            SwarmPhase::Checking => {
                let total = self.content.get().map_or(0, |content| content.geometry.piece_count());
                Phase::Checking { done: 0, total }
            }
            SwarmPhase::Active(Activity::Serving) => Phase::Serving,
            SwarmPhase::Active(Activity::Downloading) => Phase::Downloading,
            // Nothing is wanted but what readers ask for.
            SwarmPhase::Active(Activity::Finished) if !self.downloading.load(Ordering::Relaxed) => Phase::Serving,
            SwarmPhase::Active(Activity::Finished) => Phase::Finished,
            SwarmPhase::Active(Activity::Seeding) => Phase::Seeding,
            SwarmPhase::Active(Activity::Paused) => Phase::Paused,
            SwarmPhase::Active(Activity::StorageFailed(_)) => Phase::StorageFailed,
            SwarmPhase::Leaving => Phase::Leaving,
            SwarmPhase::Stopped => Phase::Stopped,
        };
        tracing::debug!(phase = ?public, "phase");
        if matches!(phase, SwarmPhase::Active(_)) {
            let complete = self.look(|swarm| swarm.is_complete());
            self.announce_start(if complete { Content::Complete } else { Content::Missing });
        }
        match self.content.get().filter(|_| public.is_finished()) {
            // It is finished once empty files are made and all have their lengths.
            Some(content) => content.disk.finish(),
            None => self.publish(phase, public),
        }
    }

    /// All files are as they should be.
    pub(super) fn files_finished(self: &Arc<Self>) {
        match self.look(|swarm| swarm.phase()) {
            phase @ SwarmPhase::Active(Activity::Finished) => self.publish(phase, Phase::Finished),
            phase @ SwarmPhase::Active(Activity::Seeding) => self.publish(phase, Phase::Seeding),
            // It has gone on meanwhile.
            _ => return,
        }
        if self.finished.swap(false, Ordering::Relaxed) {
            self.report(|| Event::Finished);
        }
    }

    /// Says what the torrent does, unless another thread has been quicker with a later phase.
    fn publish(&self, phase: SwarmPhase, public: Phase) {
        self.phase.send_if_modified(|known| {
            let news = *known != public && self.look(|swarm| swarm.phase()) == phase;
            if news {
                *known = public;
            }
            news
        });
        self.wake_readers();
    }

    /// Sources of peers for all torrents hear of this one, or no longer. BEP 27.
    pub(super) fn discover(self: &Arc<Self>) {
        for discovery in &self.client.discoveries {
            if self.is_private() {
                discovery.stop(self.info_hash);
            } else {
                let port = Some(self.client.port).filter(|port| *port != 0);
                discovery.start(Seeker::new(self.info_hash, port, Arc::downgrade(self)));
            }
        }
    }

    /// The torrent cannot go on.
    pub(super) fn fail(self: &Arc<Self>, error: Error) {
        let error = Arc::new(error);
        tracing::debug!(%error, "the torrent cannot go on");
        self.set_failure(Arc::clone(&error));
        self.wake_readers();
        self.report(|| Event::Failed(Arc::clone(&error)));
        self.with(|swarm, now| swarm.handle_stop(now));
    }

    /// Storage has refused something.
    pub(super) fn storage_failed(self: &Arc<Self>, error: torrent_storage::StorageError) {
        let failure = failure_of(&error);
        let error = Arc::new(error);
        tracing::debug!(%error, "downloading stops");
        self.set_failure(Arc::new(Error::Storage(Arc::clone(&error))));
        self.with(|swarm, now| swarm.handle_storage_failed(now, failure));
        self.report(|| Event::StorageFailed(Arc::clone(&error)));
    }
}

/// The torrent is stopping: peers do not find it any more, what was accepted is written, trackers are told.
async fn leave(torrent: Arc<TorrentInner>) {
    torrent.client.registry.remove(&torrent);
    torrent.client.discoveries.iter().for_each(|discovery| discovery.stop(torrent.info_hash));
    let written = async {
        if let Some(content) = torrent.content.get() {
            let (done, written) = oneshot::channel();
            content.disk.stop(move || {
                // Nobody waits any more if the runtime is going down.
                let _ = done.send(());
            });
            let _ = written.await;
        }
    };
    tokio::join!(written, torrent.farewell());
    torrent.client.scheduler.forget(torrent.key);
    torrent.with(|swarm, now| swarm.handle_left(now));
}
