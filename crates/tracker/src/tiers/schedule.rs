//! How often and how patiently the trackers of a torrent are asked.

use std::time::Duration;

/// How often and how patiently the trackers of a torrent are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// Shortest time between two announces to one tracker, events apart, whatever the tracker allows. Default 60 s.
    pub min_interval: Duration,
    /// Longest pause after a round in which no tracker answered. Default one hour.
    pub max_backoff: Duration,
    /// After so long without an answer the next tracker is asked in addition. A silent UDP tracker would hold up a torrent for a
    /// minute otherwise. `completed` is told to one tracker at a time all the same. Time that an announce spends in the queue of
    /// [`Client`](crate::Client) counts, because behind a dead tracker that queue does not move. `None`: only a failure moves on,
    /// as private torrents want it (BEP 27). Default 5 s.
    pub patience: Option<Duration>,
    /// How many peers to ask for; `None` leaves it to the tracker, mostly 50. Default 200, which an answer of 1,200 bytes over UDP
    /// has room for.
    pub num_want: Option<u32>,
    /// When the torrent stops: how long announces that are under way are waited for. Default 2 s.
    pub last_answers: Duration,
    /// When the torrent stops: how long all of it may take. Default 5 s, as libtorrent's `stop_tracker_timeout`.
    pub farewell: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            min_interval: Duration::from_secs(60),
            max_backoff: Duration::from_secs(60 * 60),
            patience: Some(Duration::from_secs(5)),
            num_want: Some(200),
            last_answers: Duration::from_secs(2),
            farewell: Duration::from_secs(5),
        }
    }
}

impl Schedule {
    /// The pause after the n-th round in a row without an answer: 5 s + n² · 12.5 s, as libtorrent has it.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        let square = failures.saturating_mul(failures);
        let pause = Duration::from_millis(12_500).saturating_mul(square).saturating_add(Duration::from_secs(5));
        pause.min(self.max_backoff)
    }
}
