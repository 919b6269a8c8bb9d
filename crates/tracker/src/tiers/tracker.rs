//! One tracker of a torrent: what it was told, what it said, when it may be asked again.

use std::time::{Duration, Instant};

use rand::{RngExt as _, rngs::SmallRng};
use torrent_types::time::after;

use super::{Schedule, TrackerState, TrackerStatus};
use crate::{
    error::{Error, Retry},
    message::{AnnounceResponse, Event, ScrapeEntry, SwarmSize},
    url::TrackerUrl,
};

pub(super) struct Tracker {
    pub(super) url: TrackerUrl,
    /// `tracker id` of its last answer that had one.
    pub(super) id: Option<Vec<u8>>,
    asked: Option<Asked>,
    standing: Standing,
    failures: u32,
    /// BEP 31.
    retry: Option<When>,
    min_at: Option<Instant>,
    next_at: Option<Instant>,
    last: Option<Result<AnnounceResponse, String>>,
    /// What it counted last, and when.
    size: SwarmSize,
    counted_at: Option<Instant>,
    scrape: Scrape,
}

/// Asked for numbers that an announce did not bring: at most once for each announce.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scrape {
    Idle,
    Due,
    Asked(u64),
    /// It answers no scrapes.
    Refused,
}

#[derive(Clone, Copy)]
struct Asked {
    serial: u64,
    event: Option<Event>,
}

/// Does the tracker count us as a peer?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unknown,
    /// It answered an announce of this session.
    Known,
    /// It is to be told that we leave.
    Farewell,
}

#[derive(Clone, Copy)]
enum When {
    At(Instant),
    Never,
}

impl Tracker {
    pub(super) fn new(url: TrackerUrl) -> Self {
        Self {
            url,
            id: None,
            asked: None,
            standing: Standing::Unknown,
            failures: 0,
            retry: None,
            min_at: None,
            next_at: None,
            last: None,
            size: SwarmSize::default(),
            counted_at: None,
            scrape: Scrape::Idle,
        }
    }

    pub(super) fn forget_session(&mut self) {
        self.asked = None;
        self.standing = Standing::Unknown;
        self.failures = 0;
        self.next_at = None;
        self.size = SwarmSize::default();
        self.scrape = Scrape::Idle;
    }

    /// An answer is awaited.
    pub(super) const fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// An answer to `completed` is awaited.
    pub(super) fn is_told_completed(&self) -> bool {
        self.asked.is_some_and(|asked| asked.event == Some(Event::Completed))
    }

    /// An announce that was due is not made.
    pub(super) fn withdraw(&mut self, serial: u64) {
        self.asked.take_if(|asked| asked.serial == serial);
    }

    /// It knows us, and answered last time.
    pub(super) fn works(&self) -> bool {
        self.knows_us() && self.failures == 0 && !self.is_asked()
    }

    pub(super) fn size(&self) -> SwarmSize {
        self.size
    }

    pub(super) fn knows_us(&self) -> bool {
        self.standing == Standing::Known
    }

    /// The first moment at which it may be asked at all; `None` is never.
    pub(super) fn usable_from(&self, now: Instant) -> Option<Instant> {
        match self.retry {
            None => Some(now),
            Some(When::At(at)) => Some(at.max(now)),
            Some(When::Never) => None,
        }
    }

    pub(super) fn is_usable(&self, now: Instant) -> bool {
        self.usable_from(now).is_some_and(|at| at <= now)
    }

    /// The first moment at which it may be asked out of turn.
    pub(super) fn min_at(&self) -> Option<Instant> {
        self.min_at
    }

    pub(super) fn ask(&mut self, serial: u64, event: Option<Event>) {
        self.asked = Some(Asked { serial, event });
        if event == Some(Event::Stopped) {
            self.standing = Standing::Unknown;
        }
    }

    /// The event that was answered, if the ticket is current.
    #[expect(clippy::option_option, reason = "an answer to an announce without event is still an answer")]
    fn settle(&mut self, serial: u64) -> Option<Option<Event>> {
        let asked = self.asked.take_if(|asked| asked.serial == serial)?;
        Some(asked.event)
    }

    #[expect(clippy::option_option, reason = "see settle")]
    pub(super) fn answered(
        &mut self,
        now: Instant,
        serial: u64,
        response: &AnnounceResponse,
        schedule: &Schedule,
    ) -> Option<Option<Event>> {
        let event = self.settle(serial)?;
        if event != Some(Event::Stopped) && self.standing == Standing::Unknown {
            self.standing = Standing::Known;
        }
        if response.tracker_id.is_some() {
            self.id.clone_from(&response.tracker_id);
        }
        self.failures = 0;
        self.retry = None;
        let min_interval = response.min_interval.unwrap_or_default().clamp(schedule.min_interval, MAX_INTERVAL);
        self.min_at = Some(after(now, min_interval));
        self.last = Some(Ok(without_peers(response)));
        let size = SwarmSize::from(response);
        self.count(now, size);
        if self.scrape != Scrape::Refused && event != Some(Event::Stopped) {
            let is_told = size.seeders.is_some() && size.leechers.is_some();
            self.scrape = if is_told { Scrape::Idle } else { Scrape::Due };
        }
        Some(event)
    }

