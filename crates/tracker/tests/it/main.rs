//! The crate from outside: its own server, scripted servers, simulated networks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod announcer;
mod hostile;
mod server;
mod tls;
mod udp;
