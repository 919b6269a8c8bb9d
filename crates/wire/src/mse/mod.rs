//! Message Stream Encryption (MSE/PE): a handshake that hides BitTorrent from traffic shapers, and the ciphers it ends with.
//! Spec: "Message Stream Encryption" on the Azureus/Vuze wiki; there is no BEP. It is obfuscation: RC4 and a 768-bit
//! exchange without authentication. Anybody who knows the info hash can sit in the middle. It keeps no secrets, and nothing
//! here is hardened as if it did: no constant time, no wiping of keys.
//!
//! In: the bytes of one stream in chunks of any size, and a seed. Out: bytes to send, then [`Ciphers`] for the payload.
//! Never: sockets, clocks, randomness of its own, payload buffers. The driver for tokio is `driver::mse`.
//!
//! ```text
//!  Initiator (A)                                                       Responder (B)
//!  1  Ya, PadA                                                 ──────▶
//!                                                              ◀──────  2  Yb, PadB
//!  3  HASH('req1', S), HASH('req2', SKEY) xor HASH('req3', S),
//!     ENCRYPT(VC, crypto_provide, len(PadC), PadC, len(IA)), ENCRYPT(IA) ▶
//!                                                              ◀──────  4  ENCRYPT(VC, crypto_select, len(PadD), PadD), ENCRYPT2(payload)
//!  5  ENCRYPT2(payload)                                        ──────▶
//! ```
//!
//! SKEY is the info hash, S the shared secret, VC eight zero bytes; ENCRYPT is RC4, ENCRYPT2 what step 4 selected.
//!
//! ```
//! # use std::time::Instant;
//! use torrent_types::InfoHash;
//! use torrent_wire::mse::{Initiator, Method, Methods, Responder, SkeyIndex};
//!
//! # let now = Instant::now();
//! let torrent = InfoHash::new([7; 20]);
//! let mut skeys = SkeyIndex::new();
//! skeys.insert(torrent);
//!
//! // Take the seeds from the operating system; the same seed gives the same handshake.
//! let mut a = Initiator::new(now, torrent, Methods::PreferRc4, &[1; 32], b"hello")?;
//! let mut b = Responder::new(now, Methods::PreferRc4, &[2; 32]);
//!
//! let (mut to_b, mut to_a) = (Vec::new(), Vec::new());
//! a.poll_transmit(&mut to_b);
//! b.handle_bytes(now, &to_b, |skey| skeys.lookup(skey))?;
//! b.poll_transmit(&mut to_a);
//! a.handle_bytes(now, &to_a)?;
//! to_b.clear();
//! a.poll_transmit(&mut to_b);
//! let used = b.handle_bytes(now, &to_b, |skey| skeys.lookup(skey))?;
//! let mut done = b.poll_event().unwrap();
//! assert_eq!((done.info_hash, done.ciphers.method()), (torrent, Method::Rc4));
//!
//! // What was not used is payload. It begins with the initiator's initial payload.
//! let payload = &mut to_b[used..];
//! done.ciphers.decrypt(payload);
//! assert_eq!(payload, b"hello");
//! # Ok::<(), torrent_wire::mse::Error>(())
//! ```

mod ciphers;
mod deadline;
mod detect;
mod dh;
mod entropy;
mod error;
#[cfg(any(fuzzing, test))]
mod forger;
#[doc(hidden)]
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod initiator;
mod intake;
mod keys;
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "words and their halves; indices run from 0 to the fixed length"
)]
mod modular;
mod policy;
mod rc4;
mod responder;
mod skey;

#[cfg(test)]
mod tests;

pub use ciphers::{Ciphers, Decryptor, Encryptor};
pub use detect::detect;
pub use error::Error;
pub use initiator::Initiator;
pub use policy::{Method, Methods, Obfuscation, Policy};
pub use responder::Responder;
pub use skey::{SkeyHash, SkeyIndex};

use torrent_types::InfoHash;

/// Longest PadA, PadB, PadC and PadD.
pub const MAX_PAD: usize = 512;

/// Longest initial payload (IA): its length travels in two bytes.
pub const MAX_INITIAL_PAYLOAD: usize = u16::MAX as usize;

/// The most that one handshake holds on the heap, on either side, beside the initial payload of an initiator:
/// two RC4 states of 1 KiB, and the unsent output (a public key and a padding, or two hashes, header and a padding).
/// Nothing that the peer sends is kept but one field of fixed size, inside the value itself.
pub const MAX_HANDSHAKE_MEMORY: usize = 4 * 1024;

/// Length of HASH: SHA-1.
const HASH_LENGTH: usize = 20;
/// VC, "verification constant".
const VC: [u8; 8] = [0; 8];

/// The end of a successful handshake.
#[derive(Debug)]
#[non_exhaustive]
pub struct Established {
    /// The torrent.
    pub info_hash: InfoHash,
    /// For all payload from here on.
    pub ciphers: Ciphers,
}
