//! Tells trackers of one torrent and learns peers from them. When and whom is for `torrent_tracker` to say.

use std::{sync::Arc, time::Duration};

use torrent_tracker::{Amounts, AnnounceRequest, Announced, Announcer, Reach, Schedule, Tiers, Trust};

use crate::{
    Event, Phase,
    torrent::{Shared, stopped},
};

/// How often the amounts that trackers are told are brought up to date.
const UPDATE: Duration = Duration::from_secs(1);

/// Announces one torrent for as long as it lives. `seed` decides the order inside tiers, and the `key` by which trackers know us again.
pub(crate) async fn announce(torrent: Arc<Shared>, trackers: Vec<Vec<String>>, seed: u64) {
    let tiers = Tiers::new(trackers, Trust::Torrent, Reach::FirstAnswer, Schedule::default(), seed);
    for skipped in tiers.skipped() {
        let (url, reason) = (skipped.text.as_str().into(), skipped.reason.to_string().into());
        torrent.report(Event::TrackerFailed { url, reason });
    }
    let (announcer, mut answers) = Announcer::spawn(torrent.core.trackers.clone(), tiers, request(&torrent, seed));
    let mut phase = torrent.phase.subscribe();
    let mut stop = torrent.stop.subscribe();
    let mut updates = tokio::time::interval(UPDATE);
    loop {
        tokio::select! {
            Some(announced) = answers.recv() => learn(&torrent, announced),
            _ = updates.tick() => announcer.update(amounts(&torrent)),
            Ok(()) = phase.changed() => {
                if *phase.borrow_and_update() == Phase::Seeding {
                    announcer.complete();
                }
            }
            () = stopped(&mut stop) => break,
        }
    }
    announcer.update(amounts(&torrent));
    announcer.stop().await;
}

fn request(torrent: &Shared, seed: u64) -> AnnounceRequest {
    let Amounts { uploaded, downloaded, left } = amounts(torrent);
    let [.., a, b, c, d] = seed.to_be_bytes();
    let mut request = AnnounceRequest::new(torrent.info_hash, torrent.peer_id, torrent.core.port);
    (request.uploaded, request.downloaded, request.left) = (uploaded, downloaded, left);
    request.key = u32::from_be_bytes([a, b, c, d]);
    request
}

fn amounts(torrent: &Shared) -> Amounts {
    let stats = torrent.brain.with(|swarm| swarm.stats());
    let left = stats.total.saturating_sub(stats.verified);
    Amounts { uploaded: stats.uploaded, downloaded: stats.downloaded, left }
}

fn learn(torrent: &Shared, Announced { url, outcome, .. }: Announced) {
    let url = url.to_string().into();
    match outcome {
        Ok(answer) => {
            tracing::debug!(%url, peers = answer.peers.len(), "tracker answered");
            torrent.report(Event::TrackerAnswered { url, peers: answer.peers.len() });
            torrent.add_addresses(answer.peers, false);
        }
        Err(error) => {
            tracing::debug!(%url, %error, "tracker failed");
            torrent.report(Event::TrackerFailed { url, reason: error.to_string().into() });
        }
    }
}
