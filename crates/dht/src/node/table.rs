//! The routing table: nodes by how many leading bits their id shares with ours, up to [`K`] for each number.
//! Spec: BEP 5 § "Routing Table"; BEP 42 (an id that fits its address goes before one that does not).
//! In: who answered, asked, was named, or was silent. Out: the nodes closest to any target, and who is to be asked again.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use torrent_types::Scope;

use super::limits::Source;
use crate::{
    id::{Distance, Id},
    krpc::Contact,
};

/// Nodes in a bucket, in an answer, and that store a value. BEP 5 § "Routing Table".
pub(crate) const K: usize = 8;
/// A node that was quiet for so long is asked again. BEP 5 § "Routing Table" calls it questionable then.
const QUESTIONABLE: Duration = Duration::from_secs(15 * 60);
/// Unanswered queries in a row after which a node is bad.
const BAD: u8 = 2;
/// Unanswered queries in a row after which a node goes even if none is there to take its place.
const GONE: u8 = 5;

#[derive(Debug)]
pub(crate) struct Table {
    own: Id,
    buckets: Vec<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    nodes: Vec<Entry>,
    /// Nodes that have answered and found no room, the last one last.
    spares: Vec<Entry>,
    /// When it was last looked for an id in its range.
    refreshed: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    contact: Contact,
    /// The last answer or query.
    seen: Instant,
    /// The last query that we sent it to see whether it is there.
    asked: Option<Instant>,
    /// Unanswered queries in a row.
    failures: u8,
    /// It has answered.
    verified: bool,
    /// Its id fits its address. BEP 42.
    bound: bool,
}

/// Which nodes to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Those that answer, to tell others about.
    Good,
    /// All, to ask.
    Any,
}

impl Table {
    pub(crate) fn new(own: Id) -> Self {
        Self { own, buckets: vec![Bucket::new()] }
    }

    pub(crate) const fn own(&self) -> &Id {
        &self.own
    }

