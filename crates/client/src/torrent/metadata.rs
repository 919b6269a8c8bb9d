//! A magnet link becomes a torrent: all connected peers are asked for the metadata at once, and the connections go on.
//! Spec: BEP 9. In: what peers offer, give and refuse. Out: requests in their outboxes, then the torrent's content.
//! Never: which block to ask of whom, and who has lied (see `torrent_wire::MetadataFetch`).

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use torrent_metainfo::{Info, Metainfo, PieceLayers};
use torrent_swarm::{PeerKey, Privacy};
use torrent_wire::{MetadataEvent, MetadataFault, MetadataFetch, MetadataMessage};

use super::{
    TorrentInner,
    content::{self, Content},
};
use crate::{Error, Event, clock};

/// Metadata that is being fetched.
#[derive(Debug)]
pub(crate) struct Fetching {
    fetch: MetadataFetch<PeerKey>,
    scheduled: Option<Instant>,
}

impl Fetching {
    pub(super) fn new() -> Self {
        Self { fetch: MetadataFetch::new(MetadataFetch::<PeerKey>::DEFAULT_MAX_SIZE), scheduled: None }
    }
}

impl TorrentInner {
    /// The peer has metadata of this size.
    pub(crate) fn metadata_offered(self: &Arc<Self>, key: PeerKey, size: u32) {
        self.fetch(|fetch, now| {
            // It claims an impossible size: then it is not asked.
            let _ = fetch.handle_offer(now, key, size);
        });
    }

    /// The peer has given or refused a block.
    ///
    /// # Errors
    /// If it is not what the peer was asked for.
    pub(crate) fn metadata_received(
        self: &Arc<Self>,
        key: PeerKey,
        message: MetadataMessage<'_>,
    ) -> Result<(), MetadataFault> {
        let handled = self.fetch(|fetch, now| match message {
            MetadataMessage::Data { piece, total_size, data } => fetch.handle_data(now, key, piece, total_size, data),
            MetadataMessage::Reject { piece } => {
                fetch.handle_reject(now, key, piece);
                Ok(())
            }
            _ => Ok(()),
        });
        match handled {
            // Honest peers are late sometimes.
            Some(Err(MetadataFault::Unrequested)) | None => Ok(()),
            Some(outcome) => outcome,
        }
    }

    /// The connection has ended.
    pub(super) fn metadata_gone(self: &Arc<Self>, key: PeerKey) {
        self.fetch(|fetch, now| fetch.handle_removed(now, key));
    }

    /// A deadline may have come.
    pub(super) fn metadata_timeout(self: &Arc<Self>, now: Instant) {
        if let Some(fetching) = &mut *self.fetching() {
            fetching.scheduled = None;
        }
        self.fetch(|fetch, _| {
            if fetch.poll_timeout().is_some_and(|due| due <= now) {
                fetch.handle_timeout(now);
            }
        });
    }

    /// Changes the fetch, if there still is one, and does what follows from it.
    fn fetch<T>(self: &Arc<Self>, change: impl FnOnce(&mut MetadataFetch<PeerKey>, Instant) -> T) -> Option<T> {
        let mut fetching = self.fetching();
        let Fetching { fetch, scheduled } = fetching.as_mut()?;
        let outcome = change(fetch, clock::now());
        while let Some((key, piece)) = fetch.poll_request() {
            self.post(key, |mail| mail.metadata_requests.push(piece));
        }
        while let Some(event) = fetch.poll_event() {
            match event {
                MetadataEvent::Assembled(assembled) => {
                    let torrent = Arc::clone(self);
                    self.client.spawn_blocking(move || torrent.metadata_assembled(assembled));
                }
                MetadataEvent::Liar(key) => self.post(key, |mail| mail.liar = true),
            }
        }
        if let Some(due) = fetch.poll_timeout()
            && scheduled.is_none_or(|known| due < known)
        {
            *scheduled = Some(due);
            self.schedule(due);
        }
        Some(outcome)
    }

    /// All blocks of one attempt are here. It is hashed, on a thread that may take its time.
    fn metadata_assembled(self: Arc<Self>, assembled: torrent_wire::Assembled) {
        let _entered = self.span.enter();
        match Info::from_peers(&self.hashes, Bytes::copy_from_slice(assembled.bytes())) {
            Some(Ok(info)) => self.learn(&info),
            // The hash is right, so nobody will ever give anything better.
            Some(Err(error)) => self.fail(Error::Metadata(error)),
            None => {
                tracing::debug!("the metadata that peers have given has the wrong hash");
                self.fetch(|fetch, now| fetch.handle_refuted(now, assembled));
            }
        }
    }

    /// The metadata is known.
    fn learn(self: &Arc<Self>, info: &Info) {
        let Some(storage) = super::lock(&self.storage).take() else { return };
        let opened = self.metainfo_of(info).and_then(|metainfo| content::open(self, metainfo, &*storage));
        match opened {
            Ok(content) => self.begin(content),
            Err(error) => self.fail(error),
        }
    }

    /// A .torrent file of what peers and the link say.
    fn metainfo_of(&self, info: &Info) -> Result<Metainfo, Error> {
        let metainfo = Metainfo::from_info(info, &PieceLayers::default())?;
        metainfo.edit().trackers(&self.trackers).apply().map_err(|_| Error::WrongMetadata)
    }

    /// The content is known and its storage is open: the torrent goes on to the check.
    pub(super) fn begin(self: &Arc<Self>, content: Content) {
        let (geometry, private) = (content.geometry, content.info().is_private());
        let from_peers = self.fetching().take().is_some();
        if self.content.set(content).is_err() {
            return;
        }
        let privacy = if private { Privacy::Private } else { Privacy::Public };
        self.with(|swarm, now| swarm.handle_metadata(now, geometry, privacy));
        // Connections learn what pieces there are, and repeat what their peers have said of them.
        self.post_all(|mail| mail.metadata_known = true);
        self.discover();
        if from_peers {
            self.report(|| Event::Metadata);
        }
    }

    fn fetching(&self) -> MutexGuard<'_, Option<Fetching>> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
