//! What goes into a `Swarm` and what comes out of it. In: drivers. Never: bytes of pieces, raw numbers from the wire.

use std::net::SocketAddr;

use torrent_types::{Bitfield, Block, PieceIndex};

/// One connection of one torrent. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub(crate) u32);

/// Something that a peer said or did. One read from a socket makes one batch of these.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// BEP 6: this piece may be requested while choked.
    AllowedFast(PieceIndex),
    /// BEP 3: the peer's pieces, at the beginning of the connection.
    Bitfield(Bitfield),
    /// The peer takes back a request of its own.
    Cancelled(Block),
    /// The peer chokes us.
    Choked,
    /// BEP 54: the peer no longer has this piece.
    DontHave(PieceIndex),
    /// The peer has this piece now.
    Have(PieceIndex),
    /// BEP 6: the peer has every piece.
    HaveAll,
    /// BEP 6: the peer has no piece.
    HaveNone,
    /// The peer wants something of ours.
    Interested,
    /// BEP 10 `p`: the port on which a peer that dialled us accepts connections.
    ListenPort(u16),
    /// The peer wants nothing of ours.
    NotInterested,
    /// A block arrived. The answer to this fact is a [`Verdict`].
    Received(Block),
    /// BEP 6: the peer will not answer this request of ours.
    Rejected(Block),
    /// BEP 10 `reqq`: how many requests the peer keeps at a time.
    RequestQueue(u32),
    /// The peer asks for a block.
    Requested(Block),
    /// The peer lets us request.
    Unchoked,
    /// BEP 21: the peer wants nothing, though it may lack pieces.
    UploadOnly(bool),
}

/// What to do with the bytes of a block that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Keep it in the piece's buffer.
    Buffer,
    /// Write it to storage at once; the piece is too large for the memory budget and will be hashed from storage.
    Direct,
    /// Not asked for, or here already: forget it.
    Discard,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Close this connection.
    Disconnect(PeerKey, Parting),
    /// Open a connection to this address, and report with `connected` or `dial_failed`.
    Dial(SocketAddr),
    /// Every wanted piece is in storage.
    Finished,
    /// Send this message to this peer.
    Send(PeerKey, Command),
    /// The peer's upload queue is no longer empty: take from it when the socket has room.
    Serve(PeerKey),
}

/// A message for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// We no longer need this block.
    Cancel(Block),
    /// No more uploads to this peer for now.
    Choke,
    /// We have this piece now.
    Have(PieceIndex),
    /// We want pieces of this peer.
    Interested,
    /// We want nothing of this peer.
    NotInterested,
    /// BEP 6: we will not answer this request.
    Reject(Block),
    /// Please send this block.
    Request(Block),
    /// The peer may request.
    Unchoke,
}

/// Why we end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parting {
    /// It sent data that fails the hash check.
    BadData,
    /// It asks for blocks in a way that no honest client does.
    BadRequests,
    /// Both sides have everything they want.
    Redundant,
}

impl std::fmt::Display for Parting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BadData => "sent data that fails the hash check",
            Self::BadRequests => "sends requests that make no sense",
            Self::Redundant => "neither side wants anything",
        })
    }
}
