//! The `torrent` command. Answers go to stdout, everything else to stderr; exit codes are in `exit`.

mod clean;
mod commands;
mod describe;
mod exit;
mod input;
mod interrupt;
mod limits;
mod network;
mod output;
mod progress;
mod table;
mod units;
mod values;
mod work;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::commands::Command;

/// Download, share, make and inspect torrents.
#[derive(Debug, Parser)]
#[command(name = "torrent", version, max_term_width = 120, after_help = exit::HELP)]
struct Arguments {
    #[command(flatten)]
    logging: Logging,
    #[command(flatten)]
    limits: limits::LimitOptions,
    #[command(subcommand)]
    command: Command,
}

/// A command's own options come first in its help.
pub(crate) const LAST: usize = 900;

#[derive(Debug, clap::Args)]
struct Logging {
    /// Say more: -v for what peers do, -vv for every message.
    #[arg(short, long, global = true, display_order = LAST, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing but errors.
    #[arg(short, long, global = true, display_order = LAST, conflicts_with = "verbose")]
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.logging.install();
    arguments.limits.install();
    match arguments.command.run(arguments.logging.quiet) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

impl Logging {
    fn install(&self) {
        let level = match self.verbose {
            _ if self.quiet => LevelFilter::ERROR,
            0 => LevelFilter::WARN,
            1 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
        let bars = progress::on_terminal();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(bars)
            .with_writer(|| clean::Writer(progress::log_writer()))
            .init();
    }
}
