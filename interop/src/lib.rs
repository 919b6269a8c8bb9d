//! What the interop suite needs to start foreign clients and trackers. Run it with `.ci/interop`, which builds the `torrent`
//! command and enters a network namespace of its own. In: programs that `.ci/install-peers` installed. Out: processes that
//! are ended when their guard is dropped. Never: a wait without an event to wait for. What is proven with whom: README.md.

mod clients;
mod fake;
mod payload;
mod ports;
mod process;
mod scratch;
mod tools;
mod torrent;
mod tracker;
mod udp_proxy;
mod wait;

pub use clients::{Client, Encryption, Job, Leech, LibtorrentEncryption, Manner, libtorrent};
pub use fake::{Conduct, FakeTorrent, Noise};
pub use payload::Payload;
pub use ports::{ADDRESS, free_port};
pub use process::Process;
pub use scratch::Scratch;
pub use tools::{cached, in_sandbox, installed, our_command};
pub use torrent::{PIECE_LENGTH, Torrent};
pub use tracker::Tracker;
pub use udp_proxy::{Path, UdpProxy};
pub use wait::{PATIENCE, until, until_after};