    pub(super) fn wants_scrape(&self) -> bool {
        self.scrape == Scrape::Due
    }

    pub(super) fn ask_scrape(&mut self, serial: u64) {
        self.scrape = Scrape::Asked(serial);
    }

    pub(super) fn scraped(&mut self, now: Instant, serial: u64, outcome: Result<Option<ScrapeEntry>, &Error>) {
        if self.scrape != Scrape::Asked(serial) {
            return;
        }
        self.scrape = match outcome {
            Err(Error::Io(_) | Error::TimedOut | Error::Unresolved) | Ok(_) => Scrape::Idle,
            Err(_) => Scrape::Refused,
        };
        if let Ok(Some(entry)) = outcome {
            self.count(now, SwarmSize::from(&entry));
        }
    }

    fn count(&mut self, now: Instant, size: SwarmSize) {
        if size != SwarmSize::default() {
            self.counted_at = Some(now);
        }
        self.size = size.or(self.size);
    }

    /// Later by up to a twentieth, so that 10,000 torrents that were added together drift apart.
    pub(super) fn next_announce(
        &mut self,
        now: Instant,
        response: &AnnounceResponse,
        schedule: &Schedule,
        rng: &mut SmallRng,
    ) -> Instant {
        let floor = schedule.min_interval.max(response.min_interval.unwrap_or_default()).min(MAX_INTERVAL);
        let interval = response.interval.clamp(floor, MAX_INTERVAL);
        let spread = interval.mul_f64(rng.random_range(0.0..0.05));
        let next = after(now, interval.saturating_add(spread));
        self.next_at = Some(next);
        next
    }

    /// The event that failed, if the ticket is current.
    #[expect(clippy::option_option, reason = "see settle")]
    pub(super) fn failed(&mut self, now: Instant, serial: u64, error: &Error) -> Option<Option<Event>> {
        let event = self.settle(serial)?;
        // It has not heard of us, unless only the answer was lost.
        if self.standing == Standing::Farewell && event == Some(Event::Started) && !matches!(error, Error::TimedOut) {
            self.standing = Standing::Unknown;
        }
        self.failures = self.failures.saturating_add(1);
        self.next_at = None;
        self.retry = error.retry().map(|retry| match retry {
            Retry::After(delay) => When::At(after(now, delay.min(MAX_INTERVAL))),
            Retry::Never => When::Never,
        });
        self.last = Some(Err(error.to_string()));
        Some(event)
    }

    /// If it knows us, or may hear of us just now, it has to be told that we leave.
    pub(super) fn leave(&mut self) {
        if self.standing == Standing::Known || self.asked.is_some() {
            self.standing = Standing::Farewell;
        }
        self.next_at = None;
    }

    pub(super) fn wants_farewell(&self) -> bool {
        self.standing == Standing::Farewell
    }

    pub(super) fn is_gone(&self) -> bool {
        self.standing != Standing::Farewell && self.asked.is_none()
    }

    pub(super) fn status(&self, tier: usize) -> TrackerStatus<'_> {
        TrackerStatus {
            url: &self.url,
            tier,
            state: match (self.asked, self.retry, &self.last) {
                (Some(_), ..) => TrackerState::Announcing,
                (None, Some(When::Never), _) => TrackerState::Disabled,
                (None, _, None) => TrackerState::Idle,
                (None, _, Some(Ok(_))) => TrackerState::Working,
                (None, _, Some(Err(_))) => TrackerState::Failing,
            },
            failures: self.failures,
            next_announce: self.next_at,
            size: self.size,
            counted_at: self.counted_at,
            last_response: self.last.as_ref().and_then(|last| last.as_ref().ok()),
            last_error: self.last.as_ref().and_then(|last| last.as_ref().err()).map(String::as_str),
            last_warning: self.last.as_ref().and_then(|last| last.as_ref().ok()?.warning.as_deref()),
        }
    }
}

/// The caller keeps the peers.
fn without_peers(response: &AnnounceResponse) -> AnnounceResponse {
    AnnounceResponse {
        peers: Vec::new(),
        tracker_id: response.tracker_id.clone(),
        warning: response.warning.clone(),
        ..*response
    }
}

/// Longer pauses than a day are not believed.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
