#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod document;
mod edit;
mod error;
mod file;
mod foreign;
#[doc(hidden)]
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod info;
mod info_hashes;
mod layers;
mod limits;
pub mod magnet;
mod metainfo;
pub mod path;
mod text;
mod warning;

pub use edit::{Edit, EditError, TrackerList};
pub use error::{Error, ErrorKind};
pub use file::{Attributes, File};
pub use foreign::Foreign;
pub use info::{FileSlice, Info, MAX_FILE_LENGTH, MAX_PIECE_LENGTH, V2Piece};
pub use info_hashes::InfoHashes;
pub use layers::PieceLayers;
pub use limits::Limits;
pub use magnet::{Magnet, MagnetError};
pub use metainfo::{Metainfo, nodes_value};
pub use path::SafePath;
/// The hash trees of v2.
pub use torrent_hash::merkle;
pub use warning::Warning;
