//! A torrent comes to life. In: what the application says of it. Out: a torrent that runs.

use std::sync::{Arc, Mutex, OnceLock, atomic::AtomicBool};

use tokio::sync::{Notify, watch};
use torrent_metainfo::{InfoHashes, Metainfo};
use torrent_swarm::Source;
use torrent_tracker::Content;
use torrent_types::{HostPort, InfoHash, Scope};

use super::{AddTorrent, TorrentInner, add::What, announce::Announcing, cell::SwarmCell, content, metadata::Fetching};
use crate::{
    Error, PeerAddress, Phase,
    client::{Inner, random_u64},
    event::Lazy,
    names,
};

/// DHT nodes that are taken from one torrent or link.
const MAX_NODES: usize = 64;

impl TorrentInner {
    /// Adds a torrent to the client and starts it.
    pub(crate) fn start(client: &Arc<Inner>, add: AddTorrent) -> Result<Arc<Self>, Error> {
        let AddTorrent { what, place, peers, trackers, use_trackers } = add;
        let hashes = match &what {
            What::Metainfo(metainfo) => metainfo.info_hashes(),
            What::Magnet(magnet) => magnet.info_hashes,
        };
        let info_hash = name_of(&hashes)?;
        // Looked at before anything is opened; whether it is still true is seen below.
        if client.registry.find(info_hash).is_some() {
            return Err(Error::Duplicate(info_hash));
        }
        let _in_runtime = client.enter();
        let storage = client.storage(place);
        let peer_id = client.make_peer_id()?;
        let (private, own_trackers, link_peers, display_name, metainfo) = match what {
            What::Metainfo(metainfo) => {
                let own = metainfo.trackers().to_vec();
                (metainfo.info().is_private(), own, Vec::new(), None, Some(metainfo))
            }
            What::Magnet(magnet) => {
                // Each is a tier of its own: a link does not say which of them belong together.
                let own = magnet.trackers.into_iter().map(|url| vec![url]).collect();
                (false, own, magnet.peers, magnet.name.map(Into::into), None)
            }
        };
        if !private {
            // Who made the torrent knows nodes, and peers of a link may run some. BEP 5 § "Torrent File Extensions".
            let nodes = metainfo.as_ref().map_or(link_peers.as_slice(), |metainfo| metainfo.nodes());
            nodes.iter().take(MAX_NODES).for_each(|node| client.node_found(node));
        }
        let trackers: Vec<_> = if use_trackers { [own_trackers, trackers].concat() } else { Vec::new() };
        let begins = metainfo
            .as_ref()
            .map_or(Phase::Metadata, |metainfo| Phase::Checking { done: 0, total: metainfo.info().piece_count() });
        let torrent = Arc::new(Self {
            key: client.make_key(),
            info_hash,
            hashes,
            peer_id,
            // An error's span, so that it is there at every level of logging.
            span: tracing::error_span!("torrent", %info_hash),
            cell: SwarmCell::new(client.make_swarm(peer_id)?),
            content: OnceLock::new(),
            fetching: Mutex::new(metainfo.is_none().then(Fetching::new)),
            announcing: Mutex::new(Announcing::new(&trackers, client.config.announce_to, private, random_u64()?)),
            trackers,
            finished: AtomicBool::new(false),
            events: Lazy::default(),
            phase: watch::Sender::new(begins),
            display_name,
            storage: Mutex::new(None),
            priorities: Mutex::default(),
            downloading: AtomicBool::new(false),
            readers: Mutex::default(),
            progress: Notify::new(),
            failure: Mutex::default(),
            client: Arc::clone(client),
        });
        torrent.enter(metainfo, storage, peers, link_peers)
    }

    fn enter(
        self: Arc<Self>,
        metainfo: Option<Metainfo>,
        storage: Arc<dyn torrent_storage::Storage>,
        peers: Vec<PeerAddress>,
        link_peers: Vec<HostPort>,
    ) -> Result<Arc<Self>, Error> {
        let _entered = self.span.enter();
        match metainfo {
            Some(metainfo) => {
                let content = content::open(&self, metainfo, &*storage)?;
                self.client.registry.insert(&self)?;
                self.begin(content);
            }
            None => {
                *super::lock(&self.storage) = Some(storage);
                self.client.registry.insert(&self)?;
                // Peers are needed at once; trackers hear the true numbers later, from the same peer id.
                self.announce_start(Content::Missing);
                self.discover();
            }
        }
        names::add_peers(&self, Source::User, peers);
        // A link comes from anywhere, and names addresses as a tracker on the internet does.
        names::add_peers(&self, Source::Tracker(Scope::Global), link_peers.into_iter().map(Into::into));
        drop(_entered);
        Ok(self)
    }
}

/// The hash by which peers and trackers know the torrent.
fn name_of(hashes: &InfoHashes) -> Result<InfoHash, Error> {
    hashes.v1().ok_or(Error::V2Only)
}
