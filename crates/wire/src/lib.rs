#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

mod allowed_fast;
mod client_name;
pub mod mse;

pub use allowed_fast::{ALLOWED_FAST_COUNT, allowed_fast_set};
pub use client_name::{ClientName, client_name};