    pub(crate) fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.nodes.len()).sum()
    }

    pub(crate) fn good(&self) -> usize {
        self.entries().filter(|entry| entry.is_good()).count()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| &bucket.nodes)
    }

    fn index(&self, id: &Id) -> usize {
        let prefix = usize::try_from(self.own.common_prefix(id)).unwrap_or(usize::MAX);
        prefix.min(self.buckets.len().saturating_sub(1))
    }

    /// A node answered one of our queries.
    pub(crate) fn answered(&mut self, now: Instant, contact: Contact) {
        if contact.id == self.own {
            return;
        }
        self.forget_other_ids(&contact);
        let entry = Entry::new(now, contact, true);
        let index = self.index(&contact.id);
        let Some(bucket) = self.buckets.get_mut(index) else { return };
        if let Some(known) = bucket.nodes.iter_mut().find(|known| known.contact.id == contact.id) {
            // An id moves to another address only when it is gone from the one it had: else anybody could take its place.
            if known.contact.address == contact.address || known.failures >= BAD || !known.verified {
                *known = entry;
            }
            return;
        }
        self.insert(entry);
    }

    /// A node asked, or was named: it gets free room only, and is not told to others before it has answered.
    /// Whether it got it.
    pub(crate) fn heard(&mut self, now: Instant, contact: Contact) -> bool {
        if contact.id == self.own {
            return false;
        }
        let index = self.index(&contact.id);
        if let Some(bucket) = self.buckets.get_mut(index)
            && let Some(known) = bucket.nodes.iter_mut().find(|known| known.contact.id == contact.id)
        {
            // Its source address may be forged: it counts only for a node that has answered from there.
            if known.contact.address == contact.address && known.verified && known.failures == 0 {
                known.seen = known.seen.max(now);
            }
            return false;
        }
        let taken = |entry: &Entry| entry.contact.address == contact.address;
        let last = self.buckets.len().saturating_sub(1) == index;
        let room = self.buckets.get(index).is_some_and(|bucket| bucket.nodes.len() < K || (last && index < 159));
        room && !self.entries().any(taken) && self.insert(Entry::new(now, contact, false))
    }

    /// Whether it is in the table now, or among the spares.
    fn insert(&mut self, entry: Entry) -> bool {
        if self.is_crowded(&entry) {
            return false;
        }
        loop {
            let index = self.index(&entry.contact.id);
            let last = index == self.buckets.len().saturating_sub(1);
            let splits = last && index < 159;
            let Some(bucket) = self.buckets.get_mut(index) else { return false };
            if bucket.nodes.len() < K {
                bucket.spares.retain(|spare| spare.contact.id != entry.contact.id);
                bucket.nodes.push(entry);
                return true;
            }
            if !splits {
                bucket.replace(entry);
                return true;
            }
            self.split();
        }
    }

    /// The last bucket keeps what shares exactly its number of bits; the others go into a new one.
    fn split(&mut self) {
        let Some(last) = self.buckets.len().checked_sub(1) else { return };
        let mut deeper = Bucket::new();
        if let Some(bucket) = self.buckets.get_mut(last) {
            let own = self.own;
            let goes =
                |entry: &Entry| usize::try_from(own.common_prefix(&entry.contact.id)).is_ok_and(|bits| bits > last);
            deeper.nodes.extend(bucket.nodes.extract_if(.., |entry| goes(entry)));
            deeper.spares.extend(bucket.spares.extract_if(.., |entry| goes(entry)));
            deeper.refreshed = bucket.refreshed;
        }
        self.buckets.push(deeper);
    }

    /// Whether the address has had its share: one node an address in the table, one a network of 24 bits (IPv6: 64) in a
    /// bucket. Not on local networks.
    fn is_crowded(&self, entry: &Entry) -> bool {
        let address = entry.contact.address;
        if Scope::of(address.ip()) != Scope::Global {
            return self.entries().any(|other| other.contact.address == address);
        }
        let source = Source::of(address);
        let network = network(address.ip());
        let index = self.index(&entry.contact.id);
        // A bad node does not keep its place against its own neighbour.
        self.buckets.iter().enumerate().any(|(place, bucket)| {
            bucket.nodes.iter().filter(|other| other.failures < BAD).any(|other| {
                let theirs = other.contact.address;
                Source::of(theirs) == source || (place == index && crate::node::table::network(theirs.ip()) == network)
            })
        })
    }

    /// The address answers with another id than before: what we had is no more. BEP 45 § "Shared Routing Table".
    fn forget_other_ids(&mut self, contact: &Contact) {
        for bucket in &mut self.buckets {
            let stale = |entry: &mut Entry| entry.contact.address == contact.address && entry.contact.id != contact.id;
            if bucket.nodes.extract_if(.., stale).count() > 0 {
                bucket.promote();
            }
        }
    }

    /// A query to the node was not answered.
    pub(crate) fn failed(&mut self, address: SocketAddr) {
        for bucket in &mut self.buckets {
            bucket.spares.retain(|spare| spare.contact.address != address);
            let Some(place) = bucket.nodes.iter().position(|entry| entry.contact.address == address) else { continue };
            let Some(entry) = bucket.nodes.get_mut(place) else { continue };
            entry.failures = entry.failures.saturating_add(1);
            let gone =
                !entry.verified || entry.failures >= GONE || (entry.failures >= BAD && !bucket.spares.is_empty());
            if gone {
                bucket.nodes.remove(place);
                bucket.promote();
            }
        }
    }

    /// The `count` nodes closest to `target`, the closest first.
    pub(crate) fn closest(&self, target: &Id, count: usize, choice: Choice) -> Vec<Contact> {
        let mut found = Vec::<(Distance, Contact)>::with_capacity(count.saturating_mul(2));
        let last = self.buckets.len().saturating_sub(1);
        let first = self.index(target);
        // What shares more bits with the target is closer; within one step it has to be sorted. What lies beyond our own side of
        // the tree, all buckets behind `first`, is one step.
        let beyond = first.saturating_add(1)..=last;
        let steps =
            std::iter::once(first..=first).chain(std::iter::once(beyond)).chain((0..first).rev().map(|at| at..=at));
        for step in steps {
            let begin = found.len();
            for bucket in self.buckets.get(step).unwrap_or_default() {
                for entry in &bucket.nodes {
                    if choice == Choice::Any || entry.is_good() {
                        found.push((target.distance(&entry.contact.id), entry.contact));
                    }
                }
            }
            if let Some(new) = found.get_mut(begin..) {
                new.sort_unstable_by_key(|(distance, _)| *distance);
            }
            if found.len() >= count {
                break;
            }
        }
        found.truncate(count);
        found.into_iter().map(|(_, contact)| contact).collect()
    }

    /// A node that has to be asked whether it is still there, if one has: who never answered first, then who was quiet longest.
    pub(crate) fn next_to_ask(&mut self, now: Instant) -> Option<Contact> {
        let quiet = |at: Instant, time| now.saturating_duration_since(at) >= time;
        let due = |entry: &&mut Entry| {
            let patience =
                if entry.failures > 0 || !entry.verified { Duration::from_secs(30) } else { QUESTIONABLE / 3 };
            entry.asked.is_none_or(|asked| quiet(asked, patience))
                && (!entry.verified || entry.failures > 0 || quiet(entry.seen, QUESTIONABLE - Duration::from_secs(60)))
        };
        let nodes = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.nodes);
        let entry = nodes.filter(due).min_by_key(|entry| (entry.verified, entry.asked.unwrap_or(entry.seen)))?;
        entry.asked = Some(now);
        Some(entry.contact)
    }

    /// An id in the range of a bucket that has not been looked for in `age`, those with fewest nodes first.
    pub(crate) fn next_to_refresh(&mut self, now: Instant, age: Duration, random: &Id) -> Option<Id> {
        let own = self.own;
        let last = self.buckets.len().saturating_sub(1);
        let due = self
            .buckets
            .iter_mut()
            .enumerate()
            .filter(|(_, bucket)| bucket.refreshed.is_none_or(|at| now.saturating_duration_since(at) >= age));
        let (index, bucket) = due.min_by_key(|(index, bucket)| (bucket.nodes.len(), usize::MAX - index))?;
        bucket.refreshed = Some(now);
        let bits = u32::try_from(index).unwrap_or(0);
        let target = own.with_tail(bits.saturating_add(1), random);
        Some(if index == last { own.with_tail(bits, random) } else { target.with_flipped(bits) })
    }

    /// Somebody looked for this target.
    pub(crate) fn refreshed(&mut self, now: Instant, target: &Id) {
        let index = self.index(target);
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.refreshed = Some(now);
        }
    }

    /// The nodes to keep for the next start: those that answered, the last seen first.
    pub(crate) fn contacts(&self) -> Vec<Contact> {
        let mut entries: Vec<&Entry> = self.entries().filter(|entry| entry.is_good()).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.seen));
        entries.into_iter().map(|entry| entry.contact).collect()
    }

    /// The same nodes around another id of our own.
    pub(crate) fn rekey(&mut self, own: Id) {
        let old = std::mem::replace(self, Self::new(own));
        for bucket in old.buckets {
            for entry in bucket.nodes.into_iter().chain(bucket.spares) {
                if entry.contact.id != own {
                    self.insert(entry);
                }
            }
        }
    }
}

