//! What a peer did wrong, and what to do about it. Spec: each variant names its own.
//! Never: doing it; connections, addresses and bans belong to the swarm.

use std::{error, fmt};

use crate::{DecodeError, RawBlock};

/// A peer broke the protocol. [`severity`](Self::severity) says what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerFault {
    /// A request, piece, cancel or reject before this side knows the metadata, so nothing can have been asked for.
    BeforeMetadata(RawBlock),
    /// A bitfield, have-all or have-none that is not among the first messages. BEP 3 § "peer messages".
    BitfieldLate,
    /// A second have-all or have-none, or a bitfield behind have-all. BEP 6 § "Have All/Have None".
    BitfieldRepeated,
    /// A bitfield without a piece that the peer has announced before. BEP 54 has a message for that.
    BitfieldTakesBack {
        /// Number of the first such piece.
        piece: u32,
    },
    /// The bitfield does not have one bit per piece, rounded up to a byte.
    BitfieldWrongLength {
        /// Bytes that it has.
        length: usize,
    },
    /// The bytes are not messages.
    Decode(DecodeError),
    /// An extended message, though one side has not offered BEP 10.
    ExtendedNotNegotiated,
    /// The payload of an extension's message is not what its specification says.
    ExtensionPayload {
        /// The id that this side gave the extension; 0 is the extended handshake.
        id: u8,
    },
    /// A message of the fast extension, though one side has not offered BEP 6.
    FastNotNegotiated {
        /// Id of the message.
        id: u8,
    },
    /// The handshake did not arrive in time.
    HandshakeTimeout,
    /// A `have` for a piece that the peer has announced before with have-all.
    HaveAfterHaveAll {
        /// Number of the piece.
        piece: u32,
    },
    /// A range of hashes that no tree has. BEP 52 § "hash request".
    ImpossibleHashes,
    /// A piece number that the torrent does not have.
    NoSuchPiece {
        /// The number.
        piece: u32,
    },
    /// The connection does not begin with a BitTorrent handshake.
    NotBitTorrent,
    /// A block that is empty or leaves its piece.
    OutsidePiece(RawBlock),
    /// The peer is this side itself.
    SelfConnection,
    /// No message has arrived for longer than allowed, not even a keep-alive.
    Silent,
    /// More messages that tell nothing, and more requests that had to be refused, than any client has reason for.
    UselessMessages,
    /// The handshake answers for another torrent.
    WrongInfoHash,
}

/// What to do about a [`PeerFault`]. Later ones include the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to obey each of them")]
pub enum Severity {
    /// Go on. The message had no effect but on the budget of useless messages, which ends the connection when a peer
    /// does it too often. Clients that are not hostile do this.
    Ignore,
    /// Close the connection. It cannot be understood any further, or the peer is gone; it may be dialled again later.
    Disconnect,
    /// Close the connection and do not dial the address again: there is no peer of this torrent.
    Forget,
    /// Close the connection and accept no other from this address: the peer floods us.
    Ban,
}

impl PeerFault {
    /// What to do about it.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::BeforeMetadata(_)
            | Self::BitfieldTakesBack { .. }
            | Self::ExtensionPayload { .. }
            | Self::HaveAfterHaveAll { .. }
            | Self::ImpossibleHashes
            | Self::OutsidePiece(_) => Severity::Ignore,
            Self::BitfieldLate
            | Self::BitfieldRepeated
            | Self::BitfieldWrongLength { .. }
            | Self::Decode(_)
            | Self::ExtendedNotNegotiated
            | Self::FastNotNegotiated { .. }
            | Self::HandshakeTimeout
            | Self::NoSuchPiece { .. }
            | Self::NotBitTorrent
            | Self::Silent => Severity::Disconnect,
            Self::SelfConnection | Self::WrongInfoHash => Severity::Forget,
            Self::UselessMessages => Severity::Ban,
        }
    }
}

impl From<DecodeError> for PeerFault {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforeMetadata(_) => f.write_str("a block message before the metadata is known"),
            Self::BitfieldLate => f.write_str("the bitfield is not the first message"),
            Self::BitfieldRepeated => f.write_str("a second bitfield, have-all or have-none"),
            Self::BitfieldTakesBack { piece } => {
                write!(f, "a bitfield without piece {piece}, which was announced before")
            }
            Self::BitfieldWrongLength { length } => write!(f, "a bitfield of {length} bytes does not fit the torrent"),
            Self::Decode(error) => error.fmt(f),
            Self::ExtendedNotNegotiated => f.write_str("an extended message without the extension protocol"),
            Self::ExtensionPayload { id } => write!(f, "the payload of extended message {id} is malformed"),
            Self::FastNotNegotiated { id } => write!(f, "message {id} without the fast extension"),
            Self::HandshakeTimeout => f.write_str("the handshake took too long"),
            Self::HaveAfterHaveAll { piece } => write!(f, "have {piece} after have-all"),
            Self::ImpossibleHashes => f.write_str("a range of hashes that no tree has"),
            Self::NoSuchPiece { piece } => write!(f, "there is no piece {piece}"),
            Self::NotBitTorrent => f.write_str("not a BitTorrent handshake"),
            Self::OutsidePiece(RawBlock { piece, begin, length }) => {
                write!(f, "{length} bytes from {begin} are not inside piece {piece}")
            }
            Self::SelfConnection => f.write_str("connected to itself"),
            Self::Silent => f.write_str("silent for too long"),
            Self::UselessMessages => f.write_str("too many messages that tell nothing"),
            Self::WrongInfoHash => f.write_str("the handshake names another torrent"),
        }
    }
}

impl error::Error for PeerFault {}
