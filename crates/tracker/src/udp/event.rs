//! What comes out of the UDP client: datagrams to send, questions that are settled.

use crate::{
    error::{DecodeError, Failure},
    message::{AnnounceResponse, ScrapeEntry},
};

/// Names a question until its event arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// A question is settled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UdpEvent {
    /// Which.
    pub id: RequestId,
    /// How.
    pub outcome: Result<Answer, UdpError>,
}

/// What a tracker answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To an announce.
    Announce(AnnounceResponse),
    /// To a scrape, in the order asked. A tracker that leaves some out gives a shorter list.
    Scrape(Vec<ScrapeEntry>),
}

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// The answer makes no sense.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An error packet. BEP 15 § "Errors".
    #[error(transparent)]
    Failure(#[from] Failure),
    /// All repetitions are used up: more than two hours have passed.
    #[error("the tracker did not answer")]
    TimedOut,
}
