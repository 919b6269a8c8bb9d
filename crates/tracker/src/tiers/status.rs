//! What people are shown about a tracker.

use std::time::Instant;

use crate::{
    message::{AnnounceResponse, SwarmSize},
    url::TrackerUrl,
};

/// What is known of one tracker, for people to look at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrackerStatus<'a> {
    /// Its URL.
    pub url: &'a TrackerUrl,
    /// The number of its tier, counted from 0.
    pub tier: usize,
    /// What it is doing.
    pub state: TrackerState,
    /// Failures in a row.
    pub failures: u32,
    /// The next regular announce, if one is planned.
    pub next_announce: Option<Instant>,
    /// How large the swarm is by its last count, in an announce or a scrape.
    pub size: SwarmSize,
    /// When it counted.
    pub counted_at: Option<Instant>,
    /// Its last answer, without the peers.
    pub last_response: Option<&'a AnnounceResponse>,
    /// Why the last announce failed, if it did. A refusal has the words of the tracker in it.
    pub last_error: Option<&'a str>,
    /// The warning in its last answer.
    pub last_warning: Option<&'a str>,
}

/// What a tracker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrackerState {
    /// It will not be asked any more: BEP 31 says `never`.
    Disabled,
    /// Not asked yet, or only a backup.
    Idle,
    /// It answered last time.
    Working,
    /// It failed last time.
    Failing,
    /// An announce is under way.
    Announcing,
}
