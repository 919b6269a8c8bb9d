//! What can go wrong with a tracker, sorted by whose fault it is.
//! Never: text made up on the spot; the only free text is the tracker's own.

use std::{fmt, io, time::Duration};

use torrent_types::HostPortError;

/// Why an announce or a scrape gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The answer's bytes are not what the protocol says.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The tracker understood and said no.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The network failed underneath.
    #[error("the tracker cannot be reached: {0}")]
    Io(io::Error),
    /// Our own policy forbids it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// An HTTP status other than success, without a bencoded reason in the body.
    #[error("the tracker answered with HTTP status {0}")]
    Status(u16),
    /// No answer within the time allowed.
    #[error("the tracker did not answer in time")]
    TimedOut,
    /// The tracker's host name has no address, or no name server answered.
    #[error("the tracker's host name has no address")]
    Unresolved,
    /// The address of the tracker is not one that can be used.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Error {
    /// What the tracker said about trying again, if anything. BEP 31.
    #[must_use]
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::Failure(failure) => failure.retry,
            Self::Url(_) => Some(Retry::Never),
            _ => None,
        }
    }
}

/// The bytes of an answer break the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not a bencoded dictionary.
    #[error("the answer is not a bencoded dictionary")]
    Bencode,
    /// The compressed body is damaged.
    #[error("the answer's compression is damaged")]
    Compression,
    /// The redirect names no place to go.
    #[error("the redirect has no usable location")]
    Location,
    /// A key that the answer must have is absent or of another type.
    #[error("the answer has no usable `{0}`")]
    Missing(&'static str),
    /// A datagram shorter than its kind must be.
    #[error("the datagram is too short")]
    Short,
    /// A datagram with an action that does not answer the question.
    #[error("the datagram answers another question (action {0})")]
    UnexpectedAction(u32),
}

/// The tracker's own refusal: `failure reason` over HTTP (BEP 3 § "trackers"), an error packet over UDP (BEP 15 § "Errors").
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// In the tracker's words, at most [`MAX_MESSAGE`] bytes of it, for people to read.
    pub reason: String,
    /// When to try again, if the tracker says. BEP 31.
    pub retry: Option<Retry>,
}

impl Failure {
    pub(crate) fn new(reason: &[u8], retry: Option<Retry>) -> Self {
        Self { reason: message(reason), retry }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the tracker refuses: {}", self.reason)
    }
}

impl std::error::Error for Failure {}

/// Longest failure reason or warning that is kept, in bytes.
pub const MAX_MESSAGE: usize = 1024;

/// Readable text out of whatever a tracker sent: valid UTF-8, no control characters, bounded.
pub(crate) fn message(bytes: &[u8]) -> String {
    let head = bytes.get(..MAX_MESSAGE).unwrap_or(bytes);
    String::from_utf8_lossy(head).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `retry in` of BEP 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Not before this much time has passed.
    After(Duration),
    /// Never again.
    Never,
}

/// Something that we do not do, for the safety of the machine we run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The host is a multicast, broadcast or otherwise impossible address, or a local one that this URL may not reach.
    #[error("the tracker's address is local or not a host, and the URL is not trusted with it")]
    Address,
    /// The answer, before or after decompression, is larger than [`http::MAX_BODY`](crate::http::MAX_BODY).
    #[error("the answer is too large")]
    BodyTooLarge,
    /// Too many requests wait already.
    #[error("too many announces are waiting")]
    Busy,
    /// A redirect from `https` to `http`.
    #[error("the tracker redirects from https to http")]
    Downgrade,
    /// The answer is compressed in a way that was not asked for.
    #[error("the answer has an unknown content encoding")]
    Encoding,
    /// The proxy cannot carry datagrams, and going around it would give the user away.
    #[error("UDP trackers are not reached around a proxy")]
    ProxyUdp,
    /// A tracker on the internet redirects to an address that is not there.
    #[error("the tracker redirects into the local network")]
    RedirectToLocal,
    /// More redirects than allowed.
    #[error("the tracker redirects too often")]
    TooManyRedirects,
    /// The crate was built without the feature `tls`.
    #[error("https needs the feature `tls`")]
    TlsDisabled,
}

/// Why a text is not the address of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Control characters, line breaks or spaces inside.
    #[error("the tracker URL has a control character or a space")]
    Character,
    /// No host.
    #[error("the tracker URL has no host")]
    EmptyHost,
    /// The host is neither a name in ASCII nor an address.
    #[error("the tracker URL's host is not a name or an address")]
    Host,
    /// Port 0, a port over 65535, or none where the scheme has no default.
    #[error("the tracker URL has no usable port")]
    Port,
    /// The query already holds a parameter that only the announcing client may set.
    #[error("the tracker URL already has the parameter `{0}`")]
    Reserved(&'static str),
    /// The last part of the path does not begin with `announce`. BEP 48 § "Scrape Request".
    #[error("the tracker URL has no scrape address")]
    Scrape,
    /// Not `http`, `https` or `udp`.
    #[error("the tracker URL's scheme is not http, https or udp")]
    Scheme,
    /// Longer than any honest URL.
    #[error("the tracker URL is too long")]
    TooLong,
    /// User name and password before the host.
    #[error("the tracker URL has user information")]
    UserInfo,
}

impl From<HostPortError> for UrlError {
    fn from(error: HostPortError) -> Self {
        match error {
            HostPortError::EmptyHost => Self::EmptyHost,
            HostPortError::Port => Self::Port,
            _ => Self::Host,
        }
    }
}
