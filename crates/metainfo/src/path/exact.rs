//! Paths as a torrent spells them, for looking whether something lies there already.
//! In: elements as raw bytes. Out: a path of the platform that stays inside its folder, or none.

use std::path::PathBuf;

use super::{MAX_DEPTH, MAX_ELEMENT_LENGTH};

/// The path of these elements; `None` where one of them can be no name on this platform, or would lead elsewhere.
pub(crate) fn exact<'a>(elements: impl IntoIterator<Item = &'a [u8]>) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for (depth, element) in elements.into_iter().enumerate() {
        let is_name = !matches!(element, b"" | b"." | b"..") && !element.iter().any(|byte| matches!(byte, b'/' | 0));
        if !is_name || depth >= MAX_DEPTH || element.len() > MAX_ELEMENT_LENGTH {
            return None;
        }
        path.push(os_name(element)?);
    }
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

/// Any bytes are a name here.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every platform")]
fn os_name(element: &[u8]) -> Option<&std::ffi::OsStr> {
    Some(std::os::unix::ffi::OsStrExt::from_bytes(element))
}

/// Text that no rule of the platform turns into something else.
#[cfg(not(unix))]
fn os_name(element: &[u8]) -> Option<&std::ffi::OsStr> {
    let is_plain = |char: char| !char.is_control() && !matches!(char, '\\' | '?' | '<' | '>' | '"' | '|' | '*' | ':');
    let name = std::str::from_utf8(element).ok()?;
    let is_kept = name.chars().all(is_plain) && !name.ends_with([' ', '.']) && !super::element::is_device(name);
    is_kept.then(|| name.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_lead_elsewhere_are_none() {
        for bad in
            [&[&b".."[..]][..], &[b"a", b".."], &[b"."], &[b""], &[b"a/b"], &[b"a\0"], &[b"/"], &[], &[&[b'x'; 256]]]
        {
            assert_eq!(exact(bad.iter().copied()), None, "{bad:?}");
        }
        assert_eq!(exact(vec![&b"a"[..]; MAX_DEPTH + 1]), None);
    }

    #[cfg(unix)]
    #[test]
    fn any_other_bytes_are_a_path() {
        use std::os::unix::ffi::OsStrExt;
        let path = exact([&b"a\\b"[..], b"\xff\n", b"aux.c", &[b'x'; 255]]).unwrap();
        assert_eq!(path.as_os_str().as_bytes(), [&b"a\\b/\xff\n/aux.c/"[..], &[b'x'; 255]].concat());
    }
}
