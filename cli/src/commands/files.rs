//! `torrent files`: the files of torrents, by number.

use serde::Serialize;

use crate::{
    describe::{self, File, SCHEMA},
    exit::{self, Outcome},
    input::Input,
    output,
    table::{Align, Table},
    units,
};

const EXAMPLES: &str = "\
Examples:
  torrent files album.torrent
  torrent files album.torrent | cut -f3
  torrent files --json album.torrent | jq '.files[] | select(.length > 1000000)'
  torrent files *.torrent | grep -i readme

Columns: number, size, path; of several torrents, also the .torrent file. Elsewhere than on a terminal they are separated \
by tabs, and sizes are bytes. The numbers are those of magnet links (so=), so padding counts, though it is not shown.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Files {
    /// .torrent files; - for stdin.
    #[arg(value_name = "FILE", required = true)]
    torrents: Vec<Input>,
    /// Show padding, too.
    #[arg(long)]
    pads: bool,
    /// Print JSON: an object; of several torrents, an object whose `torrents` are theirs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    schema: u32,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
struct Named {
    file: String,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
struct Several {
    schema: u32,
    torrents: Vec<Named>,
}

impl Files {
    pub(crate) fn run(self) -> Outcome {
        if let ([only], true) = (&*self.torrents, self.json) {
            let files = describe::files(only.read_torrent()?.info(), self.pads);
            return output::json(&Answer { schema: SCHEMA, files });
        }
        let mut failures = exit::Failures::default();
        let mut torrents = Vec::new();
        for input in &self.torrents {
            match input.read_torrent() {
                Ok(torrent) => {
                    torrents.push(Named { file: input.to_string(), files: describe::files(torrent.info(), self.pads) })
                }
                Err(failure) => failures.add(failure, self.torrents.len() > 1),
            }
        }
        if self.json {
            output::json(&Several { schema: SCHEMA, torrents })?;
        } else {
            self.print(torrents)?;
        }
        failures.into_outcome()
    }

    fn print(&self, torrents: Vec<Named>) -> Outcome {
        let mut table = Table::new([Align::Right, Align::Right, Align::Left, Align::Left]);
        for Named { file: torrent, files } in torrents {
            for file in files {
                let size = if table.on_terminal() { units::size(file.length) } else { file.length.to_string() };
                let path = match file.symlink {
                    Some(target) if table.on_terminal() => format!("{} -> {target}", file.path),
                    _ => file.path,
                };
                let mut cells = vec![file.index.to_string(), size, path];
                if self.torrents.len() > 1 {
                    cells.push(torrent.clone());
                }
                table.row(cells);
            }
        }
        table.print()
    }
}
