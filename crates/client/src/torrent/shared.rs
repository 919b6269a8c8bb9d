//! What all tasks of one torrent share, and the way of a full piece: hash check, writer, "have".

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sha1::{Digest, Sha1};
use tokio::sync::{broadcast, watch};
use torrent_metainfo::Info;
use torrent_storage::{StorageError, TorrentStorage};
use torrent_tracker::SwarmSize;
use torrent_types::{Block, Geometry, InfoHash, PeerId, PieceIndex};
use torrent_wire::{ExtendedHandshake, Handshake, Reserved};

use crate::{
    Event, Phase,
    brain::Brain,
    client::Core,
    clock,
    disk::{Filled, InFlight, Job, Target},
    handshake::Answer,
};

/// BEP 10 `v`.
const CLIENT_NAME: &str = concat!("torrent ", env!("CARGO_PKG_VERSION"));
/// BEP 10 `reqq`: requests that we keep per peer.
pub(crate) const REQUEST_QUEUE: u32 = 500;

pub(crate) struct Shared {
    pub(crate) core: Arc<Core>,
    pub(crate) info_hash: InfoHash,
    pub(crate) peer_id: PeerId,
    pub(crate) geometry: Geometry,
    pub(crate) info: Info,
    pub(crate) storage: Box<dyn TorrentStorage>,
    pub(crate) brain: Brain,
    pub(crate) pieces: InFlight,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) phase: watch::Sender<Phase>,
    /// Whether the application wants content fetched.
    pub(crate) wanted: watch::Sender<bool>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) swarm_size: watch::Sender<SwarmSize>,
    pub(crate) cancel_check: AtomicBool,
}

impl Shared {
    /// What we say first on every connection of this torrent, and which extensions we offer.
    pub(crate) fn answer(&self) -> Answer {
        let reserved = Reserved::EXTENSION_PROTOCOL | Reserved::FAST;
        let handshake = Handshake { reserved, info_hash: self.info_hash, peer_id: self.peer_id };
        let config = if self.info.is_private() { &self.core.private_wire } else { &self.core.wire };
        Answer { handshake, config: config.clone() }
    }

    /// What we say of ourselves where the extension protocol is spoken.
    pub(crate) fn extended_handshake(&self) -> ExtendedHandshake<'static> {
        let mut handshake = ExtendedHandshake::default();
        handshake.client = Some(CLIENT_NAME.into());
        handshake.listen_port = Some(self.core.port).filter(|port| *port != 0);
        handshake.metadata_size = self.public_info().and_then(|info| u32::try_from(info.len()).ok());
        handshake.reqq = Some(REQUEST_QUEUE);
        handshake
    }

    /// The info dictionary, unless the torrent is private. BEP 27.
    pub(crate) fn public_info(&self) -> Option<&[u8]> {
        (!self.info.is_private()).then(|| &**self.info.as_bytes())
    }

    pub(crate) fn report(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    /// Learns of peers, and dials those that there is room for.
    pub(crate) fn add_addresses(&self, addresses: impl IntoIterator<Item = SocketAddr>, named: bool) {
        self.brain.with(|swarm| {
            addresses.into_iter().for_each(|address| swarm.add_address(address, named));
            swarm.handle_timeout(clock::now());
        });
    }

    /// All blocks of a piece are in its buffer, and hashed.
    pub(crate) fn piece_filled(self: &Arc<Self>, filled: Filled) {
        let Filled { piece, bytes, digest } = filled;
        if self.judge(piece, digest, |block| bytes.get(block.begin() as usize..block.end() as usize)) {
            let offset = self.geometry.piece_offset(piece);
            self.core.writer.push(Job { piece, offset, bytes, torrent: Arc::clone(self) as Arc<dyn Target> });
        } else {
            self.pieces.pool().give(bytes);
        }
    }

    /// Writes a block of a piece that has no buffer. With the last one, hashes the piece from storage.
    pub(crate) async fn write_directly(self: &Arc<Self>, block: Block, data: Vec<u8>) {
        let torrent = Arc::clone(self);
        // The peer's task waits here: it cannot read faster than storage writes.
        let work = tokio::task::spawn_blocking(move || {
            let offset = torrent.geometry.block_offset(block);
            let written = torrent.storage.write_at(offset, &[std::io::IoSlice::new(&data)]);
            let piece = block.piece();
            match written {
                Err(error) => torrent.written(&[piece], Err(error), Vec::new()),
                Ok(()) if torrent.pieces.block_written(block) => torrent.check_stored(piece),
                Ok(()) => {}
            }
        });
        // It fails only if the runtime is going down.
        let _ = work.await;
    }

    /// A piece that went to storage block by block is complete there.
    fn check_stored(&self, piece: PieceIndex) {
        let mut bytes = vec![0; self.geometry.length_of(piece) as usize];
        match self.storage.read_at(self.geometry.piece_offset(piece), &mut bytes) {
            Ok(read) if read == bytes.len() => {
                let digest = Sha1::digest(&bytes).into();
                if self.judge(piece, digest, |block| bytes.get(block.begin() as usize..block.end() as usize)) {
                    self.written(&[piece], Ok(()), Vec::new());
                }
            }
            Ok(_) => self.brain.with(|swarm| swarm.piece_lost(piece)),
            Err(error) => self.written(&[piece], Err(error), Vec::new()),
        }
    }

    /// Tells the swarm whether the piece is good; says whether it is to be kept.
    fn judge<'a>(&self, piece: PieceIndex, digest: [u8; 20], bytes_of: impl Fn(Block) -> Option<&'a [u8]>) -> bool {
        let good = self.info.piece_hash(piece) == Some(&digest);
        if !good {
            tracing::debug!(%piece, "a piece failed its check");
        }
        let block_digest = |index| {
            let block = self.geometry.nth_block(piece, index).ok()?;
            Some(Sha1::digest(bytes_of(block)?).into())
        };
        self.brain.with(|swarm| swarm.piece_hashed(clock::now(), piece, good, block_digest))
    }

    /// The phase that the torrent is in when it is neither checking nor stopped.
    pub(crate) fn settle_phase(&self) {
        let complete = self.brain.with(|swarm| swarm.is_complete());
        self.phase.send_replace(if complete { Phase::Seeding } else { Phase::Downloading });
    }
}

impl Target for Shared {
    fn storage(&self) -> &dyn TorrentStorage {
        &*self.storage
    }

    fn written(&self, pieces: &[PieceIndex], outcome: Result<(), StorageError>, buffers: Vec<Vec<u8>>) {
        match outcome {
            Ok(()) => self.brain.with(|swarm| swarm.pieces_stored(clock::now(), pieces)),
            Err(error) => {
                self.brain.with(|swarm| {
                    swarm.pause_downloading(clock::now(), true);
                    pieces.iter().for_each(|piece| swarm.piece_lost(*piece));
                });
                tracing::debug!(%error, "downloading stops");
                self.report(Event::StorageFailed(Arc::new(error)));
                self.phase.send_if_modified(|phase| {
                    let running = *phase != Phase::Stopped;
                    *phase = if running { Phase::StorageFailed } else { *phase };
                    running
                });
            }
        }
        buffers.into_iter().for_each(|buffer| self.pieces.pool().give(buffer));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.cancel_check.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Torrent").field("info_hash", &self.info_hash).finish_non_exhaustive()
    }
}
