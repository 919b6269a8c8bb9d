//! What happens to links on the way from a page, a mail or a file into a program, undone: HTML escapes, line breaks,
//! quotes, byte order marks, a second round of percent-escapes. In: text from anybody. Out: links, one by one.
//! Works in time proportional to the text.

use std::borrow::Cow;

use super::{
    encoding::decode_component,
    hash::{looks_like_hash, strip_prefix},
};
use crate::InfoHashes;

/// The longest HTML escape that is undone, in bytes: `&#1114111;`.
const MAX_ENTITY: usize = 10;

/// The links and bare info hashes that a text holds, one by one, in order.
///
/// A line that begins with `magnet:`, or is an info hash, begins a new one; other lines go on with the link before, as mail
/// programs wrap them. Empty where the text begins with something else.
#[must_use]
pub fn links(text: &str) -> Vec<String> {
    let text = unescape_html(text);
    let mut links: Vec<String> = Vec::new();
    for line in text.lines().flat_map(|line| line.split('\r')) {
        let line = line.trim_start_matches(|char: char| is_space(char) || char == '>').trim_end_matches(is_space);
        if line.is_empty() {
            continue;
        }
        let start = unquote(strip_prefix(line, "url=").unwrap_or(line));
        // A hash on a line of its own may be the rest of a link that was broken in front of it.
        let is_open = links.last().is_some_and(|link| link.ends_with([':', '=', '&', '?']));
        if begins_link(start) || (!is_open && start.parse::<InfoHashes>().is_ok()) {
            links.extend(words(start));
        } else if let Some(link) = links.last_mut() {
            link.push_str(line);
        } else if looks_like_hash(start) {
            links.push(start.to_owned());
        } else if let Some(link) = within(line) {
            links.extend(words(link));
        } else {
            return Vec::new();
        }
    }
    links.iter_mut().for_each(|link| *link = unquote(link).to_owned());
    links
}

/// A link in the middle of a line, as in `<a href="magnet:?…">` or `[name](magnet:?…)`.
fn within(line: &str) -> Option<&str> {
    let at = line
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| line.get(*at..).and_then(|rest| strip_prefix(rest, "magnet:?xt=")).is_some())?;
    let (before, link) = line.split_at_checked(at)?;
    let end = match before.chars().next_back()? {
        quote @ ('"' | '\'' | '`') => quote,
        '(' => ')',
        '[' => ']',
        '<' | '>' => '<',
        char if is_space(char) || matches!(char, ':' | '=') => return link.split_whitespace().next(),
        _ => return None,
    };
    link.split(end).next()
}

/// One line, cut where another link begins after a space, comma or the like.
fn words(line: &str) -> impl Iterator<Item = String> {
    let mut starts = vec![0];
    let bytes = line.as_bytes();
    let separates = |byte: &u8| matches!(byte, b' ' | b'\t' | b',' | b';' | b'|' | b'"' | b'\'' | b'<' | b'>');
    for at in bytes.iter().enumerate().filter(|(_, byte)| separates(byte)).map(|(at, _)| at.saturating_add(1)) {
        if line.get(at..).and_then(|rest| strip_prefix(rest, "magnet:?")).is_some() {
            starts.push(at);
        }
    }
    let ends: Vec<_> = starts.iter().copied().skip(1).chain([line.len()]).collect();
    let parts: Vec<_> = starts.into_iter().zip(ends).filter_map(|(start, end)| line.get(start..end)).collect();
    let last = parts.len().saturating_sub(1);
    let part = |(number, part): (usize, &str)| {
        // What stood between two links belongs to neither.
        let part = if number < last {
            part.trim_end_matches(|char: char| is_space(char) || matches!(char, ',' | ';' | '|' | '"' | '\'' | '<'))
        } else {
            part
        };
        unquote(part).to_owned()
    };
    parts.into_iter().enumerate().map(part).collect::<Vec<_>>().into_iter()
}

/// Whether a link begins here, escaped once too often or not.
pub(super) fn begins_link(text: &str) -> bool {
    strip_prefix(text, "magnet:").or_else(|| strip_prefix(text, "magnet%3a")).is_some()
}

/// What follows `magnet:?`, in a link that is whole and by itself.
pub(super) fn query(link: &str) -> Option<Cow<'_, str>> {
    let slash = |rest: &'_ str| -> usize { rest.len().saturating_sub(rest.trim_start_matches('/').len()) };
    if let Some(rest) = strip_prefix(link, "magnet:") {
        let after = rest.get(slash(rest)..)?;
        if let Some(query) = after.strip_prefix('?') {
            return Some(Cow::Borrowed(query));
        }
        // Without the question mark, but with a topic.
        if strip_prefix(after, "xt=").is_some() {
            return Some(Cow::Borrowed(after));
        }
        strip_prefix(after, "%3f")?;
    } else {
        strip_prefix(link, "magnet%3a")?;
    }
    // All of it was escaped, as if it were the value of something else.
    let decoded = decode_component(link);
    let rest = strip_prefix(&decoded, "magnet:")?;
    let query = rest.get(slash(rest)..)?.strip_prefix('?')?;
    Some(Cow::Owned(query.to_owned()))
}

