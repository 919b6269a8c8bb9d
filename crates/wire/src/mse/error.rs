//! Why an MSE handshake ends early. The numbered steps are those of the diagram in `mse`.

use std::{error, fmt};

use super::MAX_PAD;

/// A handshake that failed. Except for [`Error::Finished`] and [`Error::InitialPayloadTooLong`] the connection is of no
/// further use; a dialler may try again in plain, see [`Policy::attempts`](super::Policy::attempts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Peer's fault: a public key outside of [2, p − 2] would make the secret known to everybody.
    DegenerateKey,
    /// Caller's fault: the handshake had ended before these bytes came.
    Finished,
    /// Caller's fault: more than [`MAX_INITIAL_PAYLOAD`](super::MAX_INITIAL_PAYLOAD) bytes.
    InitialPayloadTooLong {
        /// Length in bytes.
        length: usize,
    },
    /// Refused: `crypto_provide` has nothing that our [`Methods`](super::Methods) allow.
    NoCommonMethod {
        /// The peer's bit field.
        provided: u32,
    },
    /// Peer's fault: `crypto_select` is not exactly one of the methods that we provided.
    NotProvided {
        /// The peer's bit field.
        selected: u32,
    },
    /// Peer's fault: PadC or PadD over [`MAX_PAD`] bytes.
    PadTooLong {
        /// The announced length in bytes.
        length: u16,
    },
    /// Peer's fault, or not MSE at all: no synchronisation mark within the longest padding. An initiator sees this when
    /// the responder does not serve the torrent and goes on talking.
    SyncNotFound,
    /// The peer took too long. Many that know no MSE wait for more bytes instead of hanging up.
    TimedOut,
    /// Refused: the lookup does not know this torrent.
    UnknownTorrent,
    /// Peer's fault: VC does not decrypt to zeros, so the two sides have different keys.
    WrongVerification,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DegenerateKey => f.write_str("the peer sent a degenerate public key"),
            Self::Finished => f.write_str("the handshake has already ended"),
            Self::InitialPayloadTooLong { length } => {
                write!(f, "an initial payload of {length} bytes does not fit in the handshake")
            }
            Self::NoCommonMethod { provided } => write!(f, "no common method: the peer provides {provided:#x}"),
            Self::NotProvided { selected } => write!(f, "the peer selected {selected:#x}, which was not provided"),
            Self::PadTooLong { length } => write!(f, "a padding of {length} bytes is too long"),
            Self::SyncNotFound => write!(f, "no synchronisation mark within {MAX_PAD} bytes"),
            Self::TimedOut => f.write_str("the handshake took too long"),
            Self::UnknownTorrent => f.write_str("no torrent of ours matches the peer's request"),
            Self::WrongVerification => f.write_str("the verification constant is wrong"),
        }
    }
}

impl error::Error for Error {}
