//! A whole connection in one value, for callers that do not need its parts: receive buffer, handshakes, machine, and the
//! bytes to send. In: bytes and time. Out: events one by one, bytes, the next deadline. Never: sockets, clocks.

use std::{mem, time::Instant};

use torrent_types::InfoHash;

use crate::{
    Config, Connection, Event, Handshake, HandshakeEvent, Handshaking, MAX_FRAME, Message, PeerFault, ReceiveBuffer,
    Reserved,
};

/// One connection, from its first byte to its last.
///
/// After any call that hands it bytes or time, call [`poll_event`](Self::poll_event) until there is none, then write
/// out what [`poll_transmit`](Self::poll_transmit) gives.
///
/// A peer can make it hold no more than [`ReceiveBuffer::DEFAULT_MAX_CAPACITY`] bytes and one bit per piece that it has
/// announced; the rest of its size is fixed. What waits to be sent is only what the application has said.
///
/// ```
/// # use std::time::Instant;
/// # use torrent_types::{InfoHash, PeerId, PieceIndex};
/// # use torrent_wire::{Config, Event, Handshake, Message, PeerSession, Reserved, SessionEvent};
/// # let now = Instant::now();
/// # let info_hash = InfoHash::new([7; 20]);
/// # let alice = Handshake { reserved: Reserved::FAST, info_hash, peer_id: PeerId::new([1; 20]) };
/// # let bob = Handshake { peer_id: PeerId::new([2; 20]), ..alice };
/// let mut session = PeerSession::initiator(now, alice, Config::default());
/// let mut out = Vec::new();
/// session.poll_transmit(&mut out);
/// assert_eq!(out, alice.encode());
///
/// session.handle_bytes(now, &bob.encode());
/// session.handle_bytes(now, &[0, 0, 0, 5, 4, 0, 0, 0, 9]);
/// assert_eq!(session.poll_event(), Some(SessionEvent::Connected(bob)));
/// assert_eq!(session.poll_event(), Some(SessionEvent::Message(Event::Have(PieceIndex::new(9)))));
/// assert_eq!(session.poll_event(), None);
///
/// session.connection_mut().unwrap().send(now, &Message::Interested).unwrap();
/// ```
#[derive(Debug)]
pub struct PeerSession {
    config: Config,
    buffer: ReceiveBuffer,
    phase: Phase,
    /// Length of the message that the last event was made of.
    spent: usize,
    /// The time of the last call that told it.
    now: Instant,
    /// What the last timeout has found.
    fault: Option<PeerFault>,
}

#[derive(Debug)]
enum Phase {
    /// `ours` once it has been given.
    Handshaking {
        machine: Handshaking,
        ours: Option<Handshake>,
    },
    Open(Connection),
}

/// What a [`PeerSession`] has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to act on each of them")]
pub enum SessionEvent<'a> {
    /// To the responder: the peer means this torrent. [`PeerSession::answer`], or close.
    Asked {
        /// Hash of the torrent.
        info_hash: InfoHash,
        /// What the peer can do.
        reserved: Reserved,
    },
    /// Both handshakes are done; here is the peer's. [`PeerSession::connection_mut`] gives the connection from now on.
    Connected(Handshake),
    /// A message.
    Message(Event<'a>),
    /// The peer breaks the protocol. Unless the fault's severity is [`Ignore`](crate::Severity::Ignore) the session is
    /// over, and says the same again.
    Fault(PeerFault),
}

impl PeerSession {
    /// The side that connects. Its handshake is the first thing to transmit.
    #[must_use]
    pub fn initiator(now: Instant, ours: Handshake, config: Config) -> Self {
        Self::begin(now, Phase::Handshaking { machine: Handshaking::initiator(now, ours), ours: Some(ours) }, config)
    }

    /// The side that was connected to.
    #[must_use]
    pub fn responder(now: Instant, config: Config) -> Self {
        Self::begin(now, Phase::Handshaking { machine: Handshaking::responder(now), ours: None }, config)
    }

    const fn begin(now: Instant, phase: Phase, config: Config) -> Self {
        let buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
        Self { config, buffer, phase, spent: 0, now, fault: None }
    }

    /// Where to read received bytes into; then [`Self::handle_read`].
    pub fn space(&mut self) -> &mut [u8] {
        self.buffer.consume(mem::take(&mut self.spent));
        self.buffer.space()
    }

