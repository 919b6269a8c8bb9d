//! Plain or obfuscated? Both come in on one port. Spec: BEP 3 § "peer protocol" for the plain beginning.

use super::Obfuscation;

/// How a BitTorrent handshake begins. BEP 3 § "peer protocol".
const PLAIN: &[u8; 20] = b"\x13BitTorrent protocol";

/// Tells from the first bytes of an incoming connection how it begins, without consuming them. `None`: too few to tell;
/// 20 are always enough. What is not BitTorrent at all counts as obfuscated: a [`Responder`](super::Responder) finds out.
///
/// ```
/// use torrent_wire::mse::{Obfuscation, detect};
///
/// assert_eq!(detect(b"\x13BitTorrent"), None);
/// assert_eq!(detect(b"\x13BitTorrent protocol"), Some(Obfuscation::Plain));
/// assert_eq!(detect(b"\x13BitTornado"), Some(Obfuscation::Mse));
/// ```
#[must_use]
pub fn detect(first: &[u8]) -> Option<Obfuscation> {
    if first.starts_with(PLAIN) {
        Some(Obfuscation::Plain)
    } else if PLAIN.starts_with(first) {
        None
    } else {
        Some(Obfuscation::Mse)
    }
}
