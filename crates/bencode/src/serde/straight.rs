//! Canonical bytes to types, in one pass: the ordinary case, and the fast one. Recurses as deep as the type does, at most
//! as deep as the options let values nest. Whatever it returns is what `de` returns for the same bytes; where it gives up,
//! whatever the reason, `de` is asked instead.

use core::{fmt, mem, str};

use ::serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer as _, Visitor},
    forward_to_deserialize_any,
};

use super::{
    RAW,
    cursor::{Cursor, GaveUp, Integer},
    key::Key,
};
use crate::Options;

/// The type, if the bytes are canonical, within the limits, and of the type.
#[inline(always)]
pub(super) fn from_bytes<'de, T: Deserialize<'de>>(input: &'de [u8], options: &Options) -> Result<T, GaveUp> {
    let mut cursor = Cursor::new(input, options);
    let result = T::deserialize(&mut cursor);
    if cursor.is_done(options) { result } else { Err(GaveUp) }
}

impl<'de> Cursor<'de> {
    /// A value that may not be passed over. It stays where it is, here and below: some are large.
    #[inline]
    fn value<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, GaveUp> {
        let before = self.at();
        let result = seed.deserialize(&mut *self);
        if result.is_err() || self.at() == before {
            self.stop();
        }
        result
    }

    /// Gives up if a visitor did, lest that goes unnoticed.
    #[inline]
    pub(super) fn heed<T>(&mut self, result: Result<T, GaveUp>) -> Result<T, GaveUp> {
        if result.is_err() {
            self.stop();
        }
        result
    }

    /// The end of the list or dictionary that became this.
    #[inline]
    fn close<T>(&mut self, result: Result<T, GaveUp>) -> Result<T, GaveUp> {
        if result.is_err() || self.leave().is_err() {
            self.stop();
        }
        result
    }

    #[inline]
    fn text(&mut self) -> Result<&'de str, GaveUp> {
        match str::from_utf8(self.string()?) {
            Ok(text) => Ok(text),
            Err(_) => self.give_up(),
        }
    }

    #[inline]
    fn visit_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, GaveUp> {
        // The visitor refuses what does not fit its type.
        let result = match self.integer()? {
            Integer::Signed(value) => visitor.visit_i64(value),
            Integer::Unsigned(value) => visitor.visit_u64(value),
        };
        self.heed(result)
    }

    #[inline]
    fn visit_list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, GaveUp> {
        self.enter(b'l')?;
        let result = visitor.visit_seq(Elements(self));
        self.close(result)
    }

    #[inline]
    fn visit_dict<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, GaveUp> {
        self.enter(b'd')?;
        let mut entries = Entries { cursor: self, last_key: None, value_is_next: false };
        let result = visitor.visit_map(&mut entries);
        if entries.value_is_next {
            self.stop();
        }
        self.close(result)
    }
}

impl<'de> de::Deserializer<'de> for &mut Cursor<'de> {
    type Error = GaveUp;

    deserialize! { GaveUp;
        visit_integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128;
        visit_list: deserialize_seq;
        visit_dict: deserialize_map;
        deserialize_str: deserialize_char deserialize_string;
        deserialize_bytes: deserialize_byte_buf deserialize_identifier;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        match self.peek() {
            Some(b'i') => self.visit_integer(visitor),
            Some(b'l') => self.visit_list(visitor),
            Some(b'd') => self.visit_dict(visitor),
            _ => self.deserialize_bytes(visitor),
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        match self.integer()? {
            Integer::Signed(value @ 0..=1) => self.heed(visitor.visit_bool(value == 1)),
            _ => self.give_up(),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        let text = self.text()?;
        self.heed(visitor.visit_borrowed_str(text))
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        let bytes = self.string()?;
        self.heed(visitor.visit_borrowed_bytes(bytes))
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        visitor.visit_some(self)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, GaveUp> {
        if name != RAW {
            return visitor.visit_newtype_struct(self);
        }
        let raw = self.skip()?;
        self.heed(visitor.visit_borrowed_bytes(raw))
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        self.skip()?;
        self.heed(visitor.visit_unit())
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, GaveUp> {
        self.visit_dict(visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, GaveUp> {
        self.visit_list(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, GaveUp> {
        self.visit_list(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, GaveUp> {
        if self.peek() != Some(b'd') {
            let name = self.text()?;
            return self.heed(visitor.visit_enum(name.into_deserializer()));
        }
        self.enter(b'd')?;
        let result = visitor.visit_enum(Variant(self));
        self.close(result)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! { f32 f64 unit unit_struct }
}

/// The elements of a list, up to its end.
struct Elements<'c, 'de>(&'c mut Cursor<'de>);

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = GaveUp;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, GaveUp> {
        match self.0.peek() {
            Some(b'e') => Ok(None),
            Some(_) => self.0.value(seed).map(Some),
            None => self.0.give_up(),
        }
    }

    /// What a vector begins with anyway. To be told is cheaper than to find out.
    #[inline]
    fn size_hint(&self) -> Option<usize> {
        if self.0.peek() == Some(b'e') { Some(0) } else { Some(4) }
    }
}

/// The entries of a dictionary, up to its end.
struct Entries<'c, 'de> {
    cursor: &'c mut Cursor<'de>,
    last_key: Option<&'de [u8]>,
    /// Whether the last key was asked for, and its value was not.
    value_is_next: bool,
}

impl<'de> de::MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = GaveUp;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, GaveUp> {
        if self.value_is_next {
            // A value that nobody wants is for `de` to pass over.
            return self.cursor.give_up();
        }
        if self.cursor.peek() == Some(b'e') {
            return Ok(None);
        }
        let text = self.cursor.key(self.last_key)?;
        self.last_key = Some(text);
        let key = seed.deserialize(Key { text, cursor: self.cursor });
        let key = self.cursor.heed(key)?;
        self.value_is_next = true;
        Ok(Some(key))
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, GaveUp> {
        if !mem::take(&mut self.value_is_next) {
            return self.cursor.give_up();
        }
        self.cursor.value(seed)
    }
}

/// A variant that is a dictionary with one key, its name.
struct Variant<'c, 'de>(&'c mut Cursor<'de>);

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = GaveUp;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), GaveUp> {
        let text = self.0.string()?;
        let name = seed.deserialize(Key { text, cursor: self.0 });
        Ok((self.0.heed(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = GaveUp;

    fn unit_variant(self) -> Result<(), GaveUp> {
        self.0.give_up()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, GaveUp> {
        self.0.value(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, GaveUp> {
        self.0.visit_list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, GaveUp> {
        self.0.visit_dict(visitor)
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of the ordinary")
    }
}

impl core::error::Error for GaveUp {}

impl de::Error for GaveUp {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}
