//! Following a torrent that its publisher replaces from time to time.
//! Spec: BEP 46 § "Consuming content".

use std::time::Duration;

use torrent_types::InfoHash;

use super::{Dht, LookupError};
use crate::{
    item::{PublicKey, Salt, SignedItem},
    node::Search,
};

/// How often it is looked for at least. BEP 44 asks to store items again once an hour; looking for them costs nodes less.
const LEAST_INTERVAL: Duration = Duration::from_secs(10);
/// An item that is still there is stored again after this, so that it stays. BEP 44 § "Expiration".
const REPUBLISH: Duration = Duration::from_secs(60 * 60);

/// A newer torrent of a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The item that names it.
    pub item: SignedItem,
}

/// Looks for newer torrents of a publisher from time to time, and helps to keep the newest stored.
#[derive(Debug)]
pub struct Follow {
    pub(crate) dht: Dht,
    pub(crate) key: PublicKey,
    pub(crate) salt: Salt,
    pub(crate) interval: Duration,
    pub(crate) newest: Option<SignedItem>,
    pub(crate) looked: Option<tokio::time::Instant>,
    pub(crate) stored: Option<tokio::time::Instant>,
}

impl Follow {
    /// Looks in such intervals, 10 seconds at least. Default: 5 minutes.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(LEAST_INTERVAL);
        self
    }

    /// The next newer torrent; at first the one that is there now. May be dropped and called again.
    ///
    /// # Errors
    /// If the DHT was shut down, or its engine cannot do it. That no node answers is not an error: it looks again later.
    pub async fn next(&mut self) -> Result<Update, LookupError> {
        loop {
            if let Some(looked) = self.looked {
                tokio::time::sleep_until(looked + self.interval).await;
            }
            let found = self.dht.get_mutable(&self.key, &self.salt).await;
            let now = tokio::time::Instant::now();
            self.looked = Some(now);
            match found {
                Ok(Some(item)) => {
                    let newer = self.newest.as_ref().is_none_or(|newest| newest.seq() < item.seq());
                    self.keep(&item, now).await?;
                    if newer {
                        self.newest = Some(item.clone());
                        if let Some(info_hash) = item.torrent() {
                            return Ok(Update { info_hash, item });
                        }
                    }
                }
                Err(error @ (LookupError::Closed | LookupError::Unsupported)) => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Stores the item again, once an hour.
    async fn keep(&mut self, item: &SignedItem, now: tokio::time::Instant) -> Result<(), LookupError> {
        match self.stored {
            None => self.stored = Some(now),
            Some(stored) if now - stored >= REPUBLISH => {
                self.stored = Some(now);
                let search = Search::Put { item: crate::item::Item::Mutable(item.clone()), cas: None };
                if let Err(error @ LookupError::Closed) = self.dht.run(search).await {
                    return Err(error);
                }
            }
            Some(_) => {}
        }
        Ok(())
    }
}
