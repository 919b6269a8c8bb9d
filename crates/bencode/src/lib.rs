#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    not(test),
    warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::indexing_slicing)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod document;
mod encode;
mod error;
mod fast_path;
#[doc(hidden)]
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod node;
mod options;
mod path;
mod raw;
#[cfg(feature = "serde")]
pub mod serde;
mod show;
mod token;
mod tokenizer;
mod value;
mod warning;

pub use document::{Decoder, Document};
pub use encode::{DictEncoder, Encode, Encoder, ListEncoder};
pub use error::{Error, ErrorKind};
pub use node::{Dict, Kind, List, Node};
pub use options::Options;
pub use path::{Path, Segment};
pub use raw::{RawValue, RawValueBuf};
pub use value::Value;
pub use warning::{Warning, WarningKind};

#[cfg(test)]
mod tests;
