//! The life of a torrent: which phase it is in, what may be done in it, when storage is tried again.
//!
//! ```text
//!            metadata              checked
//!  Metadata ──────────▶ Checking ──────────▶ Active ─ ─ ─ serving, downloading, finished, seeding, paused,
//!      │                   │  ▲                │ │        storage failed (retried, or not)
//!      │                   │  └──── recheck ───┘ │
//!      └───────── stop ────┴──────── stop ───────┘
//!                            │
//!                            ▼    left
//!                         Leaving ─────▶ Stopped
//! ```
//!
//! In: commands of the user, outcomes of checks and of storage, time. Out: the phase, and what is due. Never here: peers, pieces.

use std::time::{Duration, Instant};

use crate::{Activity, Failure, Goal, Phase};

/// The first pause before storage is tried again, doubled after each failure: space may have returned.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const MAX_PAUSE: Duration = Duration::from_secs(900);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Metadata,
    /// `retry`: the check failed, and is repeated then.
    Checking {
        retry: Option<Instant>,
    },
    Active,
    Leaving,
    Stopped,
}

/// A failure of storage that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trouble {
    failure: Failure,
    /// When it is tried again. `None`: it is being tried, or will not be.
    retry: Option<Instant>,
    /// It is being tried: one piece at a time until one is written.
    trying: bool,
}

