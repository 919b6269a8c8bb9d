//! Bencoding to JSON without loss. The other way is in `from_json`.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::Error};
use torrent_bencode::Value;

use super::Source;
use crate::{describe, exit::Outcome, output};

/// In front of the bytes of a string that is not UTF-8.
pub(super) const HEX: &str = "hex:";
/// In front of text that would be taken for something else.
pub(super) const UTF8: &str = "utf8:";

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
        let value = self.source.decode(&bytes, quiet)?.root().to_value();
        if self.compact { output::line(compact(&value)) } else { output::json(&Shown(&value)) }
    }
}

/// In one line.
pub(in crate::commands) fn compact(value: &Value) -> String {
    serde_json::to_string(&Shown(value)).unwrap_or_default()
}

/// A value that serializes to its JSON. Recursion ends where the decoder's depth limit does.
pub(in crate::commands) struct Shown<'a>(pub(in crate::commands) &'a Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
                (Ok(int), _) => serializer.serialize_i64(int),
                (_, Ok(int)) => serializer.serialize_u64(int),
                _ => Err(S::Error::custom("integer out of range")),
            },
            Value::Bytes(bytes) => serializer.serialize_str(&text(bytes)),
            Value::List(list) => serializer.collect_seq(list.iter().map(Shown)),
            Value::Dict(dict) => serializer.collect_map(dict.iter().map(|(key, value)| (text(key), Shown(value)))),
        }
    }
}

/// A string as JSON has it.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with(HEX) || text.starts_with(UTF8) => format!("{UTF8}{text}").into(),
        Ok(text) => text.into(),
        Err(_) => format!("{HEX}{}", describe::hex(bytes)).into(),
    }
}
