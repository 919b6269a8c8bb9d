//! A key on its way to a type: read and checked before, so that it stays in registers.

use core::str;

use ::serde::{
    de::{self, IntoDeserializer as _, Visitor},
    forward_to_deserialize_any,
};

use super::{
    RAW,
    cursor::{Cursor, GaveUp},
};

/// The key in front of where the cursor stands.
pub(super) struct Key<'c, 'de> {
    pub(super) text: &'de [u8],
    pub(super) cursor: &'c mut Cursor<'de>,
}

impl<'de> Key<'_, 'de> {
    #[inline]
    fn text(&mut self) -> Result<&'de str, GaveUp> {
        str::from_utf8(self.text).or_else(|_| self.cursor.give_up())
    }
}

macro_rules! refuse {
    ($($method:ident($($argument:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, GaveUp> {
            self.cursor.give_up()
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Key<'_, 'de> {
    type Error = GaveUp;

    deserialize! { GaveUp;
        deserialize_str: deserialize_char deserialize_string;
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        self.cursor.heed(visitor.visit_borrowed_bytes(self.text))
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, GaveUp> {
        let text = self.text()?;
        self.cursor.heed(visitor.visit_borrowed_str(text))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, GaveUp> {
        let name = self.text()?;
        self.cursor.heed(visitor.visit_enum(name.into_deserializer()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        visitor.visit_some(self)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, GaveUp> {
        if name == RAW { self.cursor.give_up() } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        self.cursor.heed(visitor.visit_unit())
    }

    refuse! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_seq() deserialize_map() deserialize_tuple(usize) deserialize_tuple_struct(&'static str, usize)
        deserialize_struct(&'static str, &'static [&'static str])
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! { bytes byte_buf identifier f32 f64 unit unit_struct }
}
