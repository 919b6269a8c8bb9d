//! For `#[serde(default, with = "torrent_bencode::serde::optional_bytes")]`: as [`bytes`](super::bytes), in an `Option`.

use core::{fmt, marker::PhantomData};

use ::serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

use super::bytes::BytesVisitor;

/// Writes a string, or nothing.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &Option<impl AsRef<[u8]>>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(bytes) => serializer.serialize_bytes(bytes.as_ref()),
        None => serializer.serialize_none(),
    }
}

/// Reads a string.
///
/// # Errors
/// Those of the deserializer, or if the string has another length than the array.
pub fn deserialize<'de, T: TryFrom<&'de [u8]>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_option(OptionVisitor(PhantomData))
}

struct OptionVisitor<T>(PhantomData<T>);

impl<'de, T: TryFrom<&'de [u8]>> Visitor<'de> for OptionVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BytesVisitor(self.0).expecting(f)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor(self.0)).map(Some)
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}
