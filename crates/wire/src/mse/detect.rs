//! Plain or obfuscated? Both come in on one port. Spec: BEP 3 § "peer protocol" for the plain beginning.

/// How a BitTorrent handshake begins. BEP 3 § "peer protocol".
const PLAIN: &[u8; 20] = b"\x13BitTorrent protocol";

/// What the first bytes of an incoming connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detected {
    /// A BitTorrent handshake.
    Plain,
    /// Anything else: hand it to a [`Responder`](super::Responder), which tells MSE from noise.
    Obfuscated,
    /// Too few bytes to tell. At most 19 are ever needed beyond the first.
    NeedMore,
}

/// Looks at the first bytes of an incoming connection, without consuming them.
///
/// ```
/// use torrent_wire::mse::{Detected, detect};
///
/// assert_eq!(detect(b"\x13BitTorrent"), Detected::NeedMore);
/// assert_eq!(detect(b"\x13BitTorrent protocol"), Detected::Plain);
/// assert_eq!(detect(b"\x13BitTornado"), Detected::Obfuscated);
/// ```
#[must_use]
pub fn detect(first: &[u8]) -> Detected {
    if first.starts_with(PLAIN) {
        Detected::Plain
    } else if PLAIN.starts_with(first) {
        Detected::NeedMore
    } else {
        Detected::Obfuscated
    }
}
