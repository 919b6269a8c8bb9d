//! When to announce to which tracker of one torrent, from its start to its end.
//! Spec: BEP 12 § "Order of Processing", BEP 3 § "trackers" (events), BEP 21, BEP 31.
//! In: what happens to the torrent, what trackers answer, time. Out: announces to make, with their events.
//! Never: the announces themselves (see the driver), amounts (the caller knows what is left).

mod group;
mod leaving;
mod schedule;
mod status;
mod tracker;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    time::Instant,
};

use rand::{SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};

use self::{group::Group, leaving::Leaving, tracker::Tracker};
use crate::{
    error::{Error, UrlError},
    message::{AnnounceRequest, AnnounceResponse, Event, ScrapeEntry, SwarmSize},
    trust::Trust,
    url::TrackerUrl,
};

pub use self::{
    schedule::Schedule,
    status::{TrackerState, TrackerStatus},
};

/// The trackers of one torrent: which of them is asked, which is asked next if that fails, and what each was told.
///
/// Tell it what happens with the `handle_` methods. After each of them take all announces and scrapes that are due, make them in
/// any order and at the same time, and report each with its ticket. Sleep until [`poll_timeout`](Self::poll_timeout), then call
/// [`handle_timeout`](Self::handle_timeout). It needs no task of its own: one scheduler can look after the tiers of 10,000 torrents,
/// as [`Announcer`](crate::Announcer) does for one.
///
/// ```
/// use std::time::Instant;
/// use torrent_tracker::{AnnounceResponse, AnnounceTo, Content, Event, Schedule, Tiers, Trust};
///
/// let tiers = [vec!["http://a.example/announce", "gopher://b.example/"], vec!["udp://backup.example:1337"]];
/// let mut tiers = Tiers::new(tiers, Trust::Torrent, AnnounceTo::FirstAnswer, Schedule::default(), 7);
/// assert_eq!(tiers.skipped().len(), 1);
///
/// let now = Instant::now();
/// tiers.handle_start(now, Content::Missing);
/// let first = tiers.poll_announce().expect("due at once");
/// assert_eq!((first.url.host(), first.event), ("a.example", Some(Event::Started)));
/// tiers.handle_response(now, first.ticket, &AnnounceResponse::default());
/// assert_eq!(tiers.poll_announce(), None);
/// ```
pub struct Tiers {
    trackers: Vec<Tracker>,
    groups: Vec<Group>,
    skipped: Vec<Skipped>,
    schedule: Schedule,
    announce_to: AnnounceTo,
    rng: SmallRng,
    phase: Phase,
    content: Content,
    /// BEP 21: some content is missing, and none of it is wanted.
    is_paused: bool,
    next_serial: u64,
    due: VecDeque<Due>,
    /// The earliest deadline of all groups, kept so that asking for it costs nothing.
    wake: Option<Instant>,
}

/// Which of its trackers a torrent announces to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnnounceTo {
    /// One: the first that answers, tier by tier. BEP 12 to the letter.
    #[default]
    FirstAnswer,
    /// The first that answers in each tier.
    AllTiers,
    /// Every tracker.
    AllTrackers,
}

/// Whether a torrent has all of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all or not all")]
pub enum Content {
    /// Some is missing, or it is not known yet (a magnet link).
    Missing,
    /// All is there.
    Complete,
}

/// An announce to make now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// Give it back with the answer.
    pub ticket: Ticket,
    /// The tracker.
    pub url: TrackerUrl,
    /// The event to tell.
    pub event: Option<Event>,
    /// The name that this tracker gave itself.
    pub tracker_id: Option<Vec<u8>>,
    /// The number of peers to ask for.
    pub num_want: Option<u32>,
}

impl Due {
    /// Writes event, tracker id and number of peers into a request. Write the amounts before, at the same moment, so that they
    /// belong to the event. With `completed` nothing is left, whatever they say.
    pub fn apply(&self, request: &mut AnnounceRequest) {
        request.event = self.event;
        if self.event == Some(Event::Completed) {
            request.left = Some(0);
        }
        request.tracker_id.clone_from(&self.tracker_id);
        request.num_want = self.num_want;
    }
}

/// Names an announce or a scrape that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    tracker: usize,
    serial: u64,
}

/// A text among the trackers of a torrent that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// The text, cut at 200 characters.
    pub text: String,
    /// Why it is not used.
    pub reason: SkipReason,
}

/// Why a tracker is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// The torrent lists it twice.
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
    Leaving(Leaving),
}

