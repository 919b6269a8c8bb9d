//! `torrent create`: files and folders to torrents.

mod plan;
mod spool;

use std::path::{Path, PathBuf};

use torrent_content::{
    Builder, CreateError, Version,
    create::{FileOrder, Glob, Plan, SkipReason, Symlinks},
};
use torrent_types::HostPort;

use crate::{
    describe,
    exit::{Code, Failure, Outcome},
    input::Input,
    limits,
    output::{self, Output},
    progress::Style,
    values::{Date, PieceLength, Tier, Url},
    work,
};

const EXAMPLES: &str = "\
Examples:
  torrent create -a https://tracker.example/announce album/
  torrent create --format v1 --piece-length 256KiB -o disk.torrent disk.iso
  torrent create --date none --no-created-by -o - album/ | sha256sum
  torrent create --piece-count 1500 --max-piece-length 16MiB --announce-from passkeys.txt disk.iso
  torrent create --dry-run --exclude '*.nfo' --exclude 'Sample/' album/
  pg_dump db | torrent create --name db.sql -o db.torrent -

Old clients: aria2 1.36 gives a hybrid another info hash than anybody else, and finds no peers; Transmission 3.00 refuses \
it. Where they matter, use --format v1.

A file in the folder that -o names is left out: it is the torrent. Names that receivers on other systems cannot have are \
told; they get others there, and the content is the same.

No tracker is added that you do not name. Without -o the torrent goes to NAME.torrent in the current folder. \
The same files and options give the same bytes, but for the date: set it (--date, or SOURCE_DATE_EPOCH in the \
environment) or leave it out (--date none).

