//! `torrent files`: the files of a torrent, by number.

use serde::Serialize;

use crate::{
    describe::{self, File, SCHEMA},
    exit::Outcome,
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

Columns: number, size, path. Elsewhere than on a terminal they are separated by tabs, and sizes are bytes. \
The numbers are those of magnet links (so=), so padding counts, though it is not shown.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Files {
    /// .torrent file, or - for stdin.
    #[arg(value_name = "FILE")]
    torrent: Input,
    /// Show padding, too.
    #[arg(long)]
    pads: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    schema: u32,
    files: Vec<File>,
}

impl Files {
    pub(crate) fn run(self) -> Outcome {
        let torrent = self.torrent.read_torrent()?;
        let files = describe::files(torrent.info(), self.pads);
        if self.json {
            return output::json(&Answer { schema: SCHEMA, files });
        }
        let mut table = Table::new([Align::Right, Align::Right, Align::Left]);
        for file in files {
            let size = if table.on_terminal() { units::size(file.length) } else { file.length.to_string() };
            let path = match file.symlink {
                Some(target) if table.on_terminal() => format!("{} -> {target}", file.path),
                _ => file.path,
            };
            table.row([file.index.to_string(), size, path]);
        }
        table.print()
    }
}
