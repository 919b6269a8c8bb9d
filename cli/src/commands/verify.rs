//! `torrent verify`: what is on disk against what torrents say.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Serialize;
use torrent_content::{
    Report, Verifier,
    verify::{FileReport, Problem},
};
use torrent_metainfo::{Metainfo, Warning};

use crate::{
    describe::SCHEMA,
    exit::{Code, Failure, Failures, Outcome},
    input::Input,
    output,
    progress::Style,
    table::{Align, Table},
    units, work,
};

const EXAMPLES: &str = "\
Examples:
  torrent verify album.torrent ~/Downloads
  torrent verify *.torrent ~/Downloads
  torrent verify --in-place album.torrent /srv/music/renamed-album
  torrent verify disk.iso.torrent /srv/renamed.iso
  torrent verify --json album.torrent | jq '.files[] | select(.status != \"ok\")'

Prints nothing if all is well, else a line for each bad file: what is wrong, path, and the ranges of bytes, the \
last one excluded; of several torrents, also the .torrent file. What is wrong is one of: missing, short, long, damaged; \
\"not a file\" for a folder, pipe or device; \"unreadable\" for what the system does not let us read, which need not be bad; \
\"unknown\" for a file that shares all its doubtful pieces with an unreadable one. Of a v1 torrent whose pieces span several \
files, all files of a bad piece are named.

A file is looked for under the exact name that the torrent gives it, then under the name that download would give it, then \
under one whose accents are composed in another way.

Exits with 4 if anything is bad, with 5 if all that is wrong is that something cannot be read.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES, override_usage = "torrent verify [OPTIONS] <FILE>... [DIR]")]
pub(crate) struct Verify {
    /// .torrent files, or - for stdin; and as the last, the folder that holds their content: what `-o` of `download` was
    /// [default: .]. For a torrent of a single file it may be the file itself.
    #[arg(value_name = "FILE|DIR", required = true)]
    arguments: Vec<Input>,
    /// DIR is the torrent's own folder or file, whatever its name.
    #[arg(long)]
    in_place: bool,
    /// Let pass what leaves all pieces good: files that are too long, empty files and symlinks that are missing, the SHA-256 view of
    /// a hybrid, piece layers that do not match their roots.
    #[arg(long)]
    lenient: bool,
    /// Threads that read and hash [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// How to show progress, on stderr.
    #[arg(long, value_enum, default_value_t)]
    progress: Style,
    /// Print JSON, of good files as well: an object; of several torrents, an object whose `torrents` are theirs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<u32>,
    /// The .torrent file, among several.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    complete: bool,
    pieces: u32,
    good_pieces: u32,
    /// Of which a part cannot be read.
    unknown_pieces: u32,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
struct Several {
    schema: u32,
    torrents: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct File {
    index: usize,
    path: String,
    /// Where it was looked for.
    disk_path: String,
    status: &'static str,
    /// Why it cannot be read.
    error: Option<String>,
    length: u64,
    /// Length on disk; `null` if it is not there.
    found: Option<u64>,
    /// First byte, and the one behind the last.
    bad: Vec<(u64, u64)>,
    unknown: Vec<(u64, u64)>,
}

/// What to check against what.
struct Job<'a> {
    torrents: &'a [Input],
    /// Where the content is.
    place: PathBuf,
    is_one: bool,
}

impl Verify {
    pub(crate) fn run(self, quiet: bool) -> Outcome {
        let job = self.job()?;
        let mut failures = Failures::default();
        let mut answers = Vec::new();
        let mut table = Table::new([Align::Left; 4]);
        for input in job.torrents {
            match self.check(input, &job, quiet) {
                Ok((torrent, report)) => {
                    if self.json {
                        answers.push(answer(&torrent, &report, (!job.is_one).then_some(input)));
                    } else {
                        list_bad(&mut table, &torrent, &report, (!job.is_one).then_some(input));
                    }
                    if let Err(failure) = self.judge(&torrent, &report, &job, quiet) {
                        failures.add(failure, !job.is_one);
                    }
                }
                Err(failure) if failure.code() == Code::Interrupted => return Err(failure),
                Err(failure) => failures.add(failure, !job.is_one),
            }
        }
        if !self.json {
            table.print()?;
        } else if !job.is_one {
            output::json(&Several { schema: SCHEMA, torrents: answers })?;
        } else if let Some(only) = answers.pop() {
            output::json(&only)?;
        }
        failures.into_outcome()
    }

