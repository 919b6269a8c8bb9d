//! One connection after its handshakes, as a machine. Spec: BEP 3 § "peer messages", BEP 6, BEP 10.
//! In: decoded messages and time. Out: an event per message or what the peer did wrong, and the bytes of our own messages.
//! Never: bytes from the network (see `codec`), requests and pieces as a whole (they belong to the swarm).

mod budget;
mod config;
mod event;
mod holdings;
mod idle;
mod receive;
mod send;

use std::time::Instant;

use torrent_types::{Bitfield, Geometry, PeerId};

use crate::{
    ExtensionId, Handshake, Message, PeerFault, Reserved,
    extension::{PexIntake, Registry, RemoteInfo},
};
use budget::Budget;
use holdings::{FirstWord, Holdings};
use idle::Idle;

pub use config::Config;
pub use event::Event;
pub use send::ApiMisuse;

/// The state of one connection: what both sides can do, which messages may come when, and how much the peer may say that
/// is of no use.
///
/// It holds no payload and no list that a peer could make longer. Its size is fixed but for one bit per piece that the peer
/// has announced, [`MAX_PIECES`](torrent_types::MAX_PIECES) at most, and the bytes of our own messages until
/// [`poll_transmit`](Self::poll_transmit) hands them over.
///
/// Exception to the usual contract, for speed: [`handle_message`](Self::handle_message) returns its event, whose payload is
/// borrowed from the receive buffer.
///
/// ```
/// # use std::time::Instant;
/// # use torrent_types::{Geometry, InfoHash, PeerId, PieceIndex};
/// # use torrent_wire::{Config, Connection, Event, Handshake, Message, PeerFault, RawBlock, Reserved, Severity};
/// # let now = Instant::now();
/// # let info_hash = InfoHash::new([7; 20]);
/// # let ours = Handshake { reserved: Reserved::FAST, info_hash, peer_id: PeerId::new([1; 20]) };
/// # let theirs = Handshake { peer_id: PeerId::new([2; 20]), ..ours };
/// let mut connection = Connection::new(now, &ours, &theirs, &Config::default());
/// connection.set_geometry(Geometry::new(1 << 20, 1 << 18).unwrap())?;
///
/// assert_eq!(connection.handle_message(now, &Message::HaveAll)?, Event::HaveAll);
/// assert_eq!(connection.handle_message(now, &Message::Unchoke)?, Event::Unchoked);
/// assert_eq!(connection.handle_message(now, &Message::Unchoke)?, Event::Redundant);
///
/// let outside = Message::Request(RawBlock { piece: 4, begin: 0, length: 16384 });
/// assert_eq!(connection.handle_message(now, &outside).unwrap_err().severity(), Severity::Ignore);
///
/// connection.send(now, &Message::Interested).unwrap();
/// let mut bytes = Vec::new();
/// assert!(connection.poll_transmit(&mut bytes));
/// assert_eq!(bytes, [0, 0, 0, 1, 2]);
/// # Ok::<(), PeerFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    peer_id: PeerId,
    /// What both sides have offered.
    negotiated: Reserved,
    /// What the peer has offered.
    offered: Reserved,
    peer_choking: bool,
    peer_interested: bool,
    geometry: Option<Geometry>,
    /// What the peer has said about its pieces.
    holdings: Holdings,
    /// Whether we may still say which pieces we have.
    our_first_word: FirstWord,
    extensions: Registry,
    remote: RemoteInfo,
    pex: PexIntake,
    unanswered: Unanswered,
    budget: Budget,
    idle: Idle,
    /// Our messages, until they are polled.
    out: Vec<u8>,
}

/// How many of our requests may still be answered. A peer that answers more often tells nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Unanswered {
    blocks: u32,
    metadata: u32,
    hashes: u32,
}

/// What an idle connection may keep of its outbox, in bytes; more is given back after a burst.
const IDLE_CAPACITY: usize = 16 * 1024;

