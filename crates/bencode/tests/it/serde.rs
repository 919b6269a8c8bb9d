//! Types in and out, with the feature `serde`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use serde::{Deserialize, Serialize, de::IgnoredAny};
use torrent_bencode::{
    ErrorKind, Options, RawValue, RawValueBuf, Value,
    serde::{Error, from_bytes, from_bytes_with, from_node, to_vec},
};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct File<'a> {
    path: Vec<Cow<'a, str>>,
    length: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Info<'a> {
    name: &'a str,
    #[serde(rename = "piece length")]
    piece_length: u32,
    #[serde(with = "torrent_bencode::serde::bytes")]
    pieces: &'a [u8],
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<File<'a>>,
    #[serde(default, with = "torrent_bencode::serde::optional_bytes")]
    ssl: Option<[u8; 4]>,
    private: Option<bool>,
}

const INFO: &[u8] = b"d5:filesld6:lengthi5e4:pathl1:a1:beed6:lengthi7e4:pathl1:ceee\
    4:name4:name12:piece lengthi16384e6:pieces4:\xff\xfe\xfd\xfc7:privatei1ee";

#[test]
fn a_struct_round_trips_whatever_the_order_of_its_fields() {
    let info: Info<'_> = from_bytes(INFO).unwrap();
    assert_eq!((info.name, info.pieces, info.ssl, info.private), ("name", &b"\xff\xfe\xfd\xfc"[..], None, Some(true)));
    assert_eq!(info.files.len(), 2);
    assert_eq!(info.files[1], File { path: vec!["c".into()], length: 7 });
    assert_eq!(to_vec(&info).unwrap(), INFO);
}

#[test]
fn text_and_bytes_are_borrowed() {
    let info: Info<'_> = from_bytes(INFO).unwrap();
    assert!(INFO.as_ptr_range().contains(&info.name.as_ptr()));
    assert!(INFO.as_ptr_range().contains(&info.pieces.as_ptr()));
}

#[test]
fn errors_name_the_path() {
    for (input, message) in [
        (&b"d4:name1:x12:piece lengthi16384ee"[..], "missing field `pieces` (offset 0)"),
        (b"d5:filesld6:lengthi5eeee", "files[0]: missing field `path` (offset 9)"),
        (b"d5:filesld6:length1:54:pathleeee", "files[0].length: expected an integer, found a string (offset 18)"),
        (
            b"d5:filesld6:lengthi-5e4:pathleeee",
            "files[0].length: invalid value: integer `-5`, expected u64 (offset 18)",
        ),
        (b"d4:name1:\xffe", "name: not UTF-8 (offset 7)"),
        (b"d4:nameli1eee", "name: expected a string, found a list (offset 7)"),
        (b"d3:ssl3:abce", "ssl: invalid length 3, expected a string of the right length (offset 6)"),
        (b"d7:privatei2ee", "private: integer out of range (offset 10)"),
        (b"le", "expected a dictionary, found a list (offset 0)"),
        (b"d4:name3:abe", "unexpected end of input (offset 12)"),
    ] {
        let error = from_bytes::<Info<'_>>(input).unwrap_err();
        assert_eq!(error.to_string(), message, "{}", input.escape_ascii());
    }
    let error = from_bytes::<Info<'_>>(b"d4:namei1ee").unwrap_err();
    assert!(matches!(error.bencode().unwrap().kind(), ErrorKind::WrongKind { .. }));
}

#[test]
fn errors_of_types_have_a_place_as_those_of_bytes_do() {
    let place = |error: &Error| (error.path().map(ToString::to_string), error.offset());
    for (input, path, offset) in [
        (&b"d5:filesld6:lengthi5eeee"[..], "files[0]", 9),
        (b"d5:filesld6:lengthi-5e4:pathleeee", "files[0].length", 18),
        (b"d5:filesld6:length1:54:pathleeee", "files[0].length", 18),
        (b"d5:filesld6:lengthi5", "files[0].length", 20),
    ] {
        let error = from_bytes::<Info<'_>>(input).unwrap_err();
        assert_eq!(place(&error), (Some(path.into()), Some(offset)), "{error}");
    }
    assert_eq!(place(&to_vec(&1.5).unwrap_err()), (None, None));
}

#[test]
fn integers_never_wrap() {
    assert_eq!(from_bytes::<u8>(b"i255e").unwrap(), 255);
    assert!(from_bytes::<u8>(b"i256e").is_err());
    assert!(from_bytes::<u32>(b"i-1e").is_err());
    assert!(from_bytes::<i64>(b"i18446744073709551615e").is_err());
    assert_eq!(from_bytes::<u64>(b"i18446744073709551615e").unwrap(), u64::MAX);
    assert_eq!(from_bytes::<i64>(b"i-9223372036854775808e").unwrap(), i64::MIN);
    assert_eq!(from_bytes::<i128>(b"i-9223372036854775808e").unwrap(), i64::MIN.into());
    assert!(from_bytes::<i8>(b"i-129e").is_err());
    assert_eq!(to_vec(&u64::MAX).unwrap(), b"i18446744073709551615e");
    assert!(to_vec(&u128::MAX).is_err());
}

