//! JSON to bencoding: the other way of `json`.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use torrent_bencode::Value;

use super::json::{HEX, UTF8};
use crate::{exit::Outcome, input::Input, output};

#[derive(Debug, clap::Args)]
pub(super) struct FromJson {
    /// File of JSON, or - for stdin.
    #[arg(value_name = "FILE", default_value = "-")]
    file: Input,
    /// Write to a terminal, too.
    #[arg(short, long)]
    force: bool,
}

impl FromJson {
    pub(super) fn run(self) -> Outcome {
        let bytes = self.file.read()?;
        let Read(value) = serde_json::from_slice(&bytes).map_err(|error| self.file.bad(error))?;
        output::binary(&value.encode(), self.force)
    }
}

/// A value read from its JSON. Recursion ends at the depth limit of `serde_json`.
#[derive(Debug)]
pub(super) struct Read(pub(super) Value);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadVisitor).map(Self)
    }
}

struct ReadVisitor;

impl<'de> Visitor<'de> for ReadVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, a string, a list or a dictionary")
    }

    fn visit_i64<E>(self, int: i64) -> Result<Value, E> {
        Ok(int.into())
    }

    fn visit_u64<E>(self, int: u64) -> Result<Value, E> {
        Ok(int.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        bytes(text).map(Value::Bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Read(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut dict = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let Read(value) = map.next_value()?;
            if dict.insert(bytes(&key)?, value).is_some() {
                return Err(A::Error::custom(format_args!("key {key:?} occurs twice")));
            }
        }
        Ok(Value::Dict(dict))
    }
}

fn bytes<E: Error>(text: &str) -> Result<Vec<u8>, E> {
    match text.strip_prefix(HEX) {
        Some(digits) => unhex(digits).ok_or_else(|| E::custom("\"hex:\" and then not pairs of hexadecimal digits")),
        None => Ok(text.strip_prefix(UTF8).unwrap_or(text).as_bytes().to_vec()),
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::json::compact, *};

    fn read(json: &str) -> Result<Value, serde_json::Error> {
        serde_json::from_str(json).map(|Read(value)| value)
    }

    #[test]
    fn any_canonical_bencoding_survives() {
        for bencode in [
            &b"i-9223372036854775808e"[..],
            b"i18446744073709551615e",
            b"0:",
            b"4:hex:",
            b"6:hex:zz",
            b"5:utf8:",
            b"9:utf8:hex:",
            b"2:\xff\xfe",
            b"1:\0",
            b"le",
            b"de",
            b"d0:i0e4:hex:i1e1:\xffi2ee",
            b"ld1:ali1eeel3:\xe2\x82\xacee",
        ] {
            let value = Value::decode(bencode).unwrap();
            assert_eq!(read(&compact(&value)).unwrap().encode(), bencode, "{}", compact(&value));
        }
    }

    #[test]
    fn the_deepest_value_that_is_read_survives() {
        let depth = torrent_bencode::Options::DEFAULT_MAX_DEPTH;
        let bencode = ["l".repeat(depth), "e".repeat(depth)].concat();
        let value = Value::decode(bencode.as_bytes()).unwrap();
        assert_eq!(read(&compact(&value)).unwrap(), value);
    }

    #[test]
    fn what_has_no_bencoding_is_refused() {
        for json in [
            "1.5",
            "true",
            "null",
            "18446744073709551616",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"utf8:a\":2}",
            "\"hex:0\"",
            "\"hex:0g\"",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