/// A network of 24 bits, or of 64 for IPv6.
pub(crate) fn network(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(u32::from(ip) >> 8),
        IpAddr::V6(ip) => u64::try_from(u128::from(ip) >> 64).unwrap_or(u64::MAX),
    }
}

impl Bucket {
    const fn new() -> Self {
        Self { nodes: Vec::new(), spares: Vec::new(), refreshed: None }
    }

    /// Puts a node into a full bucket, in place of one that is worth less, or among the spares.
    fn replace(&mut self, entry: Entry) {
        let worst = self.nodes.iter_mut().min_by_key(|other| other.worth());
        if let Some(worst) = worst
            && worst.worth() < entry.worth()
        {
            *worst = entry;
            return;
        }
        if entry.verified {
            self.spares
                .retain(|spare| spare.contact.id != entry.contact.id && spare.contact.address != entry.contact.address);
            if self.spares.len() >= K {
                self.spares.remove(0);
            }
            self.spares.push(entry);
        }
    }

    fn promote(&mut self) {
        if self.nodes.len() < K
            && let Some(spare) = self.spares.pop()
        {
            self.nodes.push(spare);
        }
    }
}

impl Entry {
    fn new(now: Instant, contact: Contact, verified: bool) -> Self {
        let bound = contact.id.is_bound_to(contact.address.ip());
        Self { contact, seen: now, asked: None, failures: 0, verified, bound }
    }

    const fn is_good(&self) -> bool {
        self.verified && self.failures < BAD
    }

