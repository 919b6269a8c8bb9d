//! A .torrent file: the `info` dictionary and what stands around it. BEP 3 § "metainfo files", 5, 12, 17, 19, 52.
//! In: bytes. Out: [`Metainfo`]. Never: changes (see `edit`), nor making new ones (see `create`).

use std::fmt;

use bytes::Bytes;
use torrent_bencode::{Encoder, Node, Value};
use torrent_types::{HostPort, InfoHash, PieceIndex};

use crate::{
    Error, ErrorKind, Foreign, Info, InfoHashes, Limits, Magnet, PieceLayers, Warning, document,
    info::{collections, parse_info, similar, text},
    magnet::addresses,
    merkle,
    text::Encoding,
    warning::Warnings,
};

/// A torrent with everything that a .torrent file says of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Metainfo {
    raw: Bytes,
    info: Info,
    layers: PieceLayers,
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    http_seeds: Vec<String>,
    nodes: Vec<HostPort>,
    comment: Option<Box<str>>,
    created_by: Option<Box<str>>,
    creation_date: Option<i64>,
    similar: Vec<InfoHash>,
    collections: Vec<Box<str>>,
    warnings: Vec<Warning>,
}

impl Metainfo {
    /// Reads a .torrent file, within the default [`Limits`].
    ///
    /// v1 may be encoded as carelessly as it is found in the wild; [`Self::warnings`] says how. v2 may not.
    ///
    /// # Errors
    /// If it is not one; the error says in one line what is wrong with which value.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        Self::from_bytes_within(bytes, &Limits::default())
    }

    /// Reads a .torrent file, within other limits.
    ///
    /// # Errors
    /// As [`Self::from_bytes`].
    pub fn from_bytes_within(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self, Error> {
        let mut raw = bytes.into();
        let leading = document::without_leading(&raw);
        let _passed_over = raw.split_to(leading);
        let document = document::read(&raw, limits)?;
        let root = document.root();
        let mut warnings = Warnings::default();
        if leading > 0 {
            warnings.push(|| Warning::LeadingBytes { count: leading });
        }
        document.warnings().iter().for_each(|warning| warnings.push(|| warning.into()));
        let label = root.find("encoding").and_then(|label| warnings.bytes(&label));
        let encoding = label.and_then(Encoding::by_label);
        let info = match (root.find("info"), Foreign::of_dict(&root)) {
            (None, Some(foreign)) => return Err(Error::whole(ErrorKind::NotTorrent(foreign))),
            _ => root.require("info")?,
        };
        let info = parse_info(&info, &raw, encoding, document.warnings(), &mut warnings)?;
        let layers = match info.has_v2() {
            true => PieceLayers::read(&root, &info, &raw, &mut warnings),
            false => PieceLayers::default(),
        };
        Ok(Self {
            layers,
            trackers: trackers(&root, &mut warnings),
            web_seeds: urls(&root, "url-list", &mut warnings),
            http_seeds: urls(&root, "httpseeds", &mut warnings),
            nodes: nodes(&root, &mut warnings),
            comment: text(&root, "comment", encoding, &mut warnings),
            created_by: text(&root, "created by", encoding, &mut warnings),
            creation_date: root.find("creation date").and_then(|date| warnings.int(&date)),
            similar: similar(&root, &mut warnings),
            collections: collections(&root, encoding, &mut warnings),
            warnings: warnings.into_vec(),
            info,
            raw,
        })
    }

    /// The .torrent file of a torrent whose `info` came from peers, and nothing else said. See [`Self::edit`] for trackers.
    ///
    /// # Errors
    /// If it is too large for one, which only torrents at the very limits are.
    pub fn from_info(info: &Info, layers: &PieceLayers) -> Result<Self, Error> {
        let mut bytes = b"d4:info".to_vec();
        bytes.extend_from_slice(info.as_bytes());
        if info.has_v2() {
            Encoder::new(&mut bytes).bytes("piece layers");
            let layers = layers.of(info);
            Encoder::new(&mut bytes).dict(|out| layers.iter().for_each(|(root, layer)| out.put(root, &layer[..])));
        }
        bytes.push(b'e');
        Self::from_bytes_within(bytes, &Limits::default().max_bytes(usize::MAX).max_values(usize::MAX))
    }

    /// Its bytes as they were read.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    /// Name, files and hashes.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// The names of the torrent. As [`Info::info_hashes`].
    #[must_use]
    pub const fn info_hashes(&self) -> InfoHashes {
        self.info.info_hashes()
    }

    /// The hashes of pieces of v2, as far as they are known.
    #[must_use]
    pub const fn piece_layers(&self) -> &PieceLayers {
        &self.layers
    }

    /// SHA-256 of a piece. `None` without a v2 view or its layer, or if there is no such piece.
    #[must_use]
    pub fn piece_hash_v2(&self, piece: PieceIndex) -> Option<merkle::Node> {
        self.layers.piece_hash(&self.info, piece)
    }

    /// Trackers by tier: `announce-list`, else `announce`. As strings, for they may be anything. BEP 12.
    ///
    /// A string that holds several addresses counts as so many trackers.
    #[must_use]
    pub fn trackers(&self) -> &[Vec<String>] {
        &self.trackers
    }

    /// `url-list`: servers that have the files. BEP 19.
    #[must_use]
    pub fn web_seeds(&self) -> &[String] {
        &self.web_seeds
    }

    /// `httpseeds`: servers that have the pieces. BEP 17.
    #[must_use]
    pub fn http_seeds(&self) -> &[String] {
        &self.http_seeds
    }

    /// DHT nodes to begin with; those that cannot be read are left out. BEP 5 § "Torrent File Extensions".
    #[must_use]
    pub fn nodes(&self) -> &[HostPort] {
        &self.nodes
    }

    /// What somebody wanted to say about it.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Which program made it.
    #[must_use]
    pub fn created_by(&self) -> Option<&str> {
        self.created_by.as_deref()
    }

    /// When it was made, in seconds since 1970.
    #[must_use]
    pub const fn creation_date(&self) -> Option<i64> {
        self.creation_date
    }

    /// `similar`, inside `info` and beside it. BEP 38.
    pub fn similar(&self) -> impl Iterator<Item = InfoHash> {
        self.info.similar().iter().chain(&self.similar).copied()
    }

    /// `collections`, inside `info` and beside it. BEP 38.
    pub fn collections(&self) -> impl Iterator<Item = &str> {
        self.info.collections().chain(self.collections.iter().map(|name| &**name))
    }

    /// Oddities that were let pass.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The raw value of any key of the outermost dictionary, still bencoded.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        let document = document::read_again(&self.raw).ok()?;
        document.root().find(key).map(|node| node.raw().to_vec())
    }

    /// A link to it, with its trackers and web seeds.
    #[must_use]
    pub fn magnet(&self) -> Magnet {
        let mut magnet = self.info.magnet();
        magnet.trackers = self.trackers.concat();
        magnet.web_seeds.clone_from(&self.web_seeds);
        magnet
    }
}

