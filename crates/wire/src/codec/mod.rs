//! The codec room: bytes ↔ messages, stateless. Spec: BEP 3 § "peer messages" and what grew around it.
//! In: a slice of the receive buffer. Out: messages that borrow from it, and the other way about.
//! Never: state, policy, a copy of a payload. Numbers stay as they came; see `connection` for what they mean.

mod decode;
mod encode;
mod handshake;
mod hash_range;
mod message;

pub use decode::{DecodeError, MAX_FRAME, Messages};
pub use encode::PIECE_HEADER_LENGTH;
pub use handshake::{Handshake, Reserved};
pub use hash_range::{HASH_LENGTH, HashRange, HashRangeError};
pub use message::{Message, RawBlock};

pub(crate) use message::id;

pub(crate) use handshake::{PROTOCOL, split_head};
