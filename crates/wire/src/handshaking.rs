//! The exchange of handshakes, as a machine. Spec: BEP 3 § "peer protocol".
//! In: bytes and time. Out: which torrent the peer means, then its handshake; our bytes. Never: messages (see `connection`).
//!
//! ```text
//! initiator:  writes 68 bytes ─────────────────────────────▶ Head ──48 bytes──▶ PeerId ──20 bytes──▶ Done
//! responder:  Head ──48 bytes──▶ Asked ──answer() writes 68 bytes──▶ PeerId ──20 bytes──▶ Done
//! ```

use std::time::{Duration, Instant};

use torrent_types::{InfoHash, PeerId};

use crate::{
    Handshake, PeerFault, Reserved,
    codec::{PROTOCOL, split_head},
};

const HEAD_LENGTH: usize = Handshake::LENGTH - PeerId::LENGTH;

/// One side of the exchange of handshakes.
///
/// The responder learns the info hash first, picks among its torrents, and [`answer`](Self::answer)s before it has seen
/// the peer id, as some initiators wait for that.
///
/// ```
/// # use std::time::Instant;
/// # use torrent_types::{InfoHash, PeerId};
/// # use torrent_wire::{Handshake, HandshakeEvent, Handshaking, PeerFault, Reserved};
/// # let now = Instant::now();
/// let info_hash = InfoHash::new([7; 20]);
/// let alice = Handshake { reserved: Reserved::FAST, info_hash, peer_id: PeerId::new(*b"-XX0001-alicealiceal") };
/// let bob = Handshake { peer_id: PeerId::new(*b"-XX0001-bobbobbobbob"), ..alice };
///
/// let mut initiator = Handshaking::initiator(now, alice);
/// let mut responder = Handshaking::responder(now);
/// let (mut to_bob, mut to_alice) = (Vec::new(), Vec::new());
/// initiator.poll_transmit(&mut to_bob);
///
/// let taken = responder.handle_bytes(now, &to_bob)?;
/// assert_eq!(responder.poll_event(), Some(HandshakeEvent::Asked { info_hash, reserved: Reserved::FAST }));
/// responder.answer(bob);
/// responder.poll_transmit(&mut to_alice);
/// assert_eq!(responder.handle_bytes(now, &to_bob[taken..])?, 20);
/// assert_eq!(responder.poll_event(), Some(HandshakeEvent::Done(alice)));
///
/// assert_eq!(initiator.handle_bytes(now, &to_alice)?, 68);
/// assert_eq!(initiator.poll_event(), Some(HandshakeEvent::Done(bob)));
/// # Ok::<(), PeerFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Handshaking {
    phase: Phase,
    deadline: Instant,
    /// A second hash of the same torrent that the responder may answer with.
    upgrade: Option<InfoHash>,
    event: Option<HandshakeEvent>,
    /// Our handshake, until it is polled.
    unsent: Option<Handshake>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Waits for everything but the peer id. `ours` is what an initiator has written.
    Head {
        ours: Option<Handshake>,
    },
    /// A responder that has been told the info hash and has not answered.
    Asked {
        reserved: Reserved,
        info_hash: InfoHash,
    },
    /// Waits for the peer id.
    PeerId {
        ours: PeerId,
        reserved: Reserved,
        info_hash: InfoHash,
    },
    Done,
}

/// What a [`Handshaking`] has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to act on each of them")]
pub enum HandshakeEvent {
    /// To the responder: the initiator means this torrent. [`Handshaking::answer`] or close.
    Asked {
        /// Hash of the torrent.
        info_hash: InfoHash,
        /// What the initiator can do.
        reserved: Reserved,
    },
    /// The peer's handshake is complete. What follows in the stream are messages.
    Done(Handshake),
}

impl Handshaking {
    /// How long a peer may take for its handshake.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// The side that connects. Its handshake is there to be polled.
    #[must_use]
    pub fn initiator(now: Instant, ours: Handshake) -> Self {
        Self { unsent: Some(ours), ..Self::begin(now, Phase::Head { ours: Some(ours) }) }
    }

