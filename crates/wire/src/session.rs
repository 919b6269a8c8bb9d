//! A whole connection in one value, for those who do not need its parts: receive buffer, handshakes, machine, and the
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
/// out what [`poll_transmit`](Self::poll_transmit) shows.
///
/// A peer can make it hold no more than [`ReceiveBuffer::DEFAULT_MAX_CAPACITY`] bytes and one bit per piece that it has
/// announced; the rest of its size is fixed.
/// What waits to be sent is only what the application has said.
///
/// ```
/// # use std::time::Instant;
/// # use torrent_types::{InfoHash, PeerId, PieceIndex};
/// # use torrent_wire::{Config, Event, Handshake, Message, PeerFault, Reserved, Session, SessionEvent};
/// # let now = Instant::now();
/// # let info_hash = InfoHash::new([7; 20]);
/// # let alice = Handshake { reserved: Reserved::FAST, info_hash, peer_id: PeerId::new([1; 20]) };
/// # let bob = Handshake { peer_id: PeerId::new([2; 20]), ..alice };
/// let mut session = Session::initiator(now, alice, Config::default());
/// assert_eq!(session.poll_transmit(), alice.encode());
///
/// session.handle_bytes(now, &bob.encode());
/// session.handle_bytes(now, &[0, 0, 0, 5, 4, 0, 0, 0, 9]);
/// assert_eq!(session.poll_event(now)?, Some(SessionEvent::Connected(bob)));
/// assert_eq!(session.poll_event(now)?, Some(SessionEvent::Message(Event::Have(PieceIndex::new(9)))));
/// assert_eq!(session.poll_event(now)?, None);
///
/// let (connection, out) = session.open().unwrap();
/// connection.send(now, &Message::Interested, out).unwrap();
/// # Ok::<(), PeerFault>(())
/// ```
#[derive(Debug)]
pub struct Session {
    config: Config,
    buffer: ReceiveBuffer,
    phase: Phase,
    /// Length of the message that the last event was made of.
    spent: usize,
    out: Vec<u8>,
    transmitted: usize,
}

#[derive(Debug)]
enum Phase {
    /// `ours` once it has been sent.
    Handshaking {
        machine: Handshaking,
        ours: Option<Handshake>,
    },
    Open(Connection),
}

/// What a [`Session`] has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent<'a> {
    /// To the responder: the peer means this torrent. [`Session::answer`], or close.
    Asked {
        /// Hash of the torrent.
        info_hash: InfoHash,
        /// What the peer can do.
        reserved: Reserved,
    },
    /// Both handshakes are done; here is the peer's. [`Session::open`] gives the connection from now on.
    Connected(Handshake),
    /// A message.
    Message(Event<'a>),
}

impl Session {
    /// The side that connects. Its handshake is the first thing to transmit.
    #[must_use]
    pub fn initiator(now: Instant, ours: Handshake, config: Config) -> Self {
        let mut out = Vec::new();
        let machine = Handshaking::initiator(now, ours, &mut out);
        Self { out, ..Self::begin(Phase::Handshaking { machine, ours: Some(ours) }, config) }
    }

    /// The side that was connected to.
    #[must_use]
    pub fn responder(now: Instant, config: Config) -> Self {
        Self::begin(Phase::Handshaking { machine: Handshaking::responder(now), ours: None }, config)
    }

    const fn begin(phase: Phase, config: Config) -> Self {
        let buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
        Self { config, buffer, phase, spent: 0, out: Vec::new(), transmitted: 0 }
    }

    /// Where to read received bytes into; then [`Self::commit`].
    pub fn space(&mut self) -> &mut [u8] {
        self.buffer.consume(mem::take(&mut self.spent));
        self.buffer.space()
    }

    /// The first `read` bytes of the space now hold what was received.
    pub fn commit(&mut self, now: Instant, read: usize) {
        self.buffer.commit(read);
        self.heard(now, read);
    }

    /// Takes in received bytes; says how many of them. Fewer than all only if there are events to be polled first.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.buffer.consume(mem::take(&mut self.spent));
        let taken = self.buffer.extend(bytes);
        self.heard(now, taken);
        taken
    }

    const fn heard(&mut self, now: Instant, received: usize) {
        if let Phase::Open(connection) = &mut self.phase
            && received > 0
        {
            connection.heard(now);
        }
    }

    /// What the received bytes mean, message by message; `None` when more bytes are needed.
    ///
    /// # Errors
    /// If the peer breaks the protocol; if the fault's severity is less than fatal, one can go on polling.
    pub fn poll_event(&mut self, now: Instant) -> Result<Option<SessionEvent<'_>>, PeerFault> {
        self.buffer.consume(mem::take(&mut self.spent));
        match &mut self.phase {
            Phase::Handshaking { machine, ours } => {
                let (taken, event) = machine.handle_bytes(self.buffer.filled())?;
                self.buffer.consume(taken);
                Ok(match (event, *ours) {
                    (Some(HandshakeEvent::Asked { info_hash, reserved }), _) => {
                        Some(SessionEvent::Asked { info_hash, reserved })
                    }
                    (Some(HandshakeEvent::Done(theirs)), Some(ours)) => {
                        self.phase = Phase::Open(Connection::new(now, &ours, &theirs, &self.config));
                        Some(SessionEvent::Connected(theirs))
                    }
                    _ => None,
                })
            }
            Phase::Open(connection) => {
                let Some((message, taken)) = Message::decode(self.buffer.filled(), MAX_FRAME)? else { return Ok(None) };
                self.spent = taken;
                connection.handle(now, &message).map(|event| Some(SessionEvent::Message(event)))
            }
        }
    }

    /// Whether [`Self::poll_event`] would say something about messages that have arrived, an event or a fault.
    #[must_use]
    pub fn has_message(&self) -> bool {
        let waiting = self.buffer.filled().get(self.spent..).unwrap_or_default();
        self.connection().is_some() && !matches!(Message::decode(waiting, MAX_FRAME), Ok(None))
    }

    /// The responder's handshake, after [`SessionEvent::Asked`].
    pub fn answer(&mut self, handshake: Handshake) {
        if let Phase::Handshaking { machine, ours: ours @ None } = &mut self.phase {
            machine.answer(handshake, &mut self.out);
            *ours = Some(handshake);
        }
    }

    /// The connection, once both handshakes are done, and the vector that its messages go to.
    pub const fn open(&mut self) -> Option<(&mut Connection, &mut Vec<u8>)> {
        match &mut self.phase {
            Phase::Open(connection) => Some((connection, &mut self.out)),
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

    /// What is to be sent. Tell [`Self::transmitted`] how much of it has been.
    #[must_use]
    pub fn poll_transmit(&self) -> &[u8] {
        self.out.get(self.transmitted..).unwrap_or_default()
    }

    /// The first `length` bytes of what is to be sent have been.
    pub fn transmitted(&mut self, length: usize) {
        self.transmitted = self.transmitted.saturating_add(length);
        if self.transmitted >= self.out.len() {
            self.out.clear();
            self.transmitted = 0;
        }
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Handshaking { machine, .. } => machine.poll_timeout(),
            Phase::Open(connection) => connection.poll_timeout(),
        }
    }

    /// Sends a keep-alive if it is time for one.
    ///
    /// # Errors
    /// If the peer has taken too long for its handshake, or has been silent for too long.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerFault> {
        match &mut self.phase {
            Phase::Handshaking { machine, .. } => machine.handle_timeout(now),
            Phase::Open(connection) => connection.handle_timeout(now, &mut self.out),
        }
    }
}
