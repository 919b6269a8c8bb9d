//! A [`PeerSession`] over a stream: reads, writes and keeps time for it.

use std::{
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

use super::error::StreamError;
use crate::{ApiMisuse, Config, Connection, Event, Handshake, Message, PeerSession, Reserved, SessionEvent};

/// A peer at the other end of a stream: TCP, uTP, [`MseStream`](crate::driver::mse::MseStream), or a pipe.
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
    session: PeerSession,
    /// Bytes on their way to the stream, of which it has taken the first `sent`.
    out: Vec<u8>,
    sent: usize,
}

/// What the outbox may keep while it is empty, in bytes; more is given back after a burst.
const IDLE_CAPACITY: usize = 64 * 1024;

impl<S: AsyncRead + AsyncWrite + Unpin> PeerStream<S> {
    /// Exchanges handshakes as the side that has connected.
    ///
    /// # Errors
    /// If the stream fails or ends, or the peer's handshake is wrong or takes more than 10 s.
    pub async fn initiate(stream: S, ours: Handshake, config: Config) -> Result<Self, StreamError> {
        Self::new(stream, PeerSession::initiator(now().into(), ours, config)).shake_hands(|_, _| None).await
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
        Self::new(stream, PeerSession::responder(now().into(), config)).shake_hands(choose).await
    }

    const fn new(stream: S, session: PeerSession) -> Self {
        Self { stream, session, out: Vec::new(), sent: 0 }
    }

    async fn shake_hands(
        mut self,
        choose: impl FnOnce(InfoHash, Reserved) -> Option<Handshake>,
    ) -> Result<Self, StreamError> {
        let mut choose = Some(choose);
        while self.session.connection().is_none() {
            match self.session.poll_event() {
                Some(SessionEvent::Asked { info_hash, reserved }) => {
                    let ours = choose.take().and_then(|choose| choose(info_hash, reserved));
                    self.session.answer(ours.ok_or(StreamError::UnknownTorrent)?);
                }
                Some(SessionEvent::Fault(fault)) => return Err(fault.into()),
                Some(SessionEvent::Connected(_) | SessionEvent::Message(_)) => {}
                None => self.exchange().await?,
            }
        }
        self.flush().await?;
        Ok(self)
    }

    /// The next thing the peer says. Sends what is queued meanwhile.
    ///
    /// # Errors
    /// If the stream fails or ends, or the peer breaks the protocol. After a [`PeerFault`](crate::PeerFault) whose severity is
    /// [`Ignore`](crate::Severity::Ignore) one can go on.
    pub async fn next(&mut self) -> Result<Event<'_>, StreamError> {
        while !self.session.has_message() {
            self.exchange().await?;
        }
        match self.session.poll_event() {
            Some(SessionEvent::Message(event)) => Ok(event),
            Some(SessionEvent::Fault(fault)) => Err(fault.into()),
            _ => unreachable!("a message is there, and the handshakes are done"),
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    /// If the peer has not agreed to this kind of message, or it comes too late.
    pub fn send(&mut self, message: &Message<'_>) -> Result<(), ApiMisuse> {
        self.with_connection(|connection, now| connection.send(now, message))
    }

    /// Queues whatever `say` makes the connection say; for what is more than a [`Message`], as
    /// [`Connection::send_extension`]. It is given the time.
    pub fn with_connection<T>(&mut self, say: impl FnOnce(&mut Connection, std::time::Instant) -> T) -> T {
        say(self.session.connection_mut().expect(CONNECTED), now().into())
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

    /// The stream itself. What is queued, and what has been read but not returned by [`next`](Self::next), is lost.
    pub fn into_inner(self) -> S {
        self.stream
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
                self.session.handle_read(now().into(), read);
                Ok(())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) => {
                self.session.handle_timeout(now().into());
                Ok(())
            }
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
        self.collect();
        while let Some(waiting) = self.out.get(self.sent..).filter(|waiting| !waiting.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, waiting) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.sent = self.sent.saturating_add(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.collect();
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S> PeerStream<S> {
    /// Takes over what the session wants sent, and forgets what the stream has taken.
    fn collect(&mut self) {
        // A peer that reads slowly may never let it become empty. Moving the lesser half costs no more than sending it did.
        if self.sent >= self.out.len() / 2 {
            self.out.drain(..std::mem::take(&mut self.sent));
        }
        if self.out.is_empty() && self.out.capacity() > IDLE_CAPACITY {
            self.out = Vec::new();
        }
        self.session.poll_transmit(&mut self.out);
    }
}

const CONNECTED: &str = "the handshakes are done before the constructors return";

/// Tokio's clock, which tests may stop.
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use torrent_types::PeerId;

    use super::*;

    #[test]
    fn a_peer_that_never_reads_all_there_is_does_not_make_the_outbox_grow() {
        let ours =
            Handshake { reserved: Reserved::NONE, info_hash: InfoHash::new([7; 20]), peer_id: PeerId::new([1; 20]) };
        let theirs = Handshake { peer_id: PeerId::new([2; 20]), ..ours };
        let now = now().into();
        let mut peer = PeerStream::new(tokio::io::empty(), PeerSession::initiator(now, ours, Config::default()));
        peer.session.handle_bytes(now, &theirs.encode());
        peer.session.poll_event();
        peer.collect();
        let mut taken = peer.out.len();
        peer.sent = taken;
        let block = Message::Piece { piece: 0, begin: 0, data: &[7; 16384] };
        for _ in 0..1000 {
            peer.session.connection_mut().unwrap().send(now, &block).unwrap();
            peer.collect();
            assert!(peer.out.capacity() <= 8 * block.encoded_len(), "{} bytes", peer.out.capacity());
            // All but a remainder.
            taken += peer.out.len() - peer.sent - 1000;
            peer.sent = peer.out.len() - 1000;
        }
        assert_eq!(taken + 1000, Handshake::LENGTH + 1000 * block.encoded_len(), "every byte once");
    }
}
