//! Runs the tiers of one torrent: a task that makes the announces that are due, and scrapes where they leave something open.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};

use torrent_types::InfoHash;

use super::Client;
use crate::{
    error::Error,
    message::{AnnounceRequest, AnnounceResponse, Event, ScrapeEntry},
    tiers::{Due, Ticket, Tiers},
    url::TrackerUrl,
};

/// Announces one torrent for as long as it lives: `started` first, then as its trackers ask, `completed` once, `stopped` at last.
/// Dropping it says `stopped` in the background; [`stop`](Self::stop) waits for that.
pub struct Announcer {
    shared: Arc<Shared>,
    amounts: watch::Sender<Amounts>,
    task: Option<JoinHandle<()>>,
}

struct Shared {
    tiers: Mutex<Tiers>,
    changed: Notify,
}

/// How far a torrent is. See [`AnnounceRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the three amounts of BEP 3")]
pub struct Amounts {
    /// Bytes sent.
    pub uploaded: u64,
    /// Bytes received.
    pub downloaded: u64,
    /// Bytes missing.
    pub left: u64,
}

/// An announce was answered, or not.
#[derive(Debug)]
#[non_exhaustive]
pub struct Announced {
    /// By whom.
    pub url: TrackerUrl,
    /// What was told.
    pub event: Option<Event>,
    /// The answer, with its peers.
    pub outcome: Result<AnnounceResponse, Error>,
}

enum Answer {
    Announce(Ticket, Announced),
    Scrape(Ticket, Result<Option<ScrapeEntry>, Error>),
}

impl Announcer {
    /// Begins to announce at once. `request` says who we are; its amounts are those of the beginning (`left` 0 is a seed), its event
    /// is ignored. What comes of it arrives in the channel: read it, for announces wait when it is full, or drop it.
    #[must_use]
    pub fn spawn(client: Client, mut tiers: Tiers, request: AnnounceRequest) -> (Self, mpsc::Receiver<Announced>) {
        tiers.start(now(), request.left == 0);
        let shared = Arc::new(Shared { tiers: Mutex::new(tiers), changed: Notify::new() });
        let amounts = Amounts { uploaded: request.uploaded, downloaded: request.downloaded, left: request.left };
        let (amounts, latest) = watch::channel(amounts);
        let (events, outbox) = mpsc::channel(EVENTS);
        let task = Task { client, shared: Arc::clone(&shared), request, latest, events, questions: JoinSet::new() };
        (Self { shared, amounts, task: Some(tokio::spawn(task.run())) }, outbox)
    }

    /// What the next announce will say. Cheap: call it as often as you like.
    pub fn update(&self, amounts: Amounts) {
        self.amounts.send_replace(amounts);
    }

    /// The download has finished: `completed` is told now, with nothing left. A torrent that began complete says nothing.
    pub fn complete(&self) {
        self.amounts.send_modify(|amounts| amounts.left = 0);
        self.tiers().complete(now());
        self.shared.changed.notify_one();
    }

    /// We have become a partial seed, or want more again. BEP 21.
    pub fn pause(&self, paused: bool) {
        self.tiers().pause(paused);
    }

    /// More peers are wanted: announces as soon as the trackers allow.
    pub fn announce_now(&self) {
        self.tiers().announce_now(now());
        self.shared.changed.notify_one();
    }

    /// The trackers and what they said last. Hold the lock for as long as it takes to read.
    pub fn with_tiers<R>(&self, look: impl FnOnce(&Tiers) -> R) -> R {
        look(&self.tiers())
    }

    /// Says `stopped` to all trackers that know us, and waits up to 5 s for them.
    pub async fn stop(mut self) {
        let task = self.task.take();
        self.leave();
        if let Some(task) = task {
            // It ends by itself, in time; a panic in it has been reported already.
            let _ = task.await;
        }
    }

    fn leave(&self) {
        self.tiers().stop(now());
        self.shared.changed.notify_one();
    }

    fn tiers(&self) -> MutexGuard<'_, Tiers> {
        self.shared.tiers()
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer").field("tiers", &*self.tiers()).finish_non_exhaustive()
    }
}

