//! One file of a torrent, and where it lies among the pieces. BEP 3 § "info dictionary", BEP 47, BEP 52 § "File tree layout".

use std::{fmt, path::PathBuf};

use crate::{SafePath, merkle::Node};

/// One entry of a torrent: a file with content, an empty one, a symlink, or padding.
///
/// The files of a torrent cover its pieces without a gap. For v2, where gaps are only implied, pad files stand for them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct File {
    pub(crate) path: SafePath,
    pub(crate) length: u64,
    pub(crate) offset: u64,
    pub(crate) attributes: Attributes,
    pub(crate) pieces_root: Option<Node>,
    pub(crate) rare: Option<Box<Rare>>,
}

/// What few files have.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rare {
    /// The path as it was, where `path` had to be another.
    pub(crate) original: Option<Vec<Box<[u8]>>>,
    pub(crate) symlink: Option<SafePath>,
    pub(crate) sha1: Option<[u8; 20]>,
    pub(crate) modified: Option<i64>,
}

impl File {
    /// Where it goes in the download folder. For a torrent of several files the first element is that of the torrent.
    ///
    /// No two files of a torrent have paths that are equal but for upper and lower case, pad files excepted.
    #[must_use]
    pub const fn path(&self) -> &SafePath {
        &self.path
    }

    /// The elements of the path below the torrent's own folder as they stand in the torrent. Not safe to use as a path.
    #[must_use]
    pub fn original_path(&self) -> Vec<&[u8]> {
        match self.rare.as_ref().and_then(|rare| rare.original.as_ref()) {
            Some(original) => original.iter().map(|element| &**element).collect(),
            None => {
                let mut elements: Vec<_> = self.path.elements().map(str::as_bytes).collect();
                if elements.len() > 1 {
                    elements.remove(0);
                }
                elements
            }
        }
    }

    /// Whether the path is another than the torrent says, because that would be unsafe or is taken.
    #[must_use]
    pub fn is_renamed(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.original.is_some())
    }

    /// Length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Offset in bytes of its first byte from the beginning of the torrent.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Offset in bytes of the end.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// What kind of file it is.
    #[must_use]
    pub const fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// Whether it is padding: zeros that are never written.
    #[must_use]
    pub const fn is_pad(&self) -> bool {
        self.attributes.pad
    }

    /// Root of the hash tree, for a file of v2 that is not empty. BEP 52 § "File tree layout".
    #[must_use]
    pub const fn pieces_root(&self) -> Option<&Node> {
        self.pieces_root.as_ref()
    }

    /// What it points to, if it is a symlink: a file or folder of this torrent, in the manner of [`Self::path`]. BEP 47.
    #[must_use]
    pub fn symlink(&self) -> Option<&SafePath> {
        self.rare.as_ref()?.symlink.as_ref()
    }

    /// The text to put into the symlink: its target relative to the folder that it lies in, such as `../a`.
    #[must_use]
    pub fn link_text(&self) -> Option<PathBuf> {
        let target = self.symlink()?;
        let mut from = self.path.elements().peekable();
        let mut to = target.elements().peekable();
        while from.peek().is_some() && from.peek() == to.peek() {
            from.next();
            to.next();
        }
        let mut text: PathBuf = from.skip(1).map(|_| "..").collect();
        text.extend(to);
        Some(if text.as_os_str().is_empty() { ".".into() } else { text })
    }

    /// SHA-1 of the whole file: a hint by which to find it elsewhere, not to check it. BEP 47 § `sha1`, BEP 38.
    #[must_use]
    pub fn sha1(&self) -> Option<&[u8; 20]> {
        self.rare.as_ref()?.sha1.as_ref()
    }

    /// When it was last changed, in seconds since 1970, where the creator has noted that.
    #[must_use]
    pub fn modified(&self) -> Option<i64> {
        self.rare.as_ref()?.modified
    }

    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({:?}, {} + {}", self.path.as_str(), self.offset, self.length)?;
        if self.attributes != Attributes::default() {
            write!(f, ", {}", self.attributes)?;
        }
        f.write_str(")")
    }
}

/// What BEP 47 § `attr` can say of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Attributes {
    /// `x`: it is a program.
    pub executable: bool,
    /// `h`: it is not to be shown.
    pub hidden: bool,
    /// `p`: it is padding.
    pub pad: bool,
    /// `l`: it is a symlink.
    pub symlink: bool,
}

impl Attributes {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self {
            executable: text.contains(&b'x'),
            hidden: text.contains(&b'h'),
            pad: text.contains(&b'p'),
            symlink: text.contains(&b'l'),
        }
    }
}

/// The letters of BEP 47, in the order in which libtorrent writes them.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(self.pad, "p"), (self.hidden, "h"), (self.executable, "x"), (self.symlink, "l")];
        letters.iter().filter(|(set, _)| *set).try_for_each(|(_, letter)| f.write_str(letter))
    }
}