impl Tiers {
    /// The tiers of a torrent (`announce-list`, or one tier with `announce`), shuffled. Bad URLs are skipped, see
    /// [`skipped`](Self::skipped). Nothing is announced before [`handle_start`](Self::handle_start).
    pub fn new<T, U>(
        tiers: impl IntoIterator<Item = T>,
        trust: Trust,
        announce_to: AnnounceTo,
        schedule: Schedule,
        seed: u64,
    ) -> Self
    where
        T: IntoIterator<Item = U>,
        U: AsRef<str>,
    {
        let mut rng = SmallRng::seed_from_u64(seed);
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
        let groups = match announce_to {
            AnnounceTo::FirstAnswer if order.is_empty() => Vec::new(),
            AnnounceTo::FirstAnswer => vec![Group::new(order)],
            AnnounceTo::AllTiers => order.into_iter().map(|tier| Group::new(vec![tier])).collect(),
            AnnounceTo::AllTrackers => order.into_iter().flatten().map(|index| Group::new(vec![vec![index]])).collect(),
        };
        Self {
            trackers,
            groups,
            skipped,
            schedule,
            announce_to,
            rng,
            phase: Phase::Stopped,
            content: Content::Missing,
            is_paused: false,
            next_serial: 0,
            due: VecDeque::new(),
            wake: None,
        }
    }

