//! Numbers that a torrent shows. Never: how they come about.

use std::net::SocketAddr;

use torrent_types::PeerId;

use crate::{Direction, PeerKey, peer::Peer};

/// A torrent at one moment. Lengths in bytes, rates in bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Size of the torrent.
    pub total: u64,
    /// Bytes of pieces that are in storage and good.
    pub verified: u64,
    /// Bytes that have come of pieces that are not complete yet.
    pub partial: u64,
    /// Bytes of pieces received since the start, wasted ones not counted.
    pub downloaded: u64,
    /// Bytes of pieces sent since the start.
    pub uploaded: u64,
    /// Bytes received that were of no use.
    pub wasted: u64,
    /// Download rate.
    pub down_rate: u64,
    /// Upload rate.
    pub up_rate: u64,
    /// Connections.
    pub peers: usize,
    /// Connections to peers that have every piece.
    pub seeds: usize,
    /// Addresses known.
    pub known: usize,
}

/// A connected peer at one moment. Lengths in bytes, rates in bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStats {
    /// The connection.
    pub key: PeerKey,
    /// Where the peer is.
    pub address: SocketAddr,
    /// What it calls itself.
    pub id: PeerId,
    /// Who dialled.
    pub direction: Direction,
    /// Where others can reach it, if that is known.
    pub dialable: Option<SocketAddr>,
    /// Whether it has every piece.
    pub seed: bool,
    /// Whether it chokes us.
    pub choking: bool,
    /// Whether it has kept us waiting for too long.
    pub snubbed: bool,
    /// Whether it wants something of ours.
    pub interested: bool,
    /// Whether we choke it.
    pub am_choking: bool,
    /// Bytes of pieces that came from it.
    pub downloaded: u64,
    /// Bytes of pieces that went to it.
    pub uploaded: u64,
    /// Rate from it.
    pub down_rate: u64,
    /// Rate to it.
    pub up_rate: u64,
}

impl PeerStats {
    pub(crate) fn of(key: PeerKey, peer: &Peer) -> Self {
        Self {
            key,
            address: peer.address,
            id: peer.id,
            direction: peer.direction,
            dialable: peer.dialable,
            seed: peer.is_seed(),
            choking: peer.choking,
            snubbed: peer.requests.is_snubbed(),
            interested: peer.interested,
            am_choking: peer.am_choking,
            downloaded: peer.down.total(),
            uploaded: peer.up.total(),
            down_rate: peer.down.per_second(),
            up_rate: peer.up.per_second(),
        }
    }
}
