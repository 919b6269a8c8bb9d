//! A torrent's files laid end to end, as one run of bytes. BEP 3 § "info dictionary", BEP 47 § "Padding files".
//! In: paths that were made safe before, which is checked once more here. Out: the part of each file that a range touches.

use std::{
    ops::Range,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::names::{self, Names};

/// One file of a torrent, as storage sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileEntry {
    path: PathBuf,
    exact: Option<Box<Path>>,
    length: u64,
    pad: bool,
}

impl FileEntry {
    /// A file of `length` bytes at `path`, relative to the storage's root.
    pub fn new(path: impl Into<PathBuf>, length: u64) -> Self {
        Self { path: path.into(), exact: None, length, pad: false }
    }

    /// `length` zero bytes that belong to the torrent and are never stored. BEP 47 § "Padding files".
    #[must_use]
    pub fn pad(length: u64) -> Self {
        Self { path: PathBuf::new(), exact: None, length, pad: true }
    }

    /// The exact path that the torrent gives it, where that is not its `path`, or a second place where it may be. What lies there
    /// is this file, although it would not be put there.
    #[must_use]
    pub fn exact(mut self, path: impl Into<PathBuf>) -> Self {
        self.exact = Some(path.into().into());
        self
    }

    /// Its names on disk.
    #[must_use]
    pub fn names(&self) -> Names<'_> {
        Names { path: &self.path, exact: self.exact.as_deref() }
    }

    /// Where it lies below the storage's root; empty for a pad.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Whether it is only there to align the next file.
    #[must_use]
    pub const fn is_pad(&self) -> bool {
        self.pad
    }
}

/// The files of a torrent, in order. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    files: Arc<[FileEntry]>,
    /// Where each file begins, and, as last entry, where the torrent ends.
    starts: Arc<[u64]>,
}

impl Layout {
    /// Paths come normalised out of this: `a//b` is `a/b`.
    ///
    /// # Errors
    /// If a path could leave the root, two files want the same place, or the total does not fit 64 bits.
    pub fn new(files: impl IntoIterator<Item = FileEntry>) -> Result<Self, LayoutError> {
        let files = files.into_iter().map(normal).collect::<Result<Arc<[_]>, _>>()?;
        let mut paths: Vec<&Path> = files.iter().filter(|file| !file.pad).map(FileEntry::path).collect();
        // Paths compare part by part, so whatever lies in a folder follows it directly.
        paths.sort_unstable();
        for pair in paths.windows(2) {
            if let [one, other] = pair
                && other.starts_with(one)
            {
                return Err(LayoutError::SamePlace(other.to_path_buf()));
            }
        }
        let mut starts = vec![0];
        let mut end = 0_u64;
        for file in files.iter() {
            end = end.checked_add(file.length).ok_or(LayoutError::TooLong)?;
            starts.push(end);
        }
        Ok(Self { files, starts: starts.into() })
    }

    /// The files in order, pads included.
    #[must_use]
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Bytes in the torrent, pads included.
    #[must_use]
    pub fn total_length(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The torrent's bytes that file number `index` holds; empty if there is no such file.
    #[must_use]
    pub fn file_range(&self, index: usize) -> Range<u64> {
        match self.starts.get(index..).unwrap_or_default() {
            [start, end, ..] => *start..*end,
            _ => 0..0,
        }
    }

    /// The files that `range` touches, in order, and the part of each. Empty files hold no byte and do not occur.
    pub fn segments(&self, range: Range<u64>) -> impl Iterator<Item = Segment> {
        let first = self.starts.partition_point(|start| *start <= range.start).saturating_sub(1);
        let rest = self.starts.get(first..).unwrap_or_default();
        let bounds = rest.windows(2).take_while({
            let range = range.clone();
            move |bounds| matches!(bounds, [start, _] if *start < range.end)
        });
        bounds.zip(first..).filter_map(move |(bounds, file)| {
            let [start, end] = bounds else { return None };
            let (from, to) = (range.start.max(*start), range.end.min(*end));
            let length = to.checked_sub(from).filter(|length| *length > 0)?;
            Some(Segment { file, offset: from.saturating_sub(*start), length })
        })
    }

    /// The same files, each with the path under which it is found below `root`.
    #[must_use]
    pub(crate) fn found_below(&self, root: &Path) -> Self {
        let files: Vec<_> = self.files.iter().filter(|file| !file.pad).map(FileEntry::names).collect();
        let mut places = names::find(root, &files).into_iter();
        let files = self.files.iter().map(|file| match file.pad {
            true => file.clone(),
            false => {
                FileEntry { path: places.next().map_or_else(|| file.path.clone(), |place| place.path), ..file.clone() }
            }
        });
        Self { files: files.collect(), starts: Arc::clone(&self.starts) }
    }

    /// Whether `length` bytes at `offset` lie inside the torrent.
    #[must_use]
    pub fn contains(&self, offset: u64, length: u64) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.total_length())
    }
}

