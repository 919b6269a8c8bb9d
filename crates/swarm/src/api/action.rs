//! What a driver has to do. These enums are exhaustive: an action that a driver ignores would stall a torrent.

use std::fmt;

use torrent_types::{Block, PieceIndex};

use super::{PeerKey, Phase};
use crate::Attempt;

/// What the driver has to do, in the order in which [`Swarm::poll_action`](crate::Swarm::poll_action) returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to obey each of them")]
pub enum Action {
    /// Tell the trackers (and other sources of addresses) something.
    Announce(Announce),
    /// Check which pieces are in storage, and report with [`Swarm::handle_checked`](crate::Swarm::handle_checked).
    Check,
    /// No connected peer has this piece right: each copy that was fetched failed its check. Said once per piece.
    Damaged(PieceIndex),
    /// Open a connection. Report success with [`Swarm::handle_connected`](crate::Swarm::handle_connected) and failure with
    /// [`Swarm::handle_dial_failed`](crate::Swarm::handle_dial_failed).
    Dial(Attempt),
    /// Close this connection, then report with [`Swarm::handle_disconnected`](crate::Swarm::handle_disconnected).
    Disconnect(PeerKey, Parting),
    /// Every wanted piece is in storage. Said again when more was wanted in the meantime and that has come, too.
    Finished,
    /// Drop everything that is buffered of this piece. Blocks of it that are accepted later belong to a new copy.
    Forget(PieceIndex),
    /// The torrent is stopping: write what was accepted, say goodbye to trackers, then report with
    /// [`Swarm::handle_left`](crate::Swarm::handle_left).
    Leave,
    /// The torrent is in this phase now.
    Phase(Phase),
    /// Storage is about to be used again after a failure: drop descriptors or caches that may be stale.
    RetryStorage,
    /// Send this message to this peer.
    Send(PeerKey, Command),
    /// The peer's upload queue is no longer empty: call [`Swarm::take_uploads`](crate::Swarm::take_uploads) when its socket
    /// has room.
    Serve(PeerKey),
    /// Hash each block of the copy of this piece that was just judged, outside of any lock, and report with
    /// [`Swarm::handle_evidence`](crate::Swarm::handle_evidence). Keep a bad copy until then.
    Testify(PieceIndex),
    /// The piece is good: write what is not in storage yet, and report with
    /// [`Swarm::handle_pieces_stored`](crate::Swarm::handle_pieces_stored).
    Write(PieceIndex),
}

/// What trackers and other sources of addresses should hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to obey each of them")]
pub enum Announce {
    /// The download has finished just now, BEP 3 `completed`. Said at most once in the life of a torrent.
    Completed,
    /// There are too few peers and no addresses left to dial. Repeated with pauses of at least a minute while that lasts.
    NeedPeers,
}

/// A message for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to send each of them")]
pub enum Command {
    /// BEP 3: we no longer need this block.
    Cancel(Block),
    /// BEP 3: we answer no requests for now.
    Choke,
    /// BEP 54 `lt_donthave`: we no longer have this piece. Skip it if the peer does not understand the message.
    DontHave(PieceIndex),
    /// BEP 3: we have this piece now.
    Have(PieceIndex),
    /// BEP 3: the peer has pieces that we want.
    Interested,
    /// BEP 3: the peer has nothing that we want.
    NotInterested,
    /// BEP 6: we will not answer this request.
    Reject(Block),
    /// BEP 3: please send this block.
    Request(Block),
    /// BEP 3: we answer requests from now on.
    Unchoke,
}

/// Why we end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parting {
    /// Data from its address failed the hash check.
    BadData,
    /// It asks for blocks in a way that no honest client does.
    BadRequests,
    /// The same peer has another connection that is kept.
    Duplicate,
    /// It repeats messages that have no effect.
    Flooding,
    /// BEP 27: the torrent is private, and the address came from a source that private torrents do not use.
    Private,
    /// Both sides have everything they want.
    Redundant,
    /// We connected before we knew our pieces, and have too many to name one by one. The peer is dialled again.
    Reintroduce,
    /// The torrent pauses or stops.
    Stopping,
    /// There are enough connections, others wait, and this one was of no use.
    Useless,
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadData => "its address sent data that fails the hash check",
            Self::BadRequests => "it sends requests that make no sense",
            Self::Duplicate => "the same peer is connected twice",
            Self::Flooding => "it floods us with useless messages",
            Self::Private => "its address came from a source that a private torrent does not use",
            Self::Redundant => "neither side wants anything",
            Self::Reintroduce => "the connection began before our pieces were known",
            Self::Stopping => "the torrent pauses or stops",
            Self::Useless => "the connection was of no use and others wait",
        })
    }
}
