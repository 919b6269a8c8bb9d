#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod allowed_fast;
mod buffer;
mod client_name;
mod codec;
mod connection;
mod extension;
mod fault;
mod handshaking;
pub mod mse;
mod session;

pub use allowed_fast::{ALLOWED_FAST_COUNT, allowed_fast_set};
pub use buffer::ReceiveBuffer;
pub use client_name::{ClientName, client_name};
pub use codec::{
    DecodeError, HASH_LENGTH, Handshake, HashRange, HashRangeError, MAX_FRAME, Message, Messages, PIECE_HEADER_LENGTH,
    RawBlock, Reserved,
};
pub use connection::{ApiMisuse, Config, Connection, Event};
pub use extension::{
    ExtendedHandshake, ExtensionId, Extensions, ExtensionsError, Holepunch, HolepunchError, METADATA_BLOCK_LENGTH,
    MalformedPayload, MetadataMessage, Pex, PexFlags, RemoteInfo,
};
pub use fault::{PeerFault, Severity};
pub use handshaking::{HandshakeEvent, Handshaking};
pub use session::{Session, SessionEvent};
