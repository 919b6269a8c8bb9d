//! Walking a document.

use torrent_bencode::{Decoder, Document, Kind, Options, Value};

const TORRENT: &[u8] = b"d8:announce3:url4:infod5:filesld6:lengthi5e4:pathl1:a1:beed6:lengthi7e4:pathl1:ceee\
    4:name4:name12:piece lengthi16384e6:pieces20:aaaaaaaaaabbbbbbbbbbe8:url-listlee";

fn torrent() -> Document<'static> {
    Document::decode(TORRENT, &Options::strict()).unwrap()
}

#[test]
fn values_are_found_by_key_and_position() {
    let torrent = torrent();
    let info = torrent.root().find("info").unwrap();
    let paths: Vec<Vec<&str>> = info
        .find("files")
        .and_then(|files| files.as_list())
        .unwrap()
        .map(|file| file.find("path").unwrap().as_list().unwrap().map(|part| part.as_str().unwrap()).collect())
        .collect();
    assert_eq!(paths, [vec!["a", "b"], vec!["c"]]);
    let keys: Vec<&[u8]> = info.as_dict().unwrap().map(|(key, _)| key).collect();
    assert_eq!(keys, [&b"files"[..], b"name", b"piece length", b"pieces"]);
    assert_eq!(info.find(b"piece length").unwrap().as_int(), Some(16384));
    assert_eq!(info.find(b"pieces").unwrap().as_array::<20>(), Some(b"aaaaaaaaaabbbbbbbbbb"));
    assert!(info.find("piece").is_none());
    assert_eq!(torrent.root().find("url-list").unwrap().as_list().unwrap().count(), 0);
}

#[test]
fn a_node_knows_its_bytes_and_its_place() {
    let torrent = torrent();
    assert_eq!(torrent.root().raw(), TORRENT);
    let mut seen = 0;
    let mut nodes = vec![torrent.root()];
    while let Some(node) = nodes.pop() {
        seen += 1;
        assert_eq!(&TORRENT[node.offset()..][..node.raw().len()], node.raw());
        // Each span is a document of its own.
        let alone = Document::decode(node.raw(), &Options::strict()).unwrap();
        assert_eq!(alone.root().to_value(), node.to_value());
        nodes.extend(node.as_list().into_iter().flatten());
        nodes.extend(node.as_dict().into_iter().flatten().map(|(_, value)| value));
    }
    assert_eq!(seen, 17);
}

#[test]
fn only_the_right_kind_is_lent() {
    let document = Document::decode(b"d1:d3:foo1:ii-5e1:lle1:u1:\xffe", &Options::strict()).unwrap();
    let root = document.root();
    let [text, int, list, not_utf8] = ["d", "i", "l", "u"].map(|key| root.find(key).unwrap());
    assert_eq!([root, text, int, list].map(|node| node.kind()), [Kind::Dict, Kind::Bytes, Kind::Int, Kind::List]);
    assert_eq!((int.as_int(), int.as_u64()), (Some(-5), None));
    assert_eq!((text.as_int(), list.as_int(), root.as_int()), (None, None, None));
    assert_eq!((text.as_str(), int.as_str(), not_utf8.as_str()), (Some("foo"), None, None));
    assert_eq!((text.as_array::<3>(), text.as_array::<4>()), (Some(b"foo"), None));
    assert!(int.as_list().is_none() && root.as_list().is_none() && list.as_dict().is_none());
    assert!(list.find("foo").is_none() && int.find("foo").is_none());
}

#[test]
fn integers_reach_from_i64_min_to_u64_max() {
    let document = Document::decode(b"li-9223372036854775808ei18446744073709551615ee", &Options::strict()).unwrap();
    let [low, high] = <[_; 2]>::try_from(document.root().as_list().unwrap().collect::<Vec<_>>()).unwrap();
    assert_eq!((low.as_int(), low.as_u64()), (Some(i64::MIN), None));
    assert_eq!((high.as_int(), high.as_u64()), (None, Some(u64::MAX)));
    assert_eq!(document.root().to_value(), Value::from_iter([i64::MIN.into(), Value::from(u64::MAX)]));
}

#[test]
fn of_a_repeated_key_the_first_counts() {
    let document = Document::decode(b"d1:b1:x1:a1:y1:b1:ze", &Options::lenient()).unwrap();
    assert_eq!(document.root().find("b").unwrap().as_str(), Some("x"));
    assert_eq!(document.root().to_value(), Value::from([("a", "y"), ("b", "x")]));
    assert_eq!(document.root().as_dict().unwrap().count(), 3);
}

#[test]
fn leading_zeros_change_no_value() {
    let document = Document::decode(b"li-0ei007e003:abce", &Options::lenient()).unwrap();
    assert_eq!(document.root().to_value().encode(), b"li0ei7e3:abce");
}

#[test]
fn what_is_lent_outlives_the_document() {
    fn name(input: &[u8]) -> &[u8] {
        Document::decode(input, &Options::strict()).unwrap().root().find("name").unwrap().as_bytes().unwrap()
    }
    assert_eq!(name(b"d4:name3:abce"), b"abc");
}

#[test]
fn a_decoder_is_used_again_whatever_came_before() {
    let mut decoder = Decoder::new(Options::lenient());
    for _ in 0..2 {
        assert_eq!(decoder.decode(b"d1:ai03ee").unwrap().find("a").unwrap().as_int(), Some(3));
        assert_eq!(decoder.warnings().len(), 1);
        decoder.decode(b"lllll").unwrap_err();
        assert_eq!(decoder.decode(b"i7e").unwrap().as_int(), Some(7));
        assert_eq!(decoder.warnings(), []);
    }
}

#[test]
fn bep9_a_prefix_leaves_the_rest() {
    let message = b"d8:msg_typei1e5:piecei0e10:total_sizei34256ee\x00\x01payload";
    let (document, rest) = Document::decode_prefix(message, &Options::strict()).unwrap();
    assert_eq!(rest, b"\x00\x01payload");
    assert_eq!(document.warnings(), []);
    assert_eq!(document.root().find("total_size").unwrap().as_int(), Some(34256));
    let mut decoder = Decoder::default();
    let (root, rest) = decoder.decode_prefix(message).unwrap();
    assert_eq!((root.raw().len() + rest.len(), rest.len()), (message.len(), 9));
    let (_, rest) = decoder.decode_prefix(b"i1e").unwrap();
    assert_eq!(rest, b"");
}

#[test]
fn debug_output_is_readable_and_short() {
    let mut bytes = b"d1:ali1e2:\xff\ne1:b100:".to_vec();
    bytes.extend([b'x'; 100]);
    bytes.push(b'e');
    let document = Document::decode(&bytes, &Options::strict()).unwrap();
    let expected = format!(r#"{{"a": [1, "\xff\u{{a}}"], "b": "{}…" (100 bytes)}}"#, "x".repeat(64));
    assert_eq!(format!("{:?}", document.root()), expected);
    assert_eq!(format!("{:?}", document.root().to_value()), expected);
}
