//! A plan and its hashes to bytes.

use std::collections::BTreeMap;

use torrent_bencode::{DictEncoder, Encoder, Value};
use torrent_hash::{PieceDigest, merkle};
use torrent_metainfo::{Attributes, nodes_value};
use torrent_types::PieceIndex;

use super::{Plan, PlannedFile};

/// The hashes of all pieces, filled in as they come.
pub(super) struct Hashes {
    v1: Vec<[u8; 20]>,
    v2: Vec<merkle::Node>,
}

impl Hashes {
    pub(super) fn new(pieces: u32, v1: bool, v2: bool) -> Self {
        let count = |wanted: bool| if wanted { pieces as usize } else { 0 };
        Self { v1: vec![[0; 20]; count(v1)], v2: vec![[0; 32]; count(v2)] }
    }

    pub(super) fn set(&mut self, piece: PieceIndex, digests: PieceDigest) {
        if let (Some(slot), Some(hash)) = (self.v1.get_mut(piece.as_usize()), digests.v1) {
            *slot = hash;
        }
        if let (Some(slot), Some(node)) = (self.v2.get_mut(piece.as_usize()), digests.v2) {
            *slot = node;
        }
    }

    /// Adds the hashes of one more piece.
    pub(super) fn push(&mut self, digests: PieceDigest) {
        self.v1.extend(digests.v1);
        self.v2.extend(digests.v2);
    }

    /// The nodes of the pieces of one file.
    fn of(&self, file: &PlannedFile, piece_length: u32) -> &[merkle::Node] {
        let piece_length = u64::from(piece_length);
        let first = usize::try_from(file.offset.checked_div(piece_length).unwrap_or_default()).unwrap_or(usize::MAX);
        let count = usize::try_from(file.length.div_ceil(piece_length)).unwrap_or(usize::MAX);
        self.v2.get(first..first.saturating_add(count)).unwrap_or_default()
    }
}

/// How many values the torrent will have, as [`Limits`](torrent_metainfo::Limits) count them: each end of a list or dictionary
/// is one, too.
pub(super) fn count_values(plan: &Plan) -> usize {
    /// Those of a dictionary or list itself, and of a key with a plain value.
    const CONTAINER: usize = 2;
    const PAIR: usize = 2;
    let builder = &plan.builder;
    let (v1, v2) = (builder.version.has_v1(), builder.version.has_v2());
    let urls = |urls: &[String]| urls.len().saturating_add(CONTAINER + PAIR);
    let mut count = 64_usize;
    count = count.saturating_add(urls(&builder.web_seeds)).saturating_add(urls(&builder.http_seeds));
    count = count.saturating_add(builder.trackers.iter().map(|tier| urls(tier)).sum());
    count = count.saturating_add(builder.nodes.len().saturating_mul(4));
    count = count.saturating_add(builder.similar.len()).saturating_add(builder.collections.len());
    for (_, value) in builder.values.iter().chain(&builder.info_values) {
        count = count.saturating_add(1).saturating_add(values_in(value));
    }
    let mut above: &[String] = &[];
    for file in &plan.files {
        let attr = if file.attributes == Attributes::default() { 0 } else { PAIR };
        let symlink = file.symlink.as_ref().map_or(0, |target| target.len().saturating_add(CONTAINER + 1));
        let both = symlink.saturating_add(attr);
        if v1 && plan.is_folder {
            // Dictionary, length, path with its elements.
            let own = const { CONTAINER + PAIR + 1 + CONTAINER };
            count = count.saturating_add(own).saturating_add(both).saturating_add(file.elements.len());
        }
        if v2 && !file.attributes.pad {
            // Its name, its dictionary, the empty key and the dictionary there, with length and root.
            let own = const { 1 + CONTAINER + 1 + CONTAINER + 2 * PAIR };
            count = count.saturating_add(own).saturating_add(both);
            let shared = above.iter().zip(&file.elements).take_while(|(one, other)| one == other).count();
            let folders = file.elements.len().saturating_sub(1);
            count = count.saturating_add(folders.saturating_sub(shared).saturating_mul(1 + CONTAINER));
            above = file.elements.split_last().map_or(&[], |(_, folders)| folders);
            if file.length > u64::from(plan.geometry.piece_length()) {
                count = count.saturating_add(PAIR);
            }
        }
    }
    count
}

/// Those of a value that the caller gave; recursion is as deep as the caller made it.
fn values_in(value: &Value) -> usize {
    match value {
        Value::Int(_) | Value::Bytes(_) => 1,
        Value::List(list) => list.iter().fold(2, |sum, value| sum.saturating_add(values_in(value))),
        Value::Dict(dict) => dict.values().fold(2, |sum, value| sum.saturating_add(1).saturating_add(values_in(value))),
    }
}

pub(super) fn torrent(plan: &Plan, hashes: &Hashes) -> Vec<u8> {
    let builder = &plan.builder;
    let piece_length = plan.geometry.piece_length();
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).dict(|out| {
        let trackers = builder.trackers.iter().flatten();
        out.put("announce", trackers.clone().next());
        if trackers.count() > 1 {
            let tiers = builder.trackers.iter().map(|tier| tier.iter().map(String::as_str).collect::<Value>());
            out.put("announce-list", tiers.collect::<Value>());
        }
        out.put("comment", builder.comment.as_ref());
        out.put("created by", builder.created_by.as_ref());
        out.put("creation date", builder.creation_date);
        out.put("httpseeds", one_or_many(&builder.http_seeds));
        out.dict("info", |out| info(plan, hashes, out));
        out.put("nodes", nodes_value(&builder.nodes));
        if builder.version.has_v2() {
            let layers: BTreeMap<_, _> = plan
                .files
                .iter()
                .filter(|file| !file.attributes.pad && file.length > u64::from(piece_length))
                .filter_map(|file| Some((root(plan, hashes, file)?, hashes.of(file, piece_length))))
                .collect();
            out.dict("piece layers", |out| layers.iter().for_each(|(root, nodes)| out.put(root, nodes.as_flattened())));
        }
        out.put("url-list", one_or_many(&builder.web_seeds));
        builder.values.iter().for_each(|(key, value)| out.put(key, value));
    });
    bytes
}

