//! `torrent edit`: changes to torrents, without their content.

mod diff;

use std::path::PathBuf;

use torrent_metainfo::{Metainfo, TrackerList};
use torrent_types::HostPort;

use crate::{
    exit::{Code, Failure, Outcome},
    input::Input,
    output::{self, Output},
    values::{Date, Tier, Url, tracker},
};

const EXAMPLES: &str = "\
Examples:
  torrent edit --add-tracker udp://tracker.example:6969 album.torrent
  torrent edit --replace-tracker http://old.example/ https://new.example/ *.torrent
  torrent edit --clear-trackers --comment '' -o bare.torrent album.torrent
  torrent edit --source HERE --allow-info-change -o here.torrent album.torrent
  torrent edit --private yes --allow-info-change --dry-run album.torrent
  torrent edit --clear-trackers --add-trackers-from passkeys.txt *.torrent

Without -o the file itself is replaced, all at once or not at all. What you do not name keeps its bytes, known keys \
or not. Trackers are cleared, removed and replaced before others are added, in every place where a torrent names them. An \
empty text removes what was there. What matched nothing is told. --dry-run prints what would change: lines with - are old, \
with + new.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct EditCommand {
    /// .torrent files; - is stdin, and goes to stdout.
    #[arg(required = true, value_name = "FILE")]
    torrents: Vec<Input>,
    /// Where the changed torrent goes; - is stdout. For one FILE only.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file of -o if it is there; write to a terminal.
    #[arg(short, long)]
    force: bool,
    /// Print what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the changes as JSON.
    #[arg(long, requires = "dry_run")]
    json: bool,
    /// Let the info hash change: the result is another torrent, unknown to the peers of this one.
    #[arg(long)]
    allow_info_change: bool,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Add a tracker as the last tier; several in one argument, separated by spaces or commas, share it.
    #[arg(short = 'a', long = "add-tracker", value_name = "URL")]
    add_trackers: Vec<Tier>,
    /// Add the trackers in a file, a tier a line, so that no passkey stands on the command line; - is stdin.
    #[arg(long = "add-trackers-from", value_name = "FILE")]
    add_trackers_from: Option<Input>,
    /// Remove a tracker, every copy of it.
    #[arg(short = 'd', long = "remove-tracker", value_name = "URL")]
    remove_trackers: Vec<String>,
    /// Replace OLD by NEW in every tracker that contains it; one that is empty then is removed.
    #[arg(short = 'r', long, num_args = 2, value_names = ["OLD", "NEW"], action = clap::ArgAction::Append)]
    replace_tracker: Vec<String>,
    /// Remove all trackers.
    #[arg(long)]
    clear_trackers: bool,
    /// Add a web seed (BEP 19).
    #[arg(short = 'w', long = "add-web-seed", value_name = "URL")]
    add_web_seeds: Vec<Url>,
    /// Remove a web seed.
    #[arg(long = "remove-web-seed", value_name = "URL")]
    remove_web_seeds: Vec<String>,
    /// Remove all web seeds.
    #[arg(long)]
    clear_web_seeds: bool,
    /// Add a DHT node (BEP 5).
    #[arg(long = "add-node", value_name = "HOST:PORT")]
    add_nodes: Vec<HostPort>,
    /// Remove all DHT nodes.
    #[arg(long)]
    clear_nodes: bool,
    /// Set the comment.
    #[arg(short, long, value_name = "TEXT")]
    comment: Option<String>,
    /// Set which program made it.
    #[arg(long, value_name = "TEXT")]
    created_by: Option<String>,
    /// Set when it was made: seconds since 1970, 2026-11-21, 2026-11-21T10:00:00Z, now or none.
    #[arg(long, value_name = "DATE", allow_hyphen_values = true)]
    date: Option<Date>,
    /// Set where it is published. Changes the info hash.
    #[arg(short, long, value_name = "TEXT")]
    source: Option<String>,
    /// Set whether peers may come from trackers only (BEP 27). Changes the info hash.
    #[arg(short, long, value_name = "yes|no", value_parser = yes_or_no)]
    private: Option<bool>,
    /// Set the name, and so that of the file or folder. Changes the info hash.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("say yes or no"),
    }
}

impl EditCommand {
    pub(crate) fn run(self, quiet: bool) -> Outcome {
        if self.torrents.len() > 1 && self.output.is_some() {
            return Err(Failure::message(Code::Usage, "-o is for one torrent, and there are several"));
        }
        let file = self.changes.add_trackers_from.as_ref().map(Tier::from_file).transpose()?.unwrap_or_default();
        let add = [&*self.changes.add_trackers, &file].concat();
        // All are read and changed before any is written.
        let mut changed = Vec::new();
        for input in &self.torrents {
            let old = input.read_torrent()?;
            let mut notes = Vec::new();
            let new = self.change(input, &old, &add, &mut notes)?;
            for note in notes.iter().filter(|_| !quiet) {
                output::note(format_args!("{input}: {note}"));
            }
            let output = self.output_for(input);
            if !self.dry_run {
                output.check()?;
            }
            changed.push((input, output, old, new));
        }
        if self.dry_run {
            return diff::print(changed.iter().map(|(input, _, old, new)| (*input, old, new)), self.json);
        }
        for (input, output, old, new) in &changed {
            if old.as_bytes() == new.as_bytes() && self.output.is_none() && input.path().is_some() {
                if !quiet {
                    output::note(format_args!("{input}: nothing to change"));
                }
                continue;
            }
            output.write(new.as_bytes())?;
            if old.info_hashes() != new.info_hashes() && !quiet {
                output::note(format_args!("{output}: {}, was {}", new.info_hashes(), old.info_hashes()));
            }
        }
        Ok(())
    }

