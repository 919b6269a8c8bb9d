//! What would go into a torrent, and what would not.

use std::path::Path;

use serde::Serialize;
use torrent_content::create::{Plan, PlannedFile, SkipReason};
use torrent_metainfo::path;

use crate::{
    clean,
    describe::SCHEMA,
    exit::Outcome,
    output,
    table::{Align, Table},
    units,
};

/// How many files that were left out are named.
const MAX_NAMED: usize = 10;

#[derive(Debug, Serialize)]
struct Answer<'a> {
    schema: u32,
    name: &'a str,
    size: u64,
    piece_length: u32,
    piece_count: u32,
    files: Vec<File>,
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    length: u64,
    disk_path: String,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    path: String,
    reason: &'static str,
}

/// The files as a table or JSON.
pub(super) fn print(plan: &Plan, json: bool) -> Outcome {
    let path = |elements: &[String]| {
        let elements: Vec<_> = std::iter::once(plan.name()).chain(elements.iter().map(String::as_str)).collect();
        elements.join("/")
    };
    let files = plan.files().iter().filter_map(|file| Some((file, file.disk_path()?)));
    let geometry = plan.geometry();
    if json {
        let file = |(file, disk): (&PlannedFile, &Path)| File {
            path: path(file.elements()),
            length: file.length(),
            disk_path: disk.display().to_string(),
        };
        let skipped = plan.skipped().iter();
        return output::json(&Answer {
            schema: SCHEMA,
            name: plan.name(),
            size: plan.content_length(),
            piece_length: geometry.piece_length(),
            piece_count: geometry.piece_count(),
            files: files.map(file).collect(),
            left_out: skipped
                .map(|skipped| LeftOut {
                    path: skipped.path.display().to_string(),
                    reason: reason(skipped.reason).split(';').next().unwrap_or_default(),
                })
                .collect(),
        });
    }
    let mut table = Table::new([Align::Right, Align::Left]);
    for (file, _) in files {
        let size = if table.on_terminal() { units::size(file.length()) } else { file.length().to_string() };
        table.row([size, path(file.elements())]);
    }
    table.print()?;
    let (size, piece) = (units::size(plan.content_length()), units::size(geometry.piece_length().into()));
    output::note(format_args!("{}: {size} in {} pieces of {piece}", clean::line(plan.name()), geometry.piece_count()));
    Ok(())
}

/// Says which files stay out: people may not have meant that.
pub(super) fn note_left_out(plan: &Plan) {
    let skipped = plan.skipped();
    for skipped in skipped.iter().take(MAX_NAMED) {
        let path = clean::line(&skipped.path.display().to_string());
        output::note(format_args!("left out: {path} ({})", reason(skipped.reason)));
    }
    if let Some(more @ 1..) = skipped.len().checked_sub(MAX_NAMED) {
        output::note(format_args!("left out: {more} more"));
    }
}

/// Says which files receivers elsewhere will see under another name.
pub(super) fn note_unportable(plan: &Plan) {
    let files = || plan.files().iter().filter(|file| file.disk_path().is_some());
    let name = [plan.name()];
    let paths = files().map(|file| name.into_iter().chain(file.elements().iter().map(String::as_str)));
    let unportable = path::unportable(paths);
    let files: Vec<_> = files().collect();
    for (number, reason) in unportable.iter().take(MAX_NAMED) {
        let elements = files.get(*number).map(|file| file.elements().join("/")).unwrap_or_default();
        let path = if elements.is_empty() { plan.name().to_owned() } else { elements };
        output::note(format_args!("note: {} gets another name on some systems: {reason}", clean::line(&path)));
    }
    if let Some(more @ 1..) = unportable.len().checked_sub(MAX_NAMED) {
        output::note(format_args!("note: {more} more get other names on some systems"));
    }
}

fn reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Excluded => "excluded",
        SkipReason::Hidden => "hidden; --hidden takes it",
        SkipReason::LeftOut => "it is the torrent",
        SkipReason::Litter => "desktop litter; --litter takes it",
        SkipReason::NotIncluded => "not included",
        SkipReason::Special => "neither file nor folder",
        SkipReason::Symlink => "symlink",
        _ => "not wanted",
    }
}
