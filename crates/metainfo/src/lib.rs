//! x
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod info_hashes;
pub mod magnet;
pub mod merkle;
pub mod path;

pub use info_hashes::InfoHashes;
pub use magnet::{Magnet, MagnetError};
pub use path::SafePath;
