//! The public interface: a torrent core driven by hand, and swarms of swarms in virtual time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;
mod discovering;
mod lifecycle;
mod requesting;
mod sharing;
mod storing;
mod uploading;
mod world;