/// Takes away white space, byte order marks, invisible characters, and quotes or brackets around all of it.
pub(super) fn unquote(text: &str) -> &str {
    const PAIRS: [(char, char); 10] = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('<', '>'),
        ('(', ')'),
        ('[', ']'),
        ('\u{201c}', '\u{201d}'),
        ('\u{201e}', '\u{201c}'),
        ('\u{2018}', '\u{2019}'),
        ('\u{ab}', '\u{bb}'),
    ];
    let mut text = text.trim_matches(is_space);
    while let Some((_, close)) = text.chars().next().and_then(|first| PAIRS.iter().find(|(open, _)| *open == first)) {
        let inner = text.get(text.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
        text = inner.strip_suffix(*close).unwrap_or(inner).trim_matches(is_space);
    }
    // The end of an attribute, of an address in brackets or of an item of a list; no link ends so.
    text.trim_end_matches(['"', '>', '<', ',']).trim_end_matches(is_space)
}

/// White space of any kind, and what takes no room at all.
pub(super) const fn is_space(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\0')
        || char.is_whitespace()
}

/// Undoes the escapes of HTML, however often they were applied.
pub(super) fn unescape_html(text: &str) -> Cow<'_, str> {
    if !text.contains('&') || !text.contains(';') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        plain.push(char);
        // What comes out may be the end of another escape: `&amp;#039;`.
        while plain.ends_with(';')
            && let Some((start, char)) = entity(&plain)
        {
            plain.truncate(start);
            plain.push(char);
        }
    }
    Cow::Owned(plain)
}

/// The escape at the end of `text`: where it begins and what it stands for.
fn entity(text: &str) -> Option<(usize, char)> {
    let tail = text.len().saturating_sub(MAX_ENTITY);
    let at = text.as_bytes().get(tail..)?.iter().rposition(|byte| *byte == b'&')?;
    let start = tail.checked_add(at)?;
    let name = text.get(start.checked_add(1)?..)?.strip_suffix(';')?;
    let char = match name {
        "amp" | "AMP" => '&',
        "quot" => '"',
        "apos" => '\'',
        "lt" => '<',
        "gt" => '>',
        "nbsp" => ' ',
        "num" => '#',
        "equals" => '=',
        name => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((start, char))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";

    #[test]
    fn html_escapes_are_undone_to_the_end() {
        for (text, plain) in [
            ("a&amp;b", "a&b"),
            ("Owl&#039;s &quot;x&quot; &lt;&gt;", "Owl's \"x\" <>"),
            ("a&amp;amp;b &amp;#x27;", "a&b '"),
            ("&amp&#59;x", "&x"),
            ("&;&#;&#x;&unknown;&#99999999;&#xd800;", "&;&#;&#x;&unknown;&#99999999;&#xd800;"),
            ("a;b", "a;b"),
        ] {
            assert_eq!(unescape_html(text), plain, "{text}");
        }
        let deep = format!("&{}", "amp;".repeat(60_000));
        assert_eq!(unescape_html(&deep), "&");
    }

    #[test]
    fn a_list_of_links_comes_one_by_one() {
        let text = format!(
            "\u{feff}magnet:?xt=urn:btih:{HASH}&dn=one\r\n\r\n> \"magnet:?xt=urn:btih:{HASH}\r\n>  &dn=two\"\n{HASH}\nMAGNET:?xt=a"
        );
        let expected = [
            format!("magnet:?xt=urn:btih:{HASH}&dn=one"),
            format!("magnet:?xt=urn:btih:{HASH}&dn=two"),
            HASH.to_owned(),
            "MAGNET:?xt=a".to_owned(),
        ];
        assert_eq!(links(&text), expected);
        assert_eq!(links("magnet:?xt=1 magnet:?xt=2,magnet:?xt=3").len(), 3);
        assert_eq!(
            links(&format!("magnet:?xt=urn:btih:\n{HASH}\n&dn=x")),
            [format!("magnet:?xt=urn:btih:{HASH}&dn=x")]
        );
        assert_eq!(links("[InternetShortcut]\nURL=magnet:?x=1").len(), 0, "text in front");
        assert_eq!(links("URL=magnet:?xt=1"), ["magnet:?xt=1"]);
        assert_eq!(links("d4:infod"), Vec::<String>::new());
        assert_eq!(links(&HASH[1..]), [&HASH[1..]], "meant to be a hash");
        for line in ["<a href=\"magnet:?xt=1&dn=a b\">x</a>", "[x](magnet:?xt=1&dn=a b)", "<b>magnet:?xt=1&dn=a b</b>"]
        {
            assert_eq!(links(line), ["magnet:?xt=1&dn=a b"], "{line}");
        }
        assert_eq!(links("the link: magnet:?xt=1&dn=a and so on"), ["magnet:?xt=1&dn=a"]);
    }

    #[test]
    fn quotes_and_white_space_around_a_link_go_away() {
        for text in [
            "\u{a0}x\u{a0}",
            "\"x\"",
            "'x'",
            "<x>",
            "`x`",
            "\u{201c}x\u{201d}",
            "\u{feff} (x)\n",
            "x\">",
            "\u{200b}[<x>]",
            "'x",
        ] {
            assert_eq!(unquote(text), "x", "{text:?}");
        }
    }
}
