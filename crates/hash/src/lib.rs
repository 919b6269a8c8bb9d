#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

pub mod interleave;
pub mod merkle;
mod piece;

pub use piece::{Expected, Leaves, PieceDigest, PieceHasher, PieceHashes, V2Shape};