#[test]
fn raw_values_keep_their_bytes() {
    #[derive(Serialize, Deserialize)]
    struct Borrowed<'a> {
        #[serde(borrow)]
        info: RawValue<'a>,
    }
    #[derive(Serialize, Deserialize)]
    struct Owned {
        info: RawValueBuf,
    }
    let input = b"d4:infod1:bi07e1:a0:ee";
    let borrowed: Borrowed<'_> = from_bytes_with(input, &Options::lenient()).unwrap();
    assert_eq!(borrowed.info.as_bytes(), b"d1:bi07e1:a0:e");
    assert_eq!(to_vec(&borrowed).unwrap(), input);
    let owned: Owned = from_bytes_with(input, &Options::lenient()).unwrap();
    assert_eq!(to_vec(&owned).unwrap(), input);
}

#[test]
fn unknown_keys_are_kept_if_asked_and_skipped_if_not() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Torrent {
        announce: String,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }
    let input = b"d8:announce3:url4:infod4:name2:\xff\xfee8:url-listl1:aee";
    let torrent: Torrent = from_bytes(input).unwrap();
    assert_eq!(torrent.rest["info"], Value::from([("name", &b"\xff\xfe"[..])]));
    assert_eq!(to_vec(&torrent).unwrap(), input);

    #[derive(Deserialize)]
    struct Announce<'a> {
        announce: &'a str,
    }
    assert_eq!(from_bytes::<Announce<'_>>(input).unwrap().announce, "url");
}

#[test]
fn lenient_input_is_read_with_the_first_of_equal_keys() {
    let input = b"d4:name1:b6:lengthi05e4:name1:c4:pathlee";
    let value: BTreeMap<&str, IgnoredAny> = from_bytes_with(input, &Options::lenient()).unwrap();
    assert_eq!(value.len(), 3);
    #[derive(Deserialize)]
    struct Named<'a> {
        name: &'a str,
        length: u8,
    }
    let named: Named<'_> = from_bytes_with(input, &Options::lenient()).unwrap();
    assert_eq!((named.name, named.length), ("b", 5));
    assert!(from_bytes::<Named<'_>>(input).is_err());
}

#[test]
fn enums_are_strings_or_dictionaries_of_one_key() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Message {
        Choke,
        Have(u32),
        Request(u32, u32),
        Port { port: u16, host: String },
    }
    for (message, bytes) in [
        (Message::Choke, &b"5:Choke"[..]),
        (Message::Have(7), b"d4:Havei7ee"),
        (Message::Request(1, 2), b"d7:Requestli1ei2eee"),
        (Message::Port { port: 1, host: "h".into() }, b"d4:Portd4:host1:h4:porti1eee"),
    ] {
        assert_eq!(to_vec(&message).unwrap(), bytes);
        assert_eq!(from_bytes::<Message>(bytes).unwrap(), message);
    }
    for bad in [&b"4:Have"[..], b"d5:Choke0:e", b"de", b"d4:Havei1e4:Porti1ee", b"i1e", b"4:Nope"] {
        assert!(from_bytes::<Message>(bad).is_err(), "{}", bad.escape_ascii());
    }
}

#[test]
fn maps_are_sorted_by_bytes_and_keys_are_strings() {
    let map: HashMap<String, u8> = ["b", "a", "aa", "B", ""].iter().map(|&key| (key.into(), 1)).collect();
    assert_eq!(to_vec(&map).unwrap(), b"d0:i1e1:Bi1e1:ai1e2:aai1e1:bi1ee");
    assert_eq!(from_bytes::<HashMap<String, u8>>(&to_vec(&map).unwrap()).unwrap(), map);
    assert_eq!(to_vec(&BTreeMap::from([(1, 2)])).unwrap_err().to_string(), "bencoding has no keys but strings");
}

#[test]
fn nothing_is_left_out_of_dictionaries_and_refused_elsewhere() {
    assert_eq!(to_vec(&BTreeMap::from([("a", None), ("b", Some(1))])).unwrap(), b"d1:bi1ee");
    assert!(to_vec(&None::<u8>).is_err());
    assert!(to_vec(&[Some(1), None]).is_err());
    assert!(to_vec(&()).is_err());
    assert!(to_vec(&1.5).is_err());
    assert!(from_bytes::<()>(b"i1e").is_err());
}

#[test]
fn tuples_have_their_length() {
    assert_eq!(from_bytes::<(u8, &str)>(b"li1e1:xe").unwrap(), (1, "x"));
    assert_eq!(from_bytes::<[u8; 2]>(b"li1ei2ee").unwrap(), [1, 2]);
    assert!(from_bytes::<(u8, &str)>(b"li1ee").is_err());
    assert_eq!(from_bytes::<(u8, &str)>(b"li1e1:xi2ee").unwrap_err().to_string(), "the list is too long (offset 0)");
}