    const fn worth(&self) -> u8 {
        match (self.verified, self.failures < BAD, self.bound) {
            (false, ..) => 0,
            (true, false, _) => 1,
            (true, true, false) => 2,
            (true, true, true) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn now() -> Instant {
        Instant::now()
    }

    fn random_id(rng: &mut StdRng) -> Id {
        let mut bytes = [0; 20];
        rng.fill_bytes(&mut bytes);
        Id::new(bytes)
    }

    /// A node on a network of its own, with the id that its address allows.
    fn contact(n: u32, rng: &mut StdRng) -> Contact {
        let ip = IpAddr::from((0x0800_0001u32 + (n << 8)).to_be_bytes());
        Contact { id: Id::bound_to(ip, *random_id(rng).as_bytes()), address: SocketAddr::new(ip, 6881) }
    }

    fn filled(nodes: u32, seed: u64) -> (Instant, Table, StdRng) {
        let (now, mut rng) = (now(), StdRng::seed_from_u64(seed));
        let mut table = Table::new(random_id(&mut rng));
        for n in 0..nodes {
            let contact = contact(n, &mut rng);
            table.answered(now, contact);
        }
        (now, table, rng)
    }

    proptest! {
        #[test]
        fn closest_is_what_sorting_the_whole_table_gives(nodes in 0u32..400, seed in any::<u64>()) {
            let (_, table, mut rng) = filled(nodes, seed);
            for _ in 0..20 {
                let near = random_id(&mut rng);
                for target in [near, table.own.with_tail(7, &near), table.own] {
                    let mut all: Vec<Contact> = table.entries().map(|entry| entry.contact).collect();
                    all.sort_by_key(|contact| target.distance(&contact.id));
                    all.truncate(K);
                    prop_assert_eq!(table.closest(&target, K, Choice::Good), all);
                }
            }
        }

        #[test]
        fn buckets_hold_what_belongs_there_and_no_more(nodes in 0u32..400, seed in any::<u64>()) {
            let (now, mut table, mut rng) = filled(nodes, seed);
            for index in 0..table.buckets.len() {
                let bucket = &table.buckets[index];
                prop_assert!(bucket.nodes.len() <= K && bucket.spares.len() <= K);
                for entry in bucket.nodes.iter().chain(&bucket.spares) {
                    prop_assert_eq!(table.index(&entry.contact.id), index);
                }
            }
            let buckets = table.buckets.len();
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..buckets {
                let target = table.next_to_refresh(now, Duration::from_secs(1), &random_id(&mut rng)).unwrap();
                seen.insert(table.index(&target));
            }
            prop_assert_eq!(seen.len(), buckets, "each bucket is refreshed once");
            prop_assert_eq!(table.next_to_refresh(now, Duration::from_secs(1), &random_id(&mut rng)), None);
        }
    }

    #[test]
    fn who_only_asked_or_was_named_is_not_told_to_others() {
        let (now, mut table, mut rng) = filled(0, 1);
        let stranger = contact(1, &mut rng);
        table.heard(now, stranger);
        assert!(table.closest(&stranger.id, K, Choice::Good).is_empty());
        assert_eq!(table.closest(&stranger.id, K, Choice::Any), [stranger]);
        assert_eq!(table.next_to_ask(now), Some(stranger));
        assert_eq!(table.next_to_ask(now), None, "once is enough for now");
        table.answered(now, stranger);
        assert_eq!(table.closest(&stranger.id, K, Choice::Good), [stranger]);
    }

    #[test]
    fn one_address_and_one_network_do_not_crowd_others_out() {
        let (now, mut table, mut rng) = filled(0, 1);
        for n in 0..200u16 {
            let ip = IpAddr::from([8, 8, 8, 8]);
            let id = Id::bound_to(ip, *random_id(&mut rng).as_bytes());
            table.answered(now, Contact { id, address: SocketAddr::new(ip, 1000 + n) });
        }
        assert_eq!(table.len(), 1, "one node an address");
        for n in 1..200u8 {
            let ip = IpAddr::from([9, 9, 9, n]);
            table.answered(now, Contact { id: random_id(&mut rng), address: SocketAddr::new(ip, 1000) });
        }
        assert!(table.buckets.iter().all(|bucket| bucket.nodes.len() <= 2), "one node a network and bucket");
    }

    #[test]
    fn silent_nodes_make_room_and_answers_keep_nodes() {
        let (now, mut table, mut rng) = filled(200, 3);
        let full = table.buckets.iter().position(|bucket| !bucket.spares.is_empty()).unwrap();
        let (old, spare) = (table.buckets[full].nodes[0].contact, *table.buckets[full].spares.last().unwrap());
        table.failed(old.address);
        assert!(table.entries().any(|entry| entry.contact == old), "one datagram may be lost");
        table.failed(old.address);
        assert!(!table.entries().any(|entry| entry.contact == old));
        assert!(table.entries().any(|entry| entry.contact == spare.contact));
        // An hour in which everybody answers when asked costs nobody its place.
        let before = table.len();
        let mut time = now;
        for _ in 0..3600 {
            time += Duration::from_secs(1);
            if let Some(contact) = table.next_to_ask(time) {
                table.answered(time, contact);
            }
        }
        assert_eq!(table.len(), before);
        assert!(table.entries().all(|entry| time - entry.seen <= QUESTIONABLE));
        let _ = random_id(&mut rng);
    }

    #[test]
    fn a_node_with_another_id_is_another_node() {
        let (now, mut table, mut rng) = filled(0, 1);
        let mut node = contact(1, &mut rng);
        table.answered(now, node);
        node.id = random_id(&mut rng);
        table.answered(now, node);
        assert_eq!(table.closest(&node.id, K, Choice::Good), [node]);
        // And nobody takes an id from a node that answers.
        let thief = Contact { address: "9.9.9.9:9".parse().unwrap(), ..node };
        table.answered(now, thief);
        assert_eq!(table.closest(&node.id, K, Choice::Good), [node]);
    }
}
