//! What a peer said or did, and what to do with the blocks it sent.

use torrent_types::{Bitfield, Block, PieceIndex};

/// Something that a peer said or did. One read from a socket makes one batch of these.
///
/// Facts about pieces (`AllowedFast`, `Bitfield`, `DontHave`, `Have`, `HaveAll`, `HaveNone`) are ignored until
/// [`Swarm::handle_metadata`](crate::Swarm::handle_metadata); a driver that got them earlier repeats them then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// BEP 6 § "Allowed Fast": this piece may be requested while choked.
    AllowedFast(PieceIndex),
    /// BEP 3 `bitfield`: the peer's pieces. Its length is the torrent's number of pieces.
    Bitfield(Bitfield),
    /// BEP 3 `cancel`: the peer takes back a request of its own.
    Cancelled(Block),
    /// BEP 3 `choke`: the peer answers no requests for now.
    Choked,
    /// BEP 54 `lt_donthave`: the peer no longer has this piece.
    DontHave(PieceIndex),
    /// BEP 3 `have`: the peer has this piece now.
    Have(PieceIndex),
    /// BEP 6 `have all`: the peer has every piece.
    HaveAll,
    /// BEP 6 `have none`: the peer has no piece.
    HaveNone,
    /// BEP 3 `interested`: the peer wants something of ours.
    Interested,
    /// BEP 10 `p`: the port on which a peer that dialled us accepts connections.
    ListenPort(u16),
    /// BEP 3 `not interested`: the peer wants nothing of ours.
    NotInterested,
    /// A block arrived. The answer to this fact is a [`Verdict`].
    Received(Block),
    /// BEP 6 `reject request`: the peer will not answer this request of ours.
    Rejected(Block),
    /// BEP 10 `reqq`: how many requests the peer keeps at a time.
    RequestQueue(u32),
    /// BEP 3 `request`: the peer asks for a block.
    Requested(Block),
    /// BEP 3 `unchoke`: the peer answers requests from now on.
    Unchoked,
    /// BEP 21 `upload_only`: whether the peer wants nothing, though it may lack pieces.
    UploadOnly(bool),
}

/// What to do with the bytes of a block that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to obey each of them")]
pub enum Verdict {
    /// Keep it: the core counts on it from now on, even if the connection ends.
    Buffer,
    /// Drop it: it was not asked for, or is here already.
    Discard,
}

/// What the hash of a complete copy of a piece said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a hash fits or does not")]
pub enum Outcome {
    /// The hash is the one of the metadata.
    Good,
    /// It is another.
    Bad,
}
