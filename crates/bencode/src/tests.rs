//! The committed corpora, and random inputs, through the fuzz targets.

use std::{fs, path::Path, string::String, vec::Vec};

use proptest::{collection::vec, prelude::*};

use crate::{Value, fuzzing};

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let Ok(files) = fs::read_dir(&corpus) else {
        // The published crate comes without corpora.
        assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").exists(), "no {}", corpus.display());
        return;
    };
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 10, "{}", corpus.display());
    for file in files {
        run(&fs::read(file).unwrap());
    }
}

#[test]
fn the_tokens_corpus_breaks_no_rule() {
    replay("bencode_tokens", fuzzing::tokens);
}

#[test]
fn the_round_trip_corpus_breaks_no_rule() {
    replay("bencode_round_trip", fuzzing::round_trip);
}

#[cfg(feature = "serde")]
#[test]
fn the_serde_corpus_breaks_no_rule() {
    replay("bencode_serde", fuzzing::serde);
}

fn everything(data: &[u8]) {
    fuzzing::tokens(data);
    fuzzing::round_trip(data);
    #[cfg(feature = "serde")]
    fuzzing::serde(data);
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        vec(any::<u8>(), 0..12).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(vec(any::<u8>(), 0..10), inner, 0..6).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn values_encode_and_decode_to_themselves(value in values()) {
        prop_assert_eq!(Value::decode(&value.encode()), Ok(value));
    }

    #[test]
    fn what_looks_like_bencoding_breaks_no_rule(text in "[deli0-2:a-]{0,24}") {
        everything(text.as_bytes());
    }

    #[test]
    fn a_changed_byte_breaks_no_rule(value in values(), at: prop::sample::Index, byte: u8) {
        let mut bytes = value.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        everything(&bytes);
        everything(&bytes[..at]);
    }

    #[test]
    fn dictionaries_with_keys_in_any_order_break_no_rule(keys in vec("[ab\u{0}]{0,9}", 0..8)) {
        let entries: String = keys.iter().map(|key| std::format!("{}:{key}le", key.len())).collect();
        everything(std::format!("d{entries}e").as_bytes());
    }
}