    /// The last argument is the place of the content if it can be nothing else.
    fn job(&self) -> Outcome<Job<'_>> {
        let here = |torrents| Job { torrents, place: PathBuf::from("."), is_one: self.arguments.len() == 1 };
        let Some((last, torrents)) = self.arguments.split_last().filter(|(_, torrents)| !torrents.is_empty()) else {
            return Ok(here(&self.arguments));
        };
        let Some(path) = last.path() else { return Ok(here(&self.arguments)) };
        let is_torrent = path.is_file() && last.read_torrent().is_ok();
        let is_place = self.in_place || path.is_dir() || !is_torrent;
        if let ([first], true) = (torrents, is_torrent && !is_place) {
            is_swapped(first, path)?;
        }
        // The name of a torrent that is not there is no folder, either.
        let is_missing_torrent = !path.exists() && path.extension().is_some_and(|extension| extension == "torrent");
        if !is_place || (is_missing_torrent && !self.in_place) {
            return Ok(here(&self.arguments));
        }
        Ok(Job { torrents, place: path.to_owned(), is_one: torrents.len() == 1 })
    }

    fn check(&self, input: &Input, job: &Job<'_>, quiet: bool) -> Outcome<(Metainfo, Report)> {
        let torrent = input.read_torrent()?;
        self.check_layers(input, &torrent, quiet)?;
        let in_place = self.in_place(input, &torrent, &job.place)?;
        let style = if quiet { Style::None } else { self.progress };
        let (place, threads, lenient) = (job.place.clone(), self.threads, self.lenient);
        work::run(style, "verifying", torrent.info().content_length(), move |progress| {
            let verifier = Verifier::new(&torrent).in_place(in_place).threads(threads);
            let report = if lenient { verifier.v1_only() } else { verifier }.run_with(&place, progress);
            let report = report.map_err(|error| Failure::io(place.display(), &error))?;
            let report = report.ok_or_else(|| Failure::message(Code::Interrupted, "interrupted"))?;
            Ok((torrent, report))
        })
    }

    /// What outside of `info` contradicts it makes the torrent a bad one, though its content can be checked without.
    fn check_layers(&self, input: &Input, torrent: &Metainfo, quiet: bool) -> Outcome {
        let is_about_layers =
            |warning: &&Warning| matches!(warning, Warning::PieceLayer { .. } | Warning::MissingLayers { .. });
        for warning in torrent.warnings().iter().filter(is_about_layers) {
            if matches!(warning, Warning::PieceLayer { .. }) && !self.lenient {
                return Err(input.bad(format_args!("{warning}; --lenient checks without it")));
            }
            if !quiet {
                output::note(format_args!("{input}: {warning}"));
            }
        }
        Ok(())
    }

    /// A file can only be the content itself.
    fn in_place(&self, input: &Input, torrent: &Metainfo, place: &Path) -> Outcome<bool> {
        if self.in_place || !place.is_file() {
            return Ok(self.in_place);
        }
        if torrent.info().is_folder() {
            let message = format!("{}: a file, and {input} is about a folder", place.display());
            return Err(Failure::message(Code::Usage, message));
        }
        Ok(true)
    }

    fn judge(&self, torrent: &Metainfo, report: &Report, job: &Job<'_>, quiet: bool) -> Outcome {
        let name = torrent.info().name();
        if report.is_complete() || (self.lenient && report.has_all_pieces()) {
            if !quiet {
                output::note(format_args!("{name}: complete, {}", units::size(torrent.info().content_length())));
            }
            return Ok(());
        }
        let good = format!("{} of {} pieces are good", report.good.count_ones(), torrent.info().piece_count());
        if !report.has_damage() {
            let problem = report.files.iter().find_map(|file| Some((file.path.as_ref()?, file.problem.as_ref()?)));
            let what = problem.map(|(path, problem)| format!(": {}: {problem}", path.display())).unwrap_or_default();
            let count = bad_files(report).count();
            return Err(Failure::message(
                Code::Disk,
                format!("{name}: {} cannot be read{what}; {good}", files(count, "")),
            ));
        }
        let hint = self.hint(torrent, report, &job.place);
        let message = format!("{name}: {} bad; {good}{hint}", files(bad_files(report).count(), " is"));
        Err(Failure::message(Code::NotVerified, message))
    }

