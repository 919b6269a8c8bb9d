//! Text from strangers, made fit for a terminal. The one place that knows which characters are not shown as they are:
//! controls, which move the cursor and set titles, and those that have no width or turn the reading direction.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

/// Whether a character could make a terminal show something else than what is there.
fn is_hostile(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
        )
}

/// Text as one line.
pub(crate) fn line(text: &str) -> String {
    escaped(text, &[]).into_owned()
}

/// Text as the lines that it has.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, &['\n', '\t'])
}

fn escaped<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let is_hostile = |char: char| is_hostile(char) && !kept.contains(&char);
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for char in text.chars() {
        if is_hostile(char) {
            clean.extend(char.escape_default());
        } else {
            clean.push(char);
        }
    }
    Cow::Owned(clean)
}

/// JSON that means the same. Outside of strings it has none of these characters but line breaks.
pub(crate) fn json(json: &str) -> Cow<'_, str> {
    let is_hostile = |char: char| is_hostile(char) && char != '\n';
    if !json.contains(is_hostile) {
        return Cow::Borrowed(json);
    }
    let mut clean = String::with_capacity(json.len());
    for char in json.chars() {
        if is_hostile(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(clean, "\\u{unit:04x}").expect("strings take all text");
            }
        } else {
            clean.push(char);
        }
    }
    Cow::Owned(clean)
}

/// Cleans log lines on their way out. Their colours stay: the logger escapes the escapes of others itself.
pub(crate) struct Writer<W>(pub(crate) W);

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(escaped(&text, &['\n', '\t', '\u{1b}']).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind: what sets titles and colours, C1, what moves back, turns around, hides or takes no room.
    const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{9b}1m\r\u{8}\u{7f}\u{202e}\u{2066}\u{61c}\u{200b}\u{2028}\u{ad}\u{180e}\u{fff9}\u{e0041}\u{feff}\u{3164}";

    #[test]
    fn no_text_controls_the_terminal() {
        assert_eq!(line("a\u{1b}[2J\n\u{202e}b"), "a\\u{1b}[2J\\n\\u{202e}b");
        assert_eq!(lines("a\tb\nc\u{9b}"), "a\tb\nc\\u{9b}");
        assert!(line(HOSTILE).is_ascii() && lines(HOSTILE).is_ascii() && json(HOSTILE).is_ascii());
        for plain in ["é", "日本語", "e\u{301}", "नमस्ते", "👍🏽", "a b"] {
            assert_eq!((line(plain).as_str(), &*lines(plain), &*json(plain)), (plain, plain, plain));
        }
    }

    #[test]
    fn escaped_json_means_the_same() {
        let text = serde_json::to_string_pretty(&serde_json::json!({ HOSTILE: [HOSTILE] })).unwrap();
        let clean = json(&text);
        assert!(clean.is_ascii());
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&clean).unwrap(),
            serde_json::json!({ HOSTILE: [HOSTILE] })
        );
    }

    #[test]
    fn log_lines_keep_their_colours() {
        let mut out = Vec::new();
        Writer(&mut out).write_all("\u{1b}[33mWARN\u{1b}[0m a\u{202e}b\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\u{1b}[33mWARN\u{1b}[0m a\\u{202e}b\n");
    }
}
