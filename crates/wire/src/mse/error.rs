//! Why an MSE handshake ends early. The numbered steps are those of the diagram in `mse`.

/// A handshake that failed. Except for [`Error::Finished`] and [`Error::InitialPayloadTooLong`] the connection is of no
/// further use; a dialler may try again in plain, see [`Policy::attempts`](super::Policy::attempts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Peer's fault: a public key outside of [2, p − 2] would make the secret known to everybody.
    #[error("the peer sent a degenerate public key")]
    DegenerateKey,
    /// Caller's fault: the handshake had ended before these bytes came.
    #[error("the handshake has already ended")]
    Finished,
    /// Caller's fault: more than [`MAX_INITIAL_PAYLOAD`](super::MAX_INITIAL_PAYLOAD) bytes.
    #[error("an initial payload of {length} bytes does not fit in the handshake")]
    InitialPayloadTooLong {
        /// Length in bytes.
        length: usize,
    },
    /// Refused: `crypto_provide` has nothing that our [`Methods`](super::Methods) allow.
    #[error("no common method: the peer provides {provided:#x}")]
    NoCommonMethod {
        /// The peer's bit field.
        provided: u32,
    },
    /// Peer's fault: `crypto_select` is not exactly one of the methods that we provided.
    #[error("the peer selected {selected:#x}, which was not provided")]
    NotProvided {
        /// The peer's bit field.
        selected: u32,
    },
    /// Peer's fault: PadC or PadD over [`MAX_PAD`](super::MAX_PAD) bytes.
    #[error("a padding of {length} bytes is too long")]
    PadTooLong {
        /// The announced length in bytes.
        length: u16,
    },
    /// Peer's fault, or not MSE at all: no synchronisation mark within the longest padding. An initiator sees this when
    /// the responder does not serve the torrent and goes on talking.
    #[error("no synchronisation mark within {} bytes", super::MAX_PAD)]
    SyncNotFound,
    /// Refused: the lookup does not know this torrent.
    #[error("no torrent of ours matches the peer's request")]
    UnknownTorrent,
    /// Peer's fault: VC does not decrypt to zeros, so the two sides have different keys.
    #[error("the verification constant is wrong")]
    WrongVerification,
}
