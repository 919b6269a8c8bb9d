//! A [`Session`] over a stream: reads, writes and keeps time for it.

use std::{
    error, fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};
use torrent_types::InfoHash;

use crate::{ApiMisuse, Config, Connection, Event, Handshake, Message, PeerFault, Reserved, Session, SessionEvent};

/// A peer at the other end of a stream: TCP, uTP, [`MseStream`](crate::mse::tokio::MseStream), or a pipe.
///
/// Messages to send are queued by [`send`](Self::send) and go out in [`next`](Self::next) or [`flush`](Self::flush);
/// keep-alives go out by themselves. Nothing is lost when a future is dropped.
///
/// ```
/// # use torrent_types::{InfoHash, PeerId};
/// # use torrent_wire::{Config, Event, Handshake, Message, PeerStream, Reserved};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let info_hash = InfoHash::new([7; 20]);
/// # let alice = Handshake { reserved: Reserved::FAST, info_hash, peer_id: PeerId::new([1; 20]) };
/// # let bob = Handshake { peer_id: PeerId::new([2; 20]), ..alice };
/// let (here, there) = tokio::io::duplex(100);
/// let choose = |asked, _| (asked == info_hash).then_some(bob);
/// let (alice, bob) = tokio::join!(
///     PeerStream::initiate(here, alice, Config::default()),
///     PeerStream::respond(there, Config::default(), choose),
/// );
/// let (mut alice, mut bob) = (alice?, bob?);
///
/// alice.send(&Message::HaveAll)?;
/// alice.flush().await?;
/// assert_eq!(bob.next().await?, Event::HaveAll);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PeerStream<S> {
    stream: S,
    session: Session,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PeerStream<S> {
    /// Exchanges handshakes as the side that has connected.
    ///
    /// # Errors
    /// If the stream fails or ends, or the peer's handshake is wrong or takes more than 10 s.
    pub async fn initiate(stream: S, ours: Handshake, config: Config) -> Result<Self, StreamError> {
        let session = Session::initiator(now().into(), ours, config);
        Self { stream, session }.shake_hands(|_, _| None).await
    }

    /// Exchanges handshakes as the side that was connected to. `choose` is told which torrent the peer means and what it
    /// can do, and says our handshake, or `None` if we do not have the torrent.
    ///
    /// # Errors
    /// As [`Self::initiate`]; [`StreamError::UnknownTorrent`] if `choose` says `None`.
    pub async fn respond(
        stream: S,
        config: Config,
        choose: impl FnOnce(InfoHash, Reserved) -> Option<Handshake>,
    ) -> Result<Self, StreamError> {
        let session = Session::responder(now().into(), config);
        Self { stream, session }.shake_hands(choose).await
    }

    async fn shake_hands(
        mut self,
        choose: impl FnOnce(InfoHash, Reserved) -> Option<Handshake>,
    ) -> Result<Self, StreamError> {
        let mut choose = Some(choose);
        while self.session.connection().is_none() {
            match self.session.poll_event(now().into())? {
                Some(SessionEvent::Asked { info_hash, reserved }) => {
                    let ours = choose.take().and_then(|choose| choose(info_hash, reserved));
                    self.session.answer(ours.ok_or(StreamError::UnknownTorrent)?);
                }
                Some(_) => {}
                None => self.exchange().await?,
            }
        }
        self.flush().await?;
        Ok(self)
    }

    /// The next thing the peer says. Sends what is queued meanwhile.
    ///
    /// # Errors
    /// If the stream fails or ends, or the peer breaks the protocol. After a [`PeerFault`] that is not fatal one can go
    /// on.
    pub async fn next(&mut self) -> Result<Event<'_>, StreamError> {
        while !self.session.has_message() {
            self.exchange().await?;
        }
        match self.session.poll_event(now().into())? {
            Some(SessionEvent::Message(event)) => Ok(event),
            _ => unreachable!("a message is there, and the handshakes are done"),
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    /// If the peer has not agreed to this kind of message, or it comes too late.
    pub fn send(&mut self, message: &Message<'_>) -> Result<(), ApiMisuse> {
        let (connection, out) = self.parts();
        connection.send(now().into(), message, out)
    }

    /// Queues whatever `say` makes the connection say; for what is more than a [`Message`], as
    /// [`Connection::send_extension`]. It is given the time, and the vector to append to.
    pub fn with_connection<T>(
        &mut self,
        say: impl FnOnce(&mut Connection, std::time::Instant, &mut Vec<u8>) -> T,
    ) -> T {
        let (connection, out) = self.parts();
        say(connection, now().into(), out)
    }

    /// Writes out all that is queued.
    ///
    /// # Errors
    /// If the stream fails.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx)).await
    }

    /// What is known of the connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.session.connection().expect(CONNECTED)
    }

    /// The stream itself. What is queued, and what has been read and not been heard, is lost.
    pub fn into_inner(self) -> S {
        self.stream
    }

    fn parts(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        self.session.open().expect(CONNECTED)
    }

    /// Reads once, and writes as much as it can until then; or does what the time demands.
    async fn exchange(&mut self) -> Result<(), StreamError> {
        let deadline = self.session.poll_timeout().map(Instant::from_std);
        let read = poll_fn(|cx| self.poll_exchange(cx));
        let read = match deadline {
            Some(deadline) => timeout_at(deadline, read).await,
            None => Ok(read.await),
        };
        match read {
            Ok(Ok(0)) => Err(StreamError::Closed),
            Ok(Ok(read)) => {
                self.session.commit(now().into(), read);
                Ok(())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) => Ok(self.session.handle_timeout(now().into())?),
        }
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Err(error));
        }
        let mut space = ReadBuf::new(self.session.space());
        Pin::new(&mut self.stream).poll_read(cx, &mut space).map_ok(|()| space.filled().len())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.session.poll_transmit().is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, self.session.poll_transmit()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.session.transmitted(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

const CONNECTED: &str = "the handshakes are done before anybody gets hold of this";

/// Tokio's clock, which tests may stop.
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Why a [`PeerStream`] has ended, or a message has been of no use.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// The peer has closed the stream.
    Closed,
    /// The stream has failed.
    Io(io::Error),
    /// The peer has broken the protocol; see [`PeerFault::severity`].
    Peer(PeerFault),
    /// The peer means a torrent that we do not have.
    UnknownTorrent,
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<PeerFault> for StreamError {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer has closed the connection"),
            Self::Io(error) => error.fmt(f),
            Self::Peer(fault) => fault.fmt(f),
            Self::UnknownTorrent => f.write_str("the peer means a torrent that we do not have"),
        }
    }
}

impl error::Error for StreamError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Peer(fault) => Some(fault),
            Self::Closed | Self::UnknownTorrent => None,
        }
    }
}
