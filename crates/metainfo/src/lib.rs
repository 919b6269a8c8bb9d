#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod edit;
mod error;
mod file;
#[doc(hidden)]
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod info;
mod info_hashes;
mod layers;
pub mod magnet;
mod metainfo;
pub mod path;
mod text;

pub use edit::{Edit, EditError};
pub use error::{Error, ErrorKind, Warning};
pub use file::{Attributes, File};
pub use info::{FileSlice, Info, MAX_FILE_LENGTH, MAX_PIECE_LENGTH, V2Piece};
pub use info_hashes::InfoHashes;
pub use layers::PieceLayers;
pub use magnet::{Magnet, MagnetError};
pub use metainfo::{Metainfo, nodes_value};
pub use path::SafePath;
/// The hash trees of v2.
pub use torrent_hash::merkle;
