//! `torrent bencode`: bencoding for people, scripts and back. In: one value, from a file or stdin.

mod check;
mod from_json;
mod get;
mod json;
mod pretty;

pub(in crate::commands) use json::{Shown, compact, compact_value};
use torrent_bencode::{Document, Options};

use crate::{
    exit::{Code, Failure, Outcome},
    input::Input,
    limits, output,
};

const JSON_HELP: &str = "\
Integers, lists and dictionaries are themselves. A string of UTF-8 is itself; any other is \"hex:\" and its bytes \
in hexadecimal. A string of UTF-8 that begins with \"hex:\" or \"utf8:\" has \"utf8:\" in front. Keys are strings like \
others. So `json` followed by `from-json` gives the bytes again that it was given, if they were canonical. \
JSON that has no bencoding (fractions, true, false, null) is refused, as are keys that occur twice.

Examples:
  torrent bencode json album.torrent | jq .info.name
  torrent bencode json album.torrent | jq 'del(.comment)' | torrent bencode from-json > bare.torrent
  torrent bencode get info --raw album.torrent | sha1sum
  torrent bencode get 'info.files[0].path' album.torrent
  torrent bencode check album.torrent";

#[derive(Debug, clap::Args)]
#[command(after_long_help = JSON_HELP)]
pub(crate) struct Bencode {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print a value as JSON.
    #[command(after_long_help = JSON_HELP)]
    Json(json::Json),
    /// Print a value for people: indented, binary strings cut.
    #[command(visible_alias = "spew")]
    Pretty(pretty::Pretty),
    /// Turn JSON into bencoding.
    #[command(after_long_help = JSON_HELP)]
    FromJson(from_json::FromJson),
    /// Say whether something is canonical bencoding.
    Check(check::Check),
    /// Print one value, by its path.
    Get(get::Get),
}

impl Bencode {
    pub(crate) fn run(self, quiet: bool) -> Outcome {
        match self.action {
            Action::Json(command) => command.run(quiet),
            Action::Pretty(command) => command.run(quiet),
            Action::FromJson(command) => command.run(),
            Action::Check(command) => command.run(quiet),
            Action::Get(command) => command.run(quiet),
        }
    }
}

/// What is read, and how carefully.
#[derive(Debug, clap::Args)]
struct Source {
    /// File, or - for stdin.
    #[arg(value_name = "FILE", default_value = "-")]
    file: Input,
    /// Refuse what is not canonical, instead of saying so and going on.
    #[arg(long)]
    strict: bool,
}

impl Source {
    fn read(&self) -> Outcome<Vec<u8>> {
        self.file.read()
    }

    fn decode<'a>(&self, bytes: &'a [u8], quiet: bool) -> Outcome<Document<'a>> {
        let options = limits::bencode(if self.strict { Options::strict() } else { Options::lenient() });
        let document =
            Document::decode(bytes, &options).map_err(|error| self.file.bad(limits::explain_bencode(&error)))?;
        for warning in document.warnings().iter().filter(|_| !quiet) {
            output::note(format_args!("{}: {warning}", self.file));
        }
        Ok(document)
    }
}

/// No value there.
fn missing(file: &Input, path: &str) -> Failure {
    Failure::message(Code::Other, format!("{file}: nothing at {path}"))
}
