//! The side that is dialled: steps 2 and 4 of the diagram in `mse`.
//! Never: more of the peer's bytes kept than one field of fixed size; which torrents there are (the caller's lookup knows).

use std::{
    fmt, mem,
    time::{Duration, Instant},
};

use torrent_types::InfoHash;

use super::{
    Ciphers, Decryptor, Encryptor, Error, Established, HASH_LENGTH, Method, Methods, SkeyHash, VC,
    deadline::Deadline,
    dh::{KEY_LENGTH, KeyPair, PublicKey, SharedSecret},
    entropy::Entropy,
    intake::{Field, Mark, Pad},
    keys,
    rc4::Rc4,
};

/// The MSE handshake of the side that is dialled.
///
/// After each [`Self::handle_bytes`], send what [`Self::poll_transmit`] gives, and after the last one too.
/// Nothing is computed or sent before the peer's whole public key came, then at most 608 bytes are sent, then 526. The peer
/// may send 628 bytes before it must have shown that it knows the secret, 20 more before it must know a torrent.
pub struct Responder {
    methods: Methods,
    phase: Phase,
    deadline: Deadline,
    end: Option<Established>,
    unsent: Vec<u8>,
}

impl Responder {
    /// How long the handshake may take unless [`with_timeout`](Self::with_timeout) says otherwise. It includes the time for
    /// which the initiator waits for our public key over a slow line.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// Awaits a handshake. `seed` decides the secret exponent and all paddings; take it from the operating system, fresh
    /// for each connection.
    #[must_use]
    pub const fn new(now: Instant, methods: Methods, seed: &[u8; 32]) -> Self {
        let phase = Phase::AwaitKey { field: Field::new(), entropy: Entropy::new(seed) };
        let deadline = Deadline::new(now, Self::TIMEOUT);
        Self { methods, phase, deadline, end: None, unsent: Vec::new() }
    }

    /// How long the handshake may take, from [`Self::new`] on. Default: [`Self::TIMEOUT`].
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.deadline.set_timeout(timeout);
        self
    }

    /// Takes received bytes, in chunks of any size; returns how many of them belonged to the handshake. Fewer than all only
    /// at its end: the rest is payload, still to be decrypted, that begins with the initiator's initial payload.
    ///
    /// `lookup` is called at most once in the whole handshake, when the peer
    /// has named the torrent; see [`SkeyIndex::lookup`](super::SkeyIndex::lookup).
    ///
    /// # Errors
    ///
    /// The handshake is over and the connection of no use. [`Error::Finished`] if it had been over before.
    pub fn handle_bytes(
        &mut self,
        now: Instant,
        received: &[u8],
        lookup: impl Fn(&SkeyHash) -> Option<InfoHash>,
    ) -> Result<usize, Error> {
        self.handle_timeout(now)?;
        let mut input = received;
        let mut phase = mem::replace(&mut self.phase, Phase::Finished);
        loop {
            match self.step(phase, &mut input, &lookup)? {
                Step::Wait(same) => {
                    self.phase = same;
                    return Ok(received.len());
                }
                Step::Next(next) => phase = next,
                Step::Done(info_hash, ciphers) => {
                    self.end = Some(Established { info_hash, ciphers });
                    return Ok(received.len().saturating_sub(input.len()));
                }
            }
        }
    }

    /// The end of the handshake, once. There is a last answer to send: [`Self::poll_transmit`] once more.
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

    fn step(
        &mut self,
        phase: Phase,
        input: &mut &[u8],
        lookup: &dyn Fn(&SkeyHash) -> Option<InfoHash>,
    ) -> Result<Step, Error> {
        Ok(match phase {
            Phase::AwaitKey { mut field, mut entropy } => match field.take(input) {
                None => Step::Wait(Phase::AwaitKey { field, entropy }),
                Some(theirs) => {
                    let theirs = PublicKey::parse(&theirs)?;
                    let keys = KeyPair::generate(&mut entropy);
                    let secret = keys.agree(&theirs);
                    self.unsent.extend_from_slice(keys.public());
                    entropy.pad(&mut self.unsent);
                    Step::Next(Phase::Sync { mark: Mark::new(keys::req1(&secret)), secret, entropy })
                }
            },
            Phase::Sync { mut mark, secret, entropy } => {
                if mark.find(input)? {
                    Step::Next(Phase::Skey { field: Field::new(), secret, entropy })
                } else {
                    Step::Wait(Phase::Sync { mark, secret, entropy })
                }
            }
            Phase::Skey { mut field, secret, entropy } => match field.take(input) {
                None => Step::Wait(Phase::Skey { field, secret, entropy }),
                Some(hidden) => {
                    let skey = SkeyHash::new(keys::xor(hidden, keys::req3(&secret)));
                    let info_hash = lookup(&skey).ok_or(Error::UnknownTorrent)?;
                    let streams = Streams::new(&secret, &info_hash);
                    Step::Next(Phase::Provide { field: Field::new(), info_hash, streams, entropy })
                }
            },
            Phase::Provide { mut field, info_hash, mut streams, mut entropy } => match field.take(input) {
                None => Step::Wait(Phase::Provide { field, info_hash, streams, entropy }),
                Some(mut header) => {
                    streams.inbound.apply(&mut header);
                    let [vc @ .., p0, p1, p2, p3, l0, l1] = header;
                    if vc != VC {
                        return Err(Error::WrongVerification);
                    }
                    let method = self.methods.select(u32::from_be_bytes([p0, p1, p2, p3]))?;
                    let length = u16::from_be_bytes([l0, l1]);
                    let pad = Pad::new(length)?;
                    streams.inbound.skip(usize::from(length));
                    let agreed = Agreed { info_hash, method, streams, pad_d: entropy.pad_length() };
                    Step::Next(Phase::PadC { pad, agreed })
                }
            },
            Phase::PadC { mut pad, agreed } => {
                if pad.skip(input) {
                    Step::Next(Phase::PayloadLength { field: Field::new(), agreed })
                } else {
                    Step::Wait(Phase::PadC { pad, agreed })
                }
            }
            Phase::PayloadLength { mut field, mut agreed } => match field.take(input) {
                None => Step::Wait(Phase::PayloadLength { field, agreed }),
                Some(mut length) => {
                    agreed.streams.inbound.apply(&mut length);
                    self.answer(agreed, u16::from_be_bytes(length))
                }
            },
            Phase::Finished => return Err(Error::Finished),
        })
    }

    /// Step 4. The initial payload is not waited for: it is the first that the ciphers decrypt.
    fn answer(&mut self, agreed: Agreed, ia_length: u16) -> Step {
        let Agreed { info_hash, method, streams: Streams { inbound, mut outbound }, pad_d } = agreed;
        let out = &mut self.unsent;
        let encrypted = out.len();
        out.extend(VC);
        out.extend(method.bit().to_be_bytes());
        out.extend(pad_d.to_be_bytes());
        out.resize(out.len().saturating_add(usize::from(pad_d)), 0);
        outbound.apply(out.get_mut(encrypted..).unwrap_or_default());

        Step::Done(
            info_hash,
            match method {
                Method::Plaintext => Ciphers::new(Decryptor::rc4_for(inbound, ia_length), Encryptor::plain()),
                Method::Rc4 => Ciphers::new(Decryptor::rc4(inbound), Encryptor::rc4(outbound)),
            },
        )
    }
}

