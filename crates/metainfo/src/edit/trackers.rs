//! The trackers of a torrent as they stand in its two keys, `announce` and `announce-list`. BEP 3, BEP 12.
//! In: a torrent and what is to change. Out: new values for both keys, so that no copy of an address is left behind.

use std::collections::HashSet;

use crate::{
    Metainfo, document,
    metainfo::{announce_tiers, tiers},
    warning::Warnings,
};

/// Trackers being changed: see [`Edit::tracker_list`](super::Edit::tracker_list).
///
/// A torrent may name a tracker in `announce`, in `announce-list` and in several tiers; where there is a list, clients pass over
/// `announce`, which may even be another one. Every change here is made to every copy.
///
/// ```
/// # use torrent_metainfo::Metainfo;
/// # let torrent = Metainfo::from_bytes(&b"d8:announce8:http://a13:announce-listll8:http://bee4:infod6:lengthi0e4:name1:f12:piece lengthi16384e6:pieces0:ee"[..])?;
/// let mut trackers = torrent.tracker_list();
/// assert_eq!(trackers.remove("http://a"), 1);
/// let edited = torrent.edit().tracker_list(&trackers).apply()?;
/// assert_eq!(edited.value("announce").as_deref(), Some(&b"8:http://b"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerList {
    announce: Option<String>,
    tiers: Vec<Vec<String>>,
}

impl Metainfo {
    /// The trackers as they stand in both keys, to be changed.
    #[must_use]
    pub fn tracker_list(&self) -> TrackerList {
        let mut warnings = Warnings::default();
        let Ok(document) = document::read_again(self.as_bytes()) else { return TrackerList::default() };
        let root = document.root();
        let announce = root.find("announce").map(|node| announce_tiers(&node, &mut warnings)).unwrap_or_default();
        let list = root.find("announce-list").map(|node| tiers(&node, &mut warnings)).unwrap_or_default();
        TrackerList {
            announce: announce.iter().flatten().next().cloned(),
            tiers: if list.is_empty() { announce } else { list },
        }
    }
}

impl TrackerList {
    /// What clients use: the list, or where there is none, `announce`.
    #[must_use]
    pub fn tiers(&self) -> &[Vec<String>] {
        &self.tiers
    }

    /// What `announce` says.
    #[must_use]
    pub fn announce(&self) -> Option<&str> {
        self.announce.as_deref()
    }

