//! `torrent create`: files and folders to torrents.

mod plan;
mod spool;

use std::path::{Path, PathBuf};

use torrent_content::{
    Builder, CreateError, Version,
    create::{FileOrder, Glob, Symlinks},
};
use torrent_types::HostPort;

use crate::{
    describe,
    exit::{Code, Failure, Outcome},
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
  torrent create --dry-run --exclude '*.nfo' --exclude 'Sample/' album/
  pg_dump db | torrent create --name db.sql -o db.torrent -

Old clients: aria2 1.36 gives a hybrid another info hash than anybody else, and finds no peers; Transmission 3.00 refuses \
it. Where they matter, use --format v1.

No tracker is added that you do not name. Without -o the torrent goes to NAME.torrent in the current folder. \
The same files and options give the same bytes, but for the date: set it (--date, or SOURCE_DATE_EPOCH in the \
environment) or leave it out (--date none).

Patterns: * is any text but /, ** any text, ? one character, [a-z] one of a set. A pattern without / is compared \
with names at any depth, one with / with the whole path below PATH.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Create {
    /// File or folder; - for stdin, which needs --name and is kept in a temporary file meanwhile.
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
    /// Tracker, a tier of its own; several in one argument, separated by spaces or commas, share a tier.
    #[arg(short, long = "announce", value_name = "URL")]
    announce: Vec<Tier>,
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
        let (path, _spool) = match spool::stdin(&self.path, self.name.as_deref())? {
            Some((path, spool)) => (path, Some(spool)),
            None => (self.path.clone(), None),
        };
        let plan = self.builder().plan(&path).map_err(failure)?;
        let file_name = format!("{}.torrent", plan.name());
        let output = Output::new(self.output.as_deref().unwrap_or(Path::new(&file_name)), &file_name, self.force);
        if !quiet {
            if self.private && self.announce.is_empty() {
                output::note("note: a private torrent without a tracker finds no peers");
            }
            plan::note_left_out(&plan);
        }
        if self.dry_run {
            return plan::print(&plan, self.json);
        }
        output.check()?;
        let style = if quiet { Style::None } else { self.progress };
        let torrent =
            work::run(style, "hashing", plan.content_length(), move |progress| plan.hash(progress).map_err(failure))?;
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

    fn builder(&self) -> Builder {
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
        builder = self.announce.iter().fold(builder, |builder, Tier(urls)| builder.tier(urls));
        builder = self.web_seeds.iter().fold(builder, |builder, Url(url)| builder.web_seed(url));
        builder = self.http_seeds.iter().fold(builder, |builder, Url(url)| builder.http_seed(url));
        builder = self.nodes.iter().fold(builder, |builder, node| builder.node(node.clone()));
        builder = self.include.iter().fold(builder, |builder, glob| builder.include(glob.clone()));
        builder = self.exclude.iter().fold(builder, |builder, glob| builder.exclude(glob.clone()));
        if let Some(PieceLength(bytes)) = self.piece_length {
            builder = builder.piece_length(bytes);
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
        if let Some(seconds) = self.date.seconds() {
            builder = builder.creation_date(seconds);
        }
        if !self.no_created_by {
            let this = concat!("torrent/", env!("CARGO_PKG_VERSION"));
            builder = builder.created_by(self.created_by.as_deref().unwrap_or(this));
        }
        builder
    }
}

fn failure(error: CreateError) -> Failure {
    let code = match &error {
        CreateError::Cancelled => Code::Interrupted,
        CreateError::Invalid(_) => Code::BadInput,
        CreateError::Io { path, error } => return Failure::io(path.display(), error),
        CreateError::Name | CreateError::Order | CreateError::PieceLength(_) | CreateError::TooManyPieces => {
            Code::Usage
        }
        _ => Code::Disk,
    };
    Failure::message(code, error)
}
