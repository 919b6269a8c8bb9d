//! The one gate for names that strangers chose. Used for .torrent files and for metadata that came by magnet link alike.
//! In: path elements as raw bytes. Out: [`SafePath`], which cannot leave the folder it is joined to.
//! Never: the file system; containment while opening (symlinks on disk) is for the storage to check too.

mod element;
mod exact;
mod portable;
mod unique;

use std::{
    fmt,
    path::{Path, PathBuf},
};

pub use element::{MAX_ELEMENT_LENGTH, sanitize_element};
pub(crate) use element::{sanitize_root, shorten};
pub(crate) use exact::exact;
pub use portable::{Unportable, unportable, unportable_element};
pub(crate) use unique::Names;

/// The most elements that a path may have.
pub const MAX_DEPTH: usize = 100;

/// A relative path that stays inside the folder it is joined to, whatever the torrent said.
///
/// It has 1 to [`MAX_DEPTH`] elements. Each is non-empty UTF-8 of at most [`MAX_ELEMENT_LENGTH`] bytes, is neither `.` nor
/// `..`, and holds no separator of any platform and no control, zero-width or direction-changing character. On Windows it
/// is no name that is reserved for a device there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath {
    /// The elements, joined by `/`.
    joined: Box<str>,
}

impl SafePath {
    /// Makes a path of what a torrent says. An empty list becomes `_`, as an empty element does.
    ///
    /// # Errors
    /// If there are more than [`MAX_DEPTH`] elements.
    pub fn sanitize<E: AsRef<[u8]>>(elements: impl IntoIterator<Item = E>) -> Result<Self, TooDeep> {
        let mut joined = String::new();
        for (depth, element) in elements.into_iter().enumerate() {
            if depth >= MAX_DEPTH {
                return Err(TooDeep);
            }
            if depth > 0 {
                joined.push('/');
            }
            joined.push_str(&sanitize_element(element.as_ref()));
        }
        if joined.is_empty() {
            joined.push('_');
        }
        Ok(Self { joined: joined.into() })
    }

    /// The path whose only element is this name, made safe.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        Self { joined: sanitize_element(name).into() }
    }

    /// The elements, outermost first. There is at least one.
    pub fn elements(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.joined.split('/')
    }

    /// The last element.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.joined.rsplit_once('/').map_or(&*self.joined, |(_, name)| name)
    }

    /// The path without its last element, if more than one.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.joined.rsplit_once('/').map(|(parent, _)| Self { joined: parent.into() })
    }

    /// The path without its first element, if more than one.
    #[must_use]
    pub fn without_root(&self) -> Option<Self> {
        self.joined.split_once('/').map(|(_, rest)| Self { joined: rest.into() })
    }

    /// The elements joined by `/`, on every platform.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.joined
    }

    /// Where it lies under `folder`.
    #[must_use]
    pub fn under(&self, folder: impl AsRef<Path>) -> PathBuf {
        let mut path = folder.as_ref().to_path_buf();
        path.extend(self.elements());
        path
    }

    /// Joins elements that are known to be safe.
    pub(crate) fn from_safe<'a>(elements: impl IntoIterator<Item = &'a str>) -> Self {
        let joined = elements.into_iter().collect::<Vec<_>>().join("/");
        Self { joined: if joined.is_empty() { "_".into() } else { joined.into() } }
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined)
    }
}

impl fmt::Debug for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafePath({:?})", self.joined)
    }
}

/// A path has more than [`MAX_DEPTH`] elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a path of more than {MAX_DEPTH} elements")
    }
}

impl std::error::Error for TooDeep {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn hostile_paths_stay_inside() {
        for (elements, expected) in [
            (&["..", "..", "etc", "passwd"][..], "_/_/etc/passwd"),
            (&["/etc/passwd"], "etcpasswd"),
            (&["a", "", "b"], "a/_/b"),
            (&[], "_"),
            (&["abc/../../def"], "abc....def"),
            (&["C:\\Windows", "con"], if cfg!(windows) { "C_Windows/_con" } else { "C:Windows/con" }),
        ] {
            assert_eq!(SafePath::sanitize(elements).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn ten_thousand_elements_are_refused() {
        assert_eq!(SafePath::sanitize(vec!["a"; 10_000]), Err(TooDeep));
        assert_eq!(SafePath::sanitize(vec!["a"; MAX_DEPTH]).unwrap().elements().count(), MAX_DEPTH);
    }

    #[test]
    fn parts_of_a_path() {
        let path = SafePath::sanitize(["a", "b", "c.txt"]).unwrap();
        assert_eq!(path.file_name(), "c.txt");
        assert_eq!(path.parent().unwrap().as_str(), "a/b");
        assert_eq!(path.without_root().unwrap().as_str(), "b/c.txt");
        assert_eq!(path.under("/tmp"), Path::new("/tmp/a/b/c.txt"));
        assert_eq!(SafePath::from_name(b"x").parent(), None);
    }

    fn element() -> impl Strategy<Value = Vec<u8>> {
        let nasty = prop::sample::select(vec![
            &b"."[..],
            b"..",
            b"/",
            b"\\",
            b"\0",
            b"\xff",
            b"con",
            b"aux.txt",
            b" ",
            b"\xe2\x80\xae",
            b"\xe2\x80\x8b",
            b"\xc0\xaf",
            b"C:",
            b"x",
            b"\xed\xa0\x80",
            b"COM1",
            b"\xc2\xb9",
            b"~",
        ]);
        prop_oneof![
            prop::collection::vec(nasty, 0..6).prop_map(|parts| parts.concat()),
            prop::collection::vec(any::<u8>(), 0..400),
            "\\PC{0,300}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn no_path_leaves_its_folder(elements in prop::collection::vec(element(), 0..8)) {
            let path = SafePath::sanitize(&elements).unwrap();
            let under = path.under("/folder");
            let inside: Vec<_> = under.strip_prefix("/folder").unwrap().components().collect();
            prop_assert!(inside.iter().all(|component| matches!(component, Component::Normal(_))));
            prop_assert_eq!(inside.len(), elements.len().max(1));
            for element in path.elements() {
                prop_assert!(!element.is_empty() && element.len() <= MAX_ELEMENT_LENGTH);
                prop_assert!(!element.contains(['/', '\\', '\0']) && element != "." && element != "..");
                prop_assert_eq!(sanitize_element(element.as_bytes()), element, "idempotent");
            }
        }
    }
}
