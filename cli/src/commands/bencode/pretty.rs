//! Bencoding for eyes.

use std::fmt::Write;

use torrent_bencode::{Kind, Node};

use super::Source;
use crate::{clean, describe, exit::Outcome, output};

/// So much of a string is shown.
const MAX_SHOWN: usize = 200;
/// So much of a binary string.
const MAX_HEX: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Pretty {
    #[command(flatten)]
    source: Source,
    /// Cut nothing.
    #[arg(long)]
    full: bool,
}

impl Pretty {
    pub(super) fn run(self, quiet: bool) -> Outcome {
        let bytes = self.source.read()?;
        let document = self.source.decode(&bytes, quiet)?;
        let mut text = String::new();
        show(&mut text, document.root(), 0, self.full);
        output::line(text)
    }
}

/// Recursion ends where the decoder's depth limit does.
fn show(out: &mut String, node: Node<'_, '_>, depth: usize, full: bool) {
    match node.kind() {
        Kind::Int => out.push_str(String::from_utf8_lossy(node.raw()).trim_matches(['i', 'e'])),
        Kind::Bytes => string(out, node.as_bytes().unwrap_or_default(), full),
        Kind::List => {
            let items = node.as_list().into_iter().flatten();
            container(out, ['[', ']'], depth, items, |out, item| show(out, item, depth + 1, full));
        }
        Kind::Dict => {
            let entries = node.as_dict().into_iter().flatten();
            container(out, ['{', '}'], depth, entries, |out, (key, value)| {
                match std::str::from_utf8(key) {
                    Ok(text) => out.push_str(&clean::line(text)),
                    Err(_) => string(out, key, true),
                }
                out.push_str(": ");
                show(out, value, depth + 1, full);
            });
        }
    }
}

fn container<T>(
    out: &mut String,
    [open, close]: [char; 2],
    depth: usize,
    items: impl Iterator<Item = T>,
    mut show: impl FnMut(&mut String, T),
) {
    out.push(open);
    let mut is_empty = true;
    for item in items {
        is_empty = false;
        out.push('\n');
        out.push_str(&"  ".repeat(depth + 1));
        show(out, item);
    }
    if !is_empty {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
    out.push(close);
}

fn string(out: &mut String, bytes: &[u8], full: bool) {
    let cut = |limit: usize| if full { bytes.len() } else { bytes.len().min(limit) };
    let rest = match std::str::from_utf8(bytes) {
        Ok(text) => {
            let limit = cut(MAX_SHOWN);
            let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= limit).unwrap_or(text.len());
            out.push('"');
            out.push_str(&clean::line(&text[..end]));
            out.push('"');
            bytes.len() - end
        }
        Err(_) => {
            let end = cut(MAX_HEX);
            out.push_str("0x");
            out.push_str(&describe::hex(&bytes[..end]));
            bytes.len() - end
        }
    };
    if rest > 0 {
        write!(out, "… ({} bytes)", bytes.len()).expect("strings take all text");
    }
}