    /// Where the content may be, if none of it was found.
    fn hint(&self, torrent: &Metainfo, report: &Report, place: &Path) -> String {
        let mut files = report.files.iter().filter(|file| file.path.is_some());
        if self.in_place || place.is_file() || !files.all(FileReport::is_missing) {
            return String::new();
        }
        let info = torrent.info();
        let inside = info.files().iter().filter(|file| !file.is_pad()).filter_map(|file| file.path().without_root());
        let is_inside = inside.take(100).any(|path| path.under(place).exists());
        let is_named =
            fs::canonicalize(place).is_ok_and(|place| place.file_name().is_some_and(|name| name == info.name()));
        match info.is_folder() && (is_inside || is_named) {
            true => format!("; if {} is the folder of the torrent itself, say --in-place", place.display()),
            false => format!("; there is no {} in {}", info.name(), place.display()),
        }
    }
}

fn files(count: usize, verb: &str) -> String {
    match (count, verb) {
        (1, "") => "1 file".to_owned(),
        (1, verb) => format!("1 file{verb}"),
        (count, "") => format!("{count} files"),
        (count, _) => format!("{count} files are"),
    }
}

/// Content in the place of the torrent, and the torrent in that of the content.
fn is_swapped(first: &Input, second: &Path) -> Outcome {
    let is_content = first.path().is_some_and(|path| path.extension().is_none_or(|extension| extension != "torrent"));
    match first.read_torrent() {
        Err(failure) if failure.code() == Code::BadInput && is_content => {
            let message = format!("not a torrent, but {} is one; the torrent comes first", second.display());
            Err(first.bad(message))
        }
        _ => Ok(()),
    }
}

fn status(file: &FileReport) -> &'static str {
    match (&file.problem, file.found) {
        _ if file.is_good() => "ok",
        (Some(Problem::NotAFile), _) => "not a file",
        (Some(_), _) => "unreadable",
        (None, None) => "missing",
        (None, Some(found)) if found < file.expected => "short",
        (None, Some(found)) if found > file.expected => "long",
        _ if file.bad.is_empty() => "unknown",
        _ => "damaged",
    }
}

fn answer(torrent: &Metainfo, report: &Report, file: Option<&Input>) -> Answer {
    let files = torrent.info().files().iter().zip(&report.files).enumerate().filter_map(|(index, (file, found))| {
        let ranges = |ranges: &[Range<u64>]| ranges.iter().map(|range| (range.start, range.end)).collect();
        Some(File {
            index,
            path: file.path().to_string(),
            disk_path: found.path.as_ref()?.display().to_string(),
            status: status(found),
            error: found.problem.as_ref().map(ToString::to_string),
            length: found.expected,
            found: found.found,
            bad: ranges(&found.bad),
            unknown: ranges(&found.unknown),
        })
    });
    Answer {
        schema: file.is_none().then_some(SCHEMA),
        file: file.map(ToString::to_string),
        complete: report.is_complete(),
        pieces: torrent.info().piece_count(),
        good_pieces: report.good.count_ones(),
        unknown_pieces: report.unknown.count_ones(),
        files: files.collect(),
    }
}

fn list_bad(table: &mut Table, torrent: &Metainfo, report: &Report, input: Option<&Input>) {
    let files = torrent.info().files();
    for (index, found) in bad_files(report) {
        let ranges = found.bad.iter().chain(&found.unknown);
        let ranges: Vec<_> = ranges.map(|Range { start, end }| format!("{start}-{end}")).collect();
        let cells = [status(found).to_owned(), files[index].path().to_string(), ranges.join(",")];
        table.row(cells.into_iter().chain(input.map(ToString::to_string)));
    }
}

/// A bad piece may lie over padding, too; nobody misses that.
fn bad_files(report: &Report) -> impl Iterator<Item = (usize, &FileReport)> {
    report.bad_files().filter(|(_, file)| file.path.is_some())
}