#[derive(Debug)]
pub(crate) struct Lifecycle {
    stage: Stage,
    goal: Goal,
    paused: bool,
    trouble: Option<Trouble>,
    pause: Duration,
    /// BEP 3 `completed` is owed once the download is complete: something was missing when this was set.
    owes_completed: bool,
    completed: bool,
    /// [`Action::Finished`](crate::Action::Finished) was said and nothing more was wanted since.
    finished: bool,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Check,
    RetryStorage,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Metadata,
            goal: Goal::default(),
            paused: false,
            trouble: None,
            pause: FIRST_PAUSE,
            owes_completed: false,
            completed: false,
            finished: false,
        }
    }

    /// The phase to show. `complete`: every piece is here. `finished`: every wanted one.
    pub(crate) fn phase(&self, complete: bool, finished: bool) -> Phase {
        match self.stage {
            Stage::Metadata => Phase::Metadata,
            Stage::Checking { .. } => Phase::Checking,
            Stage::Leaving => Phase::Leaving,
            Stage::Stopped => Phase::Stopped,
            Stage::Active => Phase::Active(match self.trouble {
                _ if self.paused => Activity::Paused,
                Some(trouble) => Activity::StorageFailed(trouble.failure),
                None if complete => Activity::Seeding,
                None if self.goal == Goal::Serve => Activity::Serving,
                None if finished => Activity::Finished,
                None => Activity::Downloading,
            }),
        }
    }

    /// Whether peers may connect.
    pub(crate) fn admits(&self) -> bool {
        !self.paused && matches!(self.stage, Stage::Metadata | Stage::Active)
    }

    /// Whether pieces are fetched, if some are wanted.
    pub(crate) fn fetches(&self) -> bool {
        let storage = self.trouble.is_none_or(|trouble| trouble.trying);
        self.stage == Stage::Active && !self.paused && self.goal == Goal::Download && storage
    }

    /// Whether storage has failed, and one piece is being tried.
    pub(crate) fn is_trying(&self) -> bool {
        self.trouble.is_some_and(|trouble| trouble.trying)
    }

    pub(crate) fn is_active(&self) -> bool {
        self.stage == Stage::Active
    }

    pub(crate) fn is_checking(&self) -> bool {
        matches!(self.stage, Stage::Checking { .. })
    }

    pub(crate) fn is_metadata(&self) -> bool {
        self.stage == Stage::Metadata
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether the torrent is leaving or has left.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Leaving | Stage::Stopped)
    }

    pub(crate) fn goal(&self) -> Goal {
        self.goal
    }

    pub(crate) fn set_goal(&mut self, goal: Goal) {
        self.goal = goal;
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// The metadata is known, or the user asks for a check. False if there is nothing to check now.
    pub(crate) fn check(&mut self) -> bool {
        let may = matches!(self.stage, Stage::Metadata | Stage::Active);
        if may {
            self.stage = Stage::Checking { retry: None };
            self.trouble = None;
        }
        may
    }

    /// A check succeeded. False if none was under way.
    pub(crate) fn checked(&mut self) -> bool {
        let checking = self.is_checking();
        if checking {
            self.stage = Stage::Active;
            self.pause = FIRST_PAUSE;
            self.trouble = None;
        }
        checking
    }

    /// A check failed: that says nothing about the pieces.
    pub(crate) fn check_failed(&mut self, now: Instant, failure: Failure) {
        if self.is_checking() {
            let retry = (failure == Failure::Passing).then(|| now + self.next_pause());
            self.stage = Stage::Checking { retry };
            self.trouble = Some(Trouble { failure, retry: None, trying: false });
        }
    }

    /// Whether something that is wanted is missing. True if everything wanted has just come.
    pub(crate) fn note_missing(&mut self, missing: bool) -> bool {
        if missing {
            self.owes_completed |= !self.completed;
            self.finished = false;
            return false;
        }
        !std::mem::replace(&mut self.finished, true)
    }

    /// Every piece is here. True if the trackers are to hear so.
    pub(crate) fn complete(&mut self) -> bool {
        let owed = std::mem::take(&mut self.owes_completed) && !self.completed;
        self.completed |= owed;
        owed
    }

    /// Storage failed to write. True if that is news.
    pub(crate) fn storage_failed(&mut self, now: Instant, failure: Failure) -> bool {
        if self.stage != Stage::Active {
            return false;
        }
        let news = self.trouble.is_none_or(|trouble| trouble.failure != failure || trouble.trying);
        if news {
            let retry = (failure == Failure::Passing).then(|| now + self.next_pause());
            self.trouble = Some(Trouble { failure, retry, trying: false });
        }
        news
    }

    /// A piece was written: storage works.
    pub(crate) fn storage_works(&mut self) {
        if self.is_trying() {
            self.trouble = None;
            self.pause = FIRST_PAUSE;
        }
    }

    /// The user resumes: whatever failed is tried again now.
    pub(crate) fn resume(&mut self) -> Due {
        self.paused = false;
        self.pause = FIRST_PAUSE;
        match (&mut self.stage, &mut self.trouble) {
            (Stage::Checking { retry }, trouble @ Some(_)) => {
                *retry = None;
                *trouble = None;
                Due::Check
            }
            (Stage::Active, Some(trouble)) if !trouble.trying => {
                *trouble = Trouble { retry: None, trying: true, ..*trouble };
                Due::RetryStorage
            }
            _ => Due::Nothing,
        }
    }

    /// True if the torrent was not leaving already.
    pub(crate) fn stop(&mut self) -> bool {
        let running = !self.is_over();
        if running {
            self.stage = Stage::Leaving;
        }
        running
    }

    pub(crate) fn left(&mut self) {
        if self.stage == Stage::Leaving {
            self.stage = Stage::Stopped;
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Checking { retry } => retry,
            Stage::Active if !self.paused => self.trouble.and_then(|trouble| trouble.retry),
            _ => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Due {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return Due::Nothing;
        }
        match (&mut self.stage, &mut self.trouble) {
            (Stage::Checking { retry }, trouble) => {
                *retry = None;
                *trouble = None;
                Due::Check
            }
            (_, Some(trouble)) => {
                *trouble = Trouble { retry: None, trying: true, ..*trouble };
                Due::RetryStorage
            }
            _ => Due::Nothing,
        }
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(MAX_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a starting point for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn active() -> Lifecycle {
        let mut life = Lifecycle::new();
        life.set_goal(Goal::Download);
        assert!(life.check() && life.checked());
        life.note_missing(true);
        life
    }

    #[test]
    fn passing_failures_are_tried_again_with_growing_pauses_and_lasting_ones_never() {
        let mut now = start();
        let mut life = active();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            assert!(life.storage_failed(now, Failure::Passing));
            assert!(!life.storage_failed(now, Failure::Passing), "the same failure is said once");
            assert!(!life.fetches());
            let at = life.poll_timeout().unwrap();
            pauses.push((at - now).as_secs());
            now = at;
            assert_eq!(life.handle_timeout(now), Due::RetryStorage);
            assert!(life.fetches() && life.is_trying() && life.poll_timeout().is_none());
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900]);
        life.storage_works();
        assert!(life.trouble.is_none());
        assert!(life.storage_failed(now, Failure::Lasting));
        assert_eq!(life.poll_timeout(), None);
        assert_eq!(life.resume(), Due::RetryStorage);
    }

    #[test]
    fn a_check_that_failed_stays_a_check() {
        let now = start();
        let mut life = Lifecycle::new();
        assert!(life.check());
        life.check_failed(now, Failure::Passing);
        assert_eq!(life.phase(false, false), Phase::Checking);
        assert_eq!(life.handle_timeout(now + FIRST_PAUSE), Due::Check);
        life.check_failed(now, Failure::Lasting);
        assert_eq!((life.poll_timeout(), life.resume()), (None, Due::Check));
        assert!(life.checked());
        assert_eq!(life.phase(true, true), Phase::Active(Activity::Seeding));
    }

    #[test]
    fn completed_is_owed_once_and_only_if_something_was_missing() {
        let mut life = Lifecycle::new();
        life.check();
        life.checked();
        life.note_missing(false);
        assert!(!life.complete(), "a torrent that was complete when it was added");
        let mut life = active();
        assert!(life.note_missing(false) && !life.note_missing(false));
        assert!(life.complete() && !life.complete());
        life.note_missing(true);
        assert!(life.note_missing(false), "what was lost has come again");
        assert!(!life.complete());
    }

    #[test]
    fn after_a_stop_nothing_starts_again() {
        let mut life = active();
        assert!(life.stop() && !life.stop());
        assert!(!life.admits() && !life.fetches() && !life.check() && !life.checked());
        assert_eq!(life.resume(), Due::Nothing);
        life.left();
        assert_eq!(life.phase(true, true), Phase::Stopped);
        life.stop();
        assert_eq!(life.phase(true, true), Phase::Stopped);
    }
}
