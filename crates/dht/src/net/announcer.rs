//! A set of torrents that is kept announced.

use std::{collections::BTreeSet, net::SocketAddr};

use tokio::sync::mpsc;
use torrent_types::InfoHash;

use super::{Dht, Engines, LookupError};
use crate::{
    id::Id,
    node::{Announce, Urgency},
};

/// Events that wait to be read. What is more is dropped.
pub(crate) const MAX_EVENTS: usize = 4096;

/// What happens to torrents that are kept announced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announced {
    /// Peers that nodes named on the way.
    Peers {
        /// The torrent.
        info_hash: InfoHash,
        /// The peers.
        peers: Vec<SocketAddr>,
    },
    /// An announce has ended.
    Announced {
        /// The torrent.
        info_hash: InfoHash,
        /// Nodes that stored it; 0: it is tried again soon.
        stored: u32,
    },
}

/// Keeps torrents announced, spread over the interval and at a bounded rate, until they are removed or it is dropped.
#[derive(Debug)]
pub struct Announcer {
    dht: Dht,
    torrents: BTreeSet<Id>,
    sender: mpsc::Sender<Announced>,
    events: mpsc::Receiver<Announced>,
}

impl Announcer {
    pub(crate) fn new(dht: Dht) -> Self {
        let (sender, events) = mpsc::channel(MAX_EVENTS);
        Self { dht, torrents: BTreeSet::new(), sender, events }
    }

    /// Adds a torrent, or changes how it is announced.
    ///
    /// # Errors
    /// If there are too many, or the DHT was shut down.
    pub fn insert(&mut self, info_hash: InfoHash, announce: Announce, urgency: Urgency) -> Result<(), LookupError> {
        let hash = Id::from(info_hash);
        match self.dht.engines() {
            Engines::Native(shared) => shared.act(|state, now| {
                if state.is_closed() {
                    return Err(LookupError::Closed);
                }
                for bound in &mut state.nodes {
                    bound.node.handle_schedule(now, hash, announce, urgency).map_err(|_| LookupError::Busy)?;
                }
                state.announcers.insert(hash, self.sender.clone());
                Ok(())
            })?,
            #[cfg(feature = "mainline")]
            Engines::Mainline(guard) => guard.schedule(hash, announce, urgency, self.sender.clone())?,
        }
        self.torrents.insert(hash);
        Ok(())
    }

    /// Removes a torrent.
    pub fn remove(&mut self, info_hash: InfoHash) {
        let hash = Id::from(info_hash);
        if self.torrents.remove(&hash) {
            remove(&self.dht, [hash]);
        }
    }

    /// How many torrents it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.torrents.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.torrents.is_empty()
    }

    /// The next event. `None` never comes while the announcer lives.
    pub async fn next(&mut self) -> Option<Announced> {
        self.events.recv().await
    }
}

fn remove(dht: &Dht, hashes: impl IntoIterator<Item = Id>) {
    match dht.engines() {
        Engines::Native(shared) => shared.act(|state, now| {
            for hash in hashes {
                state.announcers.remove(&hash);
                for bound in &mut state.nodes {
                    bound.node.handle_unschedule(now, &hash);
                }
            }
        }),
        #[cfg(feature = "mainline")]
        Engines::Mainline(guard) => hashes.into_iter().for_each(|hash| guard.unschedule(&hash)),
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        remove(&self.dht, std::mem::take(&mut self.torrents));
    }
}
