//! JSON to bencoding: the other way of `json`.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use torrent_bencode::Encoder;

use crate::{
    describe::{HEX, UTF8},
    exit::Outcome,
    input::Input,
    limits, output,
};

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
        let bencode = encode(&bytes, limits::get().values()).map_err(|error| self.file.bad(error))?;
        output::binary(&bencode, self.force)
    }
}

/// The bencoding of JSON. Nothing but the answer grows with it, so that a value costs what it takes there.
fn encode(json: &[u8], limit: usize) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::new();
    let mut count = Count { values: 0, limit };
    let mut json = serde_json::Deserializer::from_slice(json);
    Encoded { out: &mut out, count: &mut count }.deserialize(&mut json)?;
    json.end()?;
    Ok(out)
}

/// How many values there were, and how many there may be.
struct Count {
    values: usize,
    limit: usize,
}

impl Count {
    fn add<E: Error>(&mut self, values: usize) -> Result<(), E> {
        self.values += values;
        if self.values > self.limit { Err(E::custom(limits::too_many_values())) } else { Ok(()) }
    }
}

/// A value that is encoded as it is read. Recursion ends at the depth limit of `serde_json`.
struct Encoded<'o> {
    out: &'o mut Vec<u8>,
    count: &'o mut Count,
}

impl Encoded<'_> {
    fn again(&mut self) -> Encoded<'_> {
        Encoded { out: self.out, count: self.count }
    }

    fn string(&mut self, text: &[u8]) {
        Encoder::new(self.out).bytes(text);
    }
}

impl<'de> DeserializeSeed<'de> for Encoded<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Encoded<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, a string, a list or a dictionary")
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<(), E> {
        self.count.add(1)?;
        self.out.extend_from_slice(format!("i{int}e").as_bytes());
        Ok(())
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<(), E> {
        self.count.add(1)?;
        self.out.extend_from_slice(format!("i{int}e").as_bytes());
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.count.add(1)?;
        self.string(&bytes(text)?);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.count.add(2)?;
        self.out.push(b'l');
        while list.next_element_seed(self.again())?.is_some() {}
        self.out.push(b'e');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.count.add(2)?;
        self.out.push(b'd');
        let start = self.out.len();
        // Where each entry begins, key first, and where its key ends.
        let mut entries: Vec<(usize, usize)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            self.count.add(1)?;
            let begin = self.out.len();
            self.string(&bytes(&key)?);
            entries.push((begin, self.out.len()));
            map.next_value_seed(self.again())?;
        }
        sort_entries(self.out, start, &entries)?;
        self.out.push(b'e');
        Ok(())
    }
}

/// Puts the entries of a dictionary, which fill `out` from `start` on, into the order of their keys.
fn sort_entries<E: Error>(out: &mut Vec<u8>, start: usize, entries: &[(usize, usize)]) -> Result<(), E> {
    let key = |out: &[u8], (begin, end): (usize, usize)| -> Vec<u8> { string(&out[begin..end]).to_vec() };
    let compare = |a: &(usize, usize), b: &(usize, usize)| string(&out[a.0..a.1]).cmp(string(&out[b.0..b.1]));
    if entries.is_sorted_by(|a, b| compare(a, b).is_lt()) {
        return Ok(());
    }
    // An entry ends where the next one in the text begins.
    let mut sorted: Vec<(usize, usize, usize)> = Vec::with_capacity(entries.len());
    let ends = entries.iter().skip(1).map(|(begin, _)| *begin).chain([out.len()]);
    sorted.extend(entries.iter().zip(ends).map(|((begin, key), end)| (*begin, *key, end)));
    sorted.sort_unstable_by(|a, b| compare(&(a.0, a.1), &(b.0, b.1)));
    if let Some([one, _]) = sorted
        .windows(2)
        .find(|pair| matches!(pair, [one, next] if compare(&(one.0, one.1), &(next.0, next.1)).is_eq()))
    {
        let key = key(out, (one.0, one.1));
        return Err(E::custom(format_args!("key {:?} occurs twice", String::from_utf8_lossy(&key))));
    }
    let old = out.split_off(start);
    for (begin, _, end) in sorted {
        out.extend_from_slice(&old[begin - start..end - start]);
    }
    Ok(())
}

/// What a bencoded string holds.
fn string(encoded: &[u8]) -> &[u8] {
    let colon = encoded.iter().position(|byte| *byte == b':').unwrap_or_default();
    &encoded[colon + 1..]
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
    use torrent_bencode::{Document, Options};

    use super::{super::json, *};

    fn read(json: &str) -> Result<Vec<u8>, serde_json::Error> {
        encode(json.as_bytes(), 1_000_000)
    }

    fn compact(bencode: &[u8]) -> String {
        json::compact(Document::decode(bencode, &Options::lenient()).unwrap().root())
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
            assert_eq!(read(&compact(bencode)).unwrap(), bencode, "{}", compact(bencode));
        }
    }

    #[test]
    fn keys_come_in_order_and_once() {
        assert_eq!(read(r#"{"b":[{"z":1,"y":"x"}],"a":2,"hex:00":3}"#).unwrap(), b"d1:\0i3e1:ai2e1:bld1:y1:x1:zi1eeee");
        assert_eq!(compact(b"d1:bi1e1:ai2e1:bi3ee"), r#"{"a":2,"b":1}"#);
        let mut keys: Vec<_> = (0..2000).map(|number| format!("\"{}\":{number}", number * 7 % 2000)).collect();
        let text = format!("{{{}}}", keys.join(","));
        let bencode = read(&text).unwrap();
        assert!(Document::decode(&bencode, &Options::strict()).is_ok());
        keys.push("\"0\":1".into());
        assert!(
            read(&format!("{{{}}}", keys.join(","))).unwrap_err().to_string().starts_with("key \"0\" occurs twice")
        );
    }

    #[test]
    fn there_is_a_limit_of_values() {
        for json in ["[1,2,3]", "{\"a\":{},\"b\":2}", "[[[]]]", "[\"\",\"\",\"\"]"] {
            assert!(encode(json.as_bytes(), 4).unwrap_err().to_string().contains("--max-torrent-values"), "{json}");
            assert!(encode(json.as_bytes(), 7).is_ok(), "{json}");
        }
    }

    #[test]
    fn the_deepest_value_that_is_read_survives() {
        let depth = Options::DEFAULT_MAX_DEPTH;
        let bencode = ["l".repeat(depth), "e".repeat(depth)].concat();
        assert_eq!(read(&compact(bencode.as_bytes())).unwrap(), bencode.as_bytes());
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
            "[1] 2",
            "",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
