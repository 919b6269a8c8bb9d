//! Tells trackers of one torrent, and learns peers from them. There is a task for each announce under way, and none
//! between announces: deadlines go to the scheduler.
//! In: answers, what the swarm wants trackers to hear, time. Out: announces, addresses, events.
//! Never: when and to which tracker to announce (`torrent_tracker::Tiers` says).

use std::{
    sync::{Arc, MutexGuard},
    time::Instant,
};

use tokio::sync::Notify;
use torrent_swarm::{Announce, Source};
use torrent_tracker::{
    Amounts, AnnounceRequest, AnnounceResponse, AnnounceTo, Content, Due, Schedule, SwarmSize, Ticket, Tiers,
    TrackerUrl, Trust,
};

use super::{TorrentInner, lock};
use crate::{Event, clock};

/// What the trackers of a torrent have heard and will hear.
#[derive(Debug)]
pub(crate) struct Announcing {
    tiers: Tiers,
    /// Trackers know us again by it when our address changes.
    key: u32,
    started: bool,
    /// An answer has come.
    answered: Arc<Notify>,
    /// The deadline that the scheduler knows of.
    scheduled: Option<Instant>,
}

impl Announcing {
    /// Trackers by tier. `seed` decides the order inside tiers.
    pub(super) fn new(trackers: &[Vec<String>], announce_to: AnnounceTo, private: bool, seed: u64) -> Self {
        let (mut announce_to, mut schedule) = (announce_to, Schedule::default());
        if private {
            // BEP 27: one at a time, and another only when that one has failed.
            (announce_to, schedule.patience) = (AnnounceTo::FirstAnswer, None);
        }
        let [.., a, b, c, d] = seed.to_be_bytes();
        Self {
            tiers: Tiers::new(trackers, Trust::Torrent, announce_to, schedule, seed),
            key: u32::from_be_bytes([a, b, c, d]),
            started: false,
            answered: Arc::default(),
            scheduled: None,
        }
    }
}

impl TorrentInner {
    /// How large the swarm is by the last count of the trackers.
    pub(crate) fn swarm_size(&self) -> SwarmSize {
        self.announcing().tiers.swarm_size()
    }

    /// The torrent runs from now on: trackers hear `started`.
    pub(super) fn announce_start(self: &Arc<Self>, content: Content) {
        let skipped: Vec<_> = {
            let mut announcing = self.announcing();
            if std::mem::replace(&mut announcing.started, true) {
                return;
            }
            announcing.tiers.handle_start(clock::now(), content);
            announcing
                .tiers
                .skipped()
                .iter()
                .map(|skipped| (skipped.text.clone(), skipped.reason.to_string()))
                .collect()
        };
        for (url, reason) in skipped {
            self.report(|| Event::TrackerFailed { url: url.as_str().into(), reason: reason.as_str().into() });
        }
        self.announce_due();
    }

    /// The swarm wants trackers to hear something.
    pub(super) fn announce(self: &Arc<Self>, what: Announce) {
        let now = clock::now();
        match what {
            Announce::Completed => self.announcing().tiers.handle_complete(now),
            Announce::NeedPeers => {
                self.announcing().tiers.handle_need_peers(now);
                if !self.is_private() {
                    self.client.discoveries.iter().for_each(|discovery| discovery.need_peers(self.info_hash));
                }
            }
        }
        self.announce_due();
    }

    /// A deadline may have come.
    pub(super) fn announce_timeout(self: &Arc<Self>, now: Instant) {
        {
            let mut announcing = self.announcing();
            announcing.scheduled = None;
            if announcing.tiers.poll_timeout().is_some_and(|due| due <= now) {
                announcing.tiers.handle_timeout(now);
            }
        }
        self.announce_due();
    }

