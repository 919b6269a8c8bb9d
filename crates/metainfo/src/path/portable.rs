//! Names that other systems cannot have. In: paths as a creator of torrents found them. Out: which of them receivers elsewhere
//! will see under another name, and why.

use std::fmt;

use super::{
    Names, SafePath,
    element::{is_bad_on_windows, is_device, sanitize_for},
};

/// Why a file gets another name on some systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unportable {
    /// Windows does not allow a character of it: `? < > " | * :`.
    Character,
    /// Windows takes the name for a device.
    Device,
    /// It has control characters, separators of other systems, or characters that are not seen or turn the direction of
    /// writing.
    Hidden,
    /// Windows cuts off spaces and dots at the end.
    Trailing,
    /// Another file has the same name, but for upper and lower case or the way in which accents are composed.
    Twin,
}

impl fmt::Display for Unportable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "Windows does not allow one of its characters",
            Self::Device => "Windows takes it for a device",
            Self::Hidden => "it has characters that are not seen",
            Self::Trailing => "Windows cuts off dots and spaces at the end",
            Self::Twin => "another file differs from it only in case or accents",
        })
    }
}

/// Why an element of a path is another one elsewhere.
#[must_use]
pub fn unportable_element(element: &str) -> Option<Unportable> {
    if sanitize_for(element, false).as_deref() != Some(element) {
        Some(Unportable::Hidden)
    } else if is_device(element) {
        Some(Unportable::Device)
    } else if element.contains(is_bad_on_windows) {
        Some(Unportable::Character)
    } else if element.ends_with([' ', '.']) {
        Some(Unportable::Trailing)
    } else {
        None
    }
}

/// The numbers of the paths that are others elsewhere, with the reason, in order.
#[must_use]
pub fn unportable<P: IntoIterator<Item = E>, E: AsRef<str>>(
    paths: impl IntoIterator<Item = P>,
) -> Vec<(usize, Unportable)> {
    let mut safe = Vec::new();
    let mut reasons = Vec::new();
    for elements in paths {
        let elements: Vec<_> = elements.into_iter().collect();
        reasons.push(elements.iter().find_map(|element| unportable_element(element.as_ref())));
        safe.push(SafePath::sanitize(elements.iter().map(|element| element.as_ref().as_bytes())).ok());
    }
    let mut names = Names::default();
    safe.iter().flatten().for_each(|path| names.add_folders(path));
    let numbered = safe.iter().zip(reasons).enumerate();
    numbered
        .filter_map(|(number, (path, reason))| {
            let twin = path.as_ref().and_then(|path| names.add_file(path)).map(|_| Unportable::Twin);
            Some((number, reason.or(twin)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_cannot_have_are_told_with_the_reason() {
        use Unportable::*;
        let paths = [
            vec!["plain.txt"],
            vec!["i2c", "aux.c"],
            vec!["what?.txt"],
            vec!["ends. "],
            vec!["a\nb"],
            vec!["\u{202e}gpj.exe"],
            vec!["xt_TCPMSS.h"],
            vec!["xt_tcpmss.h"],
            vec!["e\u{301}"],
            vec!["\u{e9}"],
            vec!["con", "x"],
            vec!["日本語"],
            vec!["...", "x"],
        ];
        let expected = [
            (1, Device),
            (2, Character),
            (3, Trailing),
            (4, Hidden),
            (5, Hidden),
            (7, Twin),
            (9, Twin),
            (10, Device),
            (12, Trailing),
        ];
        assert_eq!(unportable(paths), expected);
    }
}