    fn output_for(&self, input: &Input) -> Output {
        match (&self.output, input) {
            (Some(path), _) => {
                let name = input.path().and_then(|path| path.file_name()?.to_str()).unwrap_or("stdin.torrent");
                Output::new(path, name, self.force)
            }
            (None, Input::Stdin) => Output::Stdout { force: self.force },
            (None, Input::File(path)) => Output::in_place(path),
        }
    }

    fn change(&self, input: &Input, old: &Metainfo, add: &[Tier], notes: &mut Vec<String>) -> Outcome<Metainfo> {
        let usage = |message| Failure::message(Code::Usage, format!("{input}: {message}"));
        let edit = self.changes.apply(old, add, notes).map_err(usage)?;
        if edit.changes_info_hash() && !self.allow_info_change {
            let message = format!("{input}: this changes the info hash; if you mean it, say --allow-info-change");
            return Err(Failure::message(Code::Usage, message));
        }
        edit.apply().map_err(|error| input.bad(error))
    }
}

impl Changes {
    /// The changes to one torrent, and notes on what matched.
    fn apply<'a>(
        &self,
        old: &'a Metainfo,
        add: &[Tier],
        notes: &mut Vec<String>,
    ) -> Result<torrent_metainfo::Edit<'a>, String> {
        let mut edit = old.edit().tracker_list(&self.trackers(old, add, notes)?);
        let web_seeds = self.web_seeds(old.web_seeds(), notes);
        if web_seeds != old.web_seeds() {
            edit = edit.web_seeds(&web_seeds);
        }
        let nodes = self.nodes(old.nodes());
        if nodes != old.nodes() {
            edit = edit.nodes(&nodes);
        }
        if let Some(comment) = &self.comment {
            edit = edit.comment(comment);
        }
        if let Some(program) = &self.created_by {
            edit = edit.created_by(program);
        }
        if let Some(date) = self.date {
            edit = edit.creation_date(date.seconds()?);
        }
        if let Some(source) = &self.source {
            edit = edit.source(source);
        }
        if let Some(private) = self.private {
            edit = edit.private(private);
        }
        if let Some(name) = &self.name {
            edit = edit.name(name);
        }
        Ok(edit)
    }

    fn trackers(&self, old: &Metainfo, add: &[Tier], notes: &mut Vec<String>) -> Result<TrackerList, String> {
        let mut list = old.tracker_list();
        if self.clear_trackers {
            list.clear();
        }
        for url in &self.remove_trackers {
            let near = near(&list, url);
            notes.push(match list.remove(url.trim()) {
                0 => format!("no tracker {url}{near}"),
                count => format!("removed {url}{}", times(count)),
            });
        }
        for [from, to] in self.replace_tracker.as_chunks::<2>().0 {
            let before: Vec<_> = list.urls().map(str::to_owned).collect();
            notes.push(match list.replace(from, to) {
                0 => format!("no tracker contains {from}"),
                count => format!("replaced {from} by {}{}", if to.is_empty() { "nothing" } else { to }, times(count)),
            });
            let mut new = list.urls().filter(|url| !before.iter().any(|old| old == url));
            if let Some((url, fault)) = new.find_map(|url| Some((url, tracker::check(url).err()?))) {
                return Err(format!("--replace-tracker would leave {url:?}: {fault}"));
            }
        }
        for Tier(urls) in add {
            // One that is there already stays where it is.
            for url in urls.iter().filter(|url| list.tiers().iter().flatten().any(|old| old == *url)) {
                notes.push(format!("{url} is there already"));
            }
            let _added = list.add_tier(urls);
        }
        Ok(list)
    }

    fn web_seeds(&self, old: &[String], notes: &mut Vec<String>) -> Vec<String> {
        let mut urls = if self.clear_web_seeds { Vec::new() } else { old.to_vec() };
        for url in self.remove_web_seeds.iter().filter(|url| !urls.contains(url)) {
            notes.push(format!("no web seed {url}"));
        }
        urls.retain(|url| !self.remove_web_seeds.contains(url));
        for Url(url) in &self.add_web_seeds {
            if !urls.contains(url) {
                urls.push(url.clone());
            }
        }
        urls
    }

    fn nodes(&self, old: &[HostPort]) -> Vec<HostPort> {
        let mut nodes = if self.clear_nodes { Vec::new() } else { old.to_vec() };
        for node in &self.add_nodes {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        nodes
    }
}

/// Trackers that somebody may have meant by `url`.
fn near(list: &TrackerList, url: &str) -> String {
    let text = url.trim().trim_end_matches('/').to_lowercase();
    let near: Vec<_> =
        list.urls().filter(|old| !text.is_empty() && old.to_lowercase().contains(&text)).take(3).collect();
    if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) }
}

fn times(count: usize) -> String {
    if count == 1 { String::new() } else { format!(" in {count} places") }
}
