//! HTTP trackers: request targets out, bodies in. BEP 3, 7, 21, 23, 24, 31, 48.
//! Never: sockets, TLS, compression (see the driver).

mod answer;
mod redirect;
mod target;

pub use answer::{DEFAULT_INTERVAL, MAX_PEERS, decode_announce, decode_failure, decode_scrape};
pub use redirect::{MAX_REDIRECTS, Redirects};
pub(crate) use target::percent;
pub use target::{announce_target, scrape_target};

/// Largest body that is read, in bytes, as sent and as decompressed. 5000 peers need 30 KB compact, 500 KB as dictionaries.
pub const MAX_BODY: usize = 1 << 20;

/// Most torrents in one scrape over HTTP: as many hashes, three times percent-encoded, as fit a request line of 4 KiB.
pub const MAX_SCRAPE_HTTP: usize = 50;