fn info(plan: &Plan, hashes: &Hashes, out: &mut DictEncoder<'_>) {
    let builder = &plan.builder;
    let (v1, v2) = (builder.version.has_v1(), builder.version.has_v2());
    if !builder.collections.is_empty() {
        out.put("collections", builder.collections.iter().map(String::as_str).collect::<Value>());
    }
    if v2 {
        out.dict("file tree", |out| tree(plan, hashes, out));
    }
    if v1 && plan.is_folder {
        out.list("files", |out| {
            for file in &plan.files {
                out.dict(|out| {
                    attr(file, out);
                    out.put("length", file.length);
                    out.put("path", file.elements.iter().map(String::as_str).collect::<Value>());
                    symlink(file, out);
                });
            }
        });
    } else if v1 && let Some(file) = plan.files.first() {
        attr(file, out);
        out.put("length", file.length);
    }
    out.put("meta version", v2.then_some(2));
    out.put("name", &plan.name);
    out.put("piece length", plan.geometry.piece_length());
    if v1 {
        out.put("pieces", hashes.v1.as_flattened());
    }
    out.put("private", builder.private.then_some(1));
    if !builder.similar.is_empty() {
        out.put("similar", builder.similar.iter().map(|hash| &hash.as_bytes()[..]).collect::<Value>());
    }
    out.put("source", builder.source.as_ref());
    builder.info_values.iter().for_each(|(key, value)| out.put(key, value));
}

/// BEP 52 § "File tree layout".
fn tree(plan: &Plan, hashes: &Hashes, out: &mut DictEncoder<'_>) {
    let files: Vec<_> = plan.files.iter().filter(|file| !file.attributes.pad).collect();
    match files.first() {
        Some(file) if !plan.is_folder => out.dict(&plan.name, |out| leaf(plan, hashes, file, out)),
        _ => branch(plan, hashes, &files, 0, out),
    }
}

/// The files that share their first `depth` elements, in order. Recursion is as deep as the folders, which is limited.
fn branch(plan: &Plan, hashes: &Hashes, files: &[&PlannedFile], depth: usize, out: &mut DictEncoder<'_>) {
    for group in files.chunk_by(|a, b| a.elements.get(depth) == b.elements.get(depth)) {
        let Some((file, name)) = group.first().and_then(|file| Some((file, file.elements.get(depth)?))) else {
            continue;
        };
        let below = depth.saturating_add(1);
        out.dict(name, |out| {
            if file.elements.len() == below {
                leaf(plan, hashes, file, out)
            } else {
                branch(plan, hashes, group, below, out)
            }
        });
    }
}

fn leaf(plan: &Plan, hashes: &Hashes, file: &PlannedFile, out: &mut DictEncoder<'_>) {
    out.dict("", |out| {
        attr(file, out);
        if file.symlink.is_none() {
            out.put("length", file.length);
            out.put("pieces root", root(plan, hashes, file));
        }
        symlink(file, out);
    });
}

fn attr(file: &PlannedFile, out: &mut DictEncoder<'_>) {
    let letters = file.attributes.to_string();
    out.put("attr", (!letters.is_empty()).then_some(letters));
}

fn symlink(file: &PlannedFile, out: &mut DictEncoder<'_>) {
    let target = file.symlink.as_ref().map(|target| target.iter().map(String::as_str).collect::<Value>());
    out.put("symlink path", target);
}

fn root(plan: &Plan, hashes: &Hashes, file: &PlannedFile) -> Option<merkle::Node> {
    let piece_length = plan.geometry.piece_length();
    match hashes.of(file, piece_length) {
        [] => None,
        [only] => Some(*only),
        nodes => Some(merkle::root_at(nodes, merkle::height(piece_length.into()), merkle::height(file.length))),
    }
}

/// A single URL may stand for itself, as most programs write it.
fn one_or_many(urls: &[String]) -> Option<Value> {
    match urls {
        [] => None,
        [only] => Some(only.as_str().into()),
        urls => Some(urls.iter().map(String::as_str).collect()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::create::{Builder, FileOrder, Version};

    #[test]
    fn the_values_are_counted_before_they_are_written() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..200_usize {
            let place = folder.path().join(format!("t/{}/{}", number % 7, number % 3));
            fs::create_dir_all(&place).expect("a folder");
            fs::write(place.join(number.to_string()), vec![7; number * 400]).expect("a file");
        }
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            for align in [false, true] {
                let builder = Builder::new().version(version).align(align).piece_length(16384).order(FileOrder::Path);
                let builder = builder
                    .tier(["http://a", "http://b"])
                    .web_seed("http://c")
                    .collection("x")
                    .value("k", vec![1.into()] as Vec<Value>);
                let plan = builder.plan(folder.path().join("t")).expect("a plan");
                let counted = count_values(&plan);
                let bytes = plan.hash(|_| std::ops::ControlFlow::Continue(())).expect("a torrent").as_bytes().clone();
                let takes = |values: usize| {
                    let options = torrent_bencode::Options::strict().max_tokens(values).max_depth(112);
                    torrent_bencode::Document::decode(&bytes, &options).is_ok()
                };
                assert!(takes(counted) && !takes(counted - 100), "{version:?} {align}: {counted}");
            }
        }
    }
}
