#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod codec;
mod folder;
#[doc(hidden)]
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod import;
mod record;

pub use codec::DecodeError;
pub use folder::{Folder, LoadError, Loaded};
pub use import::{ImportError, Imported, import};
pub use record::{FileState, PartialPiece, Record};
