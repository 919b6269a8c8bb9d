//! What may go wrong with a stream, and with fetching metadata.

use std::{error, fmt, io};

use super::mse;
use crate::{MetadataFault, PeerFault};

/// Why a [`PeerStream`](super::PeerStream) has ended, or a message has been of no use.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// The peer has closed the stream.
    Closed,
    /// The stream has failed.
    Io(io::Error),
    /// The peer has broken the protocol; see [`PeerFault::severity`].
    Peer(PeerFault),
    /// The peer means a torrent that we do not have.
    UnknownTorrent,
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<PeerFault> for StreamError {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer has closed the connection"),
            Self::Io(error) => error.fmt(f),
            Self::Peer(fault) => fault.fmt(f),
            Self::UnknownTorrent => f.write_str("the peer means a torrent that we do not have"),
        }
    }
}

impl error::Error for StreamError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            // `Display` shows the inner error already; its own source comes next in the chain.
            Self::Io(error) => error.source(),
            Self::Peer(fault) => fault.source(),
            Self::Closed | Self::UnknownTorrent => None,
        }
    }
}

/// Why there is no metadata.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The peer cannot be reached.
    Connect(io::Error),
    /// There is no encrypted connection.
    Encryption(mse::HandshakeError),
    /// The peer claims an impossible size, or sends blocks that do not fit.
    Metadata(MetadataFault),
    /// The peer does not know the extension, or does not have the metadata itself.
    NoMetadata,
    /// The peer does not give the metadata away.
    Rejected,
    /// The connection has ended.
    Stream(StreamError),
    /// The time is over.
    TimedOut,
    /// The metadata that the peer has sent does not have the hash.
    WrongHash,
}

impl From<StreamError> for FetchError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(_) => f.write_str("the peer cannot be reached"),
            Self::Encryption(_) => f.write_str("the encrypted handshake failed"),
            Self::Metadata(_) => f.write_str("the peer's metadata is impossible"),
            Self::NoMetadata => f.write_str("the peer does not have the metadata"),
            Self::Rejected => f.write_str("the peer does not give the metadata away"),
            Self::Stream(_) => f.write_str("the connection to the peer has ended"),
            Self::TimedOut => f.write_str("the metadata took too long"),
            Self::WrongHash => f.write_str("the metadata has another hash"),
        }
    }
}

impl error::Error for FetchError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Encryption(error) => Some(error),
            Self::Metadata(fault) => Some(fault),
            Self::Stream(error) => Some(error),
            Self::NoMetadata | Self::Rejected | Self::TimedOut | Self::WrongHash => None,
        }
    }
}
