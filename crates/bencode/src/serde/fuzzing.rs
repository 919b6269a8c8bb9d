//! What must hold of types, whatever the bytes. See `fuzz/fuzz_targets/bencode_serde.rs`.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{fmt::Debug, ops::Range};

use ::serde::Deserialize;

use super::{Error, from_bytes_with, from_node, straight, to_vec};
use crate::{Document, Options, RawValue, RawValueBuf, Value, WarningKind};

/// Into types and out of them.
pub fn serde(data: &[u8]) {
    for options in [
        Options::strict(),
        Options::lenient(),
        Options::strict().max_depth(3).max_tokens(12),
        Options::lenient().max_depth(2).max_tokens(7).max_bytes(30),
    ] {
        // Any value.
        agree::<Value>(data, &options);
        agree::<RawValue<'_>>(data, &options);
        agree::<RawValueBuf>(data, &options);
        agree::<Option<Value>>(data, &options);
        agree::<BTreeMap<&str, RawValue<'_>>>(data, &options);
        agree::<Vec<Vec<i64>>>(data, &options);
        agree::<Vec<&str>>(data, &options);
        agree::<(i8, u64, bool, Option<char>)>(data, &options);
        // A struct, and an enum.
        agree::<Range<u16>>(data, &options);
        agree::<Result<u32, Vec<u8>>>(data, &options);
        agree::<BTreeMap<Vec<u8>, Range<RawValue<'_>>>>(data, &options);
    }

    let Ok(document) = Document::decode(data, &Options::lenient()) else { return };
    let value = document.root().to_value();
    assert_eq!(from_node::<Value>(document.root()).as_ref(), Ok(&value));
    assert_eq!(to_vec(&value).as_deref(), Ok(&value.encode()[..]));
    let raw = from_node::<RawValue<'_>>(document.root());
    assert_eq!(raw.map(|raw| raw.as_bytes()), Ok(document.root().raw()));
    if let Ok(lists) = from_node::<Vec<Vec<i64>>>(document.root()) {
        assert_eq!(to_vec(&lists).as_deref(), Ok(&value.encode()[..]));
    }
    if let Ok(map) = from_node::<BTreeMap<&str, RawValueBuf>>(document.root()) {
        assert!(to_vec(&map).is_ok_and(|bytes| Document::decode(&bytes, &Options::lenient()).is_ok()));
    }
}

/// Straight and by tokens, bytes become the same value, or the same error: its kind, its offset, its path. And it is the
/// straight way that the canonical ones take.
pub(super) fn agree<'de, T: Deserialize<'de> + PartialEq + Debug>(data: &'de [u8], options: &Options) {
    let tolerated =
        |document: Document<'_>| document.warnings().iter().any(|warning| warning.kind() != WarningKind::TrailingBytes);
    if !agrees::<T>(data, options) {
        let by_tokens = Document::decode(data, options);
        assert!(by_tokens.is_ok_and(tolerated), "{}", data.escape_ascii());
    }
}

/// As `agree`. Whether the straight way led to what there is.
pub(super) fn agrees<'de, T: Deserialize<'de> + PartialEq + Debug>(data: &'de [u8], options: &Options) -> bool {
    let by_tokens = match Document::decode(data, options) {
        Ok(document) => from_node::<T>(document.root()),
        Err(error) => Err(Error::from(error)),
    };
    assert_eq!(from_bytes_with::<T>(data, options), by_tokens, "{}", data.escape_ascii());
    let straight = straight::from_bytes::<T>(data, options);
    let led = straight.is_ok() == by_tokens.is_ok();
    assert!(straight.map_or(true, |value| Ok(value) == by_tokens), "{}", data.escape_ascii());
    led
}