impl From<&Metainfo> for Magnet {
    fn from(metainfo: &Metainfo) -> Self {
        metainfo.magnet()
    }
}

impl fmt::Debug for Metainfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metainfo")
            .field("info", &self.info)
            .field("layers", &self.layers)
            .field("trackers", &self.trackers)
            .field("warnings", &self.warnings.len())
            .finish_non_exhaustive()
    }
}

/// BEP 12: where there is an `announce-list`, `announce` is ignored.
fn trackers(root: &Node<'_, '_>, warnings: &mut Warnings) -> Vec<Vec<String>> {
    let mut tiers = root.find("announce-list").map(|list| tiers(&list, warnings)).unwrap_or_default();
    if let Some(announce) = root.find("announce") {
        let single = announce_tiers(&announce, warnings);
        if tiers.is_empty() {
            tiers = single;
        }
    }
    tiers
}

/// `announce` is a string. Where it is a list, that is what `announce-list` should have been.
pub(crate) fn announce_tiers(announce: &Node<'_, '_>, warnings: &mut Warnings) -> Vec<Vec<String>> {
    if announce.as_list().is_some() {
        warnings.unusual(announce, "a list, taken as a list of trackers");
        return tiers(announce, warnings);
    }
    let tier: Vec<_> = warnings.bytes(announce).map(url_texts).unwrap_or_default();
    if tier.is_empty() { Vec::new() } else { vec![tier] }
}

/// A list of lists of strings. Strings in place of lists are a common mistake, and one string instead of all a rare one.
pub(crate) fn tiers(node: &Node<'_, '_>, warnings: &mut Warnings) -> Vec<Vec<String>> {
    if let Some(text) = node.as_bytes() {
        warnings.unusual(node, "a string, taken as a tracker");
        return vec![url_texts(text)].into_iter().filter(|tier| !tier.is_empty()).collect();
    }
    let mut tiers = Vec::new();
    for tier in warnings.list(node).into_iter().flatten() {
        let urls: Vec<String> = match tier.as_list() {
            Some(urls) => urls.filter_map(|url| warnings.bytes(&url)).flat_map(url_texts).collect(),
            None => warnings.bytes(&tier).map(url_texts).unwrap_or_default(),
        };
        if !urls.is_empty() {
            tiers.push(urls);
        }
    }
    tiers
}

/// A string, or a list of them. Each is named once.
fn urls(root: &Node<'_, '_>, key: &str, warnings: &mut Warnings) -> Vec<String> {
    let Some(node) = root.find(key) else { return Vec::new() };
    let mut urls = Vec::new();
    if let Some(single) = node.as_bytes() {
        urls.extend(url_text(single));
    } else {
        let list = warnings.list(&node).into_iter().flatten();
        urls.extend(list.filter_map(|url| warnings.bytes(&url)).filter_map(url_text));
    }
    let mut seen = std::collections::HashSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    urls
}

/// The addresses in a string that should hold one.
fn url_texts(text: &[u8]) -> Vec<String> {
    addresses(&String::from_utf8_lossy(text)).map(str::to_owned).collect()
}

fn url_text(url: &[u8]) -> Option<String> {
    let url = String::from_utf8_lossy(url);
    let url = url.trim();
    (!url.is_empty()).then(|| url.to_owned())
}

fn nodes(root: &Node<'_, '_>, warnings: &mut Warnings) -> Vec<HostPort> {
    let Some(node) = root.find("nodes") else { return Vec::new() };
    let mut nodes = Vec::new();
    for node in warnings.list(&node).into_iter().flatten() {
        match dht_node(&node) {
            Some(node) => nodes.push(node),
            None => warnings.unusual(&node, "not a host and a port, ignored"),
        }
    }
    nodes
}

/// DHT nodes for a torrent file, if there are any. BEP 5 § "Torrent File Extensions".
#[must_use]
pub fn nodes_value(nodes: &[HostPort]) -> Option<Value> {
    let list = nodes.iter().map(|node| Value::List(vec![node.host().into(), node.port().into()]));
    (!nodes.is_empty()).then(|| list.collect())
}

fn dht_node(node: &Node<'_, '_>) -> Option<HostPort> {
    let mut pair = node.as_list()?;
    let (host, port) = (pair.next()?.as_str()?, pair.next()?.as_u64()?);
    HostPort::new(host, u16::try_from(port).ok()?).ok()
}
