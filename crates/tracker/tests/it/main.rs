//! The crate from outside: its own server, scripted servers, simulated networks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to panic")]

mod announcer;
mod connections;
mod hostile;
mod proxy;
mod redirects;
mod scripted;
mod server;
mod swarms;
mod tls;
mod udp;