    /// The side that was connected to. It waits for the peer to say which torrent it means.
    #[must_use]
    pub fn responder(now: Instant) -> Self {
        Self::begin(now, Phase::Head { ours: None })
    }

    /// Lets the responder answer with another hash of the same torrent: the truncated v2 hash when we asked for the v1
    /// one with [`Reserved::V2`] set. BEP 52 § "Upgrade Path".
    #[must_use]
    pub const fn accept_also(mut self, upgrade: InfoHash) -> Self {
        self.upgrade = Some(upgrade);
        self
    }

    fn begin(now: Instant, phase: Phase) -> Self {
        let deadline = now.checked_add(Self::TIMEOUT).unwrap_or(now);
        Self { phase, deadline, upgrade: None, event: None, unsent: None }
    }

    /// Takes in received bytes; returns how many of them it has used. Poll for an event then, and call it again with what
    /// is left and whatever has arrived since, until [`HandshakeEvent::Done`] comes.
    ///
    /// # Errors
    /// As soon as the bytes cannot be those of a handshake, or if it is one for another torrent, or our own; or if they
    /// come too late.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> Result<usize, PeerFault> {
        self.handle_timeout(now)?;
        match self.phase {
            Phase::Head { ours } => {
                let Some((reserved, info_hash, _)) = split_head(bytes) else {
                    return if is_promising(bytes) { Ok(0) } else { Err(PeerFault::NotBitTorrent) };
                };
                let Some(ours) = ours else {
                    self.phase = Phase::Asked { reserved, info_hash };
                    self.event = Some(HandshakeEvent::Asked { info_hash, reserved });
                    return Ok(HEAD_LENGTH);
                };
                if info_hash != ours.info_hash && Some(info_hash) != self.upgrade {
                    return Err(PeerFault::WrongInfoHash);
                }
                self.phase = Phase::PeerId { ours: ours.peer_id, reserved, info_hash };
                let taken = self.handle_peer_id(bytes.get(HEAD_LENGTH..).unwrap_or_default())?;
                Ok(taken.saturating_add(HEAD_LENGTH))
            }
            Phase::PeerId { .. } => self.handle_peer_id(bytes),
            Phase::Asked { .. } | Phase::Done => Ok(0),
        }
    }

    fn handle_peer_id(&mut self, bytes: &[u8]) -> Result<usize, PeerFault> {
        let (Phase::PeerId { ours, reserved, info_hash }, Some(peer_id)) = (self.phase, bytes.first_chunk()) else {
            return Ok(0);
        };
        let peer_id = PeerId::new(*peer_id);
        if peer_id == ours {
            return Err(PeerFault::SelfConnection);
        }
        self.phase = Phase::Done;
        self.event = Some(HandshakeEvent::Done(Handshake { reserved, info_hash, peer_id }));
        Ok(PeerId::LENGTH)
    }

    /// The responder's handshake, after [`HandshakeEvent::Asked`]. At any other time it does nothing.
    pub const fn answer(&mut self, ours: Handshake) {
        if let Phase::Asked { reserved, info_hash } = self.phase {
            self.unsent = Some(ours);
            self.phase = Phase::PeerId { ours: ours.peer_id, reserved, info_hash };
        }
    }

    /// What the bytes so far have told, once.
    pub const fn poll_event(&mut self) -> Option<HandshakeEvent> {
        self.event.take()
    }

    /// Appends the bytes of our handshake to `out`, once; whether there were any.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let ours = self.unsent.take();
        out.extend(ours.iter().flat_map(Handshake::encode));
        ours.is_some()
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Done) { None } else { Some(self.deadline) }
    }

    /// # Errors
    /// If the peer has taken too long.
    pub fn handle_timeout(&self, now: Instant) -> Result<(), PeerFault> {
        match self.poll_timeout() {
            Some(deadline) if deadline <= now => Err(PeerFault::HandshakeTimeout),
            _ => Ok(()),
        }
    }
}

/// Whether these may become the first bytes of a handshake.
fn is_promising(bytes: &[u8]) -> bool {
    bytes.iter().zip(&PROTOCOL).all(|(byte, expected)| byte == expected)
}
