//! From a fresh stream to a connection: MSE if that is wanted, then the BitTorrent handshakes, all under one deadline.
//! Never: messages, a second attempt.

use std::{io, net::IpAddr, time::Duration};

use rand::{TryRng, rngs::SysRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};
use torrent_types::InfoHash;
use torrent_wire::{
    Connection, Handshake, HandshakeEvent, Handshaking, PeerFault,
    driver::mse::{self as driver, HandshakeError as MseError, MseStream},
    mse::{Initiator, Methods, Obfuscation, Policy, Responder, SkeyHash},
};

use super::BoxStream;
use crate::{clock, peer::Link};

/// For everything until the handshake of a peer that dialled us is complete.
const DEADLINE: Duration = Duration::from_secs(15);
/// The same for a peer that we dialled: its connection has come about, so an honest one answers within a few round trips,
/// and others wait for the place.
const DIAL_DEADLINE: Duration = Duration::from_secs(8);
/// Read at a time, at first: the handshakes are smaller than this.
const CHUNK: usize = 2048;

/// A stream whose handshakes are done.
pub(crate) struct Opened {
    pub(crate) link: Link,
    pub(crate) connection: Connection,
    pub(crate) info_hash: InfoHash,
    pub(crate) obfuscation: Obfuscation,
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
pub(crate) struct Offer {
    pub(crate) handshake: Handshake,
    pub(crate) config: torrent_wire::Config,
}

/// What an incoming connection needs to know of our torrents.
pub(crate) trait Torrents {
    /// What we say to a peer that asks for this torrent, if we have it.
    fn offer(&self, info_hash: InfoHash) -> Option<Offer>;
    /// The torrent that has this name in MSE.
    fn lookup(&self, skey: &SkeyHash) -> Option<InfoHash>;
    /// Whether a connection from this address would be refused by every torrent.
    fn is_banned(&self, ip: IpAddr) -> bool;
}

/// Opens a connection on a stream that we dialled.
pub(crate) async fn initiate(
    stream: BoxStream,
    ours: Offer,
    obfuscation: Obfuscation,
    methods: Option<Methods>,
) -> Result<Opened, HandshakeError> {
    let opening = async {
        let mut machine = Handshaking::initiator(clock::now(), ours.handshake);
        let stream = match (obfuscation, methods) {
            (Obfuscation::Mse, Some(methods)) => {
                // Our handshake travels with MSE's last message: one round trip less.
                let mut hello = Vec::new();
                machine.poll_transmit(&mut hello);
                let initiator = Initiator::new(clock::now(), ours.handshake.info_hash, methods, &seed()?, &hello);
                driver::connect(stream, initiator.map_err(MseError::from)?).await?
            }
            _ => MseStream::plain(stream, Vec::new()),
        };
        shake_hands(stream, machine, Some(ours), obfuscation, |_| None).await
    };
    // Boxed, because connections that have come about do not need the space any more.
    timeout(DIAL_DEADLINE, Box::pin(opening)).await.map_err(|_| HandshakeError::Deadline)?
}

/// Answers on a stream that a peer dialled.
///
/// `spoken` is called once the peer has said anything.
pub(crate) async fn accept(
    mut stream: BoxStream,
    policy: Policy,
    torrents: &impl Torrents,
    spoken: impl FnOnce(),
) -> Result<Opened, HandshakeError> {
    let opening = async {
        let (kind, received) = driver::detect(&mut stream, Instant::now() + DEADLINE).await?;
        spoken();
        if !policy.accepts(kind) {
            return Err(HandshakeError::Refused(kind));
        }
        let stream = match (kind, policy.methods()) {
            (Obfuscation::Mse, Some(methods)) => {
                let responder = Responder::new(clock::now(), methods, &seed()?);
                driver::accept(stream, received, responder, |skey: &_| torrents.lookup(skey)).await?.1
            }
            _ => MseStream::plain(stream, received),
        };
        let machine = Handshaking::responder(clock::now());
        shake_hands(stream, machine, None, kind, |info_hash| torrents.offer(info_hash)).await
    };
    timeout(DEADLINE, Box::pin(opening)).await.map_err(|_| HandshakeError::Deadline)?
}

/// The BitTorrent handshakes. `ours` is for an initiator; a responder learns the torrent first, and then asks `offer`.
async fn shake_hands(
    mut stream: MseStream<BoxStream>,
    mut machine: Handshaking,
    mut ours: Option<Offer>,
    obfuscation: Obfuscation,
    offer: impl Fn(InfoHash) -> Option<Offer>,
) -> Result<Opened, HandshakeError> {
    let mut received = Vec::with_capacity(CHUNK);
    let mut out = Vec::new();
    loop {
        let used = machine.handle_bytes(clock::now(), &received)?;
        received.drain(..used);
        match machine.poll_event() {
            Some(HandshakeEvent::Asked { info_hash, .. }) => {
                let ours = ours.insert(offer(info_hash).ok_or(HandshakeError::UnknownTorrent)?);
                machine.answer(ours.handshake);
                // The rest of the peer's handshake may be here already.
                continue;
            }
            Some(HandshakeEvent::Done(theirs)) => {
                send(&mut stream, &mut machine, &mut out).await?;
                let ours = ours.ok_or(HandshakeError::UnknownTorrent)?;
                let connection = Connection::new(clock::now(), &ours.handshake, &theirs, &ours.config);
                let (stream, ciphers, unread) = stream.into_parts();
                received.extend(unread);
                let link = Link::new(stream, ciphers, &received);
                return Ok(Opened { link, connection, info_hash: ours.handshake.info_hash, obfuscation });
            }
            None => {}
        }
        send(&mut stream, &mut machine, &mut out).await?;
        if stream.read_buf(&mut received).await? == 0 {
            return Err(MseError::Closed.into());
        }
    }
}

/// Sends what the machine wants sent.
async fn send(
    stream: &mut MseStream<BoxStream>,
    machine: &mut Handshaking,
    out: &mut Vec<u8>,
) -> Result<(), HandshakeError> {
    if machine.poll_transmit(out) {
        stream.write_all(out).await?;
        stream.flush().await?;
        out.clear();
    }
    Ok(())
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
    use torrent_wire::{Config, Reserved};

    use super::*;

    const TORRENT: InfoHash = InfoHash::new([7; 20]);

    /// A client with one torrent.
    struct One(PeerId);

    impl Torrents for One {
        fn offer(&self, info_hash: InfoHash) -> Option<Offer> {
            let handshake = Handshake { reserved: Reserved::FAST, info_hash, peer_id: self.0 };
            (info_hash == TORRENT).then(|| Offer { handshake, config: Config::default() })
        }

        fn lookup(&self, skey: &SkeyHash) -> Option<InfoHash> {
            (*skey == SkeyHash::of(&TORRENT)).then_some(TORRENT)
        }

        fn is_banned(&self, _: IpAddr) -> bool {
            false
        }
    }

    fn offer(peer: u8) -> Offer {
        One(PeerId::new([peer; 20])).offer(TORRENT).unwrap()
    }

    #[tokio::test]
    async fn both_sides_come_to_a_connection_by_every_policy_through_a_narrow_pipe() {
        for policy in [Policy::Disabled, Policy::Allowed, Policy::Preferred, Policy::Required] {
            for &attempt in policy.attempts() {
                let (here, there) = duplex(100);
                let torrents = One(PeerId::new([2; 20]));
                let (dialled, accepted) = tokio::join!(
                    initiate(Box::new(here), offer(1), attempt, policy.methods()),
                    accept(Box::new(there), policy, &torrents, || ()),
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
        let (dialled, accepted) = tokio::join!(initiate(Box::new(here), offer(1), Obfuscation::Plain, None), async {
            accept(Box::new(there), Policy::Required, &torrents, || ()).await
        },);
        assert!(matches!(accepted, Err(HandshakeError::Refused(Obfuscation::Plain))));
        assert!(dialled.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_answer_encryption_is_left_in_time_for_another_kind() {
        let (here, _there) = duplex(2048);
        let start = Instant::now();
        let dialled = initiate(Box::new(here), offer(1), Obfuscation::Mse, Some(Methods::PreferRc4)).await;
        assert!(matches!(dialled, Err(HandshakeError::Mse(_))));
        assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_left_at_the_deadline() {
        let start = Instant::now();
        let (here, _there) = duplex(2048);
        assert!(matches!(
            initiate(Box::new(here), offer(1), Obfuscation::Plain, None).await,
            Err(HandshakeError::Deadline)
        ));
        assert_eq!(start.elapsed(), DIAL_DEADLINE);
        let (_here, there) = duplex(2048);
        assert!(accept(Box::new(there), Policy::Preferred, &One(PeerId::new([2; 20])), || ()).await.is_err());
        assert_eq!(start.elapsed(), DIAL_DEADLINE + DEADLINE);
    }
}
