//! Host names of peers, from the user and from magnet links (`x.pe`). They are looked up beside everything else, few at a
//! time, and again while nobody knows them: a resolver that does not answer holds up nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet};
use torrent_swarm::Source;
use torrent_types::HostPort;

use crate::{Event, torrent::TorrentInner};

/// Where a peer is: an address, or a name to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else that can be dialled")]
pub enum PeerAddress {
    /// An address.
    Address(SocketAddr),
    /// A host and a port, as text has them.
    Name(HostPort),
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl From<HostPort> for PeerAddress {
    fn from(name: HostPort) -> Self {
        name.socket_addr().map_or(Self::Name(name), Self::Address)
    }
}

/// Names looked up at a time by a client. Each may keep a thread for as long as the system's resolver waits.
pub(crate) const MAX_LOOKUPS: usize = 8;
/// Before a name that nobody knows is looked up again; doubled each time.
const RETRY: Duration = Duration::from_secs(15);
const MAX_RETRY: Duration = Duration::from_secs(15 * 60);

/// Gives these peers to the torrent, as soon as their addresses are known.
pub(crate) fn add_peers(torrent: &Arc<TorrentInner>, source: Source, peers: impl IntoIterator<Item = PeerAddress>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer {
            PeerAddress::Address(address) => known.push(address),
            PeerAddress::Name(name) => unknown.push(name),
        }
    }
    if !known.is_empty() {
        torrent.add_addresses(source, known);
    }
    if !unknown.is_empty() {
        torrent.client.spawn(torrent, look_up_all(Arc::clone(torrent), source, unknown));
    }
}

/// Ends with the torrent.
async fn look_up_all(torrent: Arc<TorrentInner>, source: Source, peers: Vec<HostPort>) {
    let mut ended = torrent.phase();
    let work = async {
        let mut lookups = JoinSet::new();
        for peer in peers {
            lookups.spawn(look_up(Arc::clone(&torrent), source, peer));
        }
        while lookups.join_next().await.is_some() {}
    };
    tokio::select! {
        () = work => {}
        _ = ended.wait_for(|phase| phase.is_over()) => {}
    }
}

async fn look_up(torrent: Arc<TorrentInner>, source: Source, peer: HostPort) {
    let turns: Arc<Semaphore> = Arc::clone(&torrent.client.lookups);
    let mut pause = RETRY;
    loop {
        let found = {
            let _turn = turns.acquire().await;
            tokio::net::lookup_host((peer.host(), peer.port())).await
        };
        match found {
            Ok(addresses) => return torrent.add_addresses(source, addresses),
            Err(error) => {
                tracing::debug!(%peer, %error, "no such host");
                torrent.report(|| Event::NameUnknown { peer: peer.clone(), reason: error.to_string().into() });
            }
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(MAX_RETRY);
    }
}
