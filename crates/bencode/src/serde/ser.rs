//! Types to canonical bytes: dictionaries are sorted when they end.

use alloc::vec::Vec;
use core::ops::Range;

use ::serde::{Serialize, ser};

use super::{Error, RAW};
use crate::{
    Encoder,
    encode::{Entries, write_string},
};

/// Encodes a type, canonically.
///
/// # Errors
/// If bencoding cannot express it: floats, keys that are not strings, and `None` anywhere but as the value of a key.
pub fn to_vec(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    some(&mut out, value, "nothing")?;
    Ok(out)
}

/// A place for one value at the end of a buffer.
#[derive(Debug)]
pub struct Serializer<'b> {
    out: &'b mut Vec<u8>,
    /// The bytes that come are an encoded value.
    raw: bool,
}

impl<'b> Serializer<'b> {
    /// Writes behind what the buffer already holds. A `None` writes nothing at all.
    #[must_use]
    pub const fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out, raw: false }
    }

    /// Begins a dictionary with the variant's name as its only key.
    fn variant(&mut self, name: &'static str) {
        self.out.push(b'd');
        write_string(self.out, name.as_bytes());
    }

    fn list(self, in_variant: bool) -> ListSerializer<'b> {
        self.out.push(b'l');
        ListSerializer { out: self.out, in_variant }
    }

    fn dict(self, in_variant: bool) -> DictSerializer<'b> {
        let entries = Entries::begin(self.out);
        DictSerializer { out: self.out, entries, in_variant, before: 0, key: 0..0 }
    }
}

/// A value that must be one.
fn some(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized), what: &'static str) -> Result<(), Error> {
    let before = out.len();
    value.serialize(Serializer::new(out))?;
    if out.len() == before { Err(Error::unsupported(what)) } else { Ok(()) }
}

macro_rules! serialize_integers {
    ($($method:ident $integer:ty)*) => {$(
        fn $method(self, value: $integer) -> Result<(), Error> {
            Encoder::new(self.out).int(value);
            Ok(())
        }
    )*};
}

impl<'b> ser::Serializer for Serializer<'b> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = ListSerializer<'b>;
    type SerializeTuple = ListSerializer<'b>;
    type SerializeTupleStruct = ListSerializer<'b>;
    type SerializeTupleVariant = ListSerializer<'b>;
    type SerializeMap = DictSerializer<'b>;
    type SerializeStruct = DictSerializer<'b>;
    type SerializeStructVariant = DictSerializer<'b>;

    serialize_integers! {
        serialize_bool bool
        serialize_i8 i8
        serialize_i16 i16
        serialize_i32 i32
        serialize_i64 i64
        serialize_i128 i128
        serialize_u8 u8
        serialize_u16 u16
        serialize_u32 u32
        serialize_u64 u64
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        let value = i128::try_from(value).map_err(|_| Error::unsupported("integer so large"))?;
        self.serialize_i128(value)
    }

    fn serialize_f32(self, _: f32) -> Result<(), Error> {
        Err(Error::unsupported("floating point numbers"))
    }

    fn serialize_f64(self, _: f64) -> Result<(), Error> {
        Err(Error::unsupported("floating point numbers"))
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        if self.raw {
            self.out.extend_from_slice(value);
        } else {
            write_string(self.out, value);
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(Self { raw: name == RAW, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(variant);
        some(self.out, value, "variant without a value")?;
        self.out.push(b'e');
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<ListSerializer<'b>, Error> {
        Ok(self.list(false))
    }

    fn serialize_tuple(self, _length: usize) -> Result<ListSerializer<'b>, Error> {
        Ok(self.list(false))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<ListSerializer<'b>, Error> {
        Ok(self.list(false))
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<ListSerializer<'b>, Error> {
        self.variant(variant);
        Ok(self.list(true))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<DictSerializer<'b>, Error> {
        Ok(self.dict(false))
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<DictSerializer<'b>, Error> {
        Ok(self.dict(false))
    }

    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<DictSerializer<'b>, Error> {
        self.variant(variant);
        Ok(self.dict(true))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// A list that is being written.
#[derive(Debug)]
pub struct ListSerializer<'b> {
    out: &'b mut Vec<u8>,
    /// The dictionary around it ends with it.
    in_variant: bool,
}

impl ListSerializer<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        some(self.out, value, "list elements that are nothing")
    }

    fn finish(self) {
        self.out.extend_from_slice(if self.in_variant { b"ee" } else { b"e" });
    }
}

