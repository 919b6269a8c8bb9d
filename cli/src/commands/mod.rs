//! One file per subcommand.

mod demo;
mod download;
mod seed;

use crate::exit::{Code, OrExit, Outcome};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show a whole download with nothing but this program: tracker, seeder and downloader in one.
    Demo(demo::Demo),
    /// Download torrents.
    Download(download::Download),
    /// Serve a torrent whose content is on disk.
    Seed(seed::Seed),
}

impl Command {
    pub(crate) fn run(self, quiet: bool) -> Outcome {
        match self {
            Self::Demo(command) => block_on(command.run(quiet)),
            Self::Download(command) => block_on(command.run(quiet)),
            Self::Seed(command) => block_on(command.run(quiet)),
        }
    }
}

fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().or_exit(Code::Other)?;
    let outcome = runtime.block_on(work);
    // A name lookup that hangs must not keep the command.
    runtime.shutdown_background();
    outcome
}
