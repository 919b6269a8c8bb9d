//! A .torrent file: the `info` dictionary and what stands around it. BEP 3 § "metainfo files", 5, 12, 17, 19, 52.
//! In: bytes. Out: [`Metainfo`]. Never: changes (see `edit`), nor making new ones (see `create`).

use std::fmt;

use bytes::Bytes;
use torrent_bencode::{Document, Encoder, Node, Options, Value};
use torrent_types::{HostPort, InfoHash, PieceIndex};

use crate::{
    Error, Info, InfoHashes, Magnet, PieceLayers, Warning,
    info::{MAX_NESTING, collections, parse_info, similar, text},
    merkle,
    text::Encoding,
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
    /// Reads a .torrent file.
    ///
    /// v1 may be encoded as carelessly as it is found in the wild; [`Self::warnings`] says how. v2 may not.
    ///
    /// # Errors
    /// If it is not one; the error says in one line what is wrong with which value.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let raw = bytes.into();
        let document = Document::decode(&raw, &Options::lenient().max_depth(MAX_NESTING))?;
        let root = document.root();
        let encoding = root.find("encoding").and_then(|label| Encoding::by_label(label.as_bytes()?));
        let mut warnings: Vec<_> = document.warnings().iter().map(Warning::from).collect();
        let info = parse_info(&root.require("info")?, &raw, encoding, &mut warnings)?;
        let layers = match root.find("piece layers").filter(|_| info.has_v2()) {
            Some(layers) => PieceLayers::read(&layers, &info, &raw)?,
            None => PieceLayers::default(),
        };
        Ok(Self {
            layers,
            trackers: trackers(&root),
            web_seeds: urls(&root, "url-list"),
            http_seeds: urls(&root, "httpseeds"),
            nodes: nodes(&root, &mut warnings),
            comment: text(&root, "comment", encoding, &mut warnings),
            created_by: text(&root, "created by", encoding, &mut warnings),
            creation_date: creation_date(&root, &mut warnings),
            similar: similar(&root),
            collections: collections(&root, encoding),
            warnings,
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
        Self::from_bytes(bytes)
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
        let document = Document::decode(&self.raw, &Options::lenient().max_depth(MAX_NESTING)).ok()?;
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
fn trackers(root: &Node<'_, '_>) -> Vec<Vec<String>> {
    let list = root.find("announce-list").and_then(|list| list.as_list()).into_iter().flatten();
    let tiers = list.map(|tier| match (tier.as_list(), tier.as_bytes()) {
        (Some(tier), _) => tier.filter_map(|url| url_text(url.as_bytes()?)).collect(),
        // A list of strings instead of lists is a common mistake.
        (None, url) => url.and_then(url_text).into_iter().collect::<Vec<_>>(),
    });
    let tiers: Vec<_> = tiers.filter(|tier| !tier.is_empty()).collect();
    if tiers.is_empty() {
        let announce = root.find("announce").and_then(|url| url_text(url.as_bytes()?));
        return announce.into_iter().map(|url| vec![url]).collect();
    }
    tiers
}

/// A string, or a list of them. Each is named once.
fn urls(root: &Node<'_, '_>, key: &str) -> Vec<String> {
    let Some(node) = root.find(key) else { return Vec::new() };
    let single = node.as_bytes().into_iter();
    let list = node.as_list().into_iter().flatten().filter_map(|url| url.as_bytes());
    let mut seen = std::collections::HashSet::new();
    single.chain(list).filter_map(url_text).filter(|url| seen.insert(url.clone())).collect()
}

fn url_text(url: &[u8]) -> Option<String> {
    let url = String::from_utf8_lossy(url);
    let url = url.trim();
    (!url.is_empty()).then(|| url.to_owned())
}

fn nodes(root: &Node<'_, '_>, warnings: &mut Vec<Warning>) -> Vec<HostPort> {
    let list = root.find("nodes").and_then(|list| list.as_list()).into_iter().flatten();
    let mut nodes = Vec::new();
    let mut odd = 0_usize;
    for node in list {
        match dht_node(&node) {
            Some(node) => nodes.push(node),
            None => odd = odd.saturating_add(1),
        }
    }
    // Once for all of them: a stranger may have written a million.
    if odd > 0 {
        warnings.push(Warning::Ignored { key: "nodes".into() });
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

fn creation_date(root: &Node<'_, '_>, warnings: &mut Vec<Warning>) -> Option<i64> {
    let node = root.find("creation date")?;
    let date = node.as_int();
    if date.is_none() {
        warnings.push(Warning::Ignored { key: node.path().to_string().into() });
    }
    date
}
