//! `torrent completions` and `torrent man`: what shells and `man` want to know of this command.

mod roff;

use std::{collections::HashSet, fs, path::PathBuf};

use clap::{Command, CommandFactory};
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
        if self.shell == Shell::Bash {
            let mut commands = HashSet::new();
            taking_files(&Arguments::command(), "torrent", &mut commands);
            script = with_files(&String::from_utf8_lossy(&script), &commands).into_bytes();
        }
        output::text(script)
    }
}

/// The script for bash, changed so that an empty word is completed to files where a command takes some: the generator offers
/// options there, and `-` is enough to get those.
fn with_files(script: &str, commands: &HashSet<String>) -> String {
    const OPTIONS: &str = "COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )";
    let mut changed = String::with_capacity(script.len());
    let (mut takes_files, mut is_past_options) = (false, false);
    for line in script.lines() {
        let text = line.trim();
        if let Some(label) = text.strip_suffix(')').filter(|label| label.starts_with("torrent") && !label.contains(','))
        {
            takes_files = commands.contains(label);
            is_past_options = false;
        }
        is_past_options |= text == "esac";
        match line.split_once(" || ${COMP_CWORD} -eq ") {
            Some((before, after)) if takes_files => {
                changed.push_str(before);
                changed.push_str(after.trim_start_matches(|char: char| char.is_ascii_digit()));
            }
            // Nothing is what makes bash go on to the names of files.
            _ if takes_files && is_past_options && text == OPTIONS => changed.push_str("            COMPREPLY=()"),
            _ => changed.push_str(line),
        }
        changed.push('\n');
    }
    changed
}

/// The commands that take files, by the names that the script has for them.
fn taking_files(command: &Command, name: &str, found: &mut HashSet<String>) {
    let is_file = |argument: &clap::Arg| argument.get_possible_values().is_empty();
    if command.get_positionals().any(is_file) && !command.has_subcommands() {
        found.insert(name.to_owned());
    }
    for inner in command.get_subcommands() {
        let inner_name = format!("{name}__subcmd__{}", inner.get_name().replace('-', "__subcmd__"));
        taking_files(inner, &inner_name, found);
    }
}

const MAN_EXAMPLES: &str = "\
Examples:
  torrent man | man -l -
  torrent man --dir ~/.local/share/man/man1";

#[derive(Debug, clap::Args)]
#[command(after_long_help = MAN_EXAMPLES)]
pub(crate) struct Man {
    /// Write a page for every command into this folder, which is made if it is not there, instead of the first page to stdout.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self) -> Outcome {
        let mut command = Arguments::command();
        command.build();
        let Some(dir) = self.dir else { return output::text(roff::page(&command, "torrent")) };
        let failed = |error: &std::io::Error| Failure::io(dir.display(), error);
        fs::create_dir_all(&dir).map_err(|error| failed(&error))?;
        let mut pages = vec![(command, "torrent".to_owned())];
        while let Some((command, name)) = pages.pop() {
            let path = dir.join(format!("{name}.1"));
            fs::write(&path, roff::page(&command, &name)).map_err(|error| Failure::io(path.display(), &error))?;
            let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
            pages.extend(
                inner
                    .map(|inner| (inner.clone(), format!("{name}-{}", inner.get_name())))
                    .collect::<Vec<(Command, String)>>(),
            );
        }
        Ok(())
    }
}
