//! What one element of a path may look like.

/// The most bytes in one element: what most file systems take.
pub const MAX_ELEMENT_LENGTH: usize = 255;

/// What is left of a longer element, not counting a short extension: `.1` and the like must fit behind it.
const CUT_LENGTH: usize = 240;
/// The longest extension that survives the cut, dot included.
const MAX_EXTENSION: usize = 10;

/// The element of a path as it may be created on disk.
///
/// * Separators of any platform, zero-width characters and those that change the direction of writing are left out.
/// * What is not UTF-8, control characters, and on Windows `? < > " | * :`, become `_`.
/// * An element that is empty, `.` or `..` after that becomes `_`, so that each one counts.
/// * One of more than 255 bytes is cut to 240, not counting an extension of at most 10 bytes.
/// * On Windows device names (`con`, `nul.txt`, `LPT1`) get a `_` in front, and trailing spaces and dots are cut off.
#[must_use]
pub fn sanitize_element(element: &[u8]) -> String {
    sanitize(element, cfg!(windows)).unwrap_or_else(|| "_".to_owned())
}

/// The same for the name of the whole torrent; `None` where nothing of it is left.
pub(crate) fn sanitize_root(name: &[u8]) -> Option<String> {
    sanitize(name, cfg!(windows))
}

/// The element as it may be created on Windows, or elsewhere.
pub(super) fn sanitize_for(element: &str, windows: bool) -> Option<String> {
    sanitize(element.as_bytes(), windows)
}

fn sanitize(element: &[u8], windows: bool) -> Option<String> {
    let mut name = String::with_capacity(element.len().min(MAX_ELEMENT_LENGTH));
    for chunk in element.utf8_chunks() {
        name.extend(chunk.valid().chars().filter(|char| !is_dropped(*char)).map(|char| match char {
            char if char.is_control() || (windows && is_bad_on_windows(char)) => '_',
            char => char,
        }));
        if !chunk.invalid().is_empty() {
            name.push('_');
        }
    }
    name = cut(&name, windows);
    if windows && is_device(&name) {
        name = cut(&format!("_{name}"), windows);
    }
    if matches!(&*name, "" | "." | "..") { None } else { Some(name) }
}

fn cut(name: &str, windows: bool) -> String {
    let mut name = if name.len() > MAX_ELEMENT_LENGTH { shorten(name, CUT_LENGTH) } else { name.to_owned() };
    if windows {
        name.truncate(name.trim_end_matches([' ', '.']).len());
    }
    name
}

/// Cuts `name` to `limit` bytes, not counting an extension of at most 10 bytes.
pub(crate) fn shorten(name: &str, limit: usize) -> String {
    let dot = name.rfind('.').filter(|dot| name.len().saturating_sub(*dot) <= MAX_EXTENSION).unwrap_or(name.len());
    let (stem, extension) = name.split_at_checked(dot).unwrap_or((name, ""));
    let mut end = limit.min(stem.len());
    while !stem.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    [stem.get(..end).unwrap_or_default(), extension].concat()
}

/// Zero-width characters and those that change the direction of writing: what is shown would not be what is there.
const fn is_dropped(char: char) -> bool {
    matches!(char,
        '/' | '\\'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
    )
}

pub(super) const fn is_bad_on_windows(char: char) -> bool {
    matches!(char, '?' | '<' | '>' | '"' | '|' | '*' | ':')
}

/// Whether Windows takes `name` for a device: what counts is the part before the first dot, without trailing spaces.
pub(super) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    match &*stem {
        "aux" | "clock$" | "con" | "conin$" | "conout$" | "nul" | "prn" => true,
        stem => stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt")).is_some_and(|number| {
            let mut chars = number.chars();
            matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_unix(element: &[u8]) -> Option<String> {
        sanitize(element, false)
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in ["a", "movie (2020) [1080p].mkv", "日本語.txt", ".hidden", "...", "a..b", "what?.txt", "e\u{301}"]
        {
            assert_eq!(on_unix(name.as_bytes()).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_cannot_be_seen_is_dropped() {
        assert_eq!(on_unix("photo\u{202e}gpj.exe".as_bytes()).unwrap(), "photogpj.exe");
        assert_eq!(on_unix("a\u{200b}\u{feff}\u{2066}\u{61c}b".as_bytes()).unwrap(), "ab");
        assert_eq!(on_unix(".\u{200b}.".as_bytes()), None, "no `..` by the back door");
    }

    #[test]
    fn what_is_not_text_becomes_an_underscore() {
        assert_eq!(on_unix(b"a\xffb").unwrap(), "a_b");
        assert_eq!(on_unix(b"a\0b\nc\x7f").unwrap(), "a_b_c_");
        assert_eq!(on_unix("a\u{85}b".as_bytes()).unwrap(), "a_b", "C1");
        assert!(!on_unix(b"\xc0\xae\xc0\xae").unwrap().contains('.'), "overlong dots");
        assert!(!on_unix(b"\xed\xa0\x80").unwrap().is_empty(), "surrogates");
    }

    #[test]
    fn device_names_are_renamed_on_windows() {
        for name in ["con", "CON", "nul.txt", "Aux.tar.gz", "lpt9", "com¹", "con .txt", "CONIN$"] {
            assert_eq!(sanitize(name.as_bytes(), true).unwrap(), format!("_{name}"));
            assert_eq!(on_unix(name.as_bytes()).unwrap(), name, "a name like others");
        }
        for name in ["icon", "console", "com", "com10", "lpt", "aux_", "communism"] {
            assert_eq!(sanitize(name.as_bytes(), true).unwrap(), name);
        }
    }

    #[test]
    fn windows_has_more_rules() {
        assert_eq!(sanitize(b"a?b:c*. . ", true).unwrap(), "a_b_c_");
        assert_eq!(sanitize(b"...", true), None);
        assert_eq!(sanitize(b"con.", true).unwrap(), "_con");
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = on_unix(format!("{}.mkv", "x".repeat(300)).as_bytes()).unwrap();
        assert_eq!(name, format!("{}.mkv", "x".repeat(240)));
        assert_eq!(on_unix("é".repeat(200).as_bytes()).unwrap(), "é".repeat(120));
        for length in [241, 250, 255] {
            assert_eq!(on_unix("x".repeat(length).as_bytes()).unwrap().len(), length, "it fits as it is");
        }
        assert_eq!(on_unix("x".repeat(256).as_bytes()).unwrap().len(), 240);
        assert_eq!(on_unix(format!("{}.{}", "x".repeat(300), "y".repeat(30)).as_bytes()).unwrap(), "x".repeat(240));
        assert!(on_unix(format!("con.{}.abcdefghi", "x".repeat(300)).as_bytes()).unwrap().len() <= MAX_ELEMENT_LENGTH);
    }
}