impl Shared {
    fn tiers(&self) -> MutexGuard<'_, Tiers> {
        self.tiers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Task {
    client: Client,
    shared: Arc<Shared>,
    request: AnnounceRequest,
    latest: watch::Receiver<Amounts>,
    events: mpsc::Sender<Announced>,
    questions: JoinSet<Answer>,
}

impl Task {
    async fn run(mut self) {
        loop {
            let deadline = {
                let mut tiers = self.shared.tiers();
                if tiers.is_leaving() {
                    break;
                }
                while let Some(due) = tiers.poll_announce(now()) {
                    self.questions.spawn(announce(self.client.clone(), self.request(&due), due));
                }
                while let Some((ticket, url)) = tiers.poll_scrape() {
                    self.questions.spawn(scrape(self.client.clone(), ticket, url, self.request.info_hash));
                }
                tiers.poll_timeout()
            };
            tokio::select! {
                Some(Ok(answer)) = self.questions.join_next() => self.report(answer).await,
                () = self.shared.changed.notified() => {}
                () = sleep_until(deadline.map_or_else(Instant::now, Instant::from_std)), if deadline.is_some() => {}
            }
        }
        // Nobody waits for a farewell longer than this, not for all of them together either.
        let _ = timeout(FAREWELL, self.farewell()).await;
    }

    async fn farewell(&mut self) {
        // What is on its way shall not arrive after `stopped`: it would bring us back.
        let _ = timeout(LAST_ANSWERS, self.report_all()).await;
        self.questions = JoinSet::new();
        while let Some(due) = self.shared.tiers().poll_announce(now()) {
            self.questions.spawn(announce(self.client.clone(), self.request(&due), due));
        }
        self.report_all().await;
    }

    async fn report_all(&mut self) {
        while let Some(answer) = self.questions.join_next().await {
            if let Ok(answer) = answer {
                self.report(answer).await;
            }
        }
    }

    fn request(&self, due: &Due) -> AnnounceRequest {
        let Amounts { uploaded, downloaded, left } = *self.latest.borrow();
        let mut request = AnnounceRequest { uploaded, downloaded, left, ..self.request.clone() };
        due.apply(&mut request);
        request
    }

    async fn report(&self, answer: Answer) {
        let (ticket, announced) = match answer {
            Answer::Announce(ticket, announced) => (ticket, announced),
            Answer::Scrape(ticket, outcome) => {
                return self.shared.tiers().handle_scrape(ticket, outcome.as_ref().copied());
            }
        };
        match &announced.outcome {
            Ok(response) => self.shared.tiers().handle_response(now(), ticket, response),
            Err(error) => self.shared.tiers().handle_failure(now(), ticket, error),
        }
        tokio::select! {
            biased;
            // Nobody listening is fine.
            _ = self.events.send(announced) => {}
            // Somebody who listens but does not read shall not keep us from leaving.
            () = self.left() => {}
        }
    }

    /// Returns when we are to leave.
    async fn left(&self) {
        while !self.shared.tiers().is_leaving() {
            self.shared.changed.notified().await;
        }
    }
}

async fn announce(client: Client, request: AnnounceRequest, due: Due) -> Answer {
    let outcome = client.announce(&due.url, &request).await;
    Answer::Announce(due.ticket, Announced { url: due.url, event: due.event, outcome })
}

async fn scrape(client: Client, ticket: Ticket, url: TrackerUrl, info_hash: InfoHash) -> Answer {
    let outcome = client.scrape(&url, &[info_hash]).await;
    Answer::Scrape(ticket, outcome.map(|entries| entries.first().copied().flatten()))
}

/// Tokio's clock, so that its paused time is ours.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// For `stopped`. As libtorrent's `stop_tracker_timeout`.
const FAREWELL: Duration = Duration::from_secs(5);

/// Of it, for announces that are under way when we leave.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Answers that nobody has read yet. Each may hold a thousand peers.
const EVENTS: usize = 16;
