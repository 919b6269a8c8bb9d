//! Limits hold, and hold before memory is spent.

use torrent_bencode::{Document, ErrorKind, Options, Value, WarningKind};

fn nested(depth: usize) -> Vec<u8> {
    [vec![b'l'; depth], vec![b'e'; depth]].concat()
}

#[test]
fn nesting_stops_at_the_limit() {
    assert!(Document::decode(&nested(100), &Options::strict()).is_ok());
    let error = Document::decode(&nested(101), &Options::strict()).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::DepthLimit, 100));
    assert_eq!(error.path().segments().len(), 100);
    for options in [Options::strict(), Options::lenient(), Options::strict().max_depth(usize::MAX)] {
        for input in [nested(10_000), b"d1:a".repeat(10_000)] {
            assert_eq!(Document::decode(&input, &options).unwrap_err().kind(), ErrorKind::DepthLimit);
        }
    }
    assert!(Document::decode(b"i0e", &Options::strict().max_depth(0)).is_ok());
    assert!(Document::decode(b"le", &Options::strict().max_depth(0)).is_err());
}

#[test]
fn siblings_are_not_nesting() {
    let input = [&b"l"[..], &b"le".repeat(1000), b"e"].concat();
    assert_eq!(Document::decode(&input, &Options::strict()).unwrap().root().as_list().unwrap().count(), 1000);
}

#[test]
fn the_deepest_value_fits_the_stack_of_a_thread() {
    let options = Options::strict().max_depth(usize::MAX);
    let mut dicts = b"d1:a".repeat(512);
    dicts.extend(b"i0e");
    dicts.extend([b'e'; 512]);
    for input in [nested(512), dicts] {
        let document = Document::decode(&input, &options).unwrap();
        let value: Value = document.root().to_value();
        assert_eq!(value.clone().encode(), input);
        assert_eq!(format!("{value:?}"), format!("{:?}", document.root()));
        assert!(value == document.root().to_value());
    }
}

#[test]
fn tokens_are_counted() {
    // The list, its end, and three integers.
    let input = b"li1ei2ei3ee";
    assert!(Document::decode(input, &Options::strict().max_tokens(5)).is_ok());
    for tokens in 0..5 {
        let error = Document::decode(input, &Options::strict().max_tokens(tokens)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenLimit);
    }
}

#[test]
fn bytes_are_counted() {
    assert!(Document::decode(b"3:abc", &Options::strict().max_bytes(5)).is_ok());
    let error = Document::decode(b"3:abc", &Options::lenient().max_bytes(4)).unwrap_err();
    assert_eq!(error.to_string(), "input too long (offset 4)");
}

#[test]
fn warnings_are_bounded() {
    let input = [&b"l"[..], &b"i00e".repeat(10_000), b"d1:b0:1:a0:e".repeat(10_000).as_slice(), b"e"].concat();
    let document = Document::decode(&input, &Options::lenient()).unwrap();
    assert_eq!(document.warnings().len(), 64);
    assert_eq!(document.warnings()[0].kind(), WarningKind::LeadingZero);
    assert_eq!(document.warnings()[0].to_string(), "leading zero at offset 1");
}
