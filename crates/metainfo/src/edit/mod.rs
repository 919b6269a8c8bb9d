//! Changes to a torrent. In: [`Metainfo`] and what is to be different. Out: another one.
//! Keys that nobody touches keep their bytes, known or not; `info` as a whole, unless something in it is changed.

mod trackers;

use std::{collections::BTreeMap, fmt};

use torrent_bencode::{Encode, Encoder, Value};
use torrent_types::HostPort;
pub use trackers::TrackerList;

use crate::{Error, Metainfo, document, metainfo::nodes_value};

/// A torrent being changed.
///
/// Setting a text to the empty one, or a list to nothing, removes it.
#[derive(Clone, Debug)]
#[must_use = "an edit does nothing until `apply`"]
pub struct Edit<'a> {
    torrent: &'a Metainfo,
    outer: Changes,
    info: Changes,
}

/// New values by key; `None` removes.
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A key and its raw value.
type Entry<'a> = (&'a [u8], &'a [u8]);

impl Metainfo {
    /// Begins to change it. Nothing happens to this one.
    pub fn edit(&self) -> Edit<'_> {
        Edit { torrent: self, outer: Changes::new(), info: Changes::new() }
    }
}

impl Edit<'_> {
    /// Replaces all trackers. BEP 12.
    pub fn trackers(mut self, tiers: &[Vec<String>]) -> Self {
        let mut list = TrackerList::default();
        for tier in tiers {
            let _added = list.add_tier(tier);
        }
        self.put_trackers(&list);
        self
    }

    /// Replaces all trackers, in both keys. Begin with [`Metainfo::tracker_list`]: a key whose trackers are the same keeps its
    /// bytes.
    pub fn tracker_list(mut self, list: &TrackerList) -> Self {
        let old = self.torrent.tracker_list();
        if old == *list {
            return self;
        }
        let (announce, tiers) = (old.announce() != list.announce(), old.tiers() != list.tiers());
        self.put_trackers(list);
        // A list that said it all before may go on to do so; but what was odd is made right.
        if !announce {
            self.outer.remove(&b"announce"[..]);
        }
        if !tiers {
            self.outer.remove(&b"announce-list"[..]);
        }
        self
    }

    fn put_trackers(&mut self, list: &TrackerList) {
        let tiers = || list.tiers().iter().map(|tier| tier.iter().map(String::as_str).collect::<Value>());
        put(&mut self.outer, "announce", list.announce());
        put(&mut self.outer, "announce-list", (!list.is_single()).then(|| tiers().collect::<Value>()));
    }

    /// Replaces all web seeds. BEP 19.
    pub fn web_seeds(mut self, urls: &[String]) -> Self {
        put(&mut self.outer, "url-list", list(urls));
        self
    }

    /// Replaces all HTTP seeds. BEP 17.
    pub fn http_seeds(mut self, urls: &[String]) -> Self {
        put(&mut self.outer, "httpseeds", list(urls));
        self
    }

    /// Replaces the DHT nodes. BEP 5.
    pub fn nodes(mut self, nodes: &[HostPort]) -> Self {
        put(&mut self.outer, "nodes", nodes_value(nodes));
        self
    }

    /// Sets the comment.
    pub fn comment(mut self, comment: &str) -> Self {
        self.outer.insert(b"comment.utf-8".to_vec(), None);
        put(&mut self.outer, "comment", text(comment));
        self
    }

    /// Sets which program made it.
    pub fn created_by(mut self, program: &str) -> Self {
        self.outer.insert(b"created by.utf-8".to_vec(), None);
        put(&mut self.outer, "created by", text(program));
        self
    }

    /// Sets when it was made, in seconds since 1970.
    pub fn creation_date(mut self, seconds: Option<i64>) -> Self {
        put(&mut self.outer, "creation date", seconds);
        self
    }

    /// Sets whether peers may come from trackers only. BEP 27. Changes the info hash.
    pub fn private(mut self, private: bool) -> Self {
        put(&mut self.info, "private", private.then_some(1));
        self
    }

    /// Sets where it is published. Changes the info hash.
    pub fn source(mut self, source: &str) -> Self {
        self.info.insert(b"source.utf-8".to_vec(), None);
        put(&mut self.info, "source", text(source));
        self
    }

    /// Sets the name of the torrent, and so of its file or folder. Changes the info hash.
    pub fn name(mut self, name: &str) -> Self {
        // The tree of a single file has the name a second time.
        let info = self.torrent.info();
        if let Some(tree) = info.value("file tree").filter(|_| !info.is_folder())
            && let Ok([(_, file)]) = entries(&tree).as_deref()
        {
            self.info.insert(b"file tree".to_vec(), Some(to_dict([(name.as_bytes(), *file)])));
        }
        self.info.insert(b"name.utf-8".to_vec(), None);
        put(&mut self.info, "name", Some(name));
        self
    }

    /// Sets or removes any key beside `info`.
    pub fn value(mut self, key: &str, value: Option<Value>) -> Self {
        put(&mut self.outer, key, value);
        self
    }

    /// Sets or removes any key in `info`, such as `x_cross_seed`. Changes the info hash.
    pub fn info_value(mut self, key: &str, value: Option<Value>) -> Self {
        put(&mut self.info, key, value);
        self
    }

    /// Whether the torrent will have another info hash, and so be another torrent.
    #[must_use]
    pub fn changes_info_hash(&self) -> bool {
        entries(self.torrent.info().as_bytes()).is_ok_and(|old| {
            self.info
                .iter()
                .any(|(key, new)| old.iter().find(|(old, _)| *old == key).map(|(_, value)| *value) != new.as_deref())
        })
    }

    /// Makes the changed torrent.
    ///
    /// # Errors
    /// If the changes make it one that cannot be read.
    pub fn apply(self) -> Result<Metainfo, EditError> {
        if self.outer.contains_key(&b"info"[..]) {
            return Err(EditError::Info);
        }
        let info = if self.changes_info_hash() {
            merge(self.torrent.info().as_bytes(), &self.info)?
        } else {
            self.torrent.info().as_bytes().to_vec()
        };
        let mut outer = self.outer;
        // As it is: careless v1 stays as it was seen.
        outer.insert(b"info".to_vec(), Some(info));
        Ok(Metainfo::from_bytes(merge(self.torrent.as_bytes(), &outer)?)?)
    }
}

