//! Bencoding to JSON without loss. The other way is in `from_json`.

use serde::{Serialize, Serializer, ser::Error};
use torrent_bencode::{Dict, Document, Node, Options, Value};

use super::Source;
use crate::{describe::bencode_text, exit::Outcome, output};

#[derive(Debug, clap::Args)]
pub(super) struct Json {
    #[command(flatten)]
    source: Source,
    /// All in one line.
    #[arg(short, long)]
    compact: bool,
}

impl Json {
    pub(super) fn run(self, quiet: bool) -> Outcome {
        let bytes = self.source.read()?;
        let document = self.source.decode(&bytes, quiet)?;
        if self.compact { output::json_line(&compact(document.root())) } else { output::json(&Shown(document.root())) }
    }
}

/// In one line.
pub(in crate::commands) fn compact(value: Node<'_, '_>) -> String {
    serde_json::to_string(&Shown(value)).unwrap_or_default()
}

/// The same for a value that was made here.
pub(in crate::commands) fn compact_value(value: &Value) -> String {
    let bencode = value.encode();
    let document = Document::decode(&bencode, &Options::lenient().max_depth(usize::MAX).max_tokens(usize::MAX));
    document.map(|document| compact(document.root())).unwrap_or_default()
}

/// A value that serializes to its JSON, without a copy of it. Recursion ends where the decoder's depth limit does.
pub(in crate::commands) struct Shown<'d, 'a>(pub(in crate::commands) Node<'d, 'a>);

impl Serialize for Shown<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let node = self.0;
        if let Some(bytes) = node.as_bytes() {
            return serializer.serialize_str(&bencode_text(bytes));
        }
        if let Some(list) = node.as_list() {
            return serializer.collect_seq(list.map(Shown));
        }
        if let Some(dict) = node.as_dict() {
            return serializer
                .collect_map(entries(dict).into_iter().map(|(key, value)| (bencode_text(key), Shown(value))));
        }
        match (node.as_int(), node.as_u64()) {
            (Some(int), _) => serializer.serialize_i64(int),
            (_, Some(int)) => serializer.serialize_u64(int),
            _ => Err(S::Error::custom("integer out of range")),
        }
    }
}

/// In order, each key once: of several that are equal, the first counts.
fn entries<'d, 'a>(dict: Dict<'d, 'a>) -> Vec<(&'a [u8], Node<'d, 'a>)> {
    let mut entries: Vec<_> = dict.collect();
    if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
        entries.sort_by_key(|(key, _)| *key);
        entries.dedup_by_key(|(key, _)| *key);
    }
    entries
}
