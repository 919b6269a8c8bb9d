//! Your own types, with the feature `serde`.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use torrent_bencode::{Options, RawValue, Value, serde::{from_bytes_with, to_vec}};
//! use std::collections::BTreeMap;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Torrent<'a> {
//!     announce: Option<&'a str>,
//!     /// The exact bytes: hash these.
//!     #[serde(borrow)]
//!     info: RawValue<'a>,
//!     /// Whatever else there is, kept.
//!     #[serde(flatten)]
//!     rest: BTreeMap<String, Value>,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Info<'a> {
//!     name: &'a str,
//!     #[serde(rename = "piece length")]
//!     piece_length: u32,
//!     #[serde(with = "torrent_bencode::serde::bytes")]
//!     pieces: &'a [u8],
//! }
//!
//! let bytes = b"d4:infod4:name1:x12:piece lengthi16384e6:pieces0:e4:xtrai7ee";
//! let torrent: Torrent<'_> = from_bytes_with(bytes, &Options::lenient())?;
//! let info: Info<'_> = from_bytes_with(torrent.info.as_bytes(), &Options::lenient())?;
//! assert_eq!(info.piece_length, 16384);
//! assert_eq!(to_vec(&torrent)?, bytes);
//! # Ok::<(), torrent_bencode::serde::Error>(())
//! ```
//!
//! | Rust | Bencode |
//! |---|---|
//! | integers | integer; one that does not fit is an error, never wrapped |
//! | `bool` | `i0e`, `i1e` |
//! | `str`, `String`, `char` | string of UTF-8 |
//! | `&[u8]`, `Vec<u8>`, `[u8; N]`, `InfoHash`… with [`bytes`] or [`optional_bytes`] | string |
//! | sequences, tuples | list |
//! | structs, maps with string keys | dictionary, sorted |
//! | `None`, `()` | its key is left out; anywhere else it is an error |
//! | unit variants | string |
//! | other variants | dictionary with one key |
//! | [`RawValue`](crate::RawValue), [`RawValueBuf`](crate::RawValueBuf) | the exact bytes |
//! | floats | error |
//!
//! Through `#[serde(flatten)]` and untagged enums serde itself holds the values for a while: there, raw values cannot be had.

/// Methods of a deserializer that are another one by another name.
macro_rules! deserialize {
    ($error:ty; $($as:ident: $($method:ident)*;)*) => {$($(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, $error> {
            self.$as(visitor)
        }
    )*)*};
}

pub mod bytes;
mod cursor;
mod de;
mod error;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod key;
pub mod optional_bytes;
mod owned;
mod ser;
mod straight;

pub use de::{Deserializer, from_bytes, from_bytes_with, from_node};
pub use error::Error;
pub use ser::{DictSerializer, ListSerializer, Serializer, to_vec};

/// The name by which raw values are known to each other's serializer and deserializer.
const RAW: &str = "$torrent_bencode::RawValue";

#[cfg(test)]
mod tests;