/// The keys and raw values of a dictionary. Of equal keys the first counts, as everywhere.
fn entries(dict: &[u8]) -> Result<Vec<Entry<'_>>, Error> {
    let document = document::read_again(dict)?;
    let mut entries: Vec<_> = document.root().dict()?.map(|(key, value)| (key, value.raw())).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries.dedup_by_key(|(key, _)| *key);
    Ok(entries)
}

fn merge(dict: &[u8], changes: &Changes) -> Result<Vec<u8>, Error> {
    let mut merged: BTreeMap<&[u8], &[u8]> = entries(dict)?.into_iter().collect();
    for (key, value) in changes {
        match value {
            Some(value) => merged.insert(key, value),
            None => merged.remove(&**key),
        };
    }
    Ok(to_dict(merged))
}

/// A dictionary of raw values; the keys come in order.
fn to_dict<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Vec<u8> {
    let mut bytes = vec![b'd'];
    for (key, value) in entries {
        Encoder::new(&mut bytes).bytes(key);
        bytes.extend_from_slice(value);
    }
    bytes.push(b'e');
    bytes
}

fn put(changes: &mut Changes, key: &str, value: Option<impl Encode>) {
    changes.insert(key.into(), value.map(|value| Encoder::to_vec(&value)));
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn list(urls: &[String]) -> Option<Value> {
    let urls: Vec<_> = urls.iter().map(|url| url.trim()).filter(|url| !url.is_empty()).collect();
    (!urls.is_empty()).then(|| urls.into_iter().collect())
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// `info` as a whole was to be replaced; change its keys instead.
    Info,
    /// The result would not be a torrent.
    Invalid(Error),
}

impl From<Error> for EditError {
    fn from(error: Error) -> Self {
        Self::Invalid(error)
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Info => f.write_str("info cannot be replaced as a whole, only its keys"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EditError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Careless on purpose: unsorted keys, a leading zero, keys that nobody knows.
    const TORRENT: &[u8] =
        b"d3:zzzi007e4:infod4:name1:f6:lengthi005e12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa\
        5:extrali1eee7:comment3:old3:aaad1:xi1eee";

    fn torrent() -> Metainfo {
        Metainfo::from_bytes(TORRENT).unwrap()
    }

    #[test]
    fn changes_beside_info_keep_its_bytes() {
        let old = torrent();
        let edit = old.edit().comment("new").trackers(&[vec!["a".into(), "b".into()], vec!["c".into()]]);
        assert!(!edit.changes_info_hash());
        let new = edit.apply().unwrap();
        assert_eq!(new.info().as_bytes(), old.info().as_bytes());
        assert_eq!(new.comment(), Some("new"));
        assert_eq!(new.trackers(), [vec!["a", "b"], vec!["c"]]);
        assert_eq!((new.value("zzz").unwrap(), new.value("aaa").unwrap()), (b"i007e".to_vec(), b"d1:xi1ee".to_vec()));
    }

    #[test]
    fn changes_in_info_keep_unknown_keys() {
        let old = torrent();
        let edit = old.edit().private(true).source("here");
        assert!(edit.changes_info_hash());
        let new = edit.apply().unwrap();
        assert_ne!(new.info_hashes(), old.info_hashes());
        assert!(new.info().is_private());
        assert_eq!(new.info().source(), Some("here"));
        assert_eq!(
            (new.info().value("extra").unwrap(), new.info().value("length").unwrap()),
            (b"li1ee".to_vec(), b"i005e".to_vec())
        );
    }

    #[test]
    fn a_single_file_of_v2_is_renamed_in_its_tree_too() {
        let torrent = b"d4:infod9:file treed1:ad0:d6:lengthi5e11:pieces root32:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaeee\
            6:lengthi5e12:meta versioni2e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
        let torrent = Metainfo::from_bytes(&torrent[..]).unwrap();
        assert!(torrent.info_hashes().is_hybrid());
        let renamed = torrent.edit().name("b").apply().unwrap();
        assert_eq!((renamed.info().name(), renamed.info().files()[0].path().as_str()), ("b", "b"));
    }

    #[test]
    fn setting_what_is_there_already_changes_nothing() {
        let old = torrent();
        let edit = old.edit().private(false).source("").name("f");
        assert!(!edit.changes_info_hash());
        assert_eq!(edit.apply().unwrap().info_hashes(), old.info_hashes());
    }

    #[test]
    fn nothing_and_empty_remove() {
        let full = torrent()
            .edit()
            .trackers(&[vec!["a".into()]])
            .web_seeds(&["w".into()])
            .creation_date(Some(5))
            .apply()
            .unwrap();
        assert_eq!((full.trackers().len(), full.web_seeds().len(), full.creation_date()), (1, 1, Some(5)));
        assert_eq!(full.value("announce-list"), None);
        let bare = full.edit().trackers(&[]).web_seeds(&[]).creation_date(None).comment("").apply().unwrap();
        assert_eq!((bare.trackers().len(), bare.web_seeds().len()), (0, 0));
        for key in ["announce", "url-list", "creation date", "comment"] {
            assert_eq!(bare.value(key), None, "{key}");
        }
    }

    #[test]
    fn what_would_not_be_a_torrent_is_refused() {
        let torrent = torrent();
        assert!(matches!(torrent.edit().info_value("pieces", None).apply(), Err(EditError::Invalid(_))));
        assert_eq!(torrent.edit().value("info", None).apply(), Err(EditError::Info));
    }
}
