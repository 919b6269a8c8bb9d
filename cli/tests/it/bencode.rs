//! `torrent bencode`.

use proptest::prelude::*;
use torrent_bencode::Value;

use super::*;

fn any_value() -> impl Strategy<Value = Value> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        "(hex:|utf8:)?[a-f0-9é\u{0}\"]{0,6}".prop_map(String::into_bytes),
    ];
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        bytes.clone().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map(bytes.clone(), inner, 0..6).prop_map(Value::Dict),
        ]
    })
}

proptest! {
    // Each case starts two processes; the same is proven in the unit tests for more values.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn json_and_back_gives_the_same_bytes(value in any_value()) {
        let folder = Folder::new();
        let bencode = value.encode();
        let json = folder.run_with(&["bencode", "json"], &bencode);
        let back = folder.run_with(&["bencode", "from-json"], json.ok());
        prop_assert_eq!(back.ok(), &bencode[..]);
    }
}

#[test]
fn a_torrent_survives_json() {
    let folder = Folder::new();
    folder.album();
    let json = folder.run(&["bencode", "json", "t.torrent"]);
    assert_eq!(json.json()["info"]["name"], "album");
    assert!(json.json()["info"]["pieces"].as_str().unwrap().starts_with("hex:"));
    folder.write("t.json", json.ok());
    assert_eq!(folder.run(&["bencode", "from-json", "t.json"]).ok(), folder.read("t.torrent"));
    let compact = folder.run(&["bencode", "json", "--compact", "t.torrent"]);
    assert_eq!(compact.text().lines().count(), 1);
    assert_eq!(compact.json(), json.json());
}

#[test]
fn from_json_refuses_what_has_no_bencoding() {
    let folder = Folder::new();
    for json in ["", "1.5", "{\"a\":null}", "[true]", "{\"a\":1,\"a\":1}", "1 2"] {
        let line = folder.run_with(&["bencode", "from-json"], json.as_bytes()).fails(3).to_owned();
        assert!(line.starts_with("torrent: stdin: "), "{line}");
    }
}

#[test]
fn get_follows_a_path() {
    let folder = Folder::new();
    folder.album();
    let get = |path: &str| folder.run(&["bencode", "get", path, "t.torrent"]);
    assert_eq!(get("info.name").text(), "album\n");
    assert_eq!(get("info.files[1].length").text(), "50000\n");
    assert_eq!(get("info.files[1].path").json(), serde_json::json!(["2.flac"]));
    assert_eq!(get("info.pieces").ok().len(), 6 * 20);
    assert_eq!(get("info.files[2]").fails(1), "torrent: t.torrent: nothing at info.files[2]");
    assert_eq!(get("info..x").fails(1), "torrent: t.torrent: nothing at info..x");
    assert_eq!(get("info[").code, Some(2));
    let raw = folder.run(&["bencode", "get", "--raw", "info", "t.torrent"]);
    let torrent = folder.read("t.torrent");
    assert!(torrent.windows(raw.ok().len()).any(|window| window == raw.ok()));
    let int = folder.run_with(&["bencode", "get", ""], b"i18446744073709551615e");
    assert_eq!(int.text(), "18446744073709551615\n");
    let json = folder.run_with(&["bencode", "get", "--json", "[0]"], b"l1:\xffe");
    assert_eq!(json.text(), "\"hex:ff\"\n");
}

#[test]
fn check_tells_canonical_from_careless_from_broken() {
    let folder = Folder::new();
    let canonical = folder.run_with(&["bencode", "check"], b"d1:ai1e1:bi2ee");
    assert_eq!((canonical.text(), &*canonical.stderr), ("", ""));
    let careless = b"d1:bi2e1:ai01ee";
    let done = folder.run_with(&["bencode", "check"], careless);
    assert_eq!(done.code, Some(3));
    assert!(done.stderr.contains("stdin: key out of order at offset 7\nstdin: leading zero"), "{}", done.stderr);
    folder.run_with(&["bencode", "check", "--lenient"], careless).ok();
    let json = folder.run_with(&["bencode", "check", "--lenient", "--json"], careless).json();
    assert_eq!((&json["canonical"], &json["warnings"][0]["offset"]), (&false.into(), &7.into()));
    let broken = folder.run_with(&["bencode", "check"], b"d1:ai1e");
    assert_eq!(broken.fails(3), "torrent: stdin: unexpected end of input (offset 7)");
    let done = folder.run_with(&["bencode", "check", "--json"], b"d1:ai1e");
    let json: Json = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((done.code, &json["error"]["offset"]), (Some(3), &7.into()));
}

#[test]
fn reading_is_lenient_with_a_note_or_strict() {
    let folder = Folder::new();
    let careless = b"d1:bi2e1:ai1ee";
    let done = folder.run_with(&["bencode", "json", "-c"], careless);
    assert_eq!((done.text(), &*done.stderr), ("{\"a\":1,\"b\":2}\n", "stdin: key out of order at offset 7\n"));
    folder.run_with(&["bencode", "json", "--strict"], careless).fails(3);
}

#[test]
fn pretty_is_for_eyes() {
    let folder = Folder::new();
    let bencode = Value::from([
        ("a\u{1b}", Value::from("x\n")),
        ("l", Value::List(vec![1.into(), (-2).into()])),
        ("n", Value::List(vec![])),
    ]);
    let long = Value::from([("b", Value::Bytes(vec![0xff; 30])), ("t", "é".repeat(300).into())]);
    let done = folder.run_with(&["bencode", "pretty"], &bencode.encode());
    assert_eq!(done.text(), "{\n  a\\u{1b}: \"x\\n\"\n  l: [\n    1\n    -2\n  ]\n  n: []\n}\n");
    let done = folder.run_with(&["bencode", "pretty"], &long.encode());
    let expected =
        format!("{{\n  b: 0x{}… (30 bytes)\n  t: \"{}\"… (600 bytes)\n}}\n", "ff".repeat(20), "é".repeat(100));
    assert_eq!(done.text(), expected);
    let full = folder.run_with(&["bencode", "pretty", "--full"], &long.encode());
    assert!(full.text().contains(&"ff".repeat(30)) && full.text().contains(&"é".repeat(300)));
}
