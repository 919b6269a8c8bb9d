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
#[cfg(feature = "tokio")]
pub mod driver;
mod extension;
mod fault;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod handshaking;
#[cfg(feature = "mse")]
pub mod mse;
mod peer_session;
mod show;

pub use allowed_fast::{ALLOWED_FAST_COUNT, allowed_fast_set};
pub use buffer::ReceiveBuffer;
pub use client_name::{ClientName, client_name};
pub use codec::{
    DecodeError, HASH_LENGTH, Handshake, HashRange, HashRangeError, MAX_FRAME, Message, Messages, PIECE_HEADER_LENGTH,
    RawBlock, Reserved,
};
pub use connection::{ApiMisuse, Config, Connection, Event};
#[cfg(feature = "tokio")]
pub use driver::{
    FetchError, FetchOptions, MetadataHash, PeerStream, StreamError, fetch_metadata, fetch_metadata_over,
};
pub use extension::{
    Assembled, ExtendedHandshake, ExtensionId, Extensions, ExtensionsError, Holepunch, HolepunchError,
    METADATA_BLOCK_LENGTH, MalformedPayload, MetadataEvent, MetadataFault, MetadataFetch, MetadataMessage, Pex,
    PexFlags, PexOutlet, RemoteInfo,
};
pub use fault::{PeerFault, Severity};
pub use handshaking::{HandshakeEvent, Handshaking};
pub use peer_session::{PeerSession, SessionEvent};
