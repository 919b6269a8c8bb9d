//! x
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

pub mod create;
mod error;
mod file;
mod hashing;
mod info;
mod info_hashes;
mod layers;
pub mod magnet;
pub mod merkle;
mod metainfo;
pub mod path;
mod text;

pub use create::{Builder, CreateError, Version};
pub use error::{Error, ErrorKind, Warning};
pub use file::{Attributes, File};
pub use info::{FileSlice, Info, MAX_FILE_LENGTH, MAX_PIECE_LENGTH, V2Piece};
pub use info_hashes::InfoHashes;
pub use layers::PieceLayers;
pub use magnet::{Magnet, MagnetError};
pub use metainfo::Metainfo;
pub use path::SafePath;
