//! Errors say where.

use torrent_bencode::{Document, ErrorKind, Options, Segment};

fn strict(input: &[u8]) -> String {
    Document::decode(input, &Options::strict()).unwrap_err().to_string()
}

#[test]
fn decode_errors_name_the_path() {
    for (input, message) in [
        (&b"d4:infod5:filesld6:lengthi5eed6:lengthi05eeeee"[..], "info.files[1].length: leading zero (offset 38)"),
        (b"li1ei2ex", "[2]: unexpected byte 'x' (offset 7)"),
        (b"d1:ad1:bd1:cx", "a.b.c: unexpected byte 'x' (offset 12)"),
        (b"d1:ad1:bd1:ce", "a.b.c: key without a value (offset 12)"),
        (b"d1:ad1:bi1e1:a", "a: key out of order (offset 11)"),
        (b"d1:a0:1:b9:x", "b: string longer than the rest of the input (offset 9)"),
        (b"d1:ale1:b", "b: unexpected end of input (offset 9)"),
        (b"lllx", "[0][0][0]: unexpected byte 'x' (offset 3)"),
        (b"lleldelx", "[1][1][0]: unexpected byte 'x' (offset 7)"),
        (b"x", "unexpected byte 'x' (offset 0)"),
        (b"d2:\xe2\x80\xaex", r"\xe2\x80: unexpected byte '\xae' (offset 5)"),
        (b"d3:\xe2\x80\xaex", r"\u{202e}: unexpected byte 'x' (offset 6)"),
    ] {
        assert_eq!(strict(input), message, "{}", input.escape_ascii());
    }
}

#[test]
fn typed_access_names_the_path() {
    let input = b"d4:infod5:filesld6:lengthi5e4:pathl1:aeed6:length3:abc4:pathl1:\xffeeee1:z3:xyze";
    let document = Document::decode(input, &Options::strict()).unwrap();
    let root = document.root();
    let files = root.require("info").unwrap().require("files").unwrap();
    let [first, second] = <[_; 2]>::try_from(files.list().unwrap().collect::<Vec<_>>()).unwrap();
    assert_eq!(first.require("length").unwrap().int(), Ok(5_u8));
    for (error, message) in [
        (
            second.require("length").unwrap().int::<u64>().map(drop),
            "info.files[1].length: expected an integer, found a string (offset 49)",
        ),
        (second.require("size").map(drop), "info.files[1].size: missing (offset 40)"),
        (
            first.require("path").unwrap().str().map(drop),
            "info.files[0].path: expected a string, found a list (offset 34)",
        ),
        (
            first.require("path").unwrap().dict().map(drop),
            "info.files[0].path: expected a dictionary, found a list (offset 34)",
        ),
        (first.list().map(drop), "info.files[0]: expected a list, found a dictionary (offset 16)"),
        (root.require("z").unwrap().array::<4>().map(drop), "z: expected a string of 4 bytes, found 3 (offset 71)"),
        (root.list().map(drop), "expected a list, found a dictionary (offset 0)"),
        (root.require("y").map(drop), "y: missing (offset 0)"),
        (files.require("y").map(drop), "info.files: expected a dictionary, found a list (offset 15)"),
    ] {
        assert_eq!(error.unwrap_err().to_string(), message);
    }
    let part = second.require("path").unwrap().list().unwrap().next().unwrap();
    let error = part.str().unwrap_err();
    assert_eq!(error.to_string(), "info.files[1].path[0]: not UTF-8 (offset 61)");
    assert_eq!(error.path(), &part.path());
    assert_eq!(error.path().segments()[1], Segment::Key(b"files"[..].into()));
    assert_eq!(error.path().segments()[4], Segment::Index(0));
}

#[test]
fn integers_never_wrap() {
    let document = Document::decode(b"li256ei-1ei18446744073709551615ee", &Options::strict()).unwrap();
    let [large, negative, huge] = <[_; 3]>::try_from(document.root().list().unwrap().collect::<Vec<_>>()).unwrap();
    assert_eq!(large.int::<u8>().unwrap_err().kind(), ErrorKind::IntegerOutOfRange);
    assert_eq!(large.int::<u16>(), Ok(256));
    assert_eq!(negative.int::<u64>().unwrap_err().to_string(), "[1]: integer out of range (offset 6)");
    assert_eq!(negative.int::<i8>(), Ok(-1));
    assert!(huge.int::<i64>().is_err());
    assert_eq!(huge.int::<u64>(), Ok(u64::MAX));
}

#[test]
fn an_error_does_not_repeat_a_huge_key() {
    let mut input = b"d100000:".to_vec();
    input.resize(input.len() + 100_000, b'k');
    input.push(b'x');
    let message = strict(&input);
    assert!(message.len() < 150, "{message}");
    input.truncate(input.len() - 1);
    input.extend(b"0:e");
    let document = Document::decode(&input, &Options::strict()).unwrap();
    let (_, value) = document.root().as_dict().unwrap().next().unwrap();
    assert!(value.int::<u8>().unwrap_err().to_string().len() < 150);
}
