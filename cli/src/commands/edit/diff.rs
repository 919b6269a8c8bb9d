//! What an edit changes, key by key.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::{Serializer, ser::Error};
use torrent_bencode::{Document, Options};
use torrent_metainfo::Metainfo;

use super::super::bencode::{Shown, compact};
use crate::{
    clean,
    describe::{Hashes, SCHEMA},
    exit::Outcome,
    input::Input,
    output,
};

/// So much of a value is shown.
const MAX_SHOWN: usize = 300;

#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    torrents: Vec<Torrent<'a>>,
}

#[derive(Serialize)]
struct Torrent<'a> {
    file: String,
    old_info_hash: Hashes,
    new_info_hash: Hashes,
    changes: Vec<JsonChange<'a>>,
}

/// Values as in `bencode json`; `null` where there is none.
#[derive(Serialize)]
struct JsonChange<'a> {
    key: &'a str,
    old: Option<&'a Raw>,
    new: Option<&'a Raw>,
}

/// A key, its old value and its new one.
struct Change {
    key: String,
    old: Option<Raw>,
    new: Option<Raw>,
}

/// A value as it stands in the torrent.
#[derive(PartialEq)]
struct Raw(Vec<u8>);

impl Raw {
    fn document(&self) -> Result<Document<'_>, torrent_bencode::Error> {
        Document::decode(&self.0, &any())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shown(self.document().map_err(S::Error::custom)?.root()).serialize(serializer)
    }
}

/// It is a torrent: it was read before, within its limits.
fn any() -> Options {
    Options::lenient().max_depth(usize::MAX).max_bytes(usize::MAX).max_tokens(usize::MAX)
}

pub(super) fn print<'a>(
    torrents: impl Iterator<Item = (&'a Input, &'a Metainfo, &'a Metainfo)>,
    json: bool,
) -> Outcome {
    let torrents: Vec<_> = torrents.map(|(input, old, new)| (input, old, new, changes(old, new))).collect();
    if json {
        let torrents = torrents.iter().map(|(input, old, new, changes)| Torrent {
            file: input.to_string(),
            old_info_hash: old.info_hashes().into(),
            new_info_hash: new.info_hashes().into(),
            changes: changes.iter().map(Change::json).collect(),
        });
        return output::json(&Answer { schema: SCHEMA, torrents: torrents.collect() });
    }
    let mut text = String::new();
    for (input, old, new, changes) in &torrents {
        if torrents.len() > 1 {
            text += &format!("{input}:\n");
        }
        for Change { key, old, new } in changes {
            for (sign, value) in [('-', old), ('+', new)] {
                if let Some(value) = value {
                    text += &format!("{sign} {}: {}\n", clean::line(key), shown(value));
                }
            }
        }
        if old.info_hashes() != new.info_hashes() {
            text += &format!("- info hash: {}\n+ info hash: {}\n", old.info_hashes(), new.info_hashes());
        }
    }
    output::text(text)
}

impl Change {
    fn json(&self) -> JsonChange<'_> {
        JsonChange { key: &self.key, old: self.old.as_ref(), new: self.new.as_ref() }
    }
}

fn changes(old: &Metainfo, new: &Metainfo) -> Vec<Change> {
    let mut changes = compare("", old.as_bytes(), new.as_bytes());
    if old.info().as_bytes() != new.info().as_bytes() {
        changes.extend(compare("info.", old.info().as_bytes(), new.info().as_bytes()));
    }
    changes
}

fn compare(prefix: &str, old: &[u8], new: &[u8]) -> Vec<Change> {
    let (mut old, mut new) = (entries(old), entries(new));
    if prefix.is_empty() {
        old.remove(&b"info"[..]);
        new.remove(&b"info"[..]);
    }
    let mut changes = Vec::new();
    let mut keys: Vec<_> = old.keys().chain(new.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (old, new) = (old.remove(&key), new.remove(&key));
        if old != new {
            changes.push(Change { key: format!("{prefix}{}", String::from_utf8_lossy(&key)), old, new });
        }
    }
    changes
}

fn entries(dict: &[u8]) -> BTreeMap<Vec<u8>, Raw> {
    let Ok(document) = Document::decode(dict, &any()) else { return BTreeMap::new() };
    let mut entries = BTreeMap::new();
    for (key, value) in document.root().as_dict().into_iter().flatten() {
        // Of a key that occurs twice, the first counts.
        entries.entry(key.to_vec()).or_insert_with(|| Raw(value.raw().to_vec()));
    }
    entries
}

fn shown(value: &Raw) -> String {
    let text = value.document().map(|document| compact(document.root())).unwrap_or_default();
    let text = clean::line(&text);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
