//! One value of a larger one.

use std::str::FromStr;

use torrent_bencode::{Kind, Node};

use super::{
    Source,
    json::{Shown, compact},
    missing,
};
use crate::{exit::Outcome, output};

const EXAMPLES: &str = "\
PATH: keys with dots between them, numbers of list elements in brackets: info.files[0].path[1]. A \\ takes the \
meaning from a dot, bracket or \\ in a key. An empty PATH is all of it.

Text and integers come out as they are, with a line break; binary strings as their bytes, without; lists and \
dictionaries as JSON. Exits with 1 if nothing is there.

Examples:
  torrent bencode get info.name album.torrent
  torrent bencode get info --raw album.torrent | sha1sum
  curl -s http://tracker.example/announce?... | torrent bencode get interval";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Get {
    /// The way to the value, as `info.files[0].length`
    path: Path,
    #[command(flatten)]
    source: Source,
    /// Print the value as it stands there: bencoded.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Print JSON, whatever it is.
    #[arg(long)]
    json: bool,
    /// Write to a terminal what may control it, too.
    #[arg(short, long)]
    force: bool,
}

impl Get {
    pub(super) fn run(self, quiet: bool) -> Outcome {
        let bytes = self.source.read()?;
        let document = self.source.decode(&bytes, quiet)?;
        let node = self.path.follow(document.root()).ok_or_else(|| missing(&self.source.file, &self.path.text))?;
        let is_container = matches!(node.kind(), Kind::List | Kind::Dict);
        if self.raw {
            return match std::str::from_utf8(node.raw()) {
                Ok(text) => output::foreign_text(text, self.force),
                Err(_) => output::binary(node.raw(), self.force),
            };
        }
        if self.json || is_container {
            return output::json(&Shown(node));
        }
        match (node.as_bytes(), node.as_str()) {
            (None, _) => output::line(compact(node)),
            (_, Some(text)) => {
                output::foreign_text(text, self.force)?;
                output::text("\n")
            }
            (Some(bytes), None) => output::binary(bytes, self.force),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    fn follow<'d, 'a>(&self, root: Node<'d, 'a>) -> Option<Node<'d, 'a>> {
        self.steps.iter().try_fold(root, |node, step| match step {
            Step::Key(key) => node.find(key),
            Step::Index(index) => node.as_list()?.nth(*index),
        })
    }
}

impl FromStr for Path {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let mut steps = Vec::new();
        let mut chars = text.chars().peekable();
        while chars.peek().is_some() {
            if chars.next_if_eq(&'[').is_some() {
                let mut digits = String::new();
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                chars.next_if_eq(&']').ok_or("brackets hold the number of an element")?;
                steps.push(Step::Index(digits.parse().map_err(|_| "brackets hold the number of an element")?));
                match chars.next_if_eq(&'.') {
                    Some(_) if chars.peek().is_none() => return Err("a path does not end with a dot"),
                    None if chars.peek().is_some_and(|next| *next != '[') => return Err("a dot belongs behind ]"),
                    _ => continue,
                }
            }
            let mut key = String::new();
            let mut ended = false;
            while let Some(char) = chars.next_if(|char| *char != '[') {
                match char {
                    '.' => {
                        ended = true;
                        break;
                    }
                    '\\' => key.push(chars.next().ok_or("a path does not end with \\")?),
                    char => key.push(char),
                }
            }
            steps.push(Step::Key(key));
            if ended && chars.peek().is_none() {
                return Err("a path does not end with a dot");
            }
        }
        Ok(Self { text: text.into(), steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Result<Vec<Step>, &'static str> {
        text.parse().map(|path: Path| path.steps)
    }

    #[test]
    fn paths_of_keys_and_numbers() {
        let key = |text: &str| Step::Key(text.into());
        assert_eq!(steps(""), Ok(vec![]));
        assert_eq!(steps("info.piece length"), Ok(vec![key("info"), key("piece length")]));
        assert_eq!(steps("files[3].path[0]"), Ok(vec![key("files"), Step::Index(3), key("path"), Step::Index(0)]));
        assert_eq!(steps("[0][1]"), Ok(vec![Step::Index(0), Step::Index(1)]));
        assert_eq!(steps(r"a\.b\[c\\"), Ok(vec![key(r"a.b[c\")]));
    }

    #[test]
    fn broken_paths_are_refused() {
        for text in ["a.", "a[", "a[0", "a[x]", "a[0]b", "a[0].", "a\\", "[-1]"] {
            assert!(steps(text).is_err(), "{text}");
        }
    }
}