    /// The first `read` bytes of the space now hold what was received.
    pub fn handle_read(&mut self, now: Instant, read: usize) {
        self.now = now;
        self.buffer.commit(read);
    }

    /// Takes in received bytes; returns how many of them. Fewer than all only if there are events to be polled first.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.now = now;
        self.buffer.consume(mem::take(&mut self.spent));
        self.buffer.extend(bytes)
    }

    /// What the received bytes mean, message by message; `None` when more bytes are needed.
    pub fn poll_event(&mut self) -> Option<SessionEvent<'_>> {
        self.buffer.consume(mem::take(&mut self.spent));
        if let Some(fault) = self.fault {
            return Some(SessionEvent::Fault(fault));
        }
        match &mut self.phase {
            Phase::Handshaking { machine, ours } => {
                match machine.handle_bytes(self.now, self.buffer.filled()) {
                    Ok(taken) => self.buffer.consume(taken),
                    Err(fault) => return Some(SessionEvent::Fault(*self.fault.insert(fault))),
                }
                match (machine.poll_event()?, *ours) {
                    (HandshakeEvent::Asked { info_hash, reserved }, _) => {
                        Some(SessionEvent::Asked { info_hash, reserved })
                    }
                    (HandshakeEvent::Done(theirs), Some(ours)) => {
                        let mut connection = Connection::new(self.now, &ours, &theirs, &self.config);
                        let mut unsent = Vec::new();
                        machine.poll_transmit(&mut unsent);
                        connection.queue_handshake(unsent);
                        self.phase = Phase::Open(connection);
                        Some(SessionEvent::Connected(theirs))
                    }
                    (HandshakeEvent::Done(_), None) => None,
                }
            }
            Phase::Open(connection) => {
                let (message, taken) = match Message::decode(self.buffer.filled(), MAX_FRAME) {
                    Ok(decoded) => decoded?,
                    Err(error) => return Some(SessionEvent::Fault(*self.fault.insert(error.into()))),
                };
                self.spent = taken;
                Some(match connection.handle_message(self.now, &message) {
                    Ok(event) => SessionEvent::Message(event),
                    Err(fault) => {
                        self.fault = (fault.severity() > crate::Severity::Ignore).then_some(fault);
                        SessionEvent::Fault(fault)
                    }
                })
            }
        }
    }

    /// Whether [`Self::poll_event`] would tell of messages that have arrived, or of a fault.
    #[must_use]
    pub fn has_message(&self) -> bool {
        let waiting = self.buffer.filled().get(self.spent..).unwrap_or_default();
        let message = || self.connection().is_some() && !matches!(Message::decode(waiting, MAX_FRAME), Ok(None));
        self.fault.is_some() || message()
    }

    /// The responder's handshake, after [`SessionEvent::Asked`]. At any other time it does nothing.
    pub const fn answer(&mut self, handshake: Handshake) {
        if let Phase::Handshaking { machine, ours: ours @ None } = &mut self.phase {
            machine.answer(handshake);
            *ours = Some(handshake);
        }
    }

    /// The connection, once both handshakes are done, to send messages.
    pub const fn connection_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.phase {
            Phase::Open(connection) => Some(connection),
            Phase::Handshaking { .. } => None,
        }
    }

    /// The connection, once both handshakes are done.
    #[must_use]
    pub const fn connection(&self) -> Option<&Connection> {
        match &self.phase {
            Phase::Open(connection) => Some(connection),
            Phase::Handshaking { .. } => None,
        }
    }

    /// Appends the bytes that are to be sent to `out`; whether there were any.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        match &mut self.phase {
            Phase::Handshaking { machine, .. } => machine.poll_transmit(out),
            Phase::Open(connection) => connection.poll_transmit(out),
        }
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.fault.is_some() {
            return None;
        }
        match &self.phase {
            Phase::Handshaking { machine, .. } => machine.poll_timeout(),
            Phase::Open(connection) => connection.poll_timeout(),
        }
    }

    /// Queues a keep-alive if it is time for one, or finds that the peer has been silent for too long:
    /// [`Self::poll_event`] tells then.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let outcome = match &mut self.phase {
            Phase::Handshaking { machine, .. } => machine.handle_timeout(now),
            Phase::Open(connection) => connection.handle_timeout(now),
        };
        self.fault = self.fault.or(outcome.err());
    }
}