Patterns: * is any text but /, ** any text, ? one character, [a-z] one of a set. A pattern without / is compared \
with names at any depth, one with / with the whole path below PATH.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Create {
    /// File or folder; - or a pipe for what can be read only once, which needs --name and is kept in a temporary file meanwhile.
    path: PathBuf,
    /// Where the torrent goes: a file, a folder for NAME.torrent in it, or - for stdout [default: NAME.torrent]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there; write to a terminal.
    #[arg(short, long)]
    force: bool,
    /// Which clients it is for.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Bytes per piece, as 262144, 256KiB, 256k or 2^18 [default: by size, as libtorrent does]
    #[arg(short = 'l', long, value_name = "SIZE")]
    piece_length: Option<PieceLength>,
    /// How many pieces, about: the piece length is the power of two that gives so many or fewer.
    #[arg(long, value_name = "N", conflicts_with = "piece_length", value_parser = clap::value_parser!(u32).range(1..))]
    piece_count: Option<u32>,
    /// The longest piece, where its length is not given.
    #[arg(long, value_name = "SIZE", conflicts_with = "piece_length")]
    max_piece_length: Option<PieceLength>,
    /// Tracker, a tier of its own; several in one argument, separated by spaces or commas, share a tier.
    #[arg(short, long = "announce", value_name = "URL")]
    announce: Vec<Tier>,
    /// Trackers in a file, a tier a line, so that no passkey stands on the command line; - is stdin.
    #[arg(long, value_name = "FILE")]
    announce_from: Option<Input>,
    /// Server that has the files (BEP 19); may be given several times.
    #[arg(short, long = "web-seed", value_name = "URL")]
    web_seeds: Vec<Url>,
    /// Server that has the pieces (BEP 17); may be given several times.
    #[arg(long = "http-seed", value_name = "URL")]
    http_seeds: Vec<Url>,
    /// DHT node to begin with (BEP 5); may be given several times.
    #[arg(long = "node", value_name = "HOST:PORT")]
    nodes: Vec<HostPort>,
    /// Something to say about it.
    #[arg(short, long, value_name = "TEXT")]
    comment: Option<String>,
    /// Where it is published. Part of the info hash.
    #[arg(short, long, value_name = "TEXT")]
    source: Option<String>,
    /// Peers may come from trackers only (BEP 27). Part of the info hash.
    #[arg(short, long)]
    private: bool,
    /// Where newer versions are found (BEP 39). Part of the info hash.
    #[arg(long, value_name = "URL")]
    update_url: Option<Url>,
    /// Name of the torrent, and so of its file or folder [default: the last part of PATH]
    #[arg(short, long)]
    name: Option<String>,
    /// When it was made: seconds since 1970, 2026-11-21, 2026-11-21T10:00:00Z, now or none.
    #[arg(long, value_name = "DATE", default_value = "now", allow_hyphen_values = true)]
    date: Date,
    /// Which program made it [default: this one and its version]
    #[arg(long, value_name = "TEXT")]
    created_by: Option<String>,
    /// Do not say which program made it.
    #[arg(long, conflicts_with = "created_by")]
    no_created_by: bool,
    /// Order of the files. v2 and hybrid torrents have only one.
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Let every file of a v1 torrent begin with a piece (BEP 47). Others always have that.
    #[arg(long)]
    align: bool,
    /// Take only files that match; may be given several times.
    #[arg(long, value_name = "GLOB")]
    include: Vec<Glob>,
    /// Leave out files and folders that match; may be given several times, and wins.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<Glob>,
    /// Take hidden files, too.
    #[arg(long)]
    hidden: bool,
    /// Take what desktops leave behind, too: Thumbs.db and the like.
    #[arg(long)]
    litter: bool,
    /// What to do with symlinks below PATH.
    #[arg(long, value_enum, default_value_t)]
    symlinks: Links,
    /// Threads that read and hash [default: one per core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Show what would go into the torrent. Reads and writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// How to show progress, on stderr.
    #[arg(long, value_enum, default_value_t)]
    progress: Style,
    /// Print JSON: as `show` does, or the plan of a dry run.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// BitTorrent v1: SHA-1.
    V1,
    /// BitTorrent v2: SHA-256, a hash tree for each file.
    V2,
    /// Both in one.
    #[default]
    Hybrid,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Sort {
    /// By path; by file tree for v2 and hybrid.
    #[default]
    Path,
    /// By path, folder by folder.
    Tree,
    /// The longest first.
    Largest,
    /// The shortest first.
    Smallest,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Links {
    /// Take what they lead to.
    #[default]
    Follow,
    /// Store them as symlinks (BEP 47).
    Keep,
    /// Leave them out.
    Skip,
}

impl Create {
    pub(crate) fn run(self, quiet: bool) -> Outcome {
        self.check_options()?;
        let (path, _spool) = match spool::once(&self.path, self.name.as_deref())? {
            Some((path, spool)) => (path, Some(spool)),
            None => (self.path.clone(), None),
        };
        let name = match &self.name {
            Some(name) => name.clone(),
            None => torrent_content::create::default_name(&path).map_err(|error| self.failure(error))?,
        };
        let file_name = file_name(&name);
        let output = Output::new(self.output.as_deref().unwrap_or(Path::new(&file_name)), &file_name, self.force);
        let plan = leave_out(self.builder()?, &output).plan(&path).map_err(|error| match &error {
            // All that there is has the name of the output.
            CreateError::NoFiles { .. } => is_content(&output).unwrap_or_else(|| self.failure(error)),
            _ => self.failure(error),
        })?;
        check_overwriting(&plan, &output)?;
        if !quiet {
            if self.private && self.announce.is_empty() {
                output::note("note: a private torrent without a tracker finds no peers");
            }
            plan::note_left_out(&plan);
            plan::note_unportable(&plan);
        }
        if self.dry_run {
            return plan::print(&plan, self.json);
        }
        output.check()?;
        let style = if quiet { Style::None } else { self.progress };
        let torrent = work::run(style, "hashing", plan.content_length(), move |progress| {
            plan.hash(progress).map_err(|error| failure(&error))
        })?;
        output.write(torrent.as_bytes())?;
        if !quiet {
            output::note(format_args!("{output}: {}", torrent.info_hashes()));
        }
        if self.json { output::json(&describe::Torrent::new(&torrent)) } else { Ok(()) }
    }

    fn check_options(&self) -> Outcome {
        let to_stdout = self.output.as_deref().is_some_and(|path| path.as_os_str() == "-");
        if self.json && to_stdout && !self.dry_run {
            return Err(Failure::message(Code::Usage, "--json and -o - both want stdout"));
        }
        Ok(())
    }

    fn failure(&self, error: CreateError) -> Failure {
        match &error {
            CreateError::NoFiles { left_out: 1.. } if !self.include.is_empty() => {
                let patterns: Vec<_> = self.include.iter().map(ToString::to_string).collect();
                let message = format!("{error}; nothing matches --include {}", patterns.join(", --include "));
                Failure::message(Code::Disk, message)
            }
            _ => failure(&error),
        }
    }

    fn builder(&self) -> Outcome<Builder> {
        let mut builder = Builder::new()
            .version(match self.format {
                Format::V1 => Version::V1,
                Format::V2 => Version::V2,
                Format::Hybrid => Version::Hybrid,
            })
            .order(match self.sort {
                Sort::Path => FileOrder::Path,
                Sort::Tree => FileOrder::Tree,
                Sort::Largest => FileOrder::Largest,
                Sort::Smallest => FileOrder::Smallest,
            })
            .symlinks(match self.symlinks {
                Links::Follow => Symlinks::Follow,
                Links::Keep => Symlinks::Keep,
                Links::Skip => Symlinks::Skip,
            })
            .align(self.align)
            .hidden(self.hidden)
            .litter(self.litter)
            .threads(self.threads)
            .private(self.private);
        let from_file = self.announce_from.as_ref().map(Tier::from_file).transpose()?.unwrap_or_default();
        builder = self.announce.iter().chain(&from_file).fold(builder, |builder, Tier(urls)| builder.tier(urls));
        builder = self.web_seeds.iter().fold(builder, |builder, Url(url)| builder.web_seed(url));
        builder = self.http_seeds.iter().fold(builder, |builder, Url(url)| builder.http_seed(url));
        builder = self.nodes.iter().fold(builder, |builder, node| builder.node(node.clone()));
        builder = self.include.iter().fold(builder, |builder, glob| builder.include(glob.clone()));
        builder = self.exclude.iter().fold(builder, |builder, glob| builder.exclude(glob.clone()));
        if let Some(PieceLength(bytes)) = self.piece_length {
            builder = builder.piece_length(bytes);
        }
        if let Some(pieces) = self.piece_count {
            builder = builder.piece_count(pieces);
        }
        if let Some(PieceLength(bytes)) = self.max_piece_length {
            builder = builder.max_piece_length(bytes);
        }
        if let Some(name) = &self.name {
            builder = builder.name(name);
        }
        if let Some(comment) = &self.comment {
            builder = builder.comment(comment);
        }
        if let Some(source) = &self.source {
            builder = builder.source(source);
        }
        if let Some(Url(url)) = &self.update_url {
            builder = builder.info_value("update-url", url.as_str());
        }
        let seconds = self.date.seconds().map_err(|fault| Failure::message(Code::Usage, fault))?;
        if let Some(seconds) = seconds {
            builder = builder.creation_date(seconds);
        }
        if !self.no_created_by {
            let this = concat!("torrent/", env!("CARGO_PKG_VERSION"));
            builder = builder.created_by(self.created_by.as_deref().unwrap_or(this));
        }
        Ok(builder.limits(limits::get()))
    }
}

/// `NAME.torrent`, cut where that would be too long for a file.
fn file_name(name: &str) -> String {
    const EXTENSION: &str = ".torrent";
    let mut end = name.len().min(255 - EXTENSION.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{EXTENSION}", &name[..end])
}

/// Leaves out the file that the torrent goes to, and the one that a shell has opened for it.
fn leave_out(builder: Builder, output: &Output) -> Builder {
    match output {
        Output::File { path, .. } => builder.leave_out(path),
        Output::Stdout { .. } if cfg!(unix) => builder.leave_out("/dev/stdout"),
        Output::Stdout { .. } => builder,
    }
}

/// The torrent may take the place of an older torrent, but not of content, `--force` or not: that was a slip of the finger.
fn check_overwriting(plan: &Plan, output: &Output) -> Outcome {
    let Output::File { path, replace: true } = output else { return Ok(()) };
    let is_same = |other: &Path| match (std::fs::canonicalize(path), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    };
    let is_planned = plan.files().iter().filter_map(|file| file.disk_path()).any(is_same);
    let left_out = plan.skipped().iter().filter(|skipped| skipped.reason == SkipReason::LeftOut);
    if is_planned {
        return Err(would_replace(path));
    }
    if left_out.count() > 0 { is_content(output).map_or(Ok(()), Err) } else { Ok(()) }
}

/// The failure to replace a file by its torrent, unless that file is a torrent itself.
fn is_content(output: &Output) -> Option<Failure> {
    let Output::File { path, replace: true } = output else { return None };
    (path.is_file() && Input::File(path.clone()).read_torrent().is_err()).then(|| would_replace(path))
}

fn would_replace(path: &Path) -> Failure {
    let message =
        format!("{}: part of the content, which the torrent would replace; choose another -o", path.display());
    Failure::message(Code::Exists, message)
}

fn failure(error: &CreateError) -> Failure {
    let code = match error {
        CreateError::Cancelled => Code::Interrupted,
        CreateError::Invalid(_) => Code::BadInput,
        CreateError::Io { path, error } => return Failure::io(path.display(), error),
        CreateError::DanglingSymlink { .. } | CreateError::Symlink { .. } => {
            return Failure::message(Code::Disk, format!("{error}; --symlinks skip leaves it out"));
        }
        CreateError::NotUtf8 { .. } => {
            return Failure::message(Code::Disk, format!("{error}: rename it, or leave it out with --exclude"));
        }
        CreateError::TooManyValues { .. } => {
            return Failure::message(Code::Usage, format!("{error}: --max-torrent-values N allows more; v1 has fewer"));
        }
        CreateError::Name | CreateError::Order | CreateError::PieceLength(_) | CreateError::TooManyPieces => {
            Code::Usage
        }
        _ => Code::Disk,
    };
    Failure::message(code, error)
}
