//! What handles give for a lookup: peers as they come, and what it came to.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::Dht;
use crate::{
    item::Item,
    krpc::Contact,
    node::{Outcome, Scrape},
};

/// What a lookup came to, over all nodes of ours that took part.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The closest nodes that answered, of each family.
    pub closest: Vec<Contact>,
    /// Queries sent, stores among them.
    pub queries: u32,
    /// Nodes that answered.
    pub answers: u32,
    /// How many nodes named one another on the way to the closest.
    pub hops: u8,
    /// Peers found.
    pub peers: u32,
    /// Nodes that stored what was to be stored.
    pub stored: u32,
    /// The last error with which a node refused to store: code and text.
    pub refused: Option<(i64, String)>,
    pub(crate) scrape: Option<Scrape>,
    pub(crate) item: Option<Item>,
    pub(crate) busy: bool,
}

impl Report {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.closest.extend(outcome.closest);
        self.queries = self.queries.saturating_add(outcome.queries);
        self.answers = self.answers.saturating_add(outcome.answers);
        self.hops = self.hops.max(outcome.hops);
        self.peers = self.peers.saturating_add(outcome.peers);
        self.stored = self.stored.saturating_add(outcome.stored);
        self.refused = outcome.refused.or(self.refused.take());
        match (&mut self.scrape, outcome.scrape) {
            (Some(scrape), Some(other)) => {
                scrape.seeds.union(&other.seeds);
                scrape.leeches.union(&other.leeches);
                scrape.answers = scrape.answers.saturating_add(other.answers);
            }
            (scrape, other) => *scrape = scrape.take().or(other),
        }
    }
}

/// Why a lookup came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No node answered: there is no network, or none is known yet.
    #[error("no DHT node answered")]
    NoNodes,
    /// Too many lookups wait already.
    #[error("too many lookups wait already")]
    Busy,
    /// It took longer than it may.
    #[error("the lookup timed out")]
    TimedOut,
    /// The engine had to be started anew; the next lookup finds it running.
    #[error("the DHT engine was restarted")]
    EngineRestarted,
    /// The engine cannot do this.
    #[error("this DHT engine cannot do that")]
    Unsupported,
    /// The DHT was shut down.
    #[error("the DHT is shut down")]
    Closed,
}

/// Ends the lookup when it is dropped.
#[derive(Debug)]
pub(crate) struct Interest {
    pub(crate) dht: Dht,
    pub(crate) search: Option<u64>,
}

impl Drop for Interest {
    fn drop(&mut self) {
        if let Some(search) = self.search {
            self.dht.cancel(search);
        }
    }
}

/// The peers of a torrent, each once, as nodes answer. Dropping it ends the lookup, and the announce that follows it.
#[derive(Debug)]
#[must_use = "dropping it ends the lookup"]
pub struct Peers {
    pub(crate) found: mpsc::UnboundedReceiver<SocketAddr>,
    pub(crate) done: oneshot::Receiver<Result<Report, LookupError>>,
    pub(crate) interest: Interest,
    pub(crate) seen: std::collections::BTreeSet<SocketAddr>,
}

impl Peers {
    /// The next peer; `None` when the lookup has ended.
    pub async fn next(&mut self) -> Option<SocketAddr> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Waits for the end, and says what it came to. Peers that nobody took are dropped.
    ///
    /// # Errors
    /// If no node answered, or the DHT was shut down.
    pub async fn finish(mut self) -> Result<Report, LookupError> {
        while self.next().await.is_some() {}
        self.end().await
    }

    async fn end(mut self) -> Result<Report, LookupError> {
        let result = (&mut self.done).await.unwrap_or(Err(LookupError::Closed));
        self.interest.search = None;
        result
    }
}

impl Stream for Peers {
    type Item = SocketAddr;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SocketAddr>> {
        loop {
            match ready!(self.found.poll_recv(cx)) {
                // Nodes of both families, and nodes on several addresses of ours, may bring the same.
                Some(peer) if self.seen.insert(peer) => return Poll::Ready(Some(peer)),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

/// A lookup of which only the end matters.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) done: oneshot::Receiver<Result<Report, LookupError>>,
    pub(crate) interest: Interest,
}

impl Future for Lookup {
    type Output = Result<Report, LookupError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.done).poll(cx)).unwrap_or(Err(LookupError::Closed));
        self.interest.search = None;
        Poll::Ready(result)
    }
}
