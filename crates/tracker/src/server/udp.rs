//! Answers datagrams. BEP 15, server side.
//! In: one datagram and its source. Out: at most one answer, never larger than what a verified address asked for.
//! Never: sockets; state about clients, for connection ids are cookies.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    shards::Shards,
    swarms::{Announcement, Peers},
};
use crate::{
    error::DecodeError,
    message::ScrapeEntry,
    udp::{MAX_SCRAPE, Request, Response, decode_request},
};

/// Answers the datagrams of one socket. Holds buffers, so that an announce allocates nothing.
#[derive(Debug, Default)]
pub struct UdpTracker {
    peers: Peers,
    entries: Vec<[u8; 12]>,
}

impl UdpTracker {
    /// Appends the answer to `out`, if there is one. What is not a question gets none.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        shards: &Shards,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let (transaction, request) = decode_request(datagram)?;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        match request {
            Request::Connect => {
                if let Some(id) = shards.connection_id(now, from, 0) {
                    Response::Connect(id).encode(transaction, out);
                }
            }
            Request::Announce { connection, announce, .. } => {
                if !is_valid(shards, now, from, connection) {
                    Response::Error(UNKNOWN_CONNECTION).encode(transaction, out);
                    return Ok(());
                }
                let room = if from.is_ipv4() { MAX_V4 } else { MAX_V6 };
                let default = shards.config().num_want;
                let announcement = Announcement {
                    event: announce.event,
                    num_want: Some(usize::try_from(announce.num_want).unwrap_or(default).min(room)),
                    both_families: false,
                    ..Announcement::new(announce.info_hash, SocketAddr::new(from.ip(), announce.port), announce.left)
                };
                self.peers.clear();
                match shards.of(&announce.info_hash).announce(now, &announcement, &mut self.peers) {
                    Ok(counts) => Response::Announce {
                        interval: seconds(shards.config().interval),
                        leechers: counts.leechers,
                        seeders: counts.seeders,
                        peers: if from.is_ipv4() { &self.peers.v4 } else { &self.peers.v6 },
                    }
                    .encode(transaction, out),
                    Err(full) => Response::Error(full.to_string().as_bytes()).encode(transaction, out),
                }
            }
            Request::Scrape { connection, info_hashes } => {
                if !is_valid(shards, now, from, connection) {
                    if !info_hashes.is_empty() {
                        Response::Error(UNKNOWN_CONNECTION).encode(transaction, out);
                    }
                    return Ok(());
                }
                self.entries.clear();
                self.entries.extend(info_hashes.iter().take(MAX_SCRAPE).map(|&hash| {
                    let hash = hash.into();
                    let entry = shards.of(&hash).scrape(&hash);
                    pack(&entry.unwrap_or_default())
                }));
                Response::Scrape(&self.entries).encode(transaction, out);
            }
        }
        Ok(())
    }
}

/// BEP 15: accepted until two minutes after it was sent.
fn is_valid(shards: &Shards, now: Instant, from: SocketAddr, connection: u64) -> bool {
    (0..=2).any(|ago| shards.connection_id(now, from, ago) == Some(connection))
}

fn pack(entry: &ScrapeEntry) -> [u8; 12] {
    let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) =
        (entry.seeders.to_be_bytes(), entry.downloaded.to_be_bytes(), entry.leechers.to_be_bytes());
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

pub(super) fn seconds(interval: Duration) -> u32 {
    u32::try_from(interval.as_secs()).unwrap_or(u32::MAX)
}

/// Shorter than any question that it answers: an address that was not verified gets no more than it sent.
const UNKNOWN_CONNECTION: &[u8] = b"unknown connection id";

/// Peers that fit a datagram which no link fragments (1280 bytes, IPv6's least).
const MAX_V4: usize = 200;
const MAX_V6: usize = 66;
