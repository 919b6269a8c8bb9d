#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod bitfield;
pub mod compact;
mod datagram;
mod geometry;
mod hash;
mod hex;
mod host_port;
mod scope;
pub mod time;

pub use bitfield::{Bitfield, BitfieldError, Ones};
pub use datagram::Datagram;
pub use geometry::{BLOCK_LENGTH, Block, Geometry, GeometryError, MAX_PIECES, PieceIndex};
pub use hash::{InfoHash, InfoHashV2, ParseHashError, PeerId};
pub use host_port::{HostPort, HostPortError, MAX_HOST_LENGTH};
pub use scope::{MIN_PEER_PORT, Scope};
