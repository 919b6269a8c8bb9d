//! The sockets: names are resolved, connections kept, datagrams sent, clocks read. Everything that thinks is in the cores.
//! `client` ─ one call for every scheme · `announcer` ─ a torrent's life · `http` ─ requests, redirects, bodies · `dial` ─ streams · `resolve` ─ names · `udp` ─ one task.

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

pub use announcer::{Amounts, Announced, Announcer};
pub use client::{Client, announce, scrape};
pub use config::{Config, Family};
pub use proxy::Proxy;
