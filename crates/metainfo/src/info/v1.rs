//! The files as v1 lists them. BEP 3 § "info dictionary", BEP 47. In: the `info` node. Out: entries with raw names.

use std::borrow::Cow;

use torrent_bencode::Node;

use super::MAX_FILE_LENGTH;
use crate::{Error, ErrorKind, file::Attributes, merkle, text::Encoding, warning::Warnings};

/// How BitComet names its padding.
const BITCOMET_PADDING: &[u8] = b"_____padding_file_";

/// A file as a torrent describes it: nothing of it is safe.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// The path below the torrent's folder; for a torrent that is a file, its name.
    pub(super) elements: Vec<Cow<'a, [u8]>>,
    pub(super) length: u64,
    pub(super) attributes: Attributes,
    pub(super) symlink: Option<Vec<Cow<'a, [u8]>>>,
    pub(super) root: Option<merkle::Node>,
    pub(super) sha1: Option<[u8; 20]>,
    pub(super) modified: Option<i64>,
}

pub(super) struct Entries<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) is_folder: bool,
}

pub(super) fn files<'a>(
    info: &Node<'_, 'a>,
    name: &[u8],
    encoding: Option<Encoding>,
    warnings: &mut Warnings,
) -> Result<Entries<'a>, Error> {
    let Some(list) = info.find("files") else {
        let mut entry = entry(info, encoding, warnings)?;
        entry.elements = vec![name.to_vec().into()];
        return Ok(Entries { entries: vec![entry], is_folder: false });
    };
    let entries: Vec<_> = list.list()?.map(|file| with_path(&file, encoding, warnings)).collect::<Result<_, _>>()?;
    if entries.is_empty() {
        return Err(Error::at(&list, ErrorKind::NoFiles));
    }
    Ok(Entries { entries, is_folder: true })
}

fn with_path<'a>(file: &Node<'_, 'a>, encoding: Option<Encoding>, warnings: &mut Warnings) -> Result<Entry<'a>, Error> {
    let _is_dict = file.dict()?;
    let mut entry = entry(file, encoding, warnings)?;
    // The second spelling is a hint: a wrong one is passed over.
    let exact = file.find("path.utf-8").filter(|path| warnings.list(path).is_some());
    entry.elements = match exact.map(|path| path_elements(&path, None)) {
        Some(Ok(path)) => path,
        // BEP 47 means to do without the path of padding some day.
        _ if entry.attributes.pad && file.find("path").is_none() => {
            vec![b".pad"[..].into(), entry.length.to_string().into_bytes().into()]
        }
        _ => path_elements(&file.require("path")?, encoding)?,
    };
    entry.attributes.pad |= entry.elements.last().is_some_and(|name| name.starts_with(BITCOMET_PADDING));
    Ok(entry)
}

/// All but the path, of a file in the list or of the only one.
fn entry<'a>(file: &Node<'_, 'a>, encoding: Option<Encoding>, warnings: &mut Warnings) -> Result<Entry<'a>, Error> {
    let mut attributes = attributes(file, warnings);
    let symlink = symlink(file, attributes, encoding)?;
    // One that leads nowhere is a file like any other.
    attributes.symlink = symlink.is_some();
    Ok(Entry {
        elements: Vec::new(),
        length: if attributes.symlink { 0 } else { length(&file.require("length")?)? },
        attributes,
        symlink,
        root: None,
        sha1: file.find("sha1").and_then(|hash| warnings.array(&hash).copied()),
        modified: file.find("mtime").and_then(|time| warnings.int(&time)),
    })
}

/// BEP 47 § `attr`.
pub(super) fn attributes(file: &Node<'_, '_>, warnings: &mut Warnings) -> Attributes {
    let letters = file.find("attr").and_then(|attr| warnings.bytes(&attr));
    Attributes::parse(letters.unwrap_or_default())
}

pub(super) fn length(node: &Node<'_, '_>) -> Result<u64, Error> {
    let length: u64 = node.int()?;
    if length > MAX_FILE_LENGTH { Err(Error::at(node, ErrorKind::Length)) } else { Ok(length) }
}

pub(super) fn symlink<'a>(
    file: &Node<'_, 'a>,
    attributes: Attributes,
    encoding: Option<Encoding>,
) -> Result<Option<Vec<Cow<'a, [u8]>>>, Error> {
    match file.find("symlink path").filter(|_| attributes.symlink) {
        Some(path) => path_elements(&path, encoding).map(Some),
        None => Ok(None),
    }
}

fn path_elements<'a>(path: &Node<'_, 'a>, encoding: Option<Encoding>) -> Result<Vec<Cow<'a, [u8]>>, Error> {
    let elements = path.list()?.map(|element| Ok(Encoding::decode(encoding, element.bytes()?)));
    elements.collect()
}
