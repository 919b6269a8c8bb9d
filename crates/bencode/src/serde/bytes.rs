//! For `#[serde(with = "torrent_bencode::serde::bytes")]`: strings of bytes, where serde by itself would see a list of numbers.
//! For whatever is made from and lends a byte slice: `&[u8]`, `Vec<u8>`, `Box<[u8]>`, `Cow<[u8]>`, `[u8; N]`, `InfoHash`.

use core::{fmt, marker::PhantomData};

use ::serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

/// Writes a string.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &(impl AsRef<[u8]> + ?Sized), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(value.as_ref())
}

/// Reads a string.
///
/// # Errors
/// Those of the deserializer, or if the string has another length than the array.
pub fn deserialize<'de, T: TryFrom<&'de [u8]>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_bytes(BytesVisitor(PhantomData))
}

pub(super) struct BytesVisitor<T>(pub(super) PhantomData<T>);

impl<'de, T: TryFrom<&'de [u8]>> Visitor<'de> for BytesVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of the right length")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<T, E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
        self.visit_borrowed_bytes(text.as_bytes())
    }
}
