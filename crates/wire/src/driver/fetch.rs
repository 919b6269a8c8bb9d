//! Just the metadata of one torrent, from one peer. Spec: BEP 9.

use std::{
    error, fmt,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use torrent_types::{Bitfield, InfoHash, InfoHashV2, PeerId};

use super::stream::{PeerStream, StreamError, now};
use crate::{
    Config, Event, ExtendedHandshake, ExtensionId, Extensions, Handshake, MetadataFault, MetadataFetch,
    MetadataMessage, Reserved, Severity,
    mse::{self, Initiator, Opening, Policy},
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
    for opening in options.encryption.attempts() {
        outcome = within(deadline, attempt(peer, hash, options, *opening, deadline)).await;
        match outcome {
            // It may be that the peer does not like this kind of connection.
            Err(FetchError::Encryption(_) | FetchError::Stream(StreamError::Closed | StreamError::Io(_))) => {}
            _ => return outcome,
        }
    }
    outcome
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
    opening: Opening,
    deadline: Instant,
) -> Result<Bytes, FetchError> {
    let stream = TcpStream::connect(peer).await.map_err(FetchError::Connect)?;
    match (opening, options.encryption.methods()) {
        (Opening::Obfuscated, Some(methods)) => {
            let failed = |error: mse::Error| FetchError::Encryption(error.into());
            let initiator = Initiator::new(hash.on_the_wire(), methods, &random(), &[]).map_err(failed)?;
            let stream = mse::tokio::connect(stream, initiator, deadline).await.map_err(FetchError::Encryption)?;
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
    peer.with_connection(|connection, now, out| {
        connection.send_pieces(now, &Bitfield::new(0), out)?;
        connection.send_extended_handshake(now, &ExtendedHandshake::default(), out)
    })
    .expect("the peer has just agreed to it, and nothing was said before");

    let mut fetch = MetadataFetch::new(options.max_size);
    loop {
        while let Some(((), piece)) = fetch.poll_request(now().into()) {
            let request = MetadataMessage::Request { piece }.encode();
            peer.with_connection(|connection, now, out| {
                connection.send_extension(now, ExtensionId::METADATA, &request, out)
            })
            .map_err(|_| FetchError::NoMetadata)?;
        }
        match peer.next().await {
            Ok(Event::ExtendedHandshake(handshake)) => {
                let id = handshake.extension_id("ut_metadata").filter(|id| *id != 0);
                let (Some(_), Some(size)) = (id, handshake.metadata_size) else { return Err(FetchError::NoMetadata) };
                fetch.offer((), size).map_err(FetchError::Metadata)?;
            }
            Ok(Event::Metadata(MetadataMessage::Data { piece, total_size, data })) => {
                match fetch.handle_data(now().into(), (), piece, total_size, data) {
                    Ok(Some(assembled)) if hash.is_of(assembled.bytes()) => return Ok(assembled.into_bytes().into()),
                    Ok(Some(_)) => return Err(FetchError::WrongHash),
                    Ok(None) | Err(MetadataFault::Unrequested) => {}
                    Err(fault) => return Err(FetchError::Metadata(fault)),
                }
            }
            Ok(Event::Metadata(MetadataMessage::Reject { .. })) => return Err(FetchError::Rejected),
            Ok(_) => {}
            Err(StreamError::Peer(fault)) if fault.severity() < Severity::Fatal => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How to fetch metadata.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    peer_id: PeerId,
    max_size: u32,
    timeout: Duration,
    encryption: Policy,
}

impl Default for FetchOptions {
    /// 30 s, 32 MiB, [`Policy::Preferred`], a random peer id.
    fn default() -> Self {
        let mut peer_id = *b"-TR0001-____________";
        for (byte, random) in peer_id.iter_mut().skip(8).zip(random()) {
            // Letters from `a` to `p`.
            *byte = b'a'.saturating_add(random & 0x0f);
        }
        Self {
            peer_id: PeerId::new(peer_id),
            max_size: MetadataFetch::<()>::DEFAULT_MAX_SIZE,
            timeout: Duration::from_secs(30),
            encryption: Policy::default(),
        }
    }
}

impl FetchOptions {
    /// Who we say we are. Default: a random id.
    #[must_use]
    pub const fn peer_id(mut self, peer_id: PeerId) -> Self {
        self.peer_id = peer_id;
        self
    }

    /// The largest metadata to accept, in bytes. Default: 32 MiB.
    #[must_use]
    pub const fn max_size(mut self, bytes: u32) -> Self {
        self.max_size = bytes;
        self
    }

    /// How long all of it may take. Default: 30 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether to encrypt. Default: [`Policy::Preferred`].
    #[must_use]
    pub const fn encryption(mut self, policy: Policy) -> Self {
        self.encryption = policy;
        self
    }

    fn deadline(&self) -> Instant {
        let now = now();
        now.checked_add(self.timeout).unwrap_or(now)
    }
}

/// 32 bytes that differ from call to call and from process to process: the standard library draws the keys of its hash
/// maps from the operating system. Good enough for peer ids and for MSE, which is obfuscation.
fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    for chunk in bytes.as_chunks_mut::<8>().0 {
        *chunk = RandomState::new().build_hasher().finish().to_be_bytes();
    }
    bytes
}

/// What metadata is to be checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetadataHash {
    /// SHA-1.
    V1(InfoHash),
    /// SHA-256.
    V2(InfoHashV2),
}

impl MetadataHash {
    fn on_the_wire(&self) -> InfoHash {
        match self {
            Self::V1(hash) => *hash,
            Self::V2(hash) => hash.truncated(),
        }
    }

    fn is_of(&self, metadata: &[u8]) -> bool {
        match self {
            Self::V1(hash) => Sha1::digest(metadata).as_slice() == hash.as_bytes(),
            Self::V2(hash) => Sha256::digest(metadata).as_slice() == hash.as_bytes(),
        }
    }
}

impl From<InfoHash> for MetadataHash {
    fn from(hash: InfoHash) -> Self {
        Self::V1(hash)
    }
}

impl From<InfoHashV2> for MetadataHash {
    fn from(hash: InfoHashV2) -> Self {
        Self::V2(hash)
    }
}

/// Why there is no metadata.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The peer cannot be reached.
    Connect(io::Error),
    /// There is no encrypted connection.
    Encryption(mse::tokio::HandshakeError),
    /// The peer claims an impossible size, or sends blocks that do not fit.
    Metadata(MetadataFault),
    /// The peer does not know the extension, or does not have the metadata itself.
    NoMetadata,
    /// The peer does not give the metadata away.
    Rejected,
    /// The connection has ended.
    Stream(StreamError),
    /// The time is over.
    TimedOut,
    /// What the peer has sent has another hash.
    WrongHash,
}

impl From<StreamError> for FetchError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(_) => f.write_str("the peer cannot be reached"),
            Self::Encryption(_) => f.write_str("the encrypted handshake failed"),
            Self::Metadata(_) => f.write_str("the peer's metadata is impossible"),
            Self::NoMetadata => f.write_str("the peer does not have the metadata"),
            Self::Rejected => f.write_str("the peer does not give the metadata away"),
            Self::Stream(_) => f.write_str("the connection to the peer has ended"),
            Self::TimedOut => f.write_str("the metadata took too long"),
            Self::WrongHash => f.write_str("the metadata has another hash"),
        }
    }
}

impl error::Error for FetchError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Encryption(error) => Some(error),
            Self::Metadata(fault) => Some(fault),
            Self::Stream(error) => Some(error),
            Self::NoMetadata | Self::Rejected | Self::TimedOut | Self::WrongHash => None,
        }
    }
}
