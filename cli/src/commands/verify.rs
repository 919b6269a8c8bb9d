//! `torrent verify`: what is on disk against what the torrent says.

use std::{ops::Range, path::PathBuf};

use serde::Serialize;
use torrent_content::{Report, Verifier, verify::FileReport};
use torrent_metainfo::Metainfo;

use crate::{
    describe::SCHEMA,
    exit::{Code, Failure, Outcome},
    input::Input,
    output,
    progress::Style,
    table::{Align, Table},
    units, work,
};

const EXAMPLES: &str = "\
Examples:
  torrent verify album.torrent ~/Downloads
  torrent verify --in-place album.torrent /srv/music/renamed-album
  torrent verify --json album.torrent | jq '.files[] | select(.status != \"ok\")'

Prints nothing if all is well, else a line for each bad file: what is wrong, path, and the ranges of bytes, the \
last one excluded. What is wrong is one of: missing, short, long, damaged. Of a v1 torrent whose pieces span several \
files, all files of a bad piece are named. Exits with 4 if anything is bad.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Verify {
    /// .torrent file, or - for stdin.
    #[arg(value_name = "FILE")]
    torrent: Input,
    /// The folder that holds the torrent's content: what `-o` of `download` was.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// DIR is the torrent's own folder or file, whatever its name.
    #[arg(long)]
    in_place: bool,
    /// Threads that read and hash [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// How to show progress, on stderr.
    #[arg(long, value_enum, default_value_t)]
    progress: Style,
    /// Print JSON, of good files as well.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    schema: u32,
    complete: bool,
    pieces: u32,
    good_pieces: u32,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
struct File {
    index: usize,
    path: String,
    /// Where it was looked for.
    disk_path: String,
    status: &'static str,
    length: u64,
    /// Length on disk; `null` if it is not there.
    found: Option<u64>,
    /// First byte, and the one behind the last.
    bad: Vec<(u64, u64)>,
}

impl Verify {
    pub(crate) fn run(self, quiet: bool) -> Outcome {
        let torrent = self.torrent.read_torrent()?;
        let style = if quiet { Style::None } else { self.progress };
        let (folder, in_place, threads) = (self.folder.clone(), self.in_place, self.threads);
        let (torrent, report) = work::run(style, "verifying", torrent.info().content_length(), move |progress| {
            let report = Verifier::new(&torrent).in_place(in_place).threads(threads).run_with(&folder, progress);
            let report = report.map_err(|error| Failure::io(folder.display(), &error))?;
            let report = report.ok_or_else(|| Failure::message(Code::Interrupted, "interrupted"))?;
            Ok((torrent, report))
        })?;
        if self.json {
            output::json(&answer(&torrent, &report))?;
        } else {
            print_bad(&torrent, &report)?;
        }
        let total = units::size(torrent.info().content_length());
        if report.is_complete() {
            if !quiet {
                output::note(format_args!("{}: complete, {total}", torrent.info().name()));
            }
            return Ok(());
        }
        let message = format!(
            "{}: {} bad; {} of {} pieces are good",
            torrent.info().name(),
            match bad_files(&report).count() {
                1 => "1 file is".to_owned(),
                count => format!("{count} files are"),
            },
            report.good.count_ones(),
            torrent.info().piece_count()
        );
        Err(Failure::message(Code::NotVerified, message))
    }
}

fn status(file: &FileReport) -> &'static str {
    match file.found {
        _ if file.is_good() => "ok",
        None => "missing",
        Some(found) if found < file.expected => "short",
        Some(found) if found > file.expected => "long",
        _ => "damaged",
    }
}

fn answer(torrent: &Metainfo, report: &Report) -> Answer {
    let files = torrent.info().files().iter().zip(&report.files).enumerate().filter_map(|(index, (file, found))| {
        Some(File {
            index,
            path: file.path().to_string(),
            disk_path: found.path.as_ref()?.display().to_string(),
            status: status(found),
            length: found.expected,
            found: found.found,
            bad: found.bad.iter().map(|range| (range.start, range.end)).collect(),
        })
    });
    Answer {
        schema: SCHEMA,
        complete: report.is_complete(),
        pieces: torrent.info().piece_count(),
        good_pieces: report.good.count_ones(),
        files: files.collect(),
    }
}

fn print_bad(torrent: &Metainfo, report: &Report) -> Outcome {
    let mut table = Table::new([Align::Left, Align::Left, Align::Left]);
    let files = torrent.info().files();
    for (index, found) in bad_files(report) {
        let ranges: Vec<_> = found.bad.iter().map(|Range { start, end }| format!("{start}-{end}")).collect();
        table.row([status(found), files[index].path().as_str(), &ranges.join(",")]);
    }
    table.print()
}

/// A bad piece may lie over padding, too; nobody misses that.
fn bad_files(report: &Report) -> impl Iterator<Item = (usize, &FileReport)> {
    report.bad_files().filter(|(_, file)| file.path.is_some())
}
