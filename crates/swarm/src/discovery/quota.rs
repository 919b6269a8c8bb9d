//! How many addresses each source may keep in the book, so that a poisoner cannot fill it. An address that is one too many
//! takes the place of the oldest of its own source.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use super::Source;
use crate::PeerKey;

/// Addresses that one peer may have in the book by PEX: two full messages.
const MAX_PER_PEER: usize = 200;
/// Addresses that the user may have named.
const MAX_NAMED: usize = 10_000;

/// The sources that share a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    User,
    Tracker,
    Dht,
    Lsd,
    Pex(PeerKey),
    Incoming,
    Resume,
}

impl Group {
    pub(super) fn of(source: Source) -> Self {
        match source {
            Source::User => Self::User,
            Source::Tracker(_) => Self::Tracker,
            Source::Dht => Self::Dht,
            Source::Lsd => Self::Lsd,
            Source::Pex(key) | Source::Holepunch(key) => Self::Pex(key),
            Source::Incoming => Self::Incoming,
            Source::Resume => Self::Resume,
        }
    }
}

/// The addresses of each group, the oldest first.
#[derive(Debug)]
pub(super) struct Quotas {
    most: usize,
    groups: BTreeMap<Group, VecDeque<SocketAddr>>,
    pex: usize,
}

impl Quotas {
    pub(super) fn new(most: usize) -> Self {
        Self { most, groups: BTreeMap::new(), pex: 0 }
    }

    /// Which group has to lose an address before `group` may get one; `None` if there is room.
    pub(super) fn full(&self, group: Group, total: usize) -> Option<Group> {
        let len = |group: &Group| self.groups.get(group).map_or(0, VecDeque::len);
        let own = match group {
            Group::User => return None,
            Group::Tracker => self.most / 3 * 2,
            Group::Dht | Group::Resume => self.most / 3,
            Group::Incoming => self.most / 4,
            Group::Lsd => self.most / 10,
            Group::Pex(_) => MAX_PER_PEER.min(self.most / 3),
        };
        if len(&group) >= own.max(1) {
            return Some(group);
        }
        let longest = |filter: fn(&Group) -> bool| {
            let groups = self.groups.iter().filter(|(group, _)| filter(group));
            groups.max_by_key(|(_, addresses)| addresses.len()).map(|(group, _)| *group)
        };
        if matches!(group, Group::Pex(_)) && self.pex >= (self.most / 3).max(1) {
            return longest(|group| matches!(group, Group::Pex(_)));
        }
        if total >= self.most { longest(|group| *group != Group::User) } else { None }
    }

    /// Whether the user may name one more.
    pub(super) fn may_name(&self) -> bool {
        self.groups.get(&Group::User).is_none_or(|named| named.len() < MAX_NAMED)
    }

    pub(super) fn add(&mut self, group: Group, address: SocketAddr) {
        self.groups.entry(group).or_default().push_back(address);
        self.pex += usize::from(matches!(group, Group::Pex(_)));
    }

    pub(super) fn remove(&mut self, group: Group, address: SocketAddr) {
        let Some(addresses) = self.groups.get_mut(&group) else { return };
        // The oldest one is the usual case.
        let Some(place) = addresses.iter().position(|other| *other == address) else { return };
        addresses.remove(place);
        if addresses.is_empty() {
            self.groups.remove(&group);
        }
        self.pex -= usize::from(matches!(group, Group::Pex(_)));
    }

    /// The addresses of a group, the oldest first.
    pub(super) fn oldest(&self, group: Group) -> impl Iterator<Item = SocketAddr> {
        self.groups.get(&group).into_iter().flatten().copied()
    }
}