/// ```text
///  AwaitKey ──Ya──▶ Sync ──HASH('req1', S)──▶ Skey ──HASH('req2', SKEY)──▶ Provide ──VC, crypto_provide, len(PadC)──▶
///     │               │                         │                             │
///  DegenerateKey   SyncNotFound            UnknownTorrent      WrongVerification, NoCommonMethod, PadTooLong
///
///  PadC ──▶ PayloadLength ──len(IA)──▶ Finished                (any error: Finished)
/// ```
enum Phase {
    AwaitKey { field: Field<KEY_LENGTH>, entropy: Entropy },
    Sync { mark: Mark<HASH_LENGTH>, secret: SharedSecret, entropy: Entropy },
    Skey { field: Field<HASH_LENGTH>, secret: SharedSecret, entropy: Entropy },
    Provide { field: Field<14>, info_hash: InfoHash, streams: Streams, entropy: Entropy },
    PadC { pad: Pad, agreed: Agreed },
    PayloadLength { field: Field<2>, agreed: Agreed },
    Finished,
}

enum Step {
    Wait(Phase),
    Next(Phase),
    Done(InfoHash, Ciphers),
}

struct Streams {
    inbound: Box<Rc4>,
    outbound: Box<Rc4>,
}

impl Streams {
    fn new(secret: &SharedSecret, info_hash: &InfoHash) -> Self {
        Self {
            inbound: Box::new(keys::initiator_stream(secret, info_hash)),
            outbound: Box::new(keys::responder_stream(secret, info_hash)),
        }
    }
}

struct Agreed {
    info_hash: InfoHash,
    method: Method,
    streams: Streams,
    pad_d: u16,
}

/// Without secrets.
impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::AwaitKey { .. } => "AwaitKey",
            Phase::Sync { .. } => "Sync",
            Phase::Skey { .. } => "Skey",
            Phase::Provide { .. } => "Provide",
            Phase::PadC { .. } => "PadC",
            Phase::PayloadLength { .. } => "PayloadLength",
            Phase::Finished => "Finished",
        };
        f.debug_struct("Responder").field("phase", &phase).finish_non_exhaustive()
    }
}
