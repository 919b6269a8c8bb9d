//! The public API from outside: codec, machine and buffer together.

#![expect(clippy::unwrap_used, reason = "tests may, in their helpers too")]

mod budget;
mod codec;
mod connection;
#[cfg(feature = "tokio")]
mod driver;
mod extension;
mod session;
mod strategies;

/// Some moment; all others are counted from it.
#[expect(clippy::disallowed_methods, reason = "a test has to begin somewhen")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
