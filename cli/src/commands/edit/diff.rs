//! What an edit changes, key by key.

use std::collections::BTreeMap;

use serde::Serialize;
use torrent_bencode::{Document, Options, Value};
use torrent_metainfo::Metainfo;

use super::super::bencode::{Shown, compact};
use crate::{
    describe::{Hashes, SCHEMA},
    exit::Outcome,
    input::Input,
    output, table,
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
    old: Option<Shown<'a>>,
    new: Option<Shown<'a>>,
}

/// A key, its old value and its new one.
struct Change {
    key: String,
    old: Option<Value>,
    new: Option<Value>,
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
                    text += &format!("{sign} {}: {}\n", table::clean(key), shown(value));
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
        JsonChange { key: &self.key, old: self.old.as_ref().map(Shown), new: self.new.as_ref().map(Shown) }
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

/// It is a torrent: it can be read.
fn entries(dict: &[u8]) -> BTreeMap<Vec<u8>, Value> {
    let document = Document::decode(dict, &Options::lenient().max_depth(usize::MAX));
    match document.map(|document| document.root().to_value()) {
        Ok(Value::Dict(entries)) => entries,
        _ => BTreeMap::new(),
    }
}

fn shown(value: &Value) -> String {
    let text = table::clean(&compact(value));
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
