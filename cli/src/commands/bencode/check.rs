//! Whether bytes are canonical bencoding.

use serde::Serialize;
use torrent_bencode::{Document, Options};

use crate::{describe::SCHEMA, exit::Outcome, input::Input, limits, output};

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// File, or - for stdin.
    #[arg(value_name = "FILE", default_value = "-")]
    file: Input,
    /// Let pass what v1 torrents in the wild have: unsorted keys, leading zeros and the like.
    #[arg(long)]
    lenient: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    schema: u32,
    canonical: bool,
    /// Why it is no bencoding at all.
    error: Option<Oddity>,
    /// What is not canonical; the first 64.
    warnings: Vec<Oddity>,
}

#[derive(Debug, Serialize)]
struct Oddity {
    what: String,
    /// Bytes from the beginning.
    offset: usize,
    /// Keys and indices that lead there, as for `get`.
    path: Option<String>,
}

impl Check {
    pub(super) fn run(self, quiet: bool) -> Outcome {
        let bytes = self.file.read()?;
        let lenient = Document::decode(&bytes, &limits::bencode(Options::lenient()));
        let strict = Document::decode(&bytes, &limits::bencode(Options::strict())).map(drop);
        let warnings = lenient.as_ref().map(Document::warnings).unwrap_or_default();
        if self.json {
            let warning = |warning: &torrent_bencode::Warning| Oddity {
                what: warning.kind().to_string(),
                offset: warning.offset(),
                path: None,
            };
            let error = |error: &torrent_bencode::Error| Oddity {
                what: error.kind().to_string(),
                offset: error.offset(),
                path: Some(error.path().to_string()),
            };
            output::json(&Answer {
                schema: SCHEMA,
                canonical: strict.is_ok(),
                error: lenient.as_ref().err().map(error),
                warnings: warnings.iter().map(warning).collect(),
            })?;
        } else if !quiet {
            warnings.iter().for_each(|warning| output::note(format_args!("{}: {warning}", self.file)));
        }
        match (lenient, strict) {
            (Err(error), _) => Err(self.file.bad(limits::explain_bencode(&error))),
            (Ok(_), Err(error)) if !self.lenient => Err(self.file.bad(error)),
            _ => Ok(()),
        }
    }
}
