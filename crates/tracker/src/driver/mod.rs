//! The sockets: names are resolved, connections kept, datagrams sent, clocks read. The decisions are made in the cores.
//! `client` ─ one call for every scheme · `announcer` ─ one torrent from start to end · `http` ─ requests, redirects, bodies · `dial` ─ streams · `resolve` ─ names · `udp` ─ one task.

mod announcer;
mod client;
mod config;
mod dial;
mod http;
mod proxy;
mod resolve;
#[cfg(feature = "tls")]
mod tls;
mod udp;

pub use announcer::{Announced, Announcer};
pub use client::{Client, announce, scrape};
pub use config::{Config, Family};
pub use proxy::Proxy;
