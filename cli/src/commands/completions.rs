//! `torrent completions` and `torrent man`: what shells and `man` want to know of this command.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    Arguments,
    exit::{Failure, Outcome},
    output,
};

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  torrent completions bash > ~/.local/share/bash-completion/completions/torrent
  torrent completions zsh > ~/.zfunc/_torrent
  torrent completions fish > ~/.config/fish/completions/torrent.fish";

#[derive(Debug, clap::Args)]
#[command(after_long_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "torrent", &mut script);
        output::text(script)
    }
}

const MAN_EXAMPLES: &str = "\
Examples:
  torrent man | man -l -
  torrent man --dir ~/.local/share/man/man1";

#[derive(Debug, clap::Args)]
#[command(after_long_help = MAN_EXAMPLES)]
pub(crate) struct Man {
    /// Write a page for every command into this folder, instead of the first page to stdout.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self) -> Outcome {
        match &self.dir {
            Some(dir) => {
                clap_mangen::generate_to(Arguments::command(), dir).map_err(|error| Failure::io(dir.display(), &error))
            }
            None => {
                let mut page = Vec::new();
                let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut page);
                rendered.map_err(|error| Failure::io("stdout", &error))?;
                output::text(page)
            }
        }
    }
}
