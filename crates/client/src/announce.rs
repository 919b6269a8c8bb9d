//! Tells trackers of one torrent and learns peers from them. When and whom is for `torrent_tracker` to say.

use std::{sync::Arc, time::Duration};

use torrent_tracker::{Amounts, AnnounceRequest, AnnounceTo, Announced, Announcer, Schedule, Tiers, Trust};

use crate::{
    Event, Phase,
    torrent::{Shared, stopped},
};

/// How often the size of the swarm that trackers have told is brought up to date.
const UPDATE: Duration = Duration::from_secs(1);

/// Announces one torrent for as long as it lives. `seed` decides the order inside tiers, and the `key` by which trackers know us again.
pub(crate) async fn announce(torrent: Arc<Shared>, trackers: Vec<Vec<String>>, seed: u64) {
    let (mut announce_to, mut schedule) = (torrent.core.config.announce_to, Schedule::default());
    if torrent.info.is_private() {
        // BEP 27: one at a time, and another only when that one has failed.
        (announce_to, schedule.patience) = (AnnounceTo::FirstAnswer, None);
    }
    let tiers = Tiers::new(trackers, Trust::Torrent, announce_to, schedule, seed);
    for skipped in tiers.skipped() {
        let (url, reason) = (skipped.text.as_str().into(), skipped.reason.to_string().into());
        torrent.report(Event::TrackerFailed { url, reason });
    }
    let asked = Arc::clone(&torrent);
    let request = request(&torrent, seed);
    let (announcer, mut answers) =
        Announcer::spawn(torrent.core.trackers.clone(), tiers, request, move || amounts(&asked));
    let mut phase = torrent.phase.subscribe();
    let mut stop = torrent.stop.subscribe();
    let mut updates = tokio::time::interval(UPDATE);
    loop {
        tokio::select! {
            Some(announced) = answers.recv() => {
                count(&torrent, &announcer);
                learn(&torrent, announced);
            }
            _ = updates.tick() => count(&torrent, &announcer),
            Ok(()) = phase.changed() => if *phase.borrow_and_update() == Phase::Seeding { announcer.complete() },
            () = stopped(&mut stop) => break,
        }
    }
    // A command that ends when its download is complete still tells that first.
    if *phase.borrow() == Phase::Seeding {
        announcer.complete();
    }
    drop(answers);
    announcer.stop().await;
}

fn request(torrent: &Shared, seed: u64) -> AnnounceRequest {
    let [.., a, b, c, d] = seed.to_be_bytes();
    let mut request = AnnounceRequest::new(torrent.info_hash, torrent.peer_id, torrent.core.port);
    request.key = u32::from_be_bytes([a, b, c, d]);
    request
}

fn amounts(torrent: &Shared) -> Amounts {
    let stats = torrent.brain.with(|swarm| swarm.stats());
    let left = stats.total.saturating_sub(stats.verified);
    Amounts { uploaded: stats.uploaded, downloaded: stats.downloaded, left: Some(left) }
}

/// Answers to announces and to scrapes.
fn count(torrent: &Shared, announcer: &Announcer) {
    let size = announcer.with_tiers(Tiers::swarm_size);
    torrent.swarm_size.send_if_modified(|known| std::mem::replace(known, size) != size);
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
