//! What the encoder writes is canonical, however it is used.

use torrent_bencode::{Document, Encode, Encoder, Error, Node, Options, RawValue, Value};

fn dict(fill: impl FnOnce(&mut torrent_bencode::DictEncoder<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(&mut out).dict(fill);
    assert!(Document::decode(&out, &Options::strict()).is_ok(), "{}", out.escape_ascii());
    out
}

#[test]
fn integers_and_strings_of_all_sizes() {
    for value in
        [0, 1, -1, 9, 10, i64::MAX.into(), i64::MIN.into(), u64::MAX.into(), i128::MAX, i128::MIN, 10_i128.pow(20)]
    {
        assert_eq!(Encoder::to_vec(&value), format!("i{value}e").into_bytes());
    }
    assert_eq!(Encoder::to_vec(""), b"0:");
    assert_eq!(Encoder::to_vec(&[7_u8; 12]), b"12:\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07");
    assert_eq!(Encoder::to_vec(&12_usize), b"i12e");
}

#[test]
fn keys_come_in_any_order() {
    let sorted = dict(|d| {
        d.put("a", 1);
        d.dict("b", |d| d.put("x", "y"));
        d.list("c", |l| l.put(b"z"));
    });
    let shuffled = dict(|d| {
        d.list("c", |l| l.put(b"z"));
        d.put("a", 1);
        d.dict("b", |d| d.put("x", "y"));
    });
    assert_eq!(sorted, b"d1:ai1e1:bd1:x1:ye1:cl1:zee");
    assert_eq!(shuffled, sorted);
}

#[test]
fn inner_dictionaries_are_sorted_too() {
    let out = dict(|d| {
        d.list("z", |l| {
            l.dict(|d| {
                d.put("2", Value::from([("b", -7), ("a", 8)]));
                d.put("1", 0);
            });
            l.list(|l| l.put("i5e"));
        });
        d.put("", "");
    });
    assert_eq!(out, b"d0:0:1:zld1:1i0e1:2d1:ai8e1:bi-7eeel3:i5eeee");
}

#[test]
fn of_a_key_put_twice_the_last_stays() {
    assert_eq!(dict(|d| ["x", "y", "z"].iter().for_each(|value| d.put("k", value))), b"d1:k1:ze");
    let out = dict(|d| {
        d.put("b", 1);
        d.put("a", 1);
        d.put("b", 2);
        d.put("a", 2);
    });
    assert_eq!(out, b"d1:ai2e1:bi2ee");
}

#[test]
fn an_entry_without_a_value_is_left_out() {
    let out = dict(|d| {
        d.put("b", None::<u8>);
        d.put("a", Some(1));
        d.list("l", |l| {
            l.put(None::<&str>);
            l.put(Some("x"));
        });
    });
    assert_eq!(out, b"d1:ai1e1:ll1:xee");
    struct Silent;
    impl Encode for Silent {
        fn encode(&self, _: Encoder<'_>) {}
    }
    assert_eq!(dict(|d| d.put("k", Silent)), b"de");
}

#[test]
fn a_closure_hands_out_its_result() {
    fn copy_length(file: Node<'_, '_>) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        Encoder::new(&mut out).dict(|d| {
            d.put("length", file.require("length")?.int::<u64>()?);
            Ok(())
        })?;
        Ok(out)
    }
    let document = Document::decode(b"ld6:lengthi5eed6:lengthi-5eee", &Options::strict()).unwrap();
    let results: Vec<_> = document.root().as_list().unwrap().map(copy_length).collect();
    assert_eq!(results[0].as_deref(), Ok(&b"d6:lengthi5ee"[..]));
    assert_eq!(results[1].as_ref().unwrap_err().to_string(), "[1].length: integer out of range (offset 23)");
}

#[test]
fn raw_values_keep_their_bytes() {
    // Not canonical, but its hash is known: it must not change.
    let torrent = b"d4:infod1:bi07e1:ai1eee";
    let document = Document::decode(torrent, &Options::lenient()).unwrap();
    let info = document.root().find("info").unwrap().raw_value();
    let mut out = Vec::new();
    Encoder::new(&mut out).dict(|d| {
        d.put("url", "x");
        d.put("info", info);
    });
    assert_eq!(out, b"d4:infod1:bi07e1:ai1ee3:url1:xe");
    assert_eq!(Encoder::to_vec(&info.to_buf()), info.as_bytes());
}

#[test]
fn raw_values_are_checked() {
    for good in [&b"i1e"[..], b"0:", b"d1:b0:1:a0:e", b"i-0e"] {
        assert_eq!(RawValue::new(good).unwrap().as_bytes(), good);
    }
    for bad in [&b""[..], b"i1", b"i1ei2e", b"5:abc", b"d1:ae", b"d1:b0:1:a0:eX"] {
        assert!(RawValue::new(bad).is_err(), "{}", bad.escape_ascii());
    }
}