    /// The texts of the torrent that are not used as trackers.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Adds a tier behind the others: a tracker from a magnet link, from the user or from a peer.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn handle_new_tracker(&mut self, now: Instant, text: &str, trust: Trust) -> Result<(), SkipReason> {
        let mut seen = self.trackers.iter().map(|tracker| tracker.url.to_string()).collect();
        let url = admit(text, trust, &mut seen)?;
        let index = self.trackers.len();
        self.trackers.push(Tracker::new(url));
        match (self.announce_to, self.groups.first_mut()) {
            (AnnounceTo::FirstAnswer, Some(group)) => group.push_tier(index),
            _ => {
                let mut group = Group::new(vec![vec![index]]);
                if self.phase == Phase::Running {
                    group.start(now);
                }
                self.groups.push(group);
            }
        }
        self.advance(now);
        Ok(())
    }

    /// The torrent starts. If its content is complete already, trackers are never told `completed`.
    pub fn handle_start(&mut self, now: Instant, content: Content) {
        self.phase = Phase::Running;
        self.content = content;
        self.due.clear();
        for tracker in &mut self.trackers {
            tracker.forget_session();
        }
        for group in &mut self.groups {
            group.start(now);
        }
        self.advance(now);
    }

    /// The download has finished. Trackers are told once; later calls do nothing.
    pub fn handle_complete(&mut self, now: Instant) {
        if self.phase == Phase::Running && self.content == Content::Missing {
            self.content = Content::Complete;
            for group in &mut self.groups {
                group.complete(now);
            }
            self.advance(now);
        }
    }

    /// We have become a partial seed: trackers are told as soon as their minimum intervals allow, and with every announce from then
    /// on. BEP 21 § "Tracker Announce".
    pub fn handle_pause(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_paused, true) && self.content == Content::Missing {
            self.handle_need_peers(now);
        }
    }

    /// We want content again, after [`handle_pause`](Self::handle_pause).
    pub fn handle_resume(&mut self, now: Instant) {
        if std::mem::replace(&mut self.is_paused, false) && self.content == Content::Missing {
            self.handle_need_peers(now);
        }
    }

    /// More peers are wanted than the torrent has. The next announce is made as soon as the tracker's minimum interval allows. If
    /// that does not help and this is called again, the next one waits twice as long, and so on up to the regular interval. Call it
    /// whenever it is true.
    pub fn handle_need_peers(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            for group in &mut self.groups {
                group.hurry(now, &self.trackers, &self.schedule);
            }
            self.advance(now);
        }
    }

    /// The torrent stops. Every tracker that may know us is told once: at once or, if an announce to it is under way, when that is
    /// answered, at the latest [`Schedule::last_answers`] later; `completed` that is owed is told before. All of it ends after
    /// [`Schedule::farewell`]; see [`is_stopped`](Self::is_stopped).
    pub fn handle_stop(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        // What was due and not taken has not been sent.
        for due in self.due.drain(..) {
            if let Some(tracker) = self.trackers.get_mut(due.ticket.tracker) {
                tracker.withdraw(due.ticket.serial);
            }
        }
        self.phase = Phase::Leaving(Leaving::new(now, &self.schedule));
        for tracker in &mut self.trackers {
            tracker.leave();
        }
        self.advance(now);
    }

    /// Whether trackers are being told that we leave.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving(_))
    }

    /// Whether nothing more will be announced: not started, or stopped and done with telling it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// A tracker answered. It moves to the front of its tier.
    pub fn handle_response(&mut self, now: Instant, ticket: Ticket, response: &AnnounceResponse) {
        let Some(tracker) = self.trackers.get_mut(ticket.tracker) else { return };
        let Some(event) = tracker.answered(now, ticket.serial, response, &self.schedule) else { return };
        if let Some(group) = self.groups.iter_mut().find(|group| group.contains(ticket.tracker)) {
            if self.phase == Phase::Running {
                let next = tracker.next_announce(now, response, &self.schedule, &mut self.rng);
                group.answered(now, ticket.tracker, event, next);
            } else if event == Some(Event::Completed) {
                group.waive_completed();
            }
        }
        self.advance(now);
    }

    /// A tracker did not answer, or refused. The next one has its turn.
    pub fn handle_failure(&mut self, now: Instant, ticket: Ticket, error: &Error) {
        let Some(tracker) = self.trackers.get_mut(ticket.tracker) else { return };
        let Some(event) = tracker.failed(now, ticket.serial, error) else { return };
        if let Some(group) = self.groups.iter_mut().find(|group| group.contains(ticket.tracker)) {
            if self.phase == Phase::Running {
                group.failed(now, ticket.tracker, &self.trackers, &self.schedule);
            } else if event == Some(Event::Completed) {
                // There is no time for another attempt.
                group.waive_completed();
            }
        }
        self.advance(now);
    }

    /// The outcome of a scrape. A tracker that refuses scrapes is not asked again.
    pub fn handle_scrape(&mut self, now: Instant, ticket: Ticket, outcome: Result<Option<ScrapeEntry>, &Error>) {
        if let Some(tracker) = self.trackers.get_mut(ticket.tracker) {
            tracker.scraped(now, ticket.serial, outcome);
        }
    }

    /// The deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// The next announce that is due. Take all of them after each of the calls above.
    pub fn poll_announce(&mut self) -> Option<Due> {
        self.due.pop_front()
    }

    /// The next scrape that is due: of a tracker whose last answer did not say how large the swarm is. At most one follows an
    /// answer.
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

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` if nothing is planned. Costs nothing.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// How large the swarm is: the largest numbers that any tracker has said.
    #[must_use]
    pub fn swarm_size(&self) -> SwarmSize {
        self.trackers.iter().map(Tracker::size).fold(SwarmSize::default(), SwarmSize::max)
    }

    /// Every tracker, in the order in which they would be tried, with what it said last.
    pub fn trackers(&self) -> impl Iterator<Item = TrackerStatus<'_>> {
        let tiers = self.groups.iter().flat_map(Group::tiers).enumerate();
        tiers.flat_map(move |(tier, members)| {
            members.iter().filter_map(move |&index| Some(self.trackers.get(index)?.status(tier)))
        })
    }

    /// Makes due what is due at `now`.
    fn advance(&mut self, now: Instant) {
        match self.phase {
            Phase::Stopped => self.wake = None,
            Phase::Running => {
                for at in 0..self.groups.len() {
                    while let Some((index, event)) = self.next_of_group(now, at) {
                        self.ask(index, event);
                    }
                }
                self.wake = self.groups.iter().filter_map(Group::wake).min();
            }
            Phase::Leaving(leaving) => self.advance_leaving(now, leaving),
        }
    }

    fn next_of_group(&mut self, now: Instant, at: usize) -> Option<(usize, Option<Event>)> {
        let group = self.groups.get_mut(at)?;
        let index = group.poll(now, &self.trackers, &self.schedule)?;
        let event = if group.owes_completed() {
            Some(Event::Completed)
        } else if !self.trackers.get(index)?.knows_us() {
            Some(Event::Started)
        } else {
            (self.is_paused && self.content == Content::Missing).then_some(Event::Paused)
        };
        Some((index, event))
    }

    fn ask(&mut self, index: usize, event: Option<Event>) {
        let serial = self.serial();
        let Some(tracker) = self.trackers.get_mut(index) else { return };
        tracker.ask(serial, event);
        let num_want = if event == Some(Event::Stopped) { Some(0) } else { self.schedule.num_want };
        self.due.push_back(Due {
            ticket: Ticket { tracker: index, serial },
            url: tracker.url.clone(),
            event,
            tracker_id: tracker.id.clone(),
            num_want,
        });
    }

    const fn serial(&mut self) -> u64 {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        serial
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
