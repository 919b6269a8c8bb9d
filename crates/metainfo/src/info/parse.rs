//! The keys of the `info` dictionary, whatever the version. In: a node. Out: [`Info`].

use bytes::Bytes;
use torrent_bencode::{Document, Node, Options};
use torrent_types::{BLOCK_LENGTH, Geometry, InfoHash};

use super::{Info, MAX_NESTING, MAX_PIECE_LENGTH, assemble, hash_v1, hash_v2, v1, v2};
use crate::{Error, ErrorKind, InfoHashes, path::sanitize_root, text::Encoding, warning::Warnings};

const HASH_LENGTH: usize = 20;
/// So many oddities of a document are kept at most.
const MAX_ODDITIES: usize = 64;
/// v2 as BEP 52 § "info dictionary" calls it.
const VERSION_2: u64 = 2;

/// Reads the dictionary `node` of the document `whole`, in which `oddities` were found.
pub(crate) fn info(
    node: &Node<'_, '_>,
    whole: &Bytes,
    encoding: Option<Encoding>,
    oddities: &[torrent_bencode::Warning],
    warnings: &mut Warnings,
) -> Result<Info, Error> {
    let _is_dict = node.dict()?;
    let raw = whole.slice_ref(node.raw());

    // BEP 52: the version comes first, so that a newer one is not reported as something else.
    let version = node.find("meta version").and_then(|version| warnings.int(&version).map(|number| (version, number)));
    let has_v2 = match version.map(|(version, number)| (version, u64::try_from(number))) {
        Some((version, Ok(number))) if number > VERSION_2 => {
            return Err(Error::at(&version, ErrorKind::Version(number)));
        }
        Some((_, Ok(VERSION_2))) => true,
        _ => false,
    };
    if has_v2 {
        check_strict(node, &raw, oddities)?;
    }
    let has_v1 = !has_v2 || ["pieces", "files", "length"].iter().any(|key| node.find(key).is_some());

    let piece_length = piece_length(node, has_v2)?;
    let hashes = InfoHashes::new(has_v1.then(|| hash_v1(&raw)), has_v2.then(|| hash_v2(&raw)));
    let hashes = hashes.expect("what is not v2 is v1");

    let name = name(node, encoding, warnings);
    let root = name.as_deref().and_then(sanitize_root).unwrap_or_else(|| match (hashes.v1(), hashes.v2()) {
        (None, Some(hash)) => hash.to_string(),
        _ => hashes.short().to_string(),
    });
    let original_name = name.clone().filter(|name| name != root.as_bytes()).map(Into::into);

    let first = match has_v1 {
        true => Some(v1::files(node, name.as_deref().unwrap_or_default(), encoding, warnings)?),
        false => None,
    };
    let second = if has_v2 { Some(v2::files(node, warnings)?) } else { None };
    let (entries, is_folder) = match (first, second) {
        (Some(mut first), Some(second)) => {
            v2::unite(&mut first.entries, &second.entries, piece_length)
                .map_err(|file| Error::at(node, ErrorKind::Inconsistent { file }))?;
            (first.entries, first.is_folder)
        }
        (Some(first), None) => (first.entries, first.is_folder),
        (None, Some(second)) => (v2::with_padding(second.entries, piece_length), second.is_folder),
        (None, None) => unreachable!("what is not v2 is v1"),
    };
    let files = assemble::files(entries, &root, is_folder).map_err(|kind| Error::at(node, kind))?;

    let total = files.last().map_or(0, crate::File::end);
    let geometry = Geometry::new(total, piece_length).map_err(|_| Error::at(node, ErrorKind::TooManyPieces))?;
    let pieces = if has_v1 { Some(pieces(node, whole, geometry.piece_count())?) } else { None };

    Ok(Info {
        hashes,
        name: root.into(),
        original_name,
        files,
        geometry,
        pieces,
        is_folder,
        private: node.find("private").is_some_and(|value| is_private(&value, warnings)),
        source: text(node, "source", encoding, warnings),
        update_url: text(node, "update-url", encoding, warnings),
        similar: similar(node, warnings),
        collections: collections(node, encoding, warnings),
        has_root_certificate: node.find("ssl-cert").is_some(),
        raw,
    })
}