    /// Every address, each once.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let mut seen = HashSet::new();
        let all = self.announce.iter().chain(self.tiers.iter().flatten());
        all.map(|url| &**url).filter(move |url| seen.insert(*url))
    }

    /// Removes a tracker. The answer is how many copies of it there were.
    pub fn remove(&mut self, url: &str) -> usize {
        self.change(|old| (old == url).then(String::new))
    }

    /// Replaces `old` by `new` in every address that contains it. The answer is how many copies that concerned. What is empty
    /// after that goes away.
    pub fn replace(&mut self, old: &str, new: &str) -> usize {
        self.change(|url| (!old.is_empty() && url.contains(old)).then(|| url.replace(old, new).trim().to_owned()))
    }

    /// Adds trackers as the last tier, except those that are there already. The answer is how many were added.
    pub fn add_tier<U: AsRef<str>>(&mut self, urls: impl IntoIterator<Item = U>) -> usize {
        let mut seen: HashSet<String> = self.tiers.iter().flatten().cloned().collect();
        let urls = urls.into_iter().map(|url| url.as_ref().trim().to_owned());
        let tier: Vec<_> = urls.filter(|url| !url.is_empty() && seen.insert(url.clone())).collect();
        let added = tier.len();
        if added > 0 {
            self.tiers.push(tier);
        }
        self.tidy();
        added
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Puts the answer of `change` in place of each address that it has one for.
    fn change(&mut self, change: impl Fn(&str) -> Option<String>) -> usize {
        // In a tier it is counted there.
        let is_shadow = |tiers: &[Vec<String>], url: &str| !tiers.iter().flatten().any(|tracker| tracker == url);
        let mut changed = 0_usize;
        if let Some(announce) = &mut self.announce
            && let Some(new) = change(announce)
        {
            changed = usize::from(is_shadow(&self.tiers, announce));
            *announce = new;
        }
        for url in self.tiers.iter_mut().flatten() {
            if let Some(new) = change(url) {
                changed = changed.saturating_add(1);
                *url = new;
            }
        }
        if changed > 0 {
            self.tidy();
        }
        changed
    }

    /// No empty address, none twice, no empty tier; and `announce` is one that is there.
    fn tidy(&mut self) {
        let mut seen = HashSet::new();
        for tier in &mut self.tiers {
            tier.retain(|url| !url.is_empty() && seen.insert(url.clone()));
        }
        self.tiers.retain(|tier| !tier.is_empty());
        let first = self.tiers.iter().flatten().next();
        self.announce = self.announce.take().filter(|url| !url.is_empty()).or_else(|| first.cloned());
        if let (Some(announce), true) = (&self.announce, self.tiers.is_empty()) {
            self.tiers.push(vec![announce.clone()]);
        }
    }

    /// Whether one key says it all.
    pub(super) fn is_single(&self) -> bool {
        let mut urls = self.urls();
        let _first = urls.next();
        urls.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torrent(announce: &str, list: &str) -> Metainfo {
        let info = "4:infod6:lengthi0e4:name1:f12:piece lengthi16384e6:pieces0:e";
        Metainfo::from_bytes(format!("d{announce}{list}{info}e").into_bytes()).unwrap()
    }

    fn edited(torrent: &Metainfo, change: impl Fn(&mut TrackerList) -> usize) -> (usize, String, String) {
        let mut list = torrent.tracker_list();
        let count = change(&mut list);
        let new = torrent.edit().tracker_list(&list).apply().unwrap();
        assert_eq!(new.info_hashes(), torrent.info_hashes());
        let value = |key| String::from_utf8(new.value(key).unwrap_or_default()).unwrap();
        (count, value("announce"), value("announce-list"))
    }

    #[test]
    fn every_copy_of_a_tracker_is_changed() {
        let shadowed = torrent("8:announce8:http://a", "13:announce-listll8:http://bee");
        assert_eq!(shadowed.trackers(), [["http://b"]]);
        let list = "ll8:http://bee".to_owned();
        assert_eq!(edited(&shadowed, |list| list.remove("http://a")), (1, "8:http://b".into(), list.clone()));
        assert_eq!(edited(&shadowed, |list| list.remove("http://b")), (1, "8:http://a".into(), String::new()));
        assert_eq!(edited(&shadowed, |list| list.replace("//a", "//c")), (1, "8:http://c".into(), list.clone()));
        assert_eq!(edited(&shadowed, |list| list.remove("http://x")), (0, "8:http://a".into(), list));
        let twice = torrent("8:announce8:http://a", "13:announce-listll8:http://a8:http://bel8:http://aee");
        assert_eq!(edited(&twice, |list| list.remove("http://a")), (2, "8:http://b".into(), String::new()));
        assert_eq!(edited(&twice, |list| list.replace("http://a", "")), (2, "8:http://b".into(), String::new()));
        let both = |list: &mut TrackerList| list.replace("http://", "udp://");
        assert_eq!(edited(&twice, both), (3, "7:udp://a".into(), "ll7:udp://a7:udp://bee".into()));
    }

    #[test]
    fn nothing_is_there_twice_and_nothing_is_empty() {
        let one = torrent("8:announce8:http://a", "");
        let add = |urls: &'static [&'static str]| move |list: &mut TrackerList| list.add_tier(urls);
        assert_eq!(edited(&one, add(&["http://a"])), (0, "8:http://a".into(), String::new()));
        let expected = (2, "8:http://a".to_owned(), "ll8:http://ael8:http://b8:http://cee".to_owned());
        assert_eq!(edited(&one, add(&["http://b", "http://b", "", " http://c "])), expected);
        assert_eq!(edited(&one, |list| list.replace("http://a", " ")), (1, String::new(), String::new()));
        let two = torrent("8:announce8:http://a", "13:announce-listll8:http://a8:http://bee");
        assert_eq!(edited(&two, |list| list.replace("//a", "//b")), (1, "8:http://b".into(), String::new()));
    }

    #[test]
    fn an_announce_that_is_a_list_is_made_right_when_it_is_changed() {
        let odd = torrent("8:announcel8:http://a8:http://be", "");
        assert_eq!(edited(&odd, |list| list.remove("http://a")), (1, "8:http://b".into(), String::new()));
    }
}
