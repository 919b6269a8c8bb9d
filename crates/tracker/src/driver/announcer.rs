//! Runs the tiers of one torrent: a task that makes the announces that are due, and scrapes where an answer leaves something open.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Notify, mpsc},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};
use torrent_types::InfoHash;

use super::Client;
use crate::{
    clock::now,
    error::Error,
    message::{Amounts, AnnounceRequest, AnnounceResponse, Event, ScrapeEntry},
    tiers::{Content, Due, Ticket, Tiers},
    url::TrackerUrl,
};

/// Announces one torrent from its start to its end: `started` first, then as its trackers ask, `completed` once, `stopped` in the
/// end. Dropping it tells `stopped` in the background; [`stop`](Self::stop) waits for that.
///
/// It is one task per torrent. A client with thousands of torrents drives [`Tiers`] from a scheduler of its own.
pub struct Announcer {
    inner: Arc<Inner>,
    task: Option<JoinHandle<()>>,
}

struct Inner {
    tiers: Mutex<Tiers>,
    changed: Notify,
}

/// The outcome of an announce.
#[derive(Debug)]
#[non_exhaustive]
pub struct Announced {
    /// The tracker.
    pub url: TrackerUrl,
    /// The event that it was told.
    pub event: Option<Event>,
    /// The answer, with its peers.
    pub outcome: Result<AnnounceResponse, Error>,
}

enum Answer {
    Announce(Ticket, Announced),
    Scrape(Ticket, Result<Option<ScrapeEntry>, Error>),
}

impl Announcer {
    /// Begins to announce at once. `request` has our identity: its amounts and event do not matter. `amounts` is asked for each
    /// announce at the moment when it is made; if nothing is missing at the beginning, the torrent is a seed. Outcomes arrive in
    /// the channel: read it, because announces wait when it is full, or drop it.
    #[must_use]
    pub fn spawn(
        client: Client,
        mut tiers: Tiers,
        request: AnnounceRequest,
        amounts: impl Fn() -> Amounts + Send + 'static,
    ) -> (Self, mpsc::Receiver<Announced>) {
        let content = if amounts().left == Some(0) { Content::Complete } else { Content::Missing };
        tiers.handle_start(now(), content);
        let inner = Arc::new(Inner { tiers: Mutex::new(tiers), changed: Notify::new() });
        let (events, outbox) = mpsc::channel(EVENTS);
        let amounts = Box::new(amounts);
        let task = Task { client, inner: Arc::clone(&inner), request, amounts, events, pending: JoinSet::new() };
        (Self { inner, task: Some(tokio::spawn(task.run())) }, outbox)
    }

    /// The download has finished: `completed` is told now. A torrent that began complete says nothing.
    pub fn complete(&self) {
        self.change(Tiers::handle_complete);
    }

    /// We have become a partial seed. BEP 21.
    pub fn pause(&self) {
        self.change(Tiers::handle_pause);
    }

    /// We want content again, after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.change(Tiers::handle_resume);
    }

    /// More peers are wanted. See [`Tiers::handle_need_peers`].
    pub fn need_peers(&self) {
        self.change(Tiers::handle_need_peers);
    }

    /// The trackers and what they said last. A lock is held for as long as `look` takes.
    pub fn with_tiers<R>(&self, look: impl FnOnce(&Tiers) -> R) -> R {
        look(&self.inner.tiers())
    }

    /// Tells `stopped` to all trackers that know us, and waits for them as long as
    /// [`Schedule::farewell`](crate::Schedule::farewell) allows.
    pub async fn stop(mut self) {
        let task = self.task.take();
        self.change(Tiers::handle_stop);
        if let Some(task) = task {
            // It ends by itself, in time; a panic in it has been reported already.
            let _ = task.await;
        }
    }

    fn change(&self, handle: fn(&mut Tiers, std::time::Instant)) {
        handle(&mut self.inner.tiers(), now());
        self.inner.changed.notify_one();
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.change(Tiers::handle_stop);
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer").field("tiers", &*self.inner.tiers()).finish_non_exhaustive()
    }
}

impl Inner {
    fn tiers(&self) -> MutexGuard<'_, Tiers> {
        self.tiers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the torrent is to stop.
    async fn left(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let tiers = self.tiers();
                if tiers.is_leaving() || tiers.is_stopped() {
                    return;
                }
            }
            changed.await;
        }
    }
}

struct Task {
    client: Client,
    inner: Arc<Inner>,
    request: AnnounceRequest,
    amounts: Box<dyn Fn() -> Amounts + Send>,
    events: mpsc::Sender<Announced>,
    pending: JoinSet<Answer>,
}

impl Task {
    async fn run(mut self) {
        while let Some(deadline) = self.send() {
            tokio::select! {
                Some(Ok(answer)) = self.pending.join_next() => report(&self.inner, &self.events, answer).await,
                () = self.inner.changed.notified() => {}
                () = sleep_until(deadline.map_or_else(Instant::now, Instant::from_std)), if deadline.is_some() => {
                    self.inner.tiers().handle_timeout(now());
                }
            }
        }
    }

    /// Makes all announces that are due. The next deadline, or `None` when the torrent has stopped.
    #[expect(clippy::option_option, reason = "a torrent may have no deadline and go on")]
    fn send(&mut self) -> Option<Option<std::time::Instant>> {
        let mut tiers = self.inner.tiers();
        while let Some(due) = tiers.poll_announce() {
            let mut request = self.request.clone();
            request.set_amounts((self.amounts)());
            due.apply(&mut request);
            self.pending.spawn(announce(self.client.clone(), request, due));
        }
        while let Some((ticket, url)) = tiers.poll_scrape() {
            self.pending.spawn(scrape(self.client.clone(), ticket, url, self.request.info_hash));
        }
        (!tiers.is_stopped()).then(|| tiers.poll_timeout())
    }
}

async fn report(inner: &Inner, events: &mpsc::Sender<Announced>, answer: Answer) {
    let (ticket, announced) = match answer {
        Answer::Announce(ticket, announced) => (ticket, announced),
        Answer::Scrape(ticket, outcome) => {
            return inner.tiers().handle_scrape(now(), ticket, outcome.as_ref().copied());
        }
    };
    match &announced.outcome {
        Ok(response) => inner.tiers().handle_response(now(), ticket, response),
        Err(error) => inner.tiers().handle_failure(now(), ticket, error),
    }
    tokio::select! {
        biased;
        // The receiver may have been dropped.
        _ = events.send(announced) => {}
        // A receiver that is never read does not keep us from leaving.
        () = inner.left() => {}
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

/// Outcomes that wait to be read. Each may hold a thousand peers.
const EVENTS: usize = 16;
