//! Tells trackers of one torrent and learns peers from them. When and whom is for `torrent_tracker` to say.

use std::{sync::Arc, time::Duration};

use torrent_tracker::{Amounts, AnnounceRequest, Announced, Announcer, Reach, Schedule, Tiers, Trust};

use crate::{
    Event, Phase,
    torrent::{Shared, stopped},
};

/// How often the amounts that trackers are told, and the size of the swarm that they have told, are brought up to date.
const UPDATE: Duration = Duration::from_secs(1);

/// For the tracker to hear that the download has finished, when the torrent is stopped at that moment.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Longer than any announce takes.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Announces one torrent for as long as it lives. `seed` decides the order inside tiers, and the `key` by which trackers know us again.
pub(crate) async fn announce(torrent: Arc<Shared>, trackers: Vec<Vec<String>>, seed: u64) {
    let (mut reach, mut schedule) = (torrent.core.config.announce_to, Schedule::default());
    if torrent.info.is_private() {
        // BEP 27: one at a time, and another only when that one has failed.
        (reach, schedule.patience) = (Reach::FirstAnswer, A_DAY);
    }
    let tiers = Tiers::new(trackers, Trust::Torrent, reach, schedule, seed);
    for skipped in tiers.skipped() {
        let (url, reason) = (skipped.text.as_str().into(), skipped.reason.to_string().into());
        torrent.report(Event::TrackerFailed { url, reason });
    }
    let request = request(&torrent, seed);
    let (announcer, mut answers) = Announcer::spawn(torrent.core.trackers.clone(), tiers, request.clone());
    let mut phase = torrent.phase.subscribe();
    let mut stop = torrent.stop.subscribe();
    let mut updates = tokio::time::interval(UPDATE);
    let mut finish = Finish { complete: request.left == 0, known: false, untold: false };
    loop {
        tokio::select! {
            Some(announced) = answers.recv() => {
                finish.told(&announced);
                count(&torrent, &announcer);
                learn(&torrent, announced);
            }
            _ = updates.tick() => {
                announcer.update(amounts(&torrent));
                count(&torrent, &announcer);
            }
            Ok(()) = phase.changed() => finish.look(*phase.borrow_and_update(), &announcer),
            () = stopped(&mut stop) => break,
        }
    }
    finish.look(*phase.borrow(), &announcer);
    // A command that ends when its download is complete still says so first.
    let farewell = async {
        while finish.untold && finish.known {
            match answers.recv().await {
                Some(announced) => finish.told(&announced),
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(LAST_WORD, farewell).await;
    announcer.update(amounts(&torrent));
    // Nobody reads what comes now, so it shall not wait for that.
    drop(answers);
    announcer.stop().await;
}

/// Whether trackers have been told that the download has finished.
struct Finish {
    /// It has.
    complete: bool,
    /// A tracker has answered, so one knows us.
    known: bool,
    /// `completed` is due, or on its way.
    untold: bool,
}

impl Finish {
    fn look(&mut self, phase: Phase, announcer: &Announcer) {
        if phase == Phase::Seeding && !std::mem::replace(&mut self.complete, true) {
            self.untold = true;
            announcer.complete();
        }
    }

    fn told(&mut self, announced: &Announced) {
        self.known |= announced.outcome.is_ok();
        self.untold &= announced.event != Some(torrent_tracker::Event::Completed);
    }
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
