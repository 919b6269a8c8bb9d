//! Numbers that an application shows. Never here: how they are made.

use std::{net::SocketAddr, time::Duration};

use torrent_types::PeerId;

use crate::{Direction, Obfuscation, PeerKey, Phase, Source, Transport, Waiting};

/// A torrent at one moment. Lengths in bytes, rates in bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Where the torrent is in its life.
    pub phase: Phase,
    /// Why nothing comes, if something should.
    pub waiting: Option<Waiting>,
    /// Size of the torrent; 0 before its metadata is known.
    pub total: u64,
    /// Size of the pieces that are wanted or here.
    pub wanted: u64,
    /// Bytes of pieces that are in storage and good.
    pub verified: u64,
    /// Bytes that have come of pieces that are not complete yet.
    pub partial: u64,
    /// Bytes of pieces received since the start, wasted ones not counted.
    pub downloaded: u64,
    /// Bytes of pieces sent since the start.
    pub uploaded: u64,
    /// Bytes received that were of no use: duplicates, late blocks, and copies that failed their check.
    pub wasted: u64,
    /// Download rate.
    pub down_rate: u64,
    /// Upload rate.
    pub up_rate: u64,
    /// Bytes of memory that pieces in flight hold.
    pub memory: u64,
    /// Pieces in flight.
    pub open_pieces: usize,
    /// Requests in flight.
    pub requests: usize,
    /// Connections.
    pub peers: usize,
    /// Connections to peers that have every piece.
    pub seeds: usize,
    /// Connections to peers that have something that we want.
    pub interesting: usize,
    /// Connections whose peers let us request.
    pub unchoking: usize,
    /// Peers that we let request.
    pub upload_slots: usize,
    /// Addresses known.
    pub known: usize,
    /// Connections being opened.
    pub dialing: usize,
    /// Pieces that no connected peer has right.
    pub damaged: usize,
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
    /// Which side dialled.
    pub direction: Direction,
    /// Where its address came from.
    pub source: Source,
    /// What carries the bytes.
    pub transport: Transport,
    /// How the connection began.
    pub obfuscation: Obfuscation,
    /// Whether both sides speak the fast extension.
    pub fast: bool,
    /// Where others can reach it, if that is known.
    pub dialable: Option<SocketAddr>,
    /// How long the connection has existed.
    pub connected: Duration,
    /// Pieces it has.
    pub pieces: u32,
    /// Pieces it has that we want and lack.
    pub useful: u32,
    /// Whether it has every piece.
    pub seed: bool,
    /// BEP 21: whether it wants nothing.
    pub upload_only: bool,
    /// Whether it chokes us.
    pub choking: bool,
    /// Whether it has left requests unanswered for too long.
    pub snubbed: bool,
    /// Whether it wants something of ours.
    pub interested: bool,
    /// Whether we choke it.
    pub am_choking: bool,
    /// Whether we want something of it.
    pub am_interested: bool,
    /// Requests of ours that it has not answered.
    pub requests: u32,
    /// Requests that we keep in flight to it at most, at its present rate.
    pub request_depth: u32,
    /// Requests of its that wait for us.
    pub upload_queue: u32,
    /// Mean time from a request to its block.
    pub response_time: Duration,
    /// Bytes of pieces that came from it.
    pub downloaded: u64,
    /// Bytes of pieces that went to it.
    pub uploaded: u64,
    /// Bytes that came from it and were of no use.
    pub wasted: u64,
    /// Rate from it.
    pub down_rate: u64,
    /// Rate to it.
    pub up_rate: u64,
}