impl Connection {
    /// A connection on which both handshakes have been exchanged.
    #[must_use]
    pub fn new(now: Instant, ours: &Handshake, theirs: &Handshake, config: &Config) -> Self {
        Self {
            peer_id: theirs.peer_id,
            negotiated: ours.reserved & theirs.reserved,
            offered: theirs.reserved,
            peer_choking: true,
            peer_interested: false,
            geometry: None,
            holdings: Holdings::default(),
            our_first_word: FirstWord::default(),
            extensions: Registry::new(config.extensions.clone()),
            remote: RemoteInfo::default(),
            pex: PexIntake::new(),
            unanswered: Unanswered::default(),
            budget: Budget::new(now),
            idle: Idle::new(now, config.keep_alive_after, config.silent_after),
            out: Vec::new(),
        }
    }

    /// Bytes that have to leave before any message: a handshake that has not been polled yet.
    pub(crate) fn queue_handshake(&mut self, bytes: Vec<u8>) {
        self.out = bytes;
    }

    /// Tells the machine how the torrent is cut into pieces, once the metadata is known. From now on events carry only
    /// blocks and pieces that exist.
    ///
    /// # Errors
    /// If what the peer has announced so far does not fit.
    pub fn set_geometry(&mut self, geometry: Geometry) -> Result<(), PeerFault> {
        self.geometry = Some(geometry);
        self.holdings.check(&geometry)
    }

    /// How the torrent is cut into pieces, if that is known.
    #[must_use]
    pub const fn geometry(&self) -> Option<&Geometry> {
        self.geometry.as_ref()
    }

    /// The pieces that the peer has announced so far, one bit for each piece of the torrent. `None` while the geometry is
    /// unknown, or if the peer has announced nothing. What was said before the metadata came is in it, too.
    #[must_use]
    pub fn announced(&self) -> Option<Bitfield> {
        self.holdings.announced(self.geometry.as_ref()?)
    }

    /// Whether the peer refuses our requests.
    #[must_use]
    pub const fn peer_choking(&self) -> bool {
        self.peer_choking
    }

    /// Whether the peer would request from us.
    #[must_use]
    pub const fn peer_interested(&self) -> bool {
        self.peer_interested
    }

    /// The peer's id, as its handshake gave it.
    #[must_use]
    pub const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The reserved bits of the peer's handshake.
    #[must_use]
    pub const fn offered(&self) -> Reserved {
        self.offered
    }

    /// Whether both sides have offered the fast extension: rejects, have-all and the like may be sent.
    #[must_use]
    pub const fn fast(&self) -> bool {
        self.negotiated.contains(Reserved::FAST)
    }

    /// Whether both sides have offered the extension protocol.
    #[must_use]
    pub const fn extended(&self) -> bool {
        self.negotiated.contains(Reserved::EXTENSION_PROTOCOL)
    }

    /// Whether both sides run a DHT node: `port` may be sent. BEP 5 § "BitTorrent Protocol Extension".
    #[must_use]
    pub const fn dht(&self) -> bool {
        self.negotiated.contains(Reserved::DHT)
    }

    /// What the peer's extended handshakes have said so far.
    #[must_use]
    pub const fn remote(&self) -> &RemoteInfo {
        &self.remote
    }

    /// Whether the peer takes messages of this extension.
    #[must_use]
    pub fn peer_takes(&self, extension: ExtensionId) -> bool {
        self.extensions.remote_id(extension).is_some()
    }

    /// No longer takes messages of one of our extensions. The next extended handshake tells the peer so.
    pub fn withdraw(&mut self, extension: ExtensionId) {
        self.extensions.withdraw(extension);
    }

    /// Appends the bytes of our messages to `out`; whether there were any.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        if self.out.is_empty() {
            return false;
        }
        if out.is_empty() {
            std::mem::swap(out, &mut self.out);
        } else {
            out.append(&mut self.out);
        }
        if self.out.capacity() > IDLE_CAPACITY {
            self.out = Vec::new();
        }
        true
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.idle.deadline()
    }

    /// Queues a keep-alive if it is time for one.
    ///
    /// # Errors
    /// If no message has come from the peer for too long.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerFault> {
        if self.idle.handle_timeout(now)? {
            self.queue(now, &Message::KeepAlive);
        }
        Ok(())
    }
}
