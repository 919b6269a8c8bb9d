//! One connection after its handshakes, as a machine. Spec: BEP 3 § "peer messages", BEP 6, BEP 10.
//! In: decoded messages and time. Out: an event per message, or what the peer did wrong. Never: bytes from the network
//! (see `codec`), requests and pieces as a whole (they belong to the swarm).

mod config;
mod event;
mod idle;
mod opening;
mod receive;
mod send;

use std::time::Instant;

use torrent_types::{Geometry, PeerId};

use crate::{
    ExtensionId, Handshake, PeerFault, Reserved,
    extension::{Registry, RemoteInfo},
};
use idle::Idle;
use opening::{Announced, Opening};

pub use config::Config;
pub use event::Event;
pub use send::ApiMisuse;

/// The state of one connection: who chokes whom, what both sides can do, which messages may come when.
///
/// It holds no payload and no list that a peer could make longer. Its size is fixed but for one bit per piece that the peer
/// has announced, [`MAX_PIECES`](torrent_types::MAX_PIECES) at most. All methods that send append to a vector of the
/// caller's, who writes it to the socket.
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
/// assert_eq!(connection.handle(now, &Message::HaveAll)?, Event::HaveAll);
/// assert_eq!(connection.handle(now, &Message::Unchoke)?, Event::Unchoked);
/// assert!(!connection.peer_choking());
///
/// let outside = Message::Request(RawBlock { piece: 4, begin: 0, length: 16384 });
/// assert_eq!(connection.handle(now, &outside).unwrap_err().severity(), Severity::Serious);
///
/// let mut out = Vec::new();
/// connection.send(now, &Message::Interested, &mut out).unwrap();
/// assert!(connection.am_interested());
/// # Ok::<(), PeerFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    peer_id: PeerId,
    /// What both sides have offered.
    negotiated: Reserved,
    /// What the peer has offered.
    offered: Reserved,
    am_choking: bool,
    am_interested: bool,
    peer_choking: bool,
    peer_interested: bool,
    geometry: Option<Geometry>,
    /// What the peer has said about its pieces.
    announced: Announced,
    /// Whether we may still say which pieces we have.
    our_opening: Opening,
    extensions: Registry,
    remote: RemoteInfo,
    idle: Idle,
}

impl Connection {
    /// A connection on which both handshakes have been exchanged.
    #[must_use]
    pub fn new(now: Instant, ours: &Handshake, theirs: &Handshake, config: &Config) -> Self {
        Self {
            peer_id: theirs.peer_id,
            negotiated: ours.reserved & theirs.reserved,
            offered: theirs.reserved,
            am_choking: true,
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            geometry: None,
            announced: Announced::default(),
            our_opening: Opening::default(),
            extensions: Registry::new(config.extensions.clone()),
            remote: RemoteInfo::default(),
            idle: Idle::new(now, config.keep_alive_after, config.silent_after),
        }
    }

    /// Tells the machine how the torrent is cut into pieces, once the metadata is known. From now on events carry only
    /// blocks and pieces that exist.
    ///
    /// # Errors
    /// If what the peer has announced so far does not fit.
    pub fn set_geometry(&mut self, geometry: Geometry) -> Result<(), PeerFault> {
        self.geometry = Some(geometry);
        self.announced.check(&geometry)
    }

    /// How the torrent is cut into pieces, if that is known.
    #[must_use]
    pub const fn geometry(&self) -> Option<&Geometry> {
        self.geometry.as_ref()
    }

    /// Whether we refuse the peer's requests.
    #[must_use]
    pub const fn am_choking(&self) -> bool {
        self.am_choking
    }

    /// Whether we would request from the peer.
    #[must_use]
    pub const fn am_interested(&self) -> bool {
        self.am_interested
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

    /// Notes that bytes have arrived, though perhaps no whole message: the peer is not silent.
    pub const fn heard(&mut self, now: Instant) {
        self.idle.heard(now);
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.idle.deadline()
    }

    /// Sends a keep-alive if it is time for one.
    ///
    /// # Errors
    /// If nothing has been heard from the peer for too long.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<(), PeerFault> {
        self.idle.handle_timeout(now, out)
    }
}
