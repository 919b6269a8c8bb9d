//! A torrent as JSON: the schema that `show`, `files`, `create` and `magnet` share. Fields are added, never changed.

use std::borrow::Cow;

use serde::Serialize;
use torrent_metainfo::{Info, InfoHashes, Magnet, Metainfo};

/// Of all JSON of this command. It grows when a field changes its meaning.
pub(crate) const SCHEMA: u32 = 1;

/// Hexadecimal; `null` where there is none.
#[derive(Debug, Serialize)]
pub(crate) struct Hashes {
    v1: Option<String>,
    v2: Option<String>,
}

impl From<InfoHashes> for Hashes {
    fn from(hashes: InfoHashes) -> Self {
        Self { v1: hashes.v1().map(|hash| hash.to_string()), v2: hashes.v2().map(|hash| hash.to_string()) }
    }
}

/// `v1`, `v2` or `hybrid`.
pub(crate) fn version(hashes: &InfoHashes) -> &'static str {
    match (hashes.v1(), hashes.v2()) {
        (_, None) => "v1",
        (None, _) => "v2",
        _ => "hybrid",
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Torrent {
    schema: u32,
    name: String,
    info_hash: Hashes,
    version: &'static str,
    /// Bytes, without padding.
    size: u64,
    piece_length: u32,
    piece_count: u32,
    private: bool,
    source: Option<String>,
    comment: Option<String>,
    created_by: Option<String>,
    /// Seconds since 1970.
    creation_date: Option<i64>,
    /// By tier.
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    http_seeds: Vec<String>,
    /// Host and port.
    nodes: Vec<(String, u16)>,
    update_url: Option<String>,
    similar: Vec<String>,
    collections: Vec<String>,
    magnet: String,
    warnings: Vec<String>,
    is_folder: bool,
    files: Vec<File>,
}

impl Torrent {
    pub(crate) fn new(torrent: &Metainfo) -> Self {
        let info = torrent.info();
        Self {
            schema: SCHEMA,
            name: info.name().to_owned(),
            info_hash: torrent.info_hashes().into(),
            version: version(&torrent.info_hashes()),
            size: info.content_length(),
            piece_length: info.piece_length(),
            piece_count: info.piece_count(),
            private: info.is_private(),
            source: info.source().map(Into::into),
            comment: torrent.comment().map(Into::into),
            created_by: torrent.created_by().map(Into::into),
            creation_date: torrent.creation_date(),
            trackers: torrent.trackers().to_vec(),
            web_seeds: torrent.web_seeds().to_vec(),
            http_seeds: torrent.http_seeds().to_vec(),
            nodes: torrent.nodes().iter().map(|node| (node.host().to_owned(), node.port())).collect(),
            update_url: info.update_url().map(Into::into),
            similar: torrent.similar().map(|hash| hash.to_string()).collect(),
            collections: torrent.collections().map(Into::into).collect(),
            magnet: link(torrent).to_string(),
            warnings: torrent.warnings().iter().map(ToString::to_string).collect(),
            is_folder: info.is_folder(),
            files: files(info, false),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct File {
    /// As magnet links count: padding has a number, too.
    pub(crate) index: usize,
    /// With `/` between its elements, the name of the torrent first. Safe to use below any folder.
    pub(crate) path: String,
    pub(crate) length: u64,
    /// Bytes from the beginning of the torrent.
    pub(crate) offset: u64,
    pub(crate) pad: bool,
    pub(crate) executable: bool,
    pub(crate) hidden: bool,
    /// What a symlink leads to.
    pub(crate) symlink: Option<String>,
    /// SHA-256 root of the file, in hexadecimal; v2 only.
    pub(crate) pieces_root: Option<String>,
    /// The path that the torrent asks for, where it could not be used as it is.
    pub(crate) original_path: Option<String>,
    /// Its elements as `bencode json` writes them, where they are not UTF-8.
    pub(crate) original_bytes: Option<Vec<String>>,
}

/// The files with their numbers.
pub(crate) fn files(info: &Info, pads: bool) -> Vec<File> {
    let files = info.files().iter().enumerate().filter(|(_, file)| pads || !file.is_pad());
    files
        .map(|(index, file)| File {
            index,
            path: file.path().as_str().to_owned(),
            length: file.length(),
            offset: file.offset(),
            pad: file.is_pad(),
            executable: file.attributes().executable,
            hidden: file.attributes().hidden,
            symlink: file.symlink().map(ToString::to_string),
            pieces_root: file.pieces_root().map(|root| hex(root)),
            original_path: file.is_renamed().then(|| {
                let original = file.original_path();
                original.iter().map(|element| String::from_utf8_lossy(element)).collect::<Vec<_>>().join("/")
            }),
            original_bytes: original_bytes(file),
        })
        .collect()
}

fn original_bytes(file: &torrent_metainfo::File) -> Option<Vec<String>> {
    let original = Some(file.original_path()).filter(|_| file.is_renamed())?;
    let is_text = original.iter().all(|element| std::str::from_utf8(element).is_ok());
    (!is_text).then(|| original.iter().map(|element| bencode_text(element).into_owned()).collect())
}

/// In front of the bytes of a string that is not UTF-8.
pub(crate) const HEX: &str = "hex:";
/// In front of text that would be taken for something else.
pub(crate) const UTF8: &str = "utf8:";

/// A string of bencoding as JSON has it.
pub(crate) fn bencode_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with(HEX) || text.starts_with(UTF8) => format!("{UTF8}{text}").into(),
        Ok(text) => text.into(),
        Err(_) => format!("{HEX}{}", hex(bytes)).into(),
    }
}

/// What a magnet link says.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    schema: u32,
    magnet: String,
    info_hash: Hashes,
    version: &'static str,
    name: Option<String>,
    size: Option<u64>,
    /// First and last number of each range of wanted files; `null` for all.
    selection: Option<Vec<(u64, u64)>>,
    trackers: Vec<String>,
    web_seeds: Vec<String>,
    exact_sources: Vec<String>,
    acceptable_sources: Vec<String>,
    peers: Vec<String>,
    /// Other keys and values, as they stood there.
    other: Vec<(String, String)>,
}

impl Link {
    pub(crate) fn new(magnet: &Magnet) -> Self {
        let ranges = |selection: &torrent_metainfo::magnet::FileSelection| {
            selection.ranges().iter().map(|range| (*range.start(), *range.end())).collect()
        };
        Self {
            schema: SCHEMA,
            magnet: magnet.to_string(),
            info_hash: magnet.info_hashes.into(),
            version: version(&magnet.info_hashes),
            name: magnet.name.clone(),
            size: magnet.length,
            selection: magnet.selection.as_ref().map(ranges),
            trackers: magnet.trackers.clone(),
            web_seeds: magnet.web_seeds.clone(),
            exact_sources: magnet.exact_sources.clone(),
            acceptable_sources: magnet.acceptable_sources.clone(),
            peers: magnet.peers.iter().map(ToString::to_string).collect(),
            other: magnet.other.clone(),
        }
    }
}

/// The link of a torrent: `xt`, `dn`, `tr`, `ws` and no more.
pub(crate) fn link(torrent: &Metainfo) -> Magnet {
    let mut magnet = torrent.magnet();
    magnet.length = None;
    magnet
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}
