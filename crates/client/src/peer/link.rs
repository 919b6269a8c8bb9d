//! The byte stream to one peer: buffers on both sides, the cipher if there is one, and what to wait for.
//! In: a socket. Out: received bytes, and wakes. Never: messages.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    task::JoinHandle,
    time::Interval,
};
use torrent_wire::{ReceiveBuffer, mse::Ciphers};

/// Bytes read at a time, at most: enough for 16 blocks, and a fraction of a second-level cache.
const READ_BUFFER: usize = ReceiveBuffer::DEFAULT_MAX_CAPACITY;

/// When less than this waits for the socket, more may be loaded.
const LOW_WATER: usize = 256 * 1024;

/// Why a peer's task goes on.
#[derive(Debug)]
pub(crate) enum Wake {
    /// Bytes have arrived.
    Received,
    /// The peer has closed its side.
    Closed,
    /// Little waits for the socket: there is room for more.
    Drained,
    /// Somebody has put something into the outbox.
    Called,
    /// It is time to look at deadlines.
    Tick,
    /// What was read from storage for the peer.
    Loaded(Loaded),
}

/// Blocks read from storage.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Framed as `piece` messages.
    pub(crate) messages: Vec<u8>,
    /// How many they are.
    pub(crate) blocks: u32,
    /// Bytes of them that are payload.
    pub(crate) payload: u64,
}

/// Anything that a peer can be reached through.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) struct Link<S> {
    stream: S,
    pub(crate) received: ReceiveBuffer,
    ciphers: Ciphers,
    outgoing: Vec<u8>,
    sent: usize,
}

impl<S: Stream> Link<S> {
    /// `early`: plain bytes that came with the handshake.
    pub(crate) fn new(stream: S, ciphers: Ciphers, early: &[u8]) -> Self {
        let mut received = ReceiveBuffer::new(READ_BUFFER);
        received.extend(early);
        Self { stream, received, ciphers, outgoing: Vec::new(), sent: 0 }
    }

    /// Bytes that wait for the socket.
    pub(crate) fn waiting(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// Whether there is room for more to send.
    pub(crate) fn is_low(&self) -> bool {
        self.waiting() <= LOW_WATER
    }

    /// Queues bytes. What was in `bytes` is gone from there afterwards.
    pub(crate) fn push(&mut self, bytes: &mut Vec<u8>) {
        self.ciphers.encrypt(bytes);
        if self.waiting() == 0 {
            self.outgoing.clear();
            self.sent = 0;
            std::mem::swap(&mut self.outgoing, bytes);
        } else {
            // A peer that reads slowly may never let the link run dry. What moves is less than what was sent.
            if self.sent > self.waiting() {
                self.outgoing.drain(..std::mem::take(&mut self.sent));
            }
            self.outgoing.append(bytes);
        }
    }

    /// Gives the socket what it takes without waiting.
    pub(crate) async fn flush_some(&mut self) -> io::Result<()> {
        poll_fn(|context| Poll::Ready(self.poll_send(context))).await
    }

    /// Sends what waits, and says what happens first.
    pub(crate) async fn next(
        &mut self,
        calls: &Notify,
        ticks: &mut Interval,
        loading: &mut Option<JoinHandle<Loaded>>,
    ) -> io::Result<Wake> {
        let mut called = pin!(calls.notified());
        poll_fn(|context| {
            let waited = self.waiting();
            if let Err(error) = self.poll_send(context) {
                return Poll::Ready(Err(error));
            }
            if waited > LOW_WATER && self.waiting() <= LOW_WATER {
                return Poll::Ready(Ok(Wake::Drained));
            }
            if let Poll::Ready(read) = self.poll_receive(context) {
                return Poll::Ready(read.map(|length| if length == 0 { Wake::Closed } else { Wake::Received }));
            }
            if called.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Wake::Called));
            }
            if let Some(job) = loading
                && let Poll::Ready(loaded) = Pin::new(job).poll(context)
            {
                *loading = None;
                return Poll::Ready(loaded.map(Wake::Loaded).map_err(io::Error::other));
            }
            ticks.poll_tick(context).map(|_| Ok(Wake::Tick))
        })
        .await
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.sent < self.outgoing.len() {
            match Pin::new(&mut self.stream).poll_write(context, &self.outgoing[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(length)) => self.sent += length,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(self.received.space());
        let outcome = Pin::new(&mut self.stream).poll_read(context, &mut space);
        let length = space.filled().len();
        outcome.map_ok(|()| {
            self.ciphers.decrypt(self.received.commit(length));
            length
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_has_been_sent_is_forgotten_though_something_always_waits() {
        let (here, mut there) = duplex(1000);
        let mut link = Link::new(here, Ciphers::plain(), &[]);
        let (mut pushed, mut read) = (0, Vec::new());
        link.push(&mut vec![0; 10_000]);
        for n in 1..=200_u8 {
            link.push(&mut vec![n; 5_000]);
            pushed += 5_000;
            while read.len() < pushed {
                // With a fresh budget of tokio's, or the pipe may claim to be full.
                tokio::task::yield_now().await;
                link.flush_some().await.unwrap();
                there.read_buf(&mut read).await.unwrap();
            }
            assert!(link.waiting() > 0);
            assert!(link.outgoing.capacity() < 50_000, "{} bytes", link.outgoing.capacity());
        }
        let expected = [0].repeat(10_000).into_iter().chain((1..=200).flat_map(|n| [n; 5_000]));
        assert!(read.iter().copied().eq(expected.take(read.len())), "in order, and once");
    }
}
