//! Just the metadata of one torrent, from one peer. Spec: BEP 9.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use torrent_types::Bitfield;

use super::{
    error::{FetchError, StreamError},
    mse,
    options::{FetchOptions, MetadataHash, random},
    stream::{PeerStream, now},
};
use crate::{
    Config, Event, ExtendedHandshake, ExtensionId, Extensions, Handshake, MetadataEvent, MetadataFault, MetadataFetch,
    MetadataMessage, PeerFault, Reserved, Severity,
    mse::{self as core, Initiator, Obfuscation},
};

/// Connects to a peer over TCP, encrypted or not as [`FetchOptions::encryption`] says, asks it for the metadata of a
/// torrent, and checks the hash.
///
/// ```no_run
/// # use torrent_types::InfoHash;
/// # use torrent_wire::{FetchOptions, fetch_metadata};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let info_hash: InfoHash = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7".parse()?;
/// let info = fetch_metadata("192.0.2.7:6881".parse()?, info_hash, &FetchOptions::default()).await?;
/// println!("{} bytes", info.len());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the peer cannot be reached, does not have the metadata or does not give it away, or lies; or the time is over.
pub async fn fetch_metadata(
    peer: SocketAddr,
    hash: impl Into<MetadataHash>,
    options: &FetchOptions,
) -> Result<Bytes, FetchError> {
    let (hash, deadline) = (hash.into(), options.deadline());
    let mut outcome = Err(FetchError::TimedOut);
    for obfuscation in options.encryption.attempts() {
        outcome = within(deadline, attempt(peer, hash, options, *obfuscation)).await;
        match &outcome {
            Err(error) if may_be_the_obfuscation(error) => {}
            _ => return outcome,
        }
    }
    outcome
}

/// Whether the peer may have ended the attempt because it does not like this kind of connection.
const fn may_be_the_obfuscation(error: &FetchError) -> bool {
    match error {
        FetchError::Encryption(_) => true,
        FetchError::Stream(error) => matches!(
            error,
            StreamError::Closed
                | StreamError::Io(_)
                | StreamError::Peer(PeerFault::HandshakeTimeout | PeerFault::NotBitTorrent)
        ),
        _ => false,
    }
}

/// Asks the peer at the other end of `stream` for the metadata of a torrent, and checks the hash.
///
/// # Errors
/// As [`fetch_metadata`].
pub async fn fetch_metadata_over<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    hash: impl Into<MetadataHash>,
    options: &FetchOptions,
) -> Result<Bytes, FetchError> {
    within(options.deadline(), converse(stream, hash.into(), options)).await
}

async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
    timeout_at(deadline, work).await.map_err(|_elapsed| FetchError::TimedOut)?
}

async fn attempt(
    peer: SocketAddr,
    hash: MetadataHash,
    options: &FetchOptions,
    obfuscation: Obfuscation,
) -> Result<Bytes, FetchError> {
    let stream = TcpStream::connect(peer).await.map_err(FetchError::Connect)?;
    match (obfuscation, options.encryption.methods()) {
        (Obfuscation::Mse, Some(methods)) => {
            let failed = |error: core::Error| FetchError::Encryption(error.into());
            // Leave time for the other kind.
            let timeout = options.timeout.checked_div(3).unwrap_or_default().min(Initiator::TIMEOUT);
            let initiator = Initiator::new(now().into(), hash.on_the_wire(), methods, &random(), &[]);
            let initiator = initiator.map_err(failed)?.with_timeout(timeout);
            let stream = mse::connect(stream, initiator).await.map_err(FetchError::Encryption)?;
            converse(stream, hash, options).await
        }
        _ => converse(stream, hash, options).await,
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    hash: MetadataHash,
    options: &FetchOptions,
) -> Result<Bytes, FetchError> {
    let reserved = Reserved::EXTENSION_PROTOCOL | Reserved::FAST;
    let ours = Handshake { reserved, info_hash: hash.on_the_wire(), peer_id: options.peer_id };
    let extensions = [ExtensionId::PEX, ExtensionId::DONT_HAVE, ExtensionId::HOLEPUNCH]
        .into_iter()
        .fold(Extensions::standard(), Extensions::without);
    let mut peer = PeerStream::initiate(stream, ours, Config::default().extensions(extensions)).await?;
    if !peer.connection().extended() {
        return Err(FetchError::NoMetadata);
    }
    peer.with_connection(|connection, now| {
        connection.send_pieces(now, &Bitfield::new(0))?;
        connection.send_extended_handshake(now, &ExtendedHandshake::default())
    })
    .expect("the peer has just agreed to it, and nothing was said before");

    let mut fetch = MetadataFetch::new(options.max_size);
    let mut has_delivered = false;
    loop {
        fetch.handle_timeout(now().into());
        while let Some(((), piece)) = fetch.poll_request() {
            let request = MetadataMessage::Request { piece };
            peer.with_connection(|connection, now| connection.send_metadata(now, &request))
                .map_err(|_| FetchError::NoMetadata)?;
        }
        let wake = fetch.poll_timeout().map(Instant::from_std);
        let event = match wake {
            Some(wake) => match timeout_at(wake, peer.next()).await {
                Ok(event) => event,
                Err(_elapsed) => continue,
            },
            None => peer.next().await,
        };
        match event {
            // A later handshake says only what has changed: what counts is what all of them say together.
            Ok(Event::ExtendedHandshake(_)) => {
                let connection = peer.connection();
                let takes = connection.peer_takes(ExtensionId::METADATA);
                let size = connection.remote().metadata_size.filter(|_| takes).ok_or(FetchError::NoMetadata)?;
                fetch.handle_offer(now().into(), (), size).map_err(FetchError::Metadata)?;
            }
            Ok(Event::Metadata(MetadataMessage::Data { piece, total_size, data })) => {
                match fetch.handle_data(now().into(), (), piece, total_size, data) {
                    Ok(()) => has_delivered = true,
                    Err(MetadataFault::Unrequested) => {}
                    Err(fault) => return Err(FetchError::Metadata(fault)),
                }
            }
            // One that has given blocks before has too many requests in its queue, and is asked again a little later.
            Ok(Event::Metadata(MetadataMessage::Reject { piece })) if has_delivered => {
                fetch.handle_reject(now().into(), (), piece);
            }
            Ok(Event::Metadata(MetadataMessage::Reject { .. })) => return Err(FetchError::Rejected),
            Ok(_) => {}
            Err(StreamError::Peer(fault)) if fault.severity() == Severity::Ignore => {}
            Err(error) => return Err(error.into()),
        }
        match fetch.poll_event() {
            Some(MetadataEvent::Assembled(assembled)) if hash.is_of(assembled.bytes()) => {
                return Ok(assembled.into_bytes().into());
            }
            Some(_) => return Err(FetchError::WrongHash),
            None => {}
        }
    }
}
