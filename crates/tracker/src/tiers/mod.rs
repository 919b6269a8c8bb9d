//! When to announce to which tracker of one torrent, for as long as the torrent lives.
//! Spec: BEP 12 § "Order of Processing", BEP 3 § "trackers" (events), BEP 21, BEP 31.
//! In: what happens to the torrent, what trackers answer, time. Out: "announce there now, with this event".
//! Never: announcing (see the driver), amounts (the caller knows what is left).

mod group;
mod tracker;

use std::{collections::BTreeSet, fmt, time::Instant};

use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use self::{group::Group, tracker::Tracker};
use crate::{
    error::{Error, UrlError},
    message::{AnnounceRequest, AnnounceResponse, Event, ScrapeEntry, SwarmSize},
    trust::Trust,
    url::TrackerUrl,
};

pub use self::{
    group::Schedule,
    tracker::{TrackerState, TrackerStatus},
};

/// The trackers of one torrent: who is asked, who is asked next if that fails, and what each was told.
///
/// Call it after everything that happens; then [`poll_announce`](Self::poll_announce) until it gives nothing more, do those
/// announces in any order and at the same time, report each with its ticket, and sleep until [`poll_timeout`](Self::poll_timeout).
///
/// ```
/// use std::time::Instant;
/// use torrent_tracker::{AnnounceResponse, Event, Reach, Schedule, Tiers, Trust};
///
/// let tiers = [vec!["http://a.example/announce", "gopher://b.example/"], vec!["udp://backup.example:1337"]];
/// let mut tiers = Tiers::new(tiers, Trust::Torrent, Reach::FirstAnswer, Schedule::default(), 7);
/// assert_eq!(tiers.skipped().len(), 1);
///
/// let now = Instant::now();
/// tiers.start(now, false);
/// let first = tiers.poll_announce(now).expect("due at once");
/// assert_eq!((first.url.host(), first.event), ("a.example", Some(Event::Started)));
/// tiers.handle_response(now, first.ticket, &AnnounceResponse::default());
/// assert_eq!(tiers.poll_announce(now), None);
/// ```
pub struct Tiers {
    trackers: Vec<Tracker>,
    groups: Vec<Group>,
    skipped: Vec<Skipped>,
    schedule: Schedule,
    reach: Reach,
    rng: StdRng,
    phase: Phase,
    /// The torrent has all its content.
    complete: bool,
    /// BEP 21: incomplete, but wants nothing more.
    paused: bool,
    next_serial: u64,
}

/// How many trackers are told of us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// One: the first that answers, tier by tier. BEP 12 to the letter.
    #[default]
    FirstAnswer,
    /// The first that answers in each tier.
    AllTiers,
    /// Every one.
    AllTrackers,
}

/// An announce to make now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// To be handed back with the answer.
    pub ticket: Ticket,
    /// Where.
    pub url: TrackerUrl,
    /// With which event.
    pub event: Option<Event>,
    /// What this tracker called itself.
    pub tracker_id: Option<Vec<u8>>,
}

impl Due {
    /// Writes event and tracker id into a request.
    pub fn apply(&self, request: &mut AnnounceRequest) {
        request.event = self.event;
        request.tracker_id.clone_from(&self.tracker_id);
    }
}

/// Names an announce that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    tracker: usize,
    serial: u64,
}

/// A text among the trackers of a torrent that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// As it stood there, cut at 200 characters.
    pub text: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a tracker is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// It stands there twice.
    #[error("listed before")]
    Duplicate,
    /// There are [`MAX_TRACKERS`] already.
    #[error("too many trackers")]
    TooMany,
    /// It is not the URL of a tracker.
    #[error(transparent)]
    Url(UrlError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Stopped,
    Running,
    /// `stopped` is being told.
    Leaving,
}

