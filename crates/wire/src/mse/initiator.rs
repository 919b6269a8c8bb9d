//! The side that dials: steps 1, 3 and 5 of the diagram in `mse`.
//! Never: more of the peer's bytes kept than one field of fixed size.

use std::{
    fmt, mem,
    time::{Duration, Instant},
};

use torrent_types::InfoHash;

use super::{
    Ciphers, Decryptor, Encryptor, Error, Established, MAX_INITIAL_PAYLOAD, Method, Methods, VC,
    deadline::Deadline,
    dh::{KEY_LENGTH, KeyPair, PublicKey, SharedSecret},
    entropy::Entropy,
    intake::{Field, Mark, Pad},
    keys,
    rc4::Rc4,
};

/// The MSE handshake of the side that dials.
///
/// After [`Self::new`] and after each [`Self::handle_bytes`], send what [`Self::poll_transmit`] gives, until
/// [`Self::poll_event`] gives the end.
/// At most 608 bytes are sent, then 568 and the initial payload. The peer may send 616 bytes before it must have shown
/// that it knows the secret and the torrent, and 518 more.
pub struct Initiator {
    info_hash: InfoHash,
    methods: Methods,
    phase: Phase,
    deadline: Deadline,
    end: Option<Established>,
    unsent: Vec<u8>,
}

impl Initiator {
    /// How long the handshake may take unless [`with_timeout`](Self::with_timeout) says otherwise: two round trips and two
    /// exponentiations. A peer without MSE often waits for more bytes instead of closing, so this is short enough to try
    /// again in plain.
    pub const TIMEOUT: Duration = Duration::from_secs(4);

    /// Begins a handshake about the torrent `info_hash`.
    ///
    /// `seed` decides the secret exponent and all paddings; take it from the operating system, fresh for each connection.
    /// `initial_payload` (IA) travels with the handshake, encrypted, and saves a round trip: the BitTorrent handshake.
    /// Transmission 3 hangs up on one if it selects plaintext, taking it for plaintext too; it does so only if it was told
    /// to prefer plaintext or is provided nothing else, and takes a plain connection then.
    ///
    /// # Errors
    ///
    /// [`Error::InitialPayloadTooLong`] over [`MAX_INITIAL_PAYLOAD`] bytes.
    pub fn new(
        now: Instant,
        info_hash: InfoHash,
        methods: Methods,
        seed: &[u8; 32],
        initial_payload: &[u8],
    ) -> Result<Self, Error> {
        let length = initial_payload.len();
        let ia_length = u16::try_from(length).map_err(|_| Error::InitialPayloadTooLong { length })?;
        debug_assert!(length <= MAX_INITIAL_PAYLOAD);
        let mut entropy = Entropy::new(seed);
        let keys = KeyPair::generate(&mut entropy);
        let mut unsent = keys.public().to_vec();
        entropy.pad(&mut unsent);
        let initial_payload = InitialPayload { bytes: initial_payload.to_vec(), length: ia_length };
        let phase = Phase::AwaitKey { field: Field::new(), keys, entropy, initial_payload };
        let deadline = Deadline::new(now, Self::TIMEOUT);
        Ok(Self { info_hash, methods, phase, deadline, end: None, unsent })
    }

