//! The files as v2 nests them, and how the two views of a hybrid fit. BEP 52 § "File tree layout", § "Upgrade Path".
//! In: the `info` node. Out: entries with raw names. Never: recursion; the tree is as deep as a stranger wants.

use std::borrow::Cow;

use torrent_bencode::{Dict, Node};

use super::v1::{Entries, Entry, attributes, length, symlink};
use crate::{Error, ErrorKind, file::Attributes, path::MAX_DEPTH, warning::Warnings};

/// What the paths of all files may cost in memory, in bytes. A tree says the name of a folder once, but each file below has
/// it in its path: without a limit a torrent of 20 MB could ask for 7 GB.
const MAX_PATHS: usize = 128 * 1024 * 1024;
/// What an element costs besides its bytes.
const ELEMENT: usize = 32;

pub(super) fn files<'a>(info: &Node<'_, 'a>, warnings: &mut Warnings) -> Result<Entries<'a>, Error> {
    let tree = info.require("file tree")?;
    let mut entries = Vec::new();
    // The folders that are open, each with what is left of it; and their names.
    let mut open: Vec<Dict<'_, 'a>> = vec![tree.dict()?];
    let mut names: Vec<&'a [u8]> = Vec::new();
    let mut paths = 0_usize;
    while let Some(folder) = open.last_mut() {
        let Some((name, node)) = folder.next() else {
            open.pop();
            names.pop();
            continue;
        };
        if name.is_empty() {
            // A file is opened by its name, so this one is the root or has siblings.
            return Err(Error::at(&node, ErrorKind::FileAndFolder));
        }
        if names.len() >= MAX_DEPTH {
            return Err(Error::at(&node, ErrorKind::PathTooDeep));
        }
        names.push(name);
        let content = node.dict()?;
        let mut inside = content;
        match (inside.next(), inside.next()) {
            (Some((b"", file)), None) => {
                let path =
                    names.iter().fold(0, |sum: usize, name| sum.saturating_add(name.len()).saturating_add(ELEMENT));
                paths = paths.saturating_add(path);
                if paths > MAX_PATHS {
                    return Err(Error::at(&tree, ErrorKind::PathsTooLong));
                }
                let mut entry = entry(&file, warnings)?;
                entry.elements = names.iter().map(|name| Cow::Borrowed(*name)).collect();
                entries.push(entry);
                names.pop();
            }
            _ => open.push(content),
        }
    }
    match &*entries {
        [] => Err(Error::at(&tree, ErrorKind::NoFiles)),
        [only] => {
            let is_folder = only.elements.len() > 1;
            Ok(Entries { entries, is_folder })
        }
        _ => Ok(Entries { entries, is_folder: true }),
    }
}

fn entry<'a>(file: &Node<'_, 'a>, warnings: &mut Warnings) -> Result<Entry<'a>, Error> {
    let _is_dict = file.dict()?;
    let mut attributes = attributes(file, warnings);
    if attributes.pad {
        return Err(Error::at(file, ErrorKind::PadFile));
    }
    let symlink = symlink(file, attributes, None)?;
    attributes.symlink = symlink.is_some();
    let length = if attributes.symlink { 0 } else { length(&file.require("length")?)? };
    let root = if length == 0 { None } else { Some(*file.require("pieces root")?.array()?) };
    if root == Some([0; 32]) {
        return Err(Error::at(&file.require("pieces root")?, ErrorKind::ZeroRoot));
    }
    let modified = file.find("mtime").and_then(|time| warnings.int(&time));
    Ok(Entry { elements: Vec::new(), length, attributes, symlink, root, sha1: None, modified })
}

/// Puts the padding that v2 only implies between the files, so that each begins with a piece.
pub(super) fn with_padding(entries: Vec<Entry<'_>>, piece_length: u32) -> Vec<Entry<'_>> {
    let mut padded = Vec::with_capacity(entries.len());
    let mut missing = 0;
    for entry in entries {
        if entry.length > 0 {
            padded.extend(padding(missing));
            missing = missing_to_piece(entry.length, piece_length);
        }
        padded.push(entry);
    }
    padded
}

fn missing_to_piece(length: u64, piece_length: u32) -> u64 {
    let piece_length = u64::from(piece_length);
    length.checked_next_multiple_of(piece_length).map_or(0, |end| end.saturating_sub(length))
}

fn padding(length: u64) -> Option<Entry<'static>> {
    (length > 0).then(|| Entry {
        elements: vec![b".pad"[..].into(), length.to_string().into_bytes().into()],
        length,
        attributes: Attributes { pad: true, ..Attributes::default() },
        symlink: None,
        root: None,
        sha1: None,
        modified: None,
    })
}

/// Gives the files of v1 the roots of v2. The error is the number of the v2 file that is another one, in name, length,
/// order or place.
pub(super) fn unite(first: &mut [Entry<'_>], second: &[Entry<'_>], piece_length: u32) -> Result<(), usize> {
    let mut offset = 0_u64;
    let mut others = second.iter().enumerate();
    for entry in first {
        if !entry.attributes.pad {
            let (index, other) = others.next().ok_or(second.len())?;
            let is_aligned = entry.length == 0 || offset.is_multiple_of(piece_length.into());
            let is_same = entry.elements == other.elements
                && entry.length == other.length
                && entry.symlink == other.symlink
                && is_aligned;
            if !is_same {
                return Err(index);
            }
            entry.root = other.root;
            entry.attributes.executable |= other.attributes.executable;
            entry.attributes.hidden |= other.attributes.hidden;
        }
        offset = offset.saturating_add(entry.length);
    }
    others.next().map_or(Ok(()), |(index, _)| Err(index))
}
