//! The straight way and the way by tokens lead to the same place: types of a torrent, and types that do not behave.

use std::{
    borrow::ToOwned as _,
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use ::serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use proptest::{collection::vec, prelude::*};

use super::{
    fuzzing::{agree, agrees},
    straight::from_bytes,
};
use crate::{Options, RawValue, Value};

#[derive(Debug, PartialEq, Deserialize)]
struct Torrent<'a> {
    announce: Option<&'a str>,
    #[serde(borrow)]
    info: Info<'a>,
    #[serde(default, borrow, rename = "url-list")]
    url_list: Vec<&'a str>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Info<'a> {
    #[serde(borrow, default)]
    files: Vec<File<'a>>,
    name: String,
    #[serde(with = "super::bytes")]
    pieces: &'a [u8],
    private: Option<bool>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct File<'a> {
    length: u64,
    #[serde(borrow)]
    path: Vec<&'a str>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Kept<'a> {
    announce: Option<String>,
    #[serde(borrow)]
    info: RawValue<'a>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flattened {
    announce: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Message {
    #[serde(rename = "announce")]
    Announce(String),
    #[serde(rename = "info")]
    Info { name: String },
    #[serde(rename = "files")]
    Files(i8, u16),
    #[serde(rename = "private")]
    Private,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name(String);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(i64),
    Name(Name),
    Many(Vec<Self>),
    Map(BTreeMap<Name, Self>),
}

fn all_agree(data: &[u8]) {
    for options in [
        Options::strict(),
        Options::lenient(),
        Options::strict().max_depth(4).max_tokens(20),
        Options::lenient().max_depth(5).max_tokens(60).max_bytes(80),
    ] {
        agree::<Torrent<'_>>(data, &options);
        agree::<Kept<'_>>(data, &options);
        agree::<Flattened>(data, &options);
        agree::<Message>(data, &options);
        agree::<Vec<Message>>(data, &options);
        agree::<Either>(data, &options);
        agree::<BTreeMap<Name, Either>>(data, &options);
        agrees::<Stranger<OnlyKeys>>(data, &options);
        agrees::<Stranger<FirstEntry>>(data, &options);
        agrees::<Stranger<FirstElement>>(data, &options);
        agrees::<Stranger<NoValues>>(data, &options);
        agrees::<Stranger<Forgiving>>(data, &options);
        agrees::<BTreeMap<String, Stranger<Forgiving>>>(data, &options);
        agrees::<Vec<Stranger<Forgiving>>>(data, &options);
    }
}

const TORRENT: &str = "d8:announce3:url7:comment2:hi4:infod5:filesld6:lengthi5e4:pathl1:a1:beed6:lengthi70e4:pathl2:bc\
    ed0:leeee4:name4:name6:pieces4:abcd7:privatei1ee8:url-listl1:x1:yee";

#[test]
fn whatever_is_cut_off_or_changed_the_two_ways_agree() {
    let torrent = TORRENT.as_bytes();
    all_agree(torrent);
    for at in 0..torrent.len() {
        all_agree(&torrent[..at]);
        all_agree(&[&torrent[..at], &torrent[at + 1..]].concat());
        for byte in *b"02eild:" {
            let mut changed = torrent.to_owned();
            changed[at] = byte;
            all_agree(&changed);
            changed.insert(at, torrent[at]);
            all_agree(&changed);
        }
    }
}

#[test]
fn of_everything_that_is_bencoding_the_two_ways_say_the_same() {
    for input in [
        "d8:announcei1ee",
        "d8:announce1:a4:info0:e",
        "d8:announce1:ae",
        "d4:infod4:name1:nee",
        "d5:filesli-7ei7eee",
        "d5:filesli-7ei7ei7eee",
        "7:private",
        "d7:privatee",
        "d7:private0:e",
        "l7:privated8:announce1:xee",
        "i18446744073709551615e",
        "i9223372036854775808e",
        "i-9223372036854775808e",
        "i-9223372036854775809e",
        "i18446744073709551616e",
        "i0000000000000000000000000000000000000001e",
        "d0:0:1:a0:e",
        "d8:announce1:a8:announce1:b4:infodee",
        "d4:infode8:announce1:a4:infodee",
        "li1e1:al1:bed1:ci2eee",
    ] {
        all_agree(input.as_bytes());
    }
}

/// Words of torrents, so that random sentences of them get far.
fn words() -> impl Strategy<Value = Vec<&'static str>> {
    const WORDS: [&str; 24] = [
        "d",
        "l",
        "e",
        "i0e",
        "i1e",
        "i-7e",
        "i300e",
        "i05e",
        "i-0e",
        "i18446744073709551615e",
        "0:",
        "1:a",
        "01:b",
        "2:bc",
        "2:\u{e9}",
        "8:announce",
        "4:info",
        "4:name",
        "5:files",
        "6:length",
        "4:path",
        "6:pieces",
        "7:private",
        "8:url-list",
    ];
    vec(prop::sample::select(&WORDS[..]), 0..24)
}

proptest! {
    #[test]
    fn the_two_ways_agree_on_words(words in words()) {
        all_agree(words.concat().as_bytes());
        all_agree([&["d4:info"], &words[..], &["ee"]].concat().concat().as_bytes());
    }

    #[test]
    fn the_two_ways_agree_on_changed_torrents(changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4)) {
        let mut torrent = TORRENT.as_bytes().to_owned();
        for (at, byte, what) in changes {
            let at = at.index(torrent.len());
            match what {
                0 => torrent[at] = byte,
                1 => torrent.insert(at, byte),
                _ => drop(torrent.remove(at)),
            }
        }
        all_agree(&torrent);
    }

    #[test]
    fn the_two_ways_agree_on_integers(sign in "-?", zeros in 0..3_usize, digits in "[0-9]{0,22}", end in "[e:]?") {
        let integer = ["i", &sign, &"0".repeat(zeros), &digits, &end].concat();
        let options = Options::strict();
        agree::<i64>(integer.as_bytes(), &options);
        agree::<u64>(integer.as_bytes(), &options);
        agree::<i128>(integer.as_bytes(), &options);
        agree::<u16>(integer.as_bytes(), &options);
        agree::<bool>(integer.as_bytes(), &options);
        agree::<Value>(integer.as_bytes(), &options);
        agree::<RawValue<'_>>(integer.as_bytes(), &options);
    }
}

#[test]
fn the_straight_way_ends_where_the_limits_are() {
    let straight = |input: &[u8], options: Options| from_bytes::<Value>(input, &options).is_ok();
    let nested = [vec![b'l'; 100], vec![b'e'; 100]].concat();
    assert!(straight(&nested, Options::strict()));
    assert!(!straight(&nested, Options::strict().max_depth(99)));
    assert!(straight(&nested, Options::strict().max_tokens(200).max_bytes(200)));
    assert!(!straight(&nested, Options::strict().max_tokens(199)));
    assert!(!straight(&nested, Options::strict().max_bytes(199)));
    let strings = [&b"l"[..], &b"10:xxxxxxxxxx".repeat(3), b"e"].concat();
    assert!(straight(&strings, Options::strict().max_tokens(5)));
    assert!(!straight(&strings, Options::strict().max_tokens(4)));
    assert!(!straight(&[b'l'; 1_000_000], Options::lenient()));
}

/// A type whose own code makes something unusual of the deserializer.
#[derive(Debug, PartialEq)]
struct Stranger<B>(String, PhantomData<B>);

trait Behaviour: PartialEq + fmt::Debug {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error>;
}

impl<'de, B: Behaviour> Deserialize<'de> for Stranger<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(B::read(deserializer)?, PhantomData))
    }
}