#[test]
fn values_go_through_serde_unchanged() {
    for input in [INFO, b"d2:\xff\xfei1ee", b"li-1ei18446744073709551615ee", b"le", b"de", b"0:"] {
        let value: Value = from_bytes(input).unwrap();
        assert_eq!(value, Value::decode(input).unwrap());
        assert_eq!(to_vec(&value).unwrap(), input);
    }
}

#[test]
fn a_part_of_a_document_is_a_type() -> Result<(), Error> {
    let document = torrent_bencode::Document::decode(b"d4:infod4:fileli1ei-2eeee", &Options::strict())?;
    let info = document.root().require("info")?;
    let lengths: Vec<i8> = from_node(info.require("file")?)?;
    assert_eq!(lengths, [1, -2]);
    let error = from_node::<BTreeMap<&str, Vec<u8>>>(info).unwrap_err();
    assert_eq!(error.to_string(), "info.file[1]: invalid value: integer `-2`, expected u8 (offset 18)");
    Ok(())
}

#[test]
fn the_deepest_input_fits_the_stack_of_a_thread() {
    #[derive(Debug, Deserialize)]
    struct Deep {
        #[expect(dead_code, reason = "only its depth matters")]
        a: Option<Box<Self>>,
    }
    let input = [b"d1:a".repeat(511), b"de".to_vec(), vec![b'e'; 511]].concat();
    let options = Options::strict().max_depth(usize::MAX);
    assert!(from_bytes_with::<Deep>(&input, &options).is_ok());
    assert!(from_bytes_with::<Value>(&input, &options).is_ok());
    for input in [&input[..], &b"d1:a".repeat(100_000)] {
        assert_eq!(from_bytes::<Deep>(input).err().unwrap().bencode().unwrap().kind(), ErrorKind::DepthLimit);
        assert_eq!(from_bytes::<Value>(input).err().unwrap().bencode().unwrap().kind(), ErrorKind::DepthLimit);
    }
}

#[test]
fn limits_hold_for_types_and_for_what_they_skip() {
    #[derive(Debug, Deserialize)]
    struct Named<'a> {
        #[expect(dead_code, reason = "only read")]
        name: &'a str,
    }
    let nested =
        |depth: usize| [b"d1:a".to_vec(), vec![b'l'; depth], vec![b'e'; depth], b"4:name0:e".to_vec()].concat();
    assert!(from_bytes::<Named<'_>>(&nested(99)).is_ok());
    for options in [Options::strict(), Options::strict().max_depth(usize::MAX), Options::lenient()] {
        let error = from_bytes_with::<Named<'_>>(&nested(10_000), &options).unwrap_err();
        assert_eq!(error.bencode().unwrap().kind(), ErrorKind::DepthLimit);
    }
    // The dictionary, two keys, a list in a list, an empty string, and three ends.
    let input = nested(2);
    assert!(from_bytes_with::<Named<'_>>(&input, &Options::strict().max_tokens(9)).is_ok());
    assert!(from_bytes_with::<Named<'_>>(&input, &Options::strict().max_bytes(input.len())).is_ok());
    for (options, message) in [
        (Options::strict().max_tokens(8), "too many values (offset 16)"),
        (Options::strict().max_bytes(16), "input too long (offset 16)"),
        (Options::strict().max_depth(2), "a[0]: nested too deeply (offset 5)"),
    ] {
        assert_eq!(from_bytes_with::<Named<'_>>(&input, &options).unwrap_err().to_string(), message);
    }
}

#[test]
fn what_nobody_wants_must_be_right_too() {
    #[derive(Debug, Deserialize)]
    struct Nothing {}
    for (input, message) in [
        (&b"d1:ald1:b0:1:a0:eee"[..], "a[0]: key out of order (offset 11)"),
        (b"d1:ald1:b0:1:b0:eee", "a[0]: key occurs twice (offset 11)"),
        (b"d1:ai01ee", "a: leading zero (offset 4)"),
        (b"d1:ai-0ee", "a: negative zero (offset 4)"),
        (b"d1:a0:1:ae", "key occurs twice (offset 6)"),
        (b"d1:ad1:bee", "a.b: key without a value (offset 8)"),
        (b"d1:ai18446744073709551616ee", "a: integer out of range (offset 4)"),
        (b"de0:", "bytes after the value (offset 2)"),
    ] {
        assert_eq!(from_bytes::<Nothing>(input).unwrap_err().to_string(), message, "{}", input.escape_ascii());
        let raw = from_bytes::<RawValueBuf>(input).unwrap_err();
        assert_eq!(raw.to_string(), message, "{}", input.escape_ascii());
    }
}
