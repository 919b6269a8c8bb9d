//! Pages for `man`. The generator knows options and commands; the text below a command's help, whose examples must keep their
//! lines, is written here.

use clap::{Command, builder::Resettable};
use clap_mangen::Man;

/// The page of a command, in roff.
pub(super) fn page(command: &Command, name: &str) -> Vec<u8> {
    let notes = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    let command = command.clone().after_long_help(Resettable::Reset).after_help(Resettable::Reset);
    let man = Man::new(command).title(name.to_owned());
    let mut page = Vec::new();
    man.render(&mut page).expect("a Vec takes all");
    page.extend(sections(&notes.unwrap_or_default()).into_bytes());
    page
}

/// Paragraphs of text; those that begin with `Examples:` or `Exit codes:` become sections of their own.
fn sections(notes: &str) -> String {
    let (mut rest, mut special) = (String::new(), String::new());
    for paragraph in notes.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let (first, lines) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        let heading = match first.trim() {
            "Examples:" => "EXAMPLES",
            "Exit codes:" => "EXIT STATUS",
            _ => {
                rest.push_str(&format!(".PP\n{}\n", lines_of(paragraph)));
                continue;
            }
        };
        // As they stand there: no filling, no spreading of words.
        special.push_str(&format!(".SH {heading}\n.nf\n{}\n.fi\n", lines_of(lines)));
    }
    if !rest.is_empty() {
        rest.insert_str(0, ".SH NOTES\n");
    }
    rest + &special
}

/// Lines in which nothing is a request or an escape of roff.
fn lines_of(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
        let line = line.replace('^', "\\(ha").replace('~', "\\(ti");
        if line.starts_with('.') { format!("\\&{line}") } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines() {
        let text = sections("Some words\nmore.\n\nExamples:\n  torrent a --b 'c'\n  .hidden \\ x\n\nLast words.");
        assert_eq!(
            text,
            ".SH NOTES\n.PP\nSome words\nmore.\n.PP\nLast words.\n.SH EXAMPLES\n.nf\n  torrent a \\-\\-b \\(aqc\\(aq\n  .hidden \\e x\n.fi\n"
        );
    }
}
