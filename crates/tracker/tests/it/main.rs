//! The crate from outside: its own server, scripted servers, simulated networks.

mod server;