impl Tiers {
    /// The tiers of a torrent (`announce-list`, or one tier with `announce`), shuffled. Bad URLs are skipped, see
    /// [`skipped`](Self::skipped). Nothing is announced before [`start`](Self::start).
    pub fn new<T, U>(
        tiers: impl IntoIterator<Item = T>,
        trust: Trust,
        reach: Reach,
        schedule: Schedule,
        seed: u64,
    ) -> Self
    where
        T: IntoIterator<Item = U>,
        U: AsRef<str>,
    {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut trackers, mut skipped) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        let mut order: Vec<Vec<usize>> = Vec::new();
        for tier in tiers {
            let mut members = Vec::new();
            for text in tier {
                let text = text.as_ref();
                match admit(text, trust, &mut seen) {
                    Ok(url) => {
                        members.push(trackers.len());
                        trackers.push(Tracker::new(url));
                    }
                    Err(reason) if skipped.len() < MAX_TRACKERS => {
                        skipped.push(Skipped { text: text.chars().take(200).collect(), reason });
                    }
                    Err(_) => {}
                }
            }
            // § "Order of Processing": shuffled when first read.
            members.shuffle(&mut rng);
            if !members.is_empty() {
                order.push(members);
            }
        }
        let groups = match reach {
            Reach::FirstAnswer if order.is_empty() => Vec::new(),
            Reach::FirstAnswer => vec![Group::new(order)],
            Reach::AllTiers => order.into_iter().map(|tier| Group::new(vec![tier])).collect(),
            Reach::AllTrackers => order.into_iter().flatten().map(|index| Group::new(vec![vec![index]])).collect(),
        };
        Self {
            trackers,
            groups,
            skipped,
            schedule,
            reach,
            rng,
            phase: Phase::Stopped,
            complete: false,
            paused: false,
            next_serial: 0,
        }
    }

    /// What was in the torrent and is not used.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Adds a tier behind the others: a tracker from a magnet link, from the user, from a peer.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn add(&mut self, now: Instant, text: &str, trust: Trust) -> Result<(), SkipReason> {
        let mut seen = self.trackers.iter().map(|tracker| tracker.url.to_string()).collect();
        let url = admit(text, trust, &mut seen)?;
        let index = self.trackers.len();
        self.trackers.push(Tracker::new(url));
        match (self.reach, self.groups.first_mut()) {
            (Reach::FirstAnswer, Some(group)) => group.push_tier(index),
            _ => {
                let mut group = Group::new(vec![vec![index]]);
                if self.phase == Phase::Running {
                    group.start(now);
                }
                self.groups.push(group);
            }
        }
        Ok(())
    }

    /// The torrent goes to work. `complete`: it has all its content already, so `completed` will never be said.
    pub fn start(&mut self, now: Instant, complete: bool) {
        self.phase = Phase::Running;
        self.complete = complete;
        for tracker in &mut self.trackers {
            tracker.forget_session();
        }
        for group in &mut self.groups {
            group.start(now);
        }
    }

    /// The download has finished. Said once; later calls do nothing.
    pub fn complete(&mut self, now: Instant) {
        if self.phase == Phase::Running && !self.complete {
            self.complete = true;
            for group in &mut self.groups {
                group.complete(now);
            }
        }
    }

    /// We have become a partial seed, or want more again. Told with the next announces. BEP 21 § "Tracker Announce".
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// More peers are wanted: announces as soon as the trackers' minimum intervals allow.
    pub fn announce_now(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            for group in &mut self.groups {
                group.hurry(now, &self.trackers);
            }
        }
    }

    /// We leave: every tracker that may know us is told once, whether it answers or not. Give those announces a short deadline
    /// (libtorrent: 5 s).
    pub fn stop(&mut self, _now: Instant) {
        if self.phase == Phase::Running {
            self.phase = Phase::Leaving;
            for tracker in &mut self.trackers {
                tracker.leave();
            }
        }
    }

    /// Was [`stop`](Self::stop) called?
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.phase == Phase::Leaving
    }

    /// Has everybody been told that we leave (or were we never there)?
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.phase != Phase::Running && self.trackers.iter().all(Tracker::is_gone)
    }

    /// The next announce that is due.
    pub fn poll_announce(&mut self, now: Instant) -> Option<Due> {
        let (index, event) = match self.phase {
            Phase::Stopped => return None,
            Phase::Leaving => (self.trackers.iter().position(Tracker::wants_farewell)?, Some(Event::Stopped)),
            Phase::Running => {
                let (trackers, schedule) = (&self.trackers, &self.schedule);
                let (index, owes_completed) = self
                    .groups
                    .iter_mut()
                    .find_map(|group| Some((group.poll(now, trackers, schedule)?, group.owes_completed())))?;
                let tracker = self.trackers.get(index)?;
                let event = if owes_completed {
                    Some(Event::Completed)
                } else if !tracker.knows_us() {
                    Some(Event::Started)
                } else {
                    (self.paused && !self.complete).then_some(Event::Paused)
                };
                (index, event)
            }
        };
        let serial = self.serial();
        let tracker = self.trackers.get_mut(index)?;
        tracker.ask(serial, event);
        let (url, tracker_id) = (tracker.url.clone(), tracker.id.clone());
        Some(Due { ticket: Ticket { tracker: index, serial }, url, event, tracker_id })
    }

    /// A tracker answered. It moves to the front of its tier.
    pub fn handle_response(&mut self, now: Instant, ticket: Ticket, response: &AnnounceResponse) {
        let Some(tracker) = self.trackers.get_mut(ticket.tracker) else { return };
        let Some(event) = tracker.answered(now, ticket.serial, response, &self.schedule) else { return };
        if self.phase != Phase::Running {
            return;
        }
        let next = tracker.next_announce(now, response, &self.schedule, &mut self.rng);
        if let Some(group) = self.groups.iter_mut().find(|group| group.contains(ticket.tracker)) {
            group.answered(now, ticket.tracker, event, next);
        }
    }

    /// A tracker did not answer, or refused. The next one has its turn.
    pub fn handle_failure(&mut self, now: Instant, ticket: Ticket, error: &Error) {
        let Some(tracker) = self.trackers.get_mut(ticket.tracker) else { return };
        if tracker.failed(now, ticket.serial, error).is_none() || self.phase != Phase::Running {
            return;
        }
        if let Some(group) = self.groups.iter_mut().find(|group| group.contains(ticket.tracker)) {
            group.failed(now, ticket.tracker, &self.trackers, &self.schedule);
        }
    }

    /// A tracker to scrape now: its last answer did not say how large the swarm is. Due after an answer, and at most once for each.
    pub fn poll_scrape(&mut self) -> Option<(Ticket, TrackerUrl)> {
        if self.phase != Phase::Running {
            return None;
        }
        let tracker = self.trackers.iter().position(Tracker::wants_scrape)?;
        let ticket = Ticket { tracker, serial: self.serial() };
        let asked = self.trackers.get_mut(tracker)?;
        asked.ask_scrape(ticket.serial);
        Some((ticket, asked.url.clone()))
    }

    /// What came of a scrape. A tracker that refuses them is not asked again.
    pub fn handle_scrape(&mut self, ticket: Ticket, outcome: Result<Option<ScrapeEntry>, &Error>) {
        if let Some(tracker) = self.trackers.get_mut(ticket.tracker) {
            tracker.scraped(ticket.serial, outcome);
        }
    }

    /// How large the swarm is: the largest numbers that any tracker has said.
    #[must_use]
    pub fn swarm_size(&self) -> SwarmSize {
        self.trackers.iter().map(Tracker::size).fold(SwarmSize::default(), SwarmSize::max)
    }

    fn serial(&mut self) -> u64 {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        serial
    }

    /// When [`poll_announce`](Self::poll_announce) will have something.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => self.groups.iter().filter_map(Group::wake).min(),
            Phase::Leaving | Phase::Stopped => None,
        }
    }

    /// Every tracker, in the order in which they would be tried, with the number of its tier.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus<'_>> {
        let tiers = self.groups.iter().flat_map(Group::tiers).enumerate();
        tiers.flat_map(move |(tier, members)| {
            members.iter().filter_map(move |&index| Some(self.trackers.get(index)?.status(tier)))
        })
    }
}

impl fmt::Debug for Tiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiers")
            .field("phase", &self.phase)
            .field("trackers", &self.trackers.len())
            .finish_non_exhaustive()
    }
}

fn admit(text: &str, trust: Trust, seen: &mut BTreeSet<String>) -> Result<TrackerUrl, SkipReason> {
    let url = TrackerUrl::parse(text).map_err(SkipReason::Url)?.trust(trust);
    url.check_reserved().map_err(SkipReason::Url)?;
    if seen.len() >= MAX_TRACKERS {
        return Err(SkipReason::TooMany);
    }
    if seen.insert(url.to_string()) { Ok(url) } else { Err(SkipReason::Duplicate) }
}

/// Most trackers of one torrent. Lists of hundreds are seen; a million would be an attack.
pub const MAX_TRACKERS: usize = 512;

#[cfg(test)]
mod tests;
