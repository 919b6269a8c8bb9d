//! The public API, and whole connections in virtual time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "tokio")]
mod driver;
mod flows;
mod net;
mod protocol;
mod table;
