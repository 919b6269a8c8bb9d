//! Tokens to types: whatever the options tolerate, and errors that say where. What is canonical goes `straight`.
//! Recurses as deep as the type does, at most as deep as the options let tokens nest.

use alloc::vec::Vec;

use ::serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer as _, Visitor},
    forward_to_deserialize_any,
};

use super::{Error, RAW, straight};
use crate::{Document, ErrorKind, Kind, Node, Options};

/// Decodes canonical bytes into a type, which may borrow from them.
///
/// # Errors
/// If the bytes are not canonical, or not of the type.
#[inline]
pub fn from_bytes<'de, T: Deserialize<'de>>(input: &'de [u8]) -> Result<T, Error> {
    from_bytes_with(input, &Options::strict())
}

/// Decodes bytes into a type, which may borrow from them. To see what lenient options tolerate, decode a [`Document`] and
/// its root with [`from_node`].
///
/// Canonical bytes go straight to the type; all others, and errors, take two to four times as long, by way of tokens.
///
/// # Errors
/// If the options do not accept the bytes, or they are not of the type.
#[inline]
pub fn from_bytes_with<'de, T: Deserialize<'de>>(input: &'de [u8], options: &Options) -> Result<T, Error> {
    straight::from_bytes(input, options).or_else(|_| by_tokens(input, options))
}

/// Knows what to tolerate, and of everything else what is wrong and where.
#[cold]
fn by_tokens<'de, T: Deserialize<'de>>(input: &'de [u8], options: &Options) -> Result<T, Error> {
    from_node(Document::decode(input, options)?.root())
}

/// Makes a type of a part of a document. Of a key that occurs twice, the first counts.
///
/// # Errors
/// If the value is not of the type.
pub fn from_node<'de, T: Deserialize<'de>>(node: Node<'_, 'de>) -> Result<T, Error> {
    T::deserialize(Deserializer(node)).map_err(|error| error.at(node))
}

/// One value, for serde.
#[derive(Clone, Copy, Debug)]
pub struct Deserializer<'d, 'de>(Node<'d, 'de>);

impl<'d, 'de> Deserializer<'d, 'de> {
    /// Of this value.
    #[must_use]
    pub const fn new(node: Node<'d, 'de>) -> Self {
        Self(node)
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // The visitor refuses what does not fit its type.
        match self.0.as_int() {
            Some(value) => visitor.visit_i64(value),
            None => visitor.visit_u64(self.0.int()?),
        }
    }

    fn dict<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.kind() != Kind::Dict {
            return Err(self.0.wrong(Kind::Dict).into());
        }
        if self.0.is_unsorted() {
            return visitor.visit_map(Entries::sorted(self.0));
        }
        visitor.visit_map(Fields { next: self.0.child(), value: None })
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'_, 'de> {
    type Error = Error;

    deserialize! { Error;
        integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128;
        dict: deserialize_map;
        deserialize_str: deserialize_char deserialize_string;
        deserialize_bytes: deserialize_byte_buf deserialize_identifier;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind() {
            Kind::Int => self.integer(visitor),
            Kind::Bytes => self.deserialize_bytes(visitor),
            Kind::List => self.deserialize_seq(visitor),
            Kind::Dict => self.dict(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.int::<u64>()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(self.0.error(ErrorKind::IntegerOutOfRange).into()),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0.str()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.0.bytes()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == RAW {
            return visitor.visit_borrowed_bytes(self.0.raw());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // Counted first: cheaper than a vector that grows.
        let mut elements = Elements { left: self.0.list()?.count(), next: self.0.child() };
        let value = visitor.visit_seq(&mut elements)?;
        if elements.next.is_end() { Ok(value) } else { Err(de::Error::custom("the list is too long")) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0.kind() {
            Kind::Bytes => visitor.visit_enum(self.0.str()?.into_deserializer()),
            _ => visitor.visit_enum(Variant { key: self.only_key()? }),
        }
    }

    /// Costs nothing: a token knows where the next item is.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.dict(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! { f32 f64 unit unit_struct }
}

/// The elements of a list.
struct Elements<'d, 'de> {
    next: Node<'d, 'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.next.is_end() {
            return Ok(None);
        }
        let node = self.next;
        self.next = node.sibling();
        self.left = self.left.saturating_sub(1);
        seed.deserialize(Deserializer(node)).map(Some).map_err(|error| error.at(node))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The entries of a dictionary, as they come.
struct Fields<'d, 'de> {
    next: Node<'d, 'de>,
    value: Option<Node<'d, 'de>>,
}

impl<'de> de::MapAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.next.is_end() {
            return Ok(None);
        }
        let key = self.next;
        let value = key.child();
        self.value = Some(value);
        self.next = value.sibling();
        seed.deserialize(Deserializer(key)).map(Some).map_err(|error| error.at(value))
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.value.take().ok_or_else(|| <Error as de::Error>::custom("a value without its key"))?;
        seed.deserialize(Deserializer(value)).map_err(|error| error.at(value))
    }
}

/// The entries of a dictionary whose keys are not in order: sorted, and of equal keys only the first.
struct Entries<'d, 'de> {
    /// The keys, the last in front.
    keys: Vec<Node<'d, 'de>>,
    value: Option<Node<'d, 'de>>,
}

impl<'d, 'de> Entries<'d, 'de> {
    fn sorted(dict: Node<'d, 'de>) -> Self {
        let mut keys = Vec::new();
        let mut key = dict.child();
        while !key.is_end() {
            keys.push(key);
            key = key.child().sibling();
        }
        // Stable: of equal keys the first stays in front.
        keys.sort_by_key(Node::as_bytes);
        keys.dedup_by_key(|key| key.as_bytes());
        keys.reverse();
        Self { keys, value: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(key) = self.keys.pop() else { return Ok(None) };
        let value = key.child();
        self.value = Some(value);
        seed.deserialize(Deserializer(key)).map(Some).map_err(|error| error.at(value))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.value.take().ok_or_else(|| <Error as de::Error>::custom("a value without its key"))?;
        seed.deserialize(Deserializer(value)).map_err(|error| error.at(value))
    }
}

/// A variant that is a dictionary with one key, its name.
struct Variant<'d, 'de> {
    key: Node<'d, 'de>,
}

impl<'d, 'de> Deserializer<'d, 'de> {
    fn only_key(self) -> Result<Node<'d, 'de>, Error> {
        let mut entries = self.0.dict()?;
        match (entries.next(), entries.next()) {
            (Some(_), None) => Ok(self.0.child()),
            _ => Err(de::Error::custom("expected a dictionary with one key, the name of a variant")),
        }
    }
}

impl<'d, 'de> de::EnumAccess<'de> for Variant<'d, 'de> {
    type Error = Error;
    type Variant = Deserializer<'d, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Error> {
        Ok((seed.deserialize(Deserializer(self.key))?, Deserializer(self.key.child())))
    }
}

impl<'de> de::VariantAccess<'de> for Deserializer<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(self.0.wrong(Kind::Bytes).into())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self).map_err(|error| error.at(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_tuple(self, length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}
