#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

#[cfg(feature = "tokio")]
mod clock;
#[cfg(feature = "tokio")]
mod driver;
mod error;
#[doc(hidden)]
#[cfg(all(any(fuzzing, test), feature = "server"))]
#[allow(missing_docs, reason = "not an API")]
pub mod fuzzing;
pub mod http;
mod message;
#[cfg(feature = "server")]
pub mod server;
mod tiers;
mod trust;
pub mod udp;
mod url;

#[cfg(feature = "tokio")]
pub use driver::{Announced, Announcer, Client, Config, Family, Proxy, announce, scrape};
pub use error::{DecodeError, Error, Failure, MAX_MESSAGE, Refused, Retry, UrlError};
pub use message::{Amounts, AnnounceRequest, AnnounceResponse, Event, ScrapeEntry, SwarmSize, UNKNOWN_LEFT};
pub use tiers::{
    AnnounceTo, Content, Due, MAX_TRACKERS, Schedule, SkipReason, Skipped, Ticket, Tiers, TrackerState, TrackerStatus,
};
pub use trust::Trust;
pub use url::{MAX_URL, Scheme, TrackerUrl};
