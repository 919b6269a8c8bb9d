//! Tells trackers of one torrent and learns peers from them. When and whom is for `torrent_tracker::Tiers` to say.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use torrent_tracker::{AnnounceRequest, AnnounceResponse, Due, Error, Reach, Schedule, Ticket, Tiers, Trust};

use crate::{
    Event, Phase, clock,
    torrent::{Shared, stopped},
};

/// For telling all trackers that we leave.
const FAREWELL: Duration = Duration::from_secs(5);

/// Announces one torrent for as long as it lives.
pub(crate) struct Announcer {
    tiers: Tiers,
    key: u32,
    asking: JoinSet<(Ticket, Arc<str>, Result<AnnounceResponse, Error>)>,
}

impl Announcer {
    /// `seed` decides the order inside tiers, and the `key` by which trackers know us again.
    pub(crate) fn new(tiers: &[Vec<String>], seed: u64) -> Self {
        let [.., a, b, c, d] = seed.to_be_bytes();
        let tiers = Tiers::new(tiers, Trust::Torrent, Reach::FirstAnswer, Schedule::default(), seed);
        Self { tiers, key: u32::from_be_bytes([a, b, c, d]), asking: JoinSet::new() }
    }

    pub(crate) async fn run(mut self, torrent: Arc<Shared>) {
        for skipped in self.tiers.skipped() {
            let (url, reason) = (skipped.text.as_str().into(), skipped.reason.to_string().into());
            torrent.report(Event::TrackerFailed { url, reason });
        }
        let mut phase = torrent.phase.subscribe();
        let mut stop = torrent.stop.subscribe();
        self.tiers.start(clock::now(), *phase.borrow_and_update() == Phase::Seeding);
        loop {
            self.ask(&torrent);
            tokio::select! {
                Some(Ok(answer)) = self.asking.join_next() => self.learn(&torrent, answer),
                () = sleep_until(self.tiers.poll_timeout()) => {}
                Ok(()) = phase.changed() => {
                    if *phase.borrow_and_update() == Phase::Seeding {
                        self.tiers.complete(clock::now());
                    }
                }
                () = stopped(&mut stop) => break,
            }
        }
        // Whoever is told anything now is told goodbye.
        self.asking.abort_all();
        self.tiers.stop(clock::now());
        let farewell = async {
            while !self.tiers.is_stopped() {
                self.ask(&torrent);
                match self.asking.join_next().await {
                    Some(Ok(answer)) => self.learn(&torrent, answer),
                    Some(Err(_)) => {}
                    None => break,
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Sends every announce that is due.
    fn ask(&mut self, torrent: &Arc<Shared>) {
        while let Some(due) = self.tiers.poll_announce(clock::now()) {
            let request = self.request(torrent, &due);
            let client = torrent.core.trackers.clone();
            self.asking.spawn(async move {
                let answer = client.announce(&due.url, &request).await;
                (due.ticket, due.url.to_string().into(), answer)
            });
        }
    }

    fn request(&self, torrent: &Shared, due: &Due) -> AnnounceRequest {
        let stats = torrent.brain.with(|swarm| swarm.stats());
        let mut request = AnnounceRequest::new(torrent.info_hash, torrent.peer_id, torrent.core.port);
        request.uploaded = stats.uploaded;
        request.downloaded = stats.downloaded;
        request.left = stats.total.saturating_sub(stats.verified);
        request.key = self.key;
        due.apply(&mut request);
        request
    }

    fn learn(&mut self, torrent: &Shared, (ticket, url, answer): (Ticket, Arc<str>, Result<AnnounceResponse, Error>)) {
        match answer {
            Ok(answer) => {
                self.tiers.handle_response(clock::now(), ticket, &answer);
                tracing::debug!(%url, peers = answer.peers.len(), "tracker answered");
                torrent.report(Event::TrackerAnswered { url, peers: answer.peers.len() });
                if !*torrent.stop.borrow() {
                    torrent.add_addresses(answer.peers, false);
                }
            }
            Err(error) => {
                self.tiers.handle_failure(clock::now(), ticket, &error);
                tracing::debug!(%url, %error, "tracker failed");
                torrent.report(Event::TrackerFailed { url, reason: error.to_string().into() });
            }
        }
    }
}

/// For ever, if there is nothing to wait for.
async fn sleep_until(time: Option<std::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
