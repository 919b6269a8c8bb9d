//! What the fuzz targets do with their bytes, and what must hold whatever these are. See `fuzz/fuzz_targets/bencode_*.rs`.

use alloc::{format, string::ToString as _, vec, vec::Vec};

use crate::{Decoder, Document, Encoder, Kind, Node, Options, RawValue, Value, tokenizer::Tokens};

#[cfg(feature = "serde")]
pub use crate::serde::fuzzing::serde;

/// A key that is hardly ever there.
const KEY: &[u8] = b"\xff\x00no such key";

const LENIENT: Options = Options::lenient().max_depth(usize::MAX);

/// Tokens, strict and lenient: everything that can be asked of them.
pub fn tokens(data: &[u8]) {
    let strict = Document::decode(data, &Options::strict());
    let lenient = Document::decode(data, &Options::lenient());
    if let Err(error) = &lenient {
        assert!(error.offset() <= data.len());
        assert!(error.path().segments().len() <= Options::DEFAULT_MAX_DEPTH);
        assert!(!error.to_string().is_empty());
    }
    // The fast path is a path to the same place.
    for options in [Options::strict(), Options::lenient(), Options::lenient().max_depth(3).max_tokens(40)] {
        let (mut fast, mut slow) = (Tokens::default(), Tokens::default());
        assert_eq!(fast.read(data, &options), slow.read_slowly(data, &options));
        assert_eq!((fast.as_slice(), fast.warnings()), (slow.as_slice(), slow.warnings()));
    }
    // Strict is lenient without warnings.
    let canonical = lenient.as_ref().is_ok_and(|document| document.warnings().is_empty());
    assert_eq!(strict.is_ok(), canonical);
    let mut decoder = Decoder::new(Options::lenient());
    // What was there before changes nothing.
    let _ = decoder.decode_prefix(b"d1:bd1:al5:helloe1:a1:be1:ai07ee");
    assert_eq!(decoder.decode(data).map(|root| root.to_value()), lenient.as_ref().map_err(Clone::clone).map(value));
    let Ok(document) = Document::decode_prefix(data, &LENIENT).map(|(document, rest)| {
        assert!(data.ends_with(rest));
        document
    }) else {
        return;
    };
    visit_all(data, document.root());
}

fn value(document: &Document<'_>) -> Value {
    document.root().to_value()
}

fn visit_all(data: &[u8], root: Node<'_, '_>) {
    let mut nodes = vec![root];
    let mut visited = 0_usize;
    while let Some(node) = nodes.pop() {
        visited = visited.saturating_add(1);
        let raw = node.raw();
        assert_eq!(data.get(node.offset()..).and_then(|rest| rest.get(..raw.len())), Some(raw));
        assert_eq!(node.as_list().is_some(), node.kind() == Kind::List);
        assert_eq!(node.as_dict().is_some(), node.kind() == Kind::Dict);
        assert_eq!(node.as_bytes().is_some(), node.kind() == Kind::Bytes);
        assert_eq!(node.int::<i128>().is_ok(), node.kind() == Kind::Int);
        // The way there is found again; paths and spans of the first are enough, they take time.
        if visited < 64 {
            assert!(RawValue::new(raw).is_ok() || Document::decode_prefix(raw, &LENIENT).is_ok());
            assert!(node.array::<3>().is_ok() || !format!("{:?}", node.path()).is_empty());
            assert_eq!(node.require(KEY).is_ok(), node.as_dict().into_iter().flatten().any(|(key, _)| key == KEY));
        }
        nodes.extend(node.as_list().into_iter().flatten());
        for (key, value) in node.as_dict().into_iter().flatten() {
            if visited < 64 {
                assert!(node.find(key).is_some());
            }
            nodes.push(value);
        }
    }
    assert!(!format!("{root:?}").is_empty());
}

/// To a value, to bytes and back.
pub fn round_trip(data: &[u8]) {
    let Ok(document) = Document::decode(data, &LENIENT) else { return };
    let value = document.root().to_value();
    let encoded = value.encode();
    let again = Document::decode(&encoded, &LENIENT);
    assert_eq!(again.as_ref().map(|document| document.warnings()), Ok(&[][..]));
    assert_eq!(again.map(|document| document.root().to_value()), Ok(value.clone()));
    if document.warnings().is_empty() {
        assert_eq!(encoded, data);
    }
    // Entries put in the wrong order come out in the right one.
    if let Value::Dict(dict) = &value {
        let mut backwards = Vec::new();
        Encoder::new(&mut backwards).dict(|out| dict.iter().rev().for_each(|(key, value)| out.put(key, value)));
        assert_eq!(backwards, encoded);
    }
    // And the bytes as they were fit into another value.
    let mut wrapped = Vec::new();
    if document.root().raw().len() == data.len() {
        Encoder::new(&mut wrapped).list(|list| list.put(document.root().raw_value()));
        assert_eq!(wrapped.get(1..wrapped.len().saturating_sub(1)), Some(data));
    }
}