fn piece_length(info: &Node<'_, '_>, has_v2: bool) -> Result<u32, Error> {
    let node = info.require("piece length")?;
    let length: u64 = node.int()?;
    let fits = (1..=u64::from(MAX_PIECE_LENGTH)).contains(&length);
    let is_v2 = length.is_power_of_two() && length >= u64::from(BLOCK_LENGTH);
    match u32::try_from(length) {
        Ok(short) if fits && (is_v2 || !has_v2) => Ok(short),
        _ => Err(Error::at(&node, ErrorKind::PieceLength(length))),
    }
}

/// v2 is strict: hashes of bytes that another encoder would write differently identify nothing.
fn check_strict(node: &Node<'_, '_>, raw: &Bytes, oddities: &[torrent_bencode::Warning]) -> Result<(), Error> {
    let range = node.offset()..node.offset().saturating_add(raw.len());
    // Only the first oddities are kept: where there are so many, others may lie here.
    if oddities.len() < MAX_ODDITIES && !oddities.iter().any(|oddity| range.contains(&oddity.offset())) {
        return Ok(());
    }
    let strict = Options::strict().max_depth(MAX_NESTING).max_bytes(usize::MAX).max_tokens(usize::MAX);
    let checked = Document::decode(raw, &strict);
    checked.map(drop).map_err(|error| Error::from(error).below(&node.path().to_string(), node.offset()))
}

/// BEP 27 has the integer 1. As text it was meant as well, and peers from elsewhere are what it forbids.
fn is_private(node: &Node<'_, '_>, warnings: &mut Warnings) -> bool {
    match node.as_bytes() {
        Some(b"1" | b"true" | b"yes") => {
            warnings.unusual(node, "a string, taken as 1");
            true
        }
        _ => warnings.int(node).is_some_and(|value| value != 0),
    }
}

/// The name as the torrent has it, in UTF-8 where that is known.
fn name(info: &Node<'_, '_>, encoding: Option<Encoding>, warnings: &mut Warnings) -> Option<Vec<u8>> {
    if let Some(name) = info.find("name.utf-8").and_then(|name| warnings.bytes(&name)) {
        return Some(name.to_vec());
    }
    let name = warnings.bytes(&info.find("name")?)?;
    Some(Encoding::decode(encoding, name).into_owned())
}

fn pieces(info: &Node<'_, '_>, whole: &Bytes, count: u32) -> Result<Bytes, Error> {
    let node = info.require("pieces")?;
    let pieces = node.bytes()?;
    let (hashes, rest) = pieces.as_chunks::<HASH_LENGTH>();
    if !rest.is_empty() {
        return Err(Error::at(&node, ErrorKind::Pieces { found: pieces.len(), size: HASH_LENGTH }));
    }
    let found = u64::try_from(hashes.len()).unwrap_or(u64::MAX);
    if found != u64::from(count) {
        return Err(Error::at(&node, ErrorKind::PieceCount { expected: count.into(), found }));
    }
    Ok(whole.slice_ref(pieces))
}

/// An optional text; one of the wrong kind is no reason to refuse a torrent.
pub(crate) fn text(
    dict: &Node<'_, '_>,
    key: &str,
    encoding: Option<Encoding>,
    warnings: &mut Warnings,
) -> Option<Box<str>> {
    let exact = dict.find(format!("{key}.utf-8")).and_then(|text| warnings.bytes(&text));
    let text = exact.or_else(|| warnings.bytes(&dict.find(key)?))?;
    Some(Encoding::decode_text(encoding, text).into())
}

/// BEP 38 has these inside `info` or beside it.
pub(crate) fn similar(dict: &Node<'_, '_>, warnings: &mut Warnings) -> Vec<InfoHash> {
    let list = dict.find("similar").and_then(|list| warnings.list(&list)).into_iter().flatten();
    list.filter_map(|hash| warnings.array(&hash).map(|hash| InfoHash::new(*hash))).collect()
}

pub(crate) fn collections(dict: &Node<'_, '_>, encoding: Option<Encoding>, warnings: &mut Warnings) -> Vec<Box<str>> {
    let list = dict.find("collections").and_then(|list| warnings.list(&list)).into_iter().flatten();
    let names = list.filter_map(|name| warnings.bytes(&name));
    names.map(|name| Encoding::decode_text(encoding, name).into()).collect()
}