    /// Makes the announces that are due.
    fn announce_due(self: &Arc<Self>) {
        let (mut dues, mut scrapes) = (Vec::new(), Vec::new());
        let key = {
            let mut announcing = self.announcing();
            dues.extend(std::iter::from_fn(|| announcing.tiers.poll_announce()));
            scrapes.extend(std::iter::from_fn(|| announcing.tiers.poll_scrape()));
            if let Some(due) = announcing.tiers.poll_timeout()
                && announcing.scheduled.is_none_or(|known| due < known)
            {
                announcing.scheduled = Some(due);
                self.schedule(due);
            }
            announcing.key
        };
        for due in dues {
            let request = self.announce_request(&due, key);
            self.client.spawn(self, announce(Arc::clone(self), due, request));
        }
        for (ticket, url) in scrapes {
            self.client.spawn(self, scrape(Arc::clone(self), ticket, url));
        }
    }

    /// Amounts are those of this moment.
    fn announce_request(&self, due: &Due, key: u32) -> AnnounceRequest {
        let stats = self.look(|swarm| swarm.stats(clock::now()));
        let left = self.content.get().map(|_| stats.total.saturating_sub(stats.verified));
        let mut request = AnnounceRequest::new(self.info_hash, self.peer_id, self.client.port);
        request.set_amounts(Amounts { uploaded: stats.uploaded, downloaded: stats.downloaded, left });
        request.key = key;
        due.apply(&mut request);
        request
    }

    fn handle_announced(self: &Arc<Self>, due: &Due, outcome: Result<AnnounceResponse, torrent_tracker::Error>) {
        let (now, url) = (clock::now(), due.url.to_string());
        {
            let mut announcing = self.announcing();
            match &outcome {
                Ok(response) => announcing.tiers.handle_response(now, due.ticket, response),
                Err(error) => announcing.tiers.handle_failure(now, due.ticket, error),
            }
            announcing.answered.notify_one();
        }
        match outcome {
            Ok(answer) => {
                let peers = answer.peers.len();
                tracing::debug!(url, peers, "tracker answered");
                let warning = answer.warning.as_deref();
                self.report(|| Event::TrackerAnswered {
                    url: url.as_str().into(),
                    peers,
                    warning: warning.map(Into::into),
                });
                self.add_addresses(Source::Tracker(answer.scope), answer.peers);
            }
            Err(error) => {
                tracing::debug!(url, %error, "tracker failed");
                self.report(|| Event::TrackerFailed { url: url.as_str().into(), reason: error.to_string().into() });
            }
        }
        self.announce_due();
    }

    /// Says goodbye to the trackers that know us. Takes a bounded time, with its own timer: the scheduler may have gone.
    pub(super) async fn farewell(self: &Arc<Self>) {
        let answered = {
            let mut announcing = self.announcing();
            announcing.started = true;
            announcing.tiers.handle_stop(clock::now());
            Arc::clone(&announcing.answered)
        };
        loop {
            self.announce_due();
            let due = {
                let announcing = self.announcing();
                if announcing.tiers.is_stopped() {
                    return;
                }
                announcing.tiers.poll_timeout()
            };
            let time = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = answered.notified() => {}
                () = time => self.announcing().tiers.handle_timeout(clock::now()),
            }
        }
    }

    fn announcing(&self) -> MutexGuard<'_, Announcing> {
        lock(&self.announcing)
    }
}

async fn announce(torrent: Arc<TorrentInner>, due: Due, request: AnnounceRequest) {
    let outcome = torrent.client.trackers.announce(&due.url, &request).await;
    torrent.handle_announced(&due, outcome);
}

async fn scrape(torrent: Arc<TorrentInner>, ticket: Ticket, url: TrackerUrl) {
    let outcome = torrent.client.trackers.scrape(&url, &[torrent.info_hash]).await;
    let outcome = outcome.map(|entries| entries.first().copied().flatten());
    let mut announcing = torrent.announcing();
    announcing.tiers.handle_scrape(clock::now(), ticket, outcome.as_ref().copied());
    announcing.answered.notify_one();
}
