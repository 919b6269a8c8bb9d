//! Patterns for names, as in a `.gitignore`: `*.nfo`, `Sample/**`, `img_[0-9]?.jpg`.
//! Works in time pattern × path, whatever the pattern.

use std::{fmt, str::FromStr};

/// A pattern for paths below the folder.
///
/// `*` stands for any characters but `/`, `**` for any, `?` for one, `[a-z]` and `[!a-z]` for one of a set; `\` takes the
/// meaning from what follows. Without a `/` it is compared with the last element of a path, else with all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    text: Box<str>,
    tokens: Vec<Token>,
    whole_path: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Token {
    Char(char),
    AnyChar,
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `*`
    Star,
    /// `**`
    StarStar,
    /// `**/`: any number of folders, also none.
    Folders,
}

impl Glob {
    /// Whether the path, with `/` between its elements, fits the pattern. Upper and lower case differ.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let text = if self.whole_path { path } else { path.rsplit_once('/').map_or(path, |(_, name)| name) };
        // The tokens that may come next; one more for the end.
        let mut states = vec![false; self.tokens.len().saturating_add(1)];
        let mut after = states.clone();
        self.enter(&mut states, 0);
        let mut at_start = true;
        for char in text.chars() {
            after.fill(false);
            for (index, token) in self.tokens.iter().enumerate() {
                if !states.get(index).copied().unwrap_or_default() {
                    continue;
                }
                let next = index.saturating_add(1);
                match token {
                    Token::Star if char != '/' => self.enter(&mut after, index),
                    Token::StarStar => self.enter(&mut after, index),
                    // Entered again behind every slash.
                    Token::Folders => {
                        set(&mut after, index);
                        if char == '/' && !at_start {
                            self.enter(&mut after, next);
                        }
                    }
                    token if token.fits(char) => self.enter(&mut after, next),
                    _ => {}
                }
            }
            at_start = false;
            std::mem::swap(&mut states, &mut after);
        }
        states.last().copied().unwrap_or_default()
    }

    /// Marks `index`, and what follows it if it may stand for nothing.
    fn enter(&self, states: &mut [bool], index: usize) {
        let mut index = index;
        set(states, index);
        while matches!(self.tokens.get(index), Some(Token::Star | Token::StarStar | Token::Folders)) {
            index = index.saturating_add(1);
            set(states, index);
        }
    }
}

fn set(states: &mut [bool], index: usize) {
    if let Some(state) = states.get_mut(index) {
        *state = true;
    }
}

impl Token {
    fn fits(&self, char: char) -> bool {
        match self {
            Self::Char(own) => *own == char,
            Self::AnyChar => char != '/',
            Self::Set { negated, ranges } => {
                char != '/' && ranges.iter().any(|(first, last)| (*first..=*last).contains(&char)) != *negated
            }
            Self::Star | Self::StarStar | Self::Folders => false,
        }
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let trimmed = text.trim_end_matches('/');
        let mut tokens = Vec::new();
        let mut chars = trimmed.trim_start_matches('/').chars().peekable();
        while let Some(char) = chars.next() {
            let token = match char {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    let is_element = matches!(tokens.last(), None | Some(Token::Char('/')));
                    if is_element && chars.next_if_eq(&'/').is_some() { Token::Folders } else { Token::StarStar }
                }
                '*' => Token::Star,
                '?' => Token::AnyChar,
                '[' => parse_set(&mut chars).ok_or(GlobError)?,
                '\\' => Token::Char(chars.next().ok_or(GlobError)?),
                char => Token::Char(char),
            };
            tokens.push(token);
        }
        if tokens.is_empty() {
            return Err(GlobError);
        }
        Ok(Self { text: text.into(), tokens, whole_path: trimmed.contains('/') })
    }
}

fn parse_set(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if(|char| matches!(char, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Set { negated, ranges }),
            '\\' => chars.next()?,
            char => char,
        };
        let mut ahead = chars.clone();
        let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|char| *char != ']');
        let last = if is_range {
            chars.next();
            chars.next()?
        } else {
            first
        };
        ranges.push((first, last));
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A pattern that is empty, or ends within a set or after a backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct GlobError;

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a pattern: empty, or without an end to its [ or \\")
    }
}

impl std::error::Error for GlobError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        pattern.parse::<Glob>().unwrap().matches(path)
    }

    #[test]
    fn names_are_compared_at_any_depth() {
        for (pattern, path) in [
            ("*.nfo", "a.nfo"),
            ("*.nfo", "x/y/a.nfo"),
            ("img_[0-9]?.jpg", "img_1x.jpg"),
            ("[!a]b", "xb"),
            ("[]]", "]"),
            ("[a-]", "-"),
            (r"\*", "*"),
            ("*", "anything"),
            ("Sample", "x/Sample"),
            ("é?", "éü"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("*.nfo", "a.nfox"), ("[!a]b", "ab"), ("a", "b/aa"), ("?", "ab"), ("*a", "x/b"), (r"\*", "a")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_with_a_slash_are_for_whole_paths() {
        for (pattern, path) in [
            ("/a", "a"),
            ("a/*", "a/b"),
            ("a/**", "a/b/c"),
            ("**/b", "b"),
            ("**/b", "x/y/b"),
            ("a/**/b", "a/b"),
            ("a/**/b", "a/x/y/b"),
            ("a/b/", "a/b"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("/a", "x/a"), ("a/*", "a/b/c"), ("a/*", "x/a/b"), ("**/b", "xb"), ("a/**/b", "a/xb"), ("a/?", "a//")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&"*a".repeat(200), &"a".repeat(150)));
        assert!(!matches(&"**b".repeat(200), &"a".repeat(5000)));
    }

    #[test]
    fn broken_patterns_are_refused() {
        for bad in ["", "/", "[", "[a", "[]", "a\\"] {
            assert_eq!(bad.parse::<Glob>(), Err(GlobError), "{bad}");
        }
    }
}
