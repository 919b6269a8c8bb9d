//! From a fresh stream to a connection: MSE if the policy says so, then the BitTorrent handshakes, all under one deadline.
//! Never: messages, redialling (see `dial`).

use std::{io, time::Duration};

use rand::{TryRng, rngs::SysRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use torrent_types::InfoHash;
use torrent_wire::{
    Connection, Handshake, HandshakeEvent, Handshaking, PeerFault,
    mse::{self, Ciphers, Initiator, Methods, Opening, Policy, Progress, Responder, SkeyHash},
};

use crate::{
    clock,
    peer::{Link, Stream},
};

/// For everything until the peer's handshake is complete.
const DEADLINE: Duration = Duration::from_secs(15);
/// Read at a time: an MSE handshake with its paddings is smaller than this.
const CHUNK: usize = 2048;

/// A stream whose handshakes are done.
pub(crate) struct Opened<S> {
    pub(crate) link: Link<S>,
    pub(crate) connection: Connection,
    pub(crate) info_hash: InfoHash,
}

/// Why a stream did not become a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the handshake took too long")]
    Deadline,
    #[error(transparent)]
    Fault(#[from] PeerFault),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Mse(#[from] mse::Error),
    #[error("our policy does not allow {0:?} connections")]
    Refused(Opening),
    #[error("no such torrent here")]
    UnknownTorrent,
}

/// What both ends of a connection need to know of a torrent.
pub(crate) struct Answer {
    pub(crate) handshake: Handshake,
    pub(crate) config: torrent_wire::Config,
}

/// What an incoming connection needs to know of our torrents.
pub(crate) trait Torrents {
    /// What we say to whoever asks for this torrent, if we have it.
    fn answer(&self, info_hash: InfoHash) -> Option<Answer>;
    /// The torrent that goes by this name in MSE.
    fn lookup(&self, skey: &SkeyHash) -> Option<InfoHash>;
}

/// Opens a connection on a stream that we dialled.
pub(crate) async fn initiate<S: Stream>(
    stream: S,
    ours: Answer,
    attempt: Opening,
    methods: Option<Methods>,
) -> Result<Opened<S>, HandshakeError> {
    let opening = async {
        let mut hello = Vec::new();
        let machine = Handshaking::initiator(clock::now(), ours.handshake, &mut hello);
        let mut raw = Raw { stream, received: Vec::new(), ciphers: Ciphers::plain() };
        match (attempt, methods) {
            (Opening::Obfuscated, Some(methods)) => {
                let mut initiator = Initiator::new(ours.handshake.info_hash, methods, &seed()?, &hello)?;
                raw.negotiate(|bytes, out| {
                    let progress = initiator.handle_bytes(bytes)?;
                    initiator.poll_transmit(out);
                    Ok(progress)
                })
                .await?;
            }
            _ => raw.stream.write_all(&hello).await?,
        }
        raw.shake_hands(machine, Some(ours), |_| None).await
    };
    tokio::time::timeout(DEADLINE, opening).await.map_err(|_| HandshakeError::Deadline)?
}

/// Answers on a stream that a peer dialled.
pub(crate) async fn accept<S: Stream>(
    stream: S,
    policy: Policy,
    torrents: &impl Torrents,
) -> Result<Opened<S>, HandshakeError> {
    let opening = async {
        let mut raw = Raw { stream, received: Vec::new(), ciphers: Ciphers::plain() };
        let kind = loop {
            match mse::detect(&raw.received) {
                Some(kind) => break kind,
                None => raw.read().await?,
            }
        };
        if !policy.accepts(kind) {
            return Err(HandshakeError::Refused(kind));
        }
        if let (Opening::Obfuscated, Some(methods)) = (kind, policy.methods()) {
            let mut responder = Responder::new(methods, &seed()?);
            raw.negotiate(|bytes, out| {
                let progress = responder.handle_bytes(bytes, |skey| torrents.lookup(skey))?;
                responder.poll_transmit(out);
                Ok(progress)
            })
            .await?;
        }
        let machine = Handshaking::responder(clock::now());
        raw.shake_hands(machine, None, |info_hash| torrents.answer(info_hash)).await
    };
    tokio::time::timeout(DEADLINE, opening).await.map_err(|_| HandshakeError::Deadline)?
}

struct Raw<S> {
    stream: S,
    /// Received and not used; plain text once the ciphers are known.
    received: Vec<u8>,
    ciphers: Ciphers,
}

impl<S: Stream> Raw<S> {
    async fn read(&mut self) -> io::Result<()> {
        let from = self.received.len();
        self.received.resize(from + CHUNK, 0);
        let length = self.stream.read(&mut self.received[from..]).await?;
        self.received.truncate(from + length);
        self.ciphers.decrypt(&mut self.received[from..]);
        if length == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Runs one side of MSE to its end.
    async fn negotiate(
        &mut self,
        mut step: impl FnMut(&[u8], &mut Vec<u8>) -> Result<Progress, mse::Error>,
    ) -> Result<(), HandshakeError> {
        let mut out = Vec::new();
        loop {
            let received = std::mem::take(&mut self.received);
            let progress = step(&received, &mut out)?;
            self.stream.write_all(&out).await?;
            out.clear();
            if let Progress::Done(done) = progress {
                self.ciphers = done.ciphers;
                self.received = received[done.consumed..].to_vec();
                self.ciphers.decrypt(&mut self.received);
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// `ours` for an initiator; `answer` for a responder, who learns the torrent first.
    async fn shake_hands(
        mut self,
        mut machine: Handshaking,
        mut ours: Option<Answer>,
        answer: impl Fn(InfoHash) -> Option<Answer>,
    ) -> Result<Opened<S>, HandshakeError> {
        loop {
            let (used, event) = machine.handle_bytes(&self.received)?;
            self.received.drain(..used);
            match event {
                Some(HandshakeEvent::Asked { info_hash, .. }) => {
                    let answer = ours.insert(answer(info_hash).ok_or(HandshakeError::UnknownTorrent)?);
                    let mut out = Vec::new();
                    machine.answer(answer.handshake, &mut out);
                    self.ciphers.encrypt(&mut out);
                    self.stream.write_all(&out).await?;
                }
                Some(HandshakeEvent::Done(theirs)) => {
                    let ours = ours.ok_or(HandshakeError::UnknownTorrent)?;
                    let connection = Connection::new(clock::now(), &ours.handshake, &theirs, &ours.config);
                    let link = Link::new(self.stream, self.ciphers, &self.received);
                    return Ok(Opened { link, connection, info_hash: ours.handshake.info_hash });
                }
                _ => self.read().await?,
            }
        }
    }
}

/// For one MSE handshake, from the operating system.
fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