    /// How long the handshake may take, from [`Self::new`] on. Default: [`Self::TIMEOUT`].
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.deadline.set_timeout(timeout);
        self
    }

    /// Takes received bytes, in chunks of any size; returns how many of them belonged to the handshake. Fewer than all only
    /// at its end: the rest is payload, still to be decrypted.
    ///
    /// # Errors
    ///
    /// The handshake is over and the connection of no use. [`Error::Finished`] if it had been over before.
    pub fn handle_bytes(&mut self, now: Instant, received: &[u8]) -> Result<usize, Error> {
        self.handle_timeout(now)?;
        let mut input = received;
        let mut phase = mem::replace(&mut self.phase, Phase::Finished);
        loop {
            match self.step(phase, &mut input)? {
                Step::Wait(same) => {
                    self.phase = same;
                    return Ok(received.len());
                }
                Step::Next(next) => phase = next,
                Step::Done(ciphers) => {
                    self.end = Some(Established { info_hash: self.info_hash, ciphers });
                    return Ok(received.len().saturating_sub(input.len()));
                }
            }
        }
    }

    /// The end of the handshake, once.
    pub const fn poll_event(&mut self) -> Option<Established> {
        self.end.take()
    }

    /// When to call [`Self::handle_timeout`]; `None` once the handshake is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Finished) { None } else { self.deadline.instant() }
    }

    /// # Errors
    ///
    /// [`Error::TimedOut`] if the peer has taken too long. The handshake is over then.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.phase = Phase::Finished;
            return Err(Error::TimedOut);
        }
        Ok(())
    }

    /// Appends the bytes to be sent now; whether there were any.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let any = !self.unsent.is_empty();
        out.append(&mut self.unsent);
        any
    }

    #[cfg(test)]
    pub(super) const fn unsent_capacity(&self) -> usize {
        self.unsent.capacity()
    }

    fn step(&mut self, phase: Phase, input: &mut &[u8]) -> Result<Step, Error> {
        Ok(match phase {
            Phase::AwaitKey { mut field, keys, mut entropy, initial_payload } => match field.take(input) {
                None => Step::Wait(Phase::AwaitKey { field, keys, entropy, initial_payload }),
                Some(theirs) => {
                    let secret = keys.agree(&PublicKey::parse(&theirs)?);
                    Step::Next(self.request(&secret, &mut entropy, &initial_payload))
                }
            },
            Phase::Sync { mut mark, inbound, outbound } => {
                if mark.find(input)? {
                    Step::Next(Phase::Select { field: Field::new(), inbound, outbound })
                } else {
                    Step::Wait(Phase::Sync { mark, inbound, outbound })
                }
            }
            Phase::Select { mut field, mut inbound, outbound } => match field.take(input) {
                None => Step::Wait(Phase::Select { field, inbound, outbound }),
                Some(mut header) => {
                    inbound.apply(&mut header);
                    let [s0, s1, s2, s3, p0, p1] = header;
                    let method = self.methods.selected(u32::from_be_bytes([s0, s1, s2, s3]))?;
                    let length = u16::from_be_bytes([p0, p1]);
                    let pad = Pad::new(length)?;
                    inbound.skip(usize::from(length));
                    let ciphers = match method {
                        Method::Plaintext => Ciphers::plain(),
                        Method::Rc4 => Ciphers::new(Decryptor::rc4(inbound), Encryptor::rc4(outbound)),
                    };
                    Step::Next(Phase::PadD { pad, ciphers })
                }
            },
            Phase::PadD { mut pad, ciphers } => {
                if pad.skip(input) {
                    Step::Done(ciphers)
                } else {
                    Step::Wait(Phase::PadD { pad, ciphers })
                }
            }
            Phase::Finished => return Err(Error::Finished),
        })
    }

    /// Step 3.
    fn request(&mut self, secret: &SharedSecret, entropy: &mut Entropy, initial_payload: &InitialPayload) -> Phase {
        let mut outbound = Box::new(keys::initiator_stream(secret, &self.info_hash));
        let mut inbound = Box::new(keys::responder_stream(secret, &self.info_hash));

        let out = &mut self.unsent;
        out.extend(keys::req1(secret));
        out.extend(keys::xor(keys::req2(&self.info_hash), keys::req3(secret)));
        let encrypted = out.len();
        let pad_c = entropy.pad_length();
        out.extend(VC);
        out.extend(self.methods.provide().to_be_bytes());
        out.extend(pad_c.to_be_bytes());
        out.resize(out.len().saturating_add(usize::from(pad_c)), 0);
        out.extend(initial_payload.length.to_be_bytes());
        out.extend_from_slice(&initial_payload.bytes);
        outbound.apply(out.get_mut(encrypted..).unwrap_or_default());

        // The responder's ENCRYPT(VC) is the beginning of its key stream, as VC is all zeros.
        let mut mark = VC;
        inbound.apply(&mut mark);
        Phase::Sync { mark: Mark::new(mark), inbound, outbound }
    }
}

/// ```text
///  AwaitKey ──Yb──▶ Sync ──ENCRYPT(VC)──▶ Select ──crypto_select, len(PadD)──▶ PadD ──▶ Finished
///     │                │                     │
///  DegenerateKey   SyncNotFound     NotProvided, PadTooLong     (any error: Finished)
/// ```
#[expect(clippy::large_enum_variant, reason = "one value per connection and for a second; a box would outweigh it")]
enum Phase {
    AwaitKey { field: Field<KEY_LENGTH>, keys: KeyPair, entropy: Entropy, initial_payload: InitialPayload },
    Sync { mark: Mark<8>, inbound: Box<Rc4>, outbound: Box<Rc4> },
    Select { field: Field<6>, inbound: Box<Rc4>, outbound: Box<Rc4> },
    PadD { pad: Pad, ciphers: Ciphers },
    Finished,
}

enum Step {
    Wait(Phase),
    Next(Phase),
    Done(Ciphers),
}

struct InitialPayload {
    bytes: Vec<u8>,
    length: u16,
}

/// Without secrets.
impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::AwaitKey { .. } => "AwaitKey",
            Phase::Sync { .. } => "Sync",
            Phase::Select { .. } => "Select",
            Phase::PadD { .. } => "PadD",
            Phase::Finished => "Finished",
        };
        f.debug_struct("Initiator").field("info_hash", &self.info_hash).field("phase", &phase).finish_non_exhaustive()
    }
}
