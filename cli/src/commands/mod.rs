//! One file per subcommand.

mod announce;
mod bencode;
mod completions;
mod create;
mod demo;
pub(crate) mod dht;
mod download;
mod edit;
mod files;
mod magnet;
mod metainfo;
mod scrape;
mod seed;
mod show;
mod target;
mod tracker;
mod verify;

use crate::exit::{Code, Failure, OrExit, Outcome};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show a whole download with nothing but this program: tracker, seeder and downloader in one.
    Demo(demo::Demo),
    /// Download torrents.
    Download(download::Download),
    /// Serve a torrent whose content is on disk.
    Seed(seed::Seed),
    /// Make a torrent of a file or folder.
    Create(create::Create),
    /// Show what torrents and magnet links say of themselves.
    Show(show::Show),
    /// List the files of torrents.
    Files(files::Files),
    /// Change torrents, without their content.
    Edit(edit::EditCommand),
    /// Check files on disk against torrents.
    Verify(verify::Verify),
    /// Print the magnet link of a torrent, or a link in plain form.
    Magnet(magnet::MagnetCommand),
    /// Print a torrent as a magnet link or as JSON.
    Metainfo(metainfo::MetainfoCommand),
    /// Read and write bencoding.
    Bencode(bencode::Bencode),
    /// Announce to a tracker and print the peers that it knows.
    Announce(announce::Announce),
    /// Ask a tracker how many peers some torrents have.
    Scrape(scrape::Scrape),
    /// Use the DHT by hand: find peers, announce, store and sample, or run a node.
    Dht(dht::DhtCommand),
    /// Run a tracker.
    Tracker(tracker::Tracker),
    /// Print what a shell needs to complete the words of this command.
    Completions(completions::Completions),
    /// Print the manual, or write its pages.
    Man(completions::Man),
}

impl Command {
    pub(crate) fn run(self, quiet: bool) -> Outcome {
        match self {
            Self::Demo(command) => block_on(command.run(quiet)),
            Self::Download(command) => block_on(command.run(quiet)),
            Self::Seed(command) => block_on(command.run(quiet)),
            Self::Create(command) => command.run(quiet),
            Self::Show(command) => command.run(),
            Self::Files(command) => command.run(),
            Self::Edit(command) => command.run(quiet),
            Self::Verify(command) => command.run(quiet),
            Self::Magnet(command) => command.run(),
            Self::Metainfo(command) => command.run(),
            Self::Bencode(command) => command.run(quiet),
            Self::Announce(command) => block_on(command.run(quiet)),
            Self::Scrape(command) => block_on(command.run(quiet)),
            Self::Dht(command) => block_on(command.run(quiet)),
            Self::Tracker(command) => block_on(command.run(quiet)),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(),
        }
    }
}

/// The runtime takes some descriptors as it starts, and panics where there are none.
fn check_descriptors() -> Outcome {
    const NEEDED: usize = 12;
    #[cfg(unix)]
    {
        let opened: Result<Vec<_>, _> = (0..NEEDED).map(|_| std::fs::File::open("/dev/null")).collect();
        opened.map_err(|error| {
            Failure::message(Code::Other, format!("too few file descriptors; ulimit -n raises the limit: {error}"))
        })?;
    }
    let _ = NEEDED;
    Ok(())
}

pub(crate) fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    check_descriptors()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().or_exit(Code::Other)?;
    let outcome = runtime.block_on(work);
    // A name lookup that hangs must not keep the command.
    runtime.shutdown_background();
    outcome
}
