#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod check;
pub mod create;
mod engine;
mod hashes;
mod names;
mod occupied;
mod resume;
pub mod verify;

pub use check::{Check, CheckReport, Checked};
pub use create::{Builder, CreateError, Version};
pub use hashes::{Hashes, Sha1Hashes};
pub use names::layout;
pub use occupied::{Foreign, Occupied, find_occupied};
pub use resume::{Recorded, Thoroughness, resume};
pub use verify::{Report, Verifier};