macro_rules! serialize_list {
    ($($list:ident $method:ident)*) => {$(
        impl ser::$list for ListSerializer<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

serialize_list! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

/// A dictionary that is being written.
#[derive(Debug)]
pub struct DictSerializer<'b> {
    out: &'b mut Vec<u8>,
    entries: Entries,
    /// The dictionary around it ends with it.
    in_variant: bool,
    /// Where the entry begins whose value comes next.
    before: usize,
    /// The bytes of its key.
    key: Range<usize>,
}

impl DictSerializer<'_> {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.before = self.out.len();
        let length = key.serialize(KeySerializer { out: self.out })?;
        self.key = self.out.len().saturating_sub(length)..self.out.len();
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Serializer::new(self.out))?;
        self.entries.add(self.out, self.before, self.key.clone());
        Ok(())
    }

    fn finish(self) {
        self.entries.end(self.out);
        if self.in_variant {
            self.out.push(b'e');
        }
    }
}

impl ser::SerializeMap for DictSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

macro_rules! serialize_struct {
    ($($dict:ident)*) => {$(
        impl ser::$dict for DictSerializer<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.key(key)?;
                self.value(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

serialize_struct!(SerializeStruct SerializeStructVariant);

/// Writes a key; returns the length of its bytes.
struct KeySerializer<'b> {
    out: &'b mut Vec<u8>,
}

/// What no key can be.
type NoKey = ser::Impossible<usize, Error>;

macro_rules! refuse_keys {
    ($($method:ident($($type:ty),*))*) => {$(
        fn $method(self, $(_: $type),*) -> Result<usize, Error> {
            Err(Error::unsupported(NO_KEY))
        }
    )*};
}

const NO_KEY: &str = "keys but strings";

impl ser::Serializer for KeySerializer<'_> {
    type Ok = usize;
    type Error = Error;
    type SerializeSeq = NoKey;
    type SerializeTuple = NoKey;
    type SerializeTupleStruct = NoKey;
    type SerializeTupleVariant = NoKey;
    type SerializeMap = NoKey;
    type SerializeStruct = NoKey;
    type SerializeStructVariant = NoKey;

    fn serialize_char(self, value: char) -> Result<usize, Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<usize, Error> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<usize, Error> {
        write_string(self.out, value);
        Ok(value.len())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<usize, Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<usize, Error> {
        if name == RAW { Err(Error::unsupported(NO_KEY)) } else { value.serialize(self) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, Error> {
        value.serialize(self)
    }

    refuse_keys! {
        serialize_bool(bool)
        serialize_i8(i8)
        serialize_i16(i16)
        serialize_i32(i32)
        serialize_i64(i64)
        serialize_u8(u8)
        serialize_u16(u16)
        serialize_u32(u32)
        serialize_u64(u64)
        serialize_f32(f32)
        serialize_f64(f64)
        serialize_none()
        serialize_unit()
        serialize_unit_struct(&'static str)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<usize, Error> {
        Err(Error::unsupported(NO_KEY))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<NoKey, Error> {
        Err(Error::unsupported(NO_KEY))
    }

    fn serialize_tuple(self, _: usize) -> Result<NoKey, Error> {
        Err(Error::unsupported(NO_KEY))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<NoKey, Error> {
        Err(Error::unsupported(NO_KEY))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<NoKey, Error> {
        Err(Error::unsupported(NO_KEY))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<NoKey, Error> {
        Err(Error::unsupported(NO_KEY))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<NoKey, Error> {
        Err(Error::unsupported(NO_KEY))
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<NoKey, Error> {
        Err(Error::unsupported(NO_KEY))
    }
}
