//! From a fresh stream to a connection: MSE if the policy says so, then the BitTorrent handshakes, all under one deadline.
//! Never: messages, redialling (see `dial`).

use std::{io, time::Duration};

use rand::{TryRng, rngs::SysRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};
use torrent_types::InfoHash;
use torrent_wire::{
    Connection, Handshake, HandshakeEvent, Handshaking, PeerFault,
    driver::mse::{self, HandshakeError as MseError, MseStream},
    mse::{Initiator, Methods, Obfuscation, Policy, Responder, SkeyHash},
};

use crate::{
    clock,
    peer::{Link, Stream},
};

/// For everything until the peer's handshake is complete.
const DEADLINE: Duration = Duration::from_secs(15);
/// Read at a time, at first: the handshakes are smaller than this.
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
    Mse(#[from] MseError),
    #[error("our policy does not allow {0:?} connections")]
    Refused(Obfuscation),
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
    attempt: Obfuscation,
    methods: Option<Methods>,
) -> Result<Opened<S>, HandshakeError> {
    let opening = async {
        let mut hello = Vec::new();
        let mut machine = Handshaking::initiator(clock::now(), ours.handshake);
        machine.poll_transmit(&mut hello);
        let stream = match (attempt, methods) {
            (Obfuscation::Mse, Some(methods)) => {
                let now = Instant::now().into_std();
                let initiator = Initiator::new(now, ours.handshake.info_hash, methods, &seed()?, &hello);
                mse::connect(stream, initiator.map_err(MseError::from)?).await?
            }
            _ => {
                let mut stream = MseStream::plain(stream, Vec::new());
                stream.write_all(&hello).await?;
                stream
            }
        };
        shake_hands(stream, machine, Some(ours), |_| None).await
    };
    timeout(DEADLINE, opening).await.map_err(|_| HandshakeError::Deadline)?
}

/// Answers on a stream that a peer dialled.
pub(crate) async fn accept<S: Stream>(
    mut stream: S,
    policy: Policy,
    torrents: &impl Torrents,
) -> Result<Opened<S>, HandshakeError> {
    let opening = async {
        let (kind, received) = mse::detect(&mut stream, within(DEADLINE)).await?;
        if !policy.accepts(kind) {
            return Err(HandshakeError::Refused(kind));
        }
        let stream = match (kind, policy.methods()) {
            (Obfuscation::Mse, Some(methods)) => {
                let responder = Responder::new(Instant::now().into_std(), methods, &seed()?);
                mse::accept(stream, received, responder, |skey| torrents.lookup(skey)).await?.1
            }
            _ => MseStream::plain(stream, received),
        };
        let machine = Handshaking::responder(clock::now());
        shake_hands(stream, machine, None, |info_hash| torrents.answer(info_hash)).await
    };
    timeout(DEADLINE, opening).await.map_err(|_| HandshakeError::Deadline)?
}

/// The BitTorrent handshakes. `ours` for an initiator; `answer` for a responder, who learns the torrent first.
async fn shake_hands<S: Stream>(
    mut stream: MseStream<S>,
    mut machine: Handshaking,
    mut ours: Option<Answer>,
    answer: impl Fn(InfoHash) -> Option<Answer>,
) -> Result<Opened<S>, HandshakeError> {
    let mut received = Vec::with_capacity(CHUNK);
    loop {
        let used = machine.handle_bytes(clock::now(), &received)?;
        received.drain(..used);
        match machine.poll_event() {
            Some(HandshakeEvent::Asked { info_hash, .. }) => {
                let answer = ours.insert(answer(info_hash).ok_or(HandshakeError::UnknownTorrent)?);
                let mut out = Vec::new();
                machine.answer(answer.handshake);
                machine.poll_transmit(&mut out);
                stream.write_all(&out).await?;
                stream.flush().await?;
            }
            Some(HandshakeEvent::Done(theirs)) => {
                let ours = ours.ok_or(HandshakeError::UnknownTorrent)?;
                let connection = Connection::new(clock::now(), &ours.handshake, &theirs, &ours.config);
                let (stream, ciphers, unread) = stream.into_parts();
                received.extend(unread);
                let link = Link::new(stream, ciphers, &received);
                return Ok(Opened { link, connection, info_hash: ours.handshake.info_hash });
            }
            _ if stream.read_buf(&mut received).await? == 0 => return Err(MseError::Closed.into()),
            _ => {}
        }
    }
}