macro_rules! visitor {
    ($behaviour:ident) => {
        #[derive(Debug, PartialEq)]
        struct $behaviour;

        impl Behaviour for $behaviour {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
                deserializer.deserialize_any(Self)
            }
        }
    };
}

// Never asks for a value.
visitor!(OnlyKeys);

impl<'de> Visitor<'de> for OnlyKeys {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            keys.push(key);
        }
        Ok(keys.concat())
    }
}

// Leaves before the end.
visitor!(FirstEntry);

impl<'de> Visitor<'de> for FirstEntry {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        Ok(map.next_entry::<String, IgnoredAny>()?.map(|(key, _)| key).unwrap_or_default())
    }
}

// Leaves before the end, of a list.
visitor!(FirstElement);

impl<'de> Visitor<'de> for FirstElement {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an element")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        Ok(list.next_element::<String>()?.unwrap_or_default())
    }
}

// Takes keys, values and elements, but does not look at them.
visitor!(NoValues);

#[derive(Debug)]
struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

impl<'de> Visitor<'de> for NoValues {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a container")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut count = 0;
        while let Some(Unread) = list.next_element()? {
            count += 1;
        }
        Ok(count.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut count = 0;
        while let Some(Unread) = map.next_key()? {
            let Unread = map.next_value()?;
            count += 1;
        }
        Ok(count.to_string())
    }
}

/// Takes what is wrong for granted.
#[derive(Debug, PartialEq)]
struct Forgiving;

impl Forgiving {
    fn or_message<'de, T: DeserializeOwned + ToString, D: Deserializer<'de>>(deserializer: D) -> String {
        T::deserialize(deserializer).map_or_else(|error| error.to_string(), |value| value.to_string())
    }
}

impl Behaviour for Forgiving {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Ok(Self::or_message::<u8, D>(deserializer))
    }
}
