//! Connections in both directions, from the socket to the peer's task and its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use torrent_swarm::Direction;
use torrent_types::InfoHash;
use torrent_wire::mse::{Obfuscation, SkeyHash};

use crate::{
    Event,
    client::Core,
    clock,
    handshake::{self, Answer, HandshakeError, Opened, Torrents},
    peer::{Peer, Stream},
    torrent::Shared,
};

/// For a TCP connection to come about.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);

/// Incoming connections whose handshake is not complete, at a time. More wait in the kernel's queue.
const MAX_OPENING: usize = 128;

/// Dials a peer in every way that the policy allows, and lives as long as the connection.
pub(crate) async fn dial(torrent: Arc<Shared>, address: SocketAddr) {
    let policy = torrent.core.config.encryption;
    for attempt in policy.attempts() {
        match open(&torrent, address, *attempt).await {
            Ok(opened) => return converse(torrent, address, opened, Direction::Outgoing).await,
            Err(error) => tracing::debug!(%address, ?attempt, %error, "no connection"),
        }
        if *torrent.stop.borrow() {
            return;
        }
    }
    torrent.brain.with(|swarm| swarm.dial_failed(clock::now(), address));
}

async fn open(
    torrent: &Shared,
    address: SocketAddr,
    attempt: Obfuscation,
) -> Result<Opened<TcpStream>, HandshakeError> {
    let dialled = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await;
    let stream = dialled.map_err(|_| HandshakeError::Deadline)??;
    stream.set_nodelay(true)?;
    let methods = torrent.core.config.encryption.methods();
    handshake::initiate(stream, torrent.answer(), attempt, methods).await
}

/// Takes in peers until the client is dropped.
pub(crate) async fn listen(core: std::sync::Weak<Core>, listener: TcpListener) {
    let opening = Arc::new(tokio::sync::Semaphore::new(MAX_OPENING));
    loop {
        let Ok(permit) = Arc::clone(&opening).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: it passes.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(core) = core.upgrade() else { return };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        tokio::spawn(async move {
            let policy = core.config.encryption;
            let nodelay = stream.set_nodelay(true).map_err(HandshakeError::from);
            let opened = match nodelay {
                Ok(()) => handshake::accept(stream, policy, &*core).await,
                Err(error) => Err(error),
            };
            drop(permit);
            match opened {
                Ok(opened) => {
                    let Some(torrent) = core.find(opened.info_hash) else { return };
                    drop(core);
                    converse(torrent, address, opened, Direction::Incoming).await;
                }
                Err(error) => tracing::debug!(%address, %error, "no connection"),
            }
        });
    }
}

/// From the handshake to the end of the connection.
async fn converse<S: Stream>(torrent: Arc<Shared>, address: SocketAddr, opened: Opened<S>, direction: Direction) {
    let Opened { link, mut connection, .. } = opened;
    if connection.set_geometry(torrent.geometry).is_err() {
        return;
    }
    let wake = Arc::new(Notify::new());
    let (id, fast) = (connection.peer_id(), connection.fast());
    let admitted =
        torrent.brain.admit(Arc::clone(&wake), |swarm| swarm.connected(clock::now(), address, id, direction, fast));
    let key = match admitted {
        Ok(key) => key,
        Err(refused) => {
            tracing::debug!(%address, %refused, "not admitted");
            return;
        }
    };
    torrent.report(Event::PeerConnected(address));
    let end = Peer::new(key, address, Arc::clone(&torrent), link, connection, wake).run().await;
    tracing::debug!(%address, %end, "connection over");
    torrent.brain.dismiss(key);
    torrent.report(Event::PeerGone { address, reason: end.to_string().into() });
}

impl Torrents for Core {
    fn answer(&self, info_hash: InfoHash) -> Option<Answer> {
        self.find(info_hash).map(|torrent| torrent.answer())
    }

    fn lookup(&self, skey: &SkeyHash) -> Option<InfoHash> {
        self.lookup_skey(skey)
    }
}
