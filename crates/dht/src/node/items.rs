//! The items that were put on this node.
//! Spec: BEP 44 § "put message", § "CAS", § "Expiration". In: puts whose token was good. Out: values, or the error to answer.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Instant,
};

use super::config::Limits;
use crate::{
    id::{Distance, Id},
    item::{self, Item, ItemError, SignedItem},
    krpc::{MAX_SALT, MAX_VALUE, Put, RemoteError, code},
};

/// Keyed by distance from this node, as the peers are.
#[derive(Debug, Default)]
pub(crate) struct ItemStore(BTreeMap<Distance, Stored>);

#[derive(Debug)]
struct Stored {
    item: Item,
    at: Instant,
}

const fn error(code: i64, message: &'static str) -> RemoteError<'static> {
    RemoteError { code, message: message.as_bytes() }
}

impl ItemStore {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, now: Instant, distance: &Distance, limits: &Limits) -> Option<&Item> {
        let stored = self.0.get(distance)?;
        (now.saturating_duration_since(stored.at) < limits.item_expiry).then_some(&stored.item)
    }

    pub(crate) fn put(
        &mut self,
        now: Instant,
        own: &Id,
        put: &Put<'_>,
        limits: &Limits,
    ) -> Result<(), RemoteError<'static>> {
        if put.value.as_bytes().len() > MAX_VALUE {
            return Err(error(code::VALUE_TOO_BIG, "message (v field) too big"));
        }
        match &put.signed {
            None => {
                let target = item::immutable_target(put.value.as_bytes());
                self.store(now, own.distance(&target), Item::Immutable(put.value.to_buf()), limits)
            }
            Some(signed) => {
                if signed.salt.len() > MAX_SALT {
                    return Err(error(code::SALT_TOO_BIG, "salt (salt field) too big"));
                }
                let distance = own.distance(&item::target(signed.key, signed.salt));
                // What is cheap to see is seen before the signature is checked.
                if let Some(Item::Mutable(stored)) = self.get(now, &distance, limits) {
                    if put.cas.is_some_and(|cas| cas != stored.seq()) {
                        return Err(error(code::CAS_MISMATCH, "the CAS hash mismatched"));
                    }
                    let same = stored.value() == put.value;
                    if signed.seq < stored.seq() || (signed.seq == stored.seq() && !same) {
                        return Err(error(code::SEQ_TOO_LOW, "sequence number less than current"));
                    }
                }
                let item = SignedItem::new(signed, put.value).map_err(|why| match why {
                    ItemError::BadSignature => error(code::INVALID_SIGNATURE, "invalid signature"),
                    _ => error(code::PROTOCOL, "invalid item"),
                })?;
                self.store(now, distance, Item::Mutable(item), limits)
            }
        }
    }

    fn store(
        &mut self,
        now: Instant,
        distance: Distance,
        item: Item,
        limits: &Limits,
    ) -> Result<(), RemoteError<'static>> {
        if self.0.len() >= limits.stored_items && !self.0.contains_key(&distance) {
            match self.0.last_key_value() {
                Some((farthest, _)) if *farthest > distance => drop(self.0.pop_last()),
                _ => return Err(error(code::SERVER, "full")),
            }
        }
        match self.0.entry(distance) {
            Entry::Vacant(place) => drop(place.insert(Stored { item, at: now })),
            Entry::Occupied(mut place) => *place.get_mut() = Stored { item, at: now },
        }
        Ok(())
    }

    pub(crate) fn sweep(&mut self, now: Instant, limits: &Limits) {
        self.0.retain(|_, stored| now.saturating_duration_since(stored.at) < limits.item_expiry);
    }

    /// The node has another id.
    pub(crate) fn rekey(&mut self, old: &Id, new: &Id) {
        let items = std::mem::take(&mut self.0);
        self.0 = items.into_iter().map(|(distance, item)| (new.distance(&old.at(&distance)), item)).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use torrent_bencode::RawValue;

    use super::*;
    use crate::item::{KeyPair, Salt};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn mutable_items_only_go_forward_and_obey_cas() {
        let (now, limits, own) = (Instant::now(), Limits::default(), Id::new([3; 20]));
        let mut store = ItemStore::default();
        let pair = KeyPair::from_seed([1; 32]);
        let value = |text: &'static [u8]| RawValue::new(text).unwrap().to_buf();
        let mut put = |text, seq, cas, now| {
            let item = pair.sign(value(text), seq, Salt::default()).unwrap();
            let put = Put { token: b"", value: item.value(), signed: Some(item.signed()), cas };
            store.put(now, &own, &put, &limits).map_err(|error| error.code)
        };
        assert_eq!(put(b"1:a", 5, Some(99), now), Ok(()), "nothing is there to compare with");
        assert_eq!(put(b"1:a", 5, None, now), Ok(()), "the same again only renews");
        assert_eq!(put(b"1:b", 5, None, now), Err(code::SEQ_TOO_LOW));
        assert_eq!(put(b"1:b", 4, None, now), Err(code::SEQ_TOO_LOW));
        assert_eq!(put(b"1:b", 6, Some(4), now), Err(code::CAS_MISMATCH));
        assert_eq!(put(b"1:b", 6, Some(5), now), Ok(()));
        let expired = now + Duration::from_secs(3 * 3600);
        assert_eq!(put(b"1:c", 1, None, expired), Ok(()), "what has expired is no more");
        let item = pair.sign(value(b"1:z"), 9, Salt::default()).unwrap();
        let mut signed = item.signed();
        signed.seq = 10;
        let forged = Put { token: b"", value: item.value(), signed: Some(signed), cas: None };
        assert_eq!(store.put(now, &own, &forged, &limits).unwrap_err().code, code::INVALID_SIGNATURE);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn the_number_of_items_is_bounded_and_the_nearest_stay() {
        let (now, own) = (Instant::now(), Id::new([3; 20]));
        let limits = Limits { stored_items: 10, ..Limits::default() };
        let mut store = ItemStore::default();
        let mut nearest = Distance::MAX;
        for n in 0..100 {
            let text = format!("i{n}e");
            nearest = nearest.min(own.distance(&item::immutable_target(text.as_bytes())));
            let value = RawValue::new(text.as_bytes()).unwrap();
            let _ = store.put(now, &own, &Put { token: b"", value, signed: None, cas: None }, &limits);
        }
        assert_eq!(store.len(), 10);
        assert!(store.get(now, &nearest, &limits).is_some());
    }
}