/// The machines get the time of `clock`; deadlines on streams are those of tokio's timers.
fn within(time: Duration) -> Instant {
    Instant::now() + time
}

/// For one MSE handshake, from the operating system.
fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use torrent_types::PeerId;
    use torrent_wire::{Config, Reserved, mse::Error};

    use super::*;

    const TORRENT: InfoHash = InfoHash::new([7; 20]);

    /// Who has one torrent.
    struct One(PeerId);

    impl Torrents for One {
        fn answer(&self, info_hash: InfoHash) -> Option<Answer> {
            let handshake = Handshake { reserved: Reserved::FAST, info_hash, peer_id: self.0 };
            (info_hash == TORRENT).then(|| Answer { handshake, config: Config::default() })
        }

        fn lookup(&self, skey: &SkeyHash) -> Option<InfoHash> {
            (*skey == SkeyHash::of(&TORRENT)).then_some(TORRENT)
        }
    }

    fn answer(peer: u8) -> Answer {
        One(PeerId::new([peer; 20])).answer(TORRENT).unwrap()
    }

    #[tokio::test]
    async fn both_sides_come_to_a_connection_by_every_policy_through_a_narrow_pipe() {
        for policy in [Policy::Disabled, Policy::Allowed, Policy::Preferred, Policy::Required] {
            for &attempt in policy.attempts() {
                let (here, there) = duplex(100);
                let torrents = One(PeerId::new([2; 20]));
                let (dialled, accepted) = tokio::join!(
                    initiate(here, answer(1), attempt, policy.methods()),
                    accept(there, policy, &torrents),
                );
                let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
                assert_eq!(dialled.connection.peer_id(), PeerId::new([2; 20]), "{policy:?}");
                assert_eq!(accepted.connection.peer_id(), PeerId::new([1; 20]), "{policy:?}");
                assert_eq!(accepted.info_hash, TORRENT);
            }
        }
    }

    #[tokio::test]
    async fn what_the_policy_does_not_allow_is_refused() {
        let (here, there) = duplex(2048);
        let torrents = One(PeerId::new([2; 20]));
        let (dialled, accepted) = tokio::join!(initiate(here, answer(1), Obfuscation::Plain, None), async {
            accept(there, Policy::Required, &torrents).await
        },);
        assert!(matches!(accepted, Err(HandshakeError::Refused(Obfuscation::Plain))));
        assert!(dialled.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_answer_encryption_is_left_in_time_for_another_kind() {
        let (here, _there) = duplex(2048);
        let start = Instant::now();
        let dialled = initiate(here, answer(1), Obfuscation::Mse, Some(Methods::PreferRc4)).await;
        assert!(matches!(dialled, Err(HandshakeError::Mse(MseError::Handshake(Error::TimedOut)))));
        assert_eq!(start.elapsed(), Initiator::TIMEOUT);
        const { assert!(Initiator::TIMEOUT.as_secs() <= 5) };
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_left_at_the_deadline() {
        let start = Instant::now();
        let (here, _there) = duplex(2048);
        assert!(matches!(initiate(here, answer(1), Obfuscation::Plain, None).await, Err(HandshakeError::Deadline)));
        assert_eq!(start.elapsed(), DEADLINE);
        let (_here, there) = duplex(2048);
        assert!(accept(there, Policy::Preferred, &One(PeerId::new([2; 20]))).await.is_err());
        assert_eq!(start.elapsed(), DEADLINE * 2);
    }
}
