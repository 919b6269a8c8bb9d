//! What all tasks of one torrent share. In: nothing by itself. Out: what a connection says first, events, addresses.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, atomic::AtomicBool},
    time::Instant,
};

use tokio::sync::{Notify, watch};
use torrent_metainfo::InfoHashes;
use torrent_storage::Storage;
use torrent_swarm::{Candidate, Priority, Source};
use torrent_types::{InfoHash, PeerId};
use torrent_wire::{ExtendedHandshake, Handshake, Reserved};

use super::{announce::Announcing, cell::SwarmCell, content::Content, metadata::Fetching, reader::Readers};
use crate::{
    Error, Event, Phase,
    client::Inner,
    event::Lazy,
    net::Offer,
    scheduler::{Sleeper, SleeperKey},
};

/// BEP 10 `v`.
const CLIENT_NAME: &str = concat!("torrent ", env!("CARGO_PKG_VERSION"));
/// BEP 10 `reqq`: requests that we keep per peer.
pub(crate) const REQUEST_QUEUE: u32 = 500;
/// Events that a slow listener may be behind before it misses some.
const EVENTS_KEPT: usize = 256;

/// A torrent of a client.
pub(crate) struct TorrentInner {
    pub(crate) key: SleeperKey,
    pub(crate) client: Arc<Inner>,
    /// The name by which peers and trackers know it.
    pub(crate) info_hash: InfoHash,
    /// All its names: metadata has to fit each of them.
    pub(crate) hashes: InfoHashes,
    pub(crate) peer_id: PeerId,
    /// Carries the info hash into every log line.
    pub(crate) span: tracing::Span,
    pub(crate) cell: SwarmCell,
    /// Set once the metadata is known.
    pub(crate) content: OnceLock<Content>,
    pub(super) fetching: Mutex<Option<Fetching>>,
    pub(super) announcing: Mutex<Announcing>,
    pub(super) events: Lazy<Event>,
    pub(super) phase: watch::Sender<Phase>,
    /// Everything wanted has come, and the application has not been told.
    pub(super) finished: AtomicBool,
    /// By tier, as they were given.
    pub(super) trackers: Vec<Vec<String>>,
    /// What it is called before the metadata is known.
    pub(super) display_name: Option<Box<str>>,
    /// Where its content lives; taken when the metadata is known.
    pub(super) storage: Mutex<Option<Arc<dyn Storage>>>,
    /// Of files, by number, where they are not as usual.
    pub(super) priorities: Mutex<BTreeMap<usize, Priority>>,
    /// The application wants content fetched.
    pub(super) downloading: AtomicBool,
    pub(super) readers: Mutex<Readers>,
    /// Readers wait for it.
    pub(super) progress: Notify,
    pub(super) failure: Mutex<Option<Arc<Error>>>,
}

impl TorrentInner {
    /// What we say first on every connection of this torrent, and which extensions we offer.
    pub(crate) fn offer(&self) -> Offer {
        let reserved = Reserved::EXTENSION_PROTOCOL | Reserved::FAST | self.client.reserved();
        let handshake = Handshake { reserved, info_hash: self.info_hash, peer_id: self.peer_id };
        let config = if self.is_private() { &self.client.private_wire } else { &self.client.wire };
        Offer { handshake, config: config.clone() }
    }

    /// What we say of ourselves where the extension protocol is spoken.
    pub(crate) fn extended_handshake(&self, peer: IpAddr) -> ExtendedHandshake<'static> {
        let mut handshake = ExtendedHandshake::default();
        handshake.client = Some(CLIENT_NAME.into());
        handshake.listen_port = Some(self.client.port).filter(|port| *port != 0);
        handshake.metadata_size = self.public_info().and_then(|info| u32::try_from(info.len()).ok());
        handshake.reqq = Some(REQUEST_QUEUE);
        // It is how hosts behind a translator learn who they are.
        handshake.your_ip = Some(peer);
        handshake
    }

    /// BEP 27. A magnet link is taken for public until its metadata says otherwise.
    pub(crate) fn is_private(&self) -> bool {
        self.content.get().is_some_and(|content| content.info().is_private())
    }

    /// The info dictionary, unless the torrent is private. BEP 27.
    pub(crate) fn public_info(&self) -> Option<&[u8]> {
        let info = self.content.get()?.info();
        (!info.is_private()).then(|| &**info.as_bytes())
    }

    pub(crate) fn name(&self) -> String {
        match (self.content.get(), &self.display_name) {
            (Some(content), _) => content.info().name().to_owned(),
            (None, Some(name)) => name.to_string(),
            (None, None) => self.info_hash.to_string(),
        }
    }

    /// Tells those who listen to this torrent, or to all.
    pub(crate) fn report(&self, event: impl Fn() -> Event) {
        self.events.send(&event);
        self.client.events.send(|| (self.info_hash, event()));
    }

    pub(crate) fn events(&self) -> tokio::sync::broadcast::Receiver<Event> {
        self.events.subscribe(EVENTS_KEPT)
    }

    /// Learns of peers, and dials those that there is room for.
    pub(crate) fn add_addresses<C: Into<Candidate>>(
        self: &Arc<Self>,
        source: Source,
        addresses: impl IntoIterator<Item = C>,
    ) {
        self.with(|swarm, now| swarm.handle_addresses(now, source, addresses.into_iter().map(Into::into)));
    }

    /// A peer says where it sees us.
    pub(crate) fn seen_as(self: &Arc<Self>, ip: IpAddr) {
        if self.client.port != 0 {
            let address = SocketAddr::new(ip, self.client.port);
            self.with(|swarm, now| swarm.handle_external_address(now, address));
        }
    }

    /// Calls this torrent at that time at the latest.
    pub(crate) fn schedule(self: &Arc<Self>, at: Instant) {
        self.client.scheduler.schedule(self.key, at, || Arc::downgrade(self));
    }

    /// Remembers why the torrent cannot go on.
    pub(super) fn set_failure(&self, error: Arc<Error>) {
        *super::lock(&self.failure) = Some(error);
    }

    /// What it does, and what it will do.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }
}

impl Sleeper for TorrentInner {
    fn wake(self: Arc<Self>, now: Instant) {
        let _entered = self.span.enter();
        self.swarm_timeout(now);
        self.metadata_timeout(now);
        self.announce_timeout(now);
    }
}

impl fmt::Debug for TorrentInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Torrent").field("info_hash", &self.info_hash).finish_non_exhaustive()
    }
}
