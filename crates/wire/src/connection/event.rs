//! What a message of the peer means, checked. In: messages that the machine has let pass. Out: facts for the swarm.

use torrent_types::{Block, PieceIndex};

use crate::{
    ExtensionId, HashRange,
    extension::{ExtendedHandshake, Holepunch, MetadataMessage, Pex},
};

/// What the peer has said. Blocks and pieces exist in the torrent once its geometry is known; before, piece numbers are
/// only below `MAX_PIECES`. Payloads are borrowed from the receive buffer; what is large and rare is boxed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// It is alive.
    KeepAlive,
    /// Nothing that was not known: a flag, a piece or a port said again, a refusal of something that was not asked for,
    /// peer exchange too soon after the last one. There is nothing to do; it has counted against the peer's budget.
    Redundant,
    /// It does not answer requests any more. Without the fast extension all our requests are void; with it, each will
    /// be answered or rejected.
    Choked,
    /// It answers requests.
    Unchoked,
    /// It would request if we unchoked it.
    Interested,
    /// It would not.
    NotInterested,
    /// It has this piece, which it had not before.
    Have(PieceIndex),
    /// It has these pieces, among them all that it had before; for `Bitfield::from_bytes`. Spare bits are zero if the
    /// geometry is known. It may come more than once, but only if it tells of new pieces.
    Bitfield(&'a [u8]),
    /// It has all pieces.
    HaveAll,
    /// It has no piece.
    HaveNone,
    /// It no longer has this piece. BEP 54.
    DontHave(PieceIndex),
    /// It wants this block, which may be longer than 16 KiB, and may come while we choke it.
    Requested(Block),
    /// A block. Whether it was requested is for the swarm to know.
    Piece {
        /// Where it belongs.
        block: Block,
        /// Its bytes, as many as `block` says.
        data: &'a [u8],
    },
    /// It no longer wants this block.
    Cancelled(Block),
    /// It will not answer this request.
    Rejected(Block),
    /// It suggests to request this piece.
    Suggested(PieceIndex),
    /// It answers requests for this piece while it chokes.
    AllowedFast(PieceIndex),
    /// UDP port of its DHT node, which it had not said before.
    Port(u16),
    /// It wants these hashes; the range has passed [`HashRange::check`].
    HashesRequested(HashRange),
    /// Hashes. Whether they were requested, and are right, is for the swarm to know.
    Hashes {
        /// Which ones, as they were requested.
        range: HashRange,
        /// 32 bytes each: the requested ones, then the proof.
        hashes: &'a [u8],
    },
    /// It will not answer this request for hashes.
    HashesRejected(HashRange),
    /// What it says about itself; the first one, or a later one that changes something.
    ExtendedHandshake(Box<ExtendedHandshake<'a>>),
    /// It asks for metadata, or gives or refuses some. BEP 9.
    Metadata(MetadataMessage<'a>),
    /// Peers that it has met or lost; at most one message in 45 seconds. BEP 11.
    Pex(Box<Pex<'a>>),
    /// It wants, or arranges, to meet another peer through a NAT. BEP 55.
    Holepunch(Holepunch),
    /// A message of an extension that the application has registered.
    Extension {
        /// The extension.
        id: ExtensionId,
        /// Its bytes, in the extension's own format.
        payload: &'a [u8],
    },
    /// A message of an extension that we have not offered. To be ignored.
    UnknownExtension {
        /// Its id.
        id: u8,
        /// What follows the id.
        payload: &'a [u8],
    },
    /// A message that this crate does not know. To be ignored.
    Unknown {
        /// Its id.
        id: u8,
        /// What follows the id.
        payload: &'a [u8],
    },
}