fn normal(file: FileEntry) -> Result<FileEntry, LayoutError> {
    if file.pad {
        return Ok(file);
    }
    let is_name = |part: &Component<'_>| match part {
        Component::Normal(name) => !name.as_encoded_bytes().contains(&0),
        _ => false,
    };
    if file.path.components().next().is_none() || !file.path.components().all(|part| is_name(&part)) {
        return Err(LayoutError::UnsafePath(file.path));
    }
    let exact = file.exact.map(|exact| exact.components().collect::<PathBuf>());
    if let Some(exact) = &exact
        && (exact.as_os_str().is_empty() || !exact.components().all(|part| is_name(&part)))
    {
        return Err(LayoutError::UnsafePath(exact.clone()));
    }
    Ok(FileEntry { path: file.path.components().collect(), exact: exact.map(Into::into), ..file })
}

/// The part of one file that a range of the torrent touches: at least one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// Number of the file in [`Layout::files`].
    pub file: usize,
    /// First byte, counted from the beginning of the file.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// Why files are not the layout of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Two files have the same path, or one is a folder in the path of another.
    #[error("two files want the same place: {}", .0.display())]
    SamePlace(PathBuf),
    /// More than 2^64 - 1 bytes.
    #[error("the files are too long together")]
    TooLong,
    /// The path is empty, absolute, or has a part that is not a plain name.
    #[error("the path could leave its folder: {}", .0.display())]
    UnsafePath(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(paths: &[&str]) -> Result<Layout, LayoutError> {
        Layout::new(paths.iter().map(|path| FileEntry::new(*path, 1)))
    }

    #[test]
    fn paths_that_could_leave_the_root_are_refused() {
        for bad in ["", "/etc/passwd", "..", "a/../b", "../a", ".", "./a", "a\0b"] {
            assert_eq!(layout(&[bad]), Err(LayoutError::UnsafePath(bad.into())), "{bad:?}");
        }
        for bad in ["", "..", "/b", "b/.."] {
            assert!(Layout::new([FileEntry::new("a", 1).exact(bad)]).is_err(), "{bad:?}");
        }
        assert_eq!(layout(&["a//b/./c/"]).unwrap().files()[0].path(), Path::new("a/b/c"));
    }

    #[test]
    fn two_files_in_one_place_are_refused() {
        for bad in [&["a", "a"][..], &["a/b", "a"], &["a", "a-", "a/b/c"], &["x/y", "x//y"]] {
            assert!(matches!(layout(bad), Err(LayoutError::SamePlace(_))), "{bad:?}");
        }
        assert!(layout(&["a/b", "a/c", "ab", "a-"]).is_ok());
        assert!(Layout::new([FileEntry::pad(3), FileEntry::pad(3)]).is_ok(), "pads have no place");
    }

    #[test]
    fn totals_that_overflow_are_refused() {
        let files = [FileEntry::new("a", u64::MAX), FileEntry::new("b", 1)];
        assert_eq!(Layout::new(files), Err(LayoutError::TooLong));
    }

    #[test]
    fn no_files_is_a_layout_of_no_bytes() {
        let layout = Layout::new([]).unwrap();
        assert_eq!(layout.total_length(), 0);
        assert_eq!(layout.segments(0..0).count(), 0);
        assert_eq!(layout.file_range(0), 0..0);
    }

    proptest! {
        #[test]
        fn segments_cover_a_range_exactly_once(
            lengths in proptest::collection::vec(prop_oneof![Just(0), Just(1), 0u64..50], 0..20),
            from in 0u64..600, length in 0u64..600,
        ) {
            let layout = Layout::new(lengths.iter().enumerate().map(|(i, l)| FileEntry::new(i.to_string(), *l))).unwrap();
            let to = (from + length).min(layout.total_length());
            let mut next = from;
            for segment in layout.segments(from..to) {
                prop_assert!(segment.length > 0);
                prop_assert_eq!(layout.file_range(segment.file).start + segment.offset, next);
                next += segment.length;
                prop_assert!(next <= layout.file_range(segment.file).end);
            }
            prop_assert_eq!(next, to.max(from));
        }
    }
}
