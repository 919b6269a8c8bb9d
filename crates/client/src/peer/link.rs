//! The byte stream to one peer: buffers on both sides, the cipher if there is one, and what to wait for.
//! In: a stream, messages to send. Out: received bytes, and wakes. Never: what a message means.
//!
//! A peer that does not read is not read from: while more than [`READ_WHILE_WAITING`] bytes of messages wait for it, its
//! own bytes stay in the socket, so nothing that it asks for can pile up here. Blocks do not count, for they are loaded
//! only while little waits, nor does what we say first: two peers that both send long bitfields would wait for each other.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, Sleep},
};
use torrent_wire::{ReceiveBuffer, mse::Ciphers};

use crate::net::BoxStream;

/// Bytes read at a time, at most: enough for 16 blocks, and a fraction of a second-level cache.
const READ_BUFFER: usize = ReceiveBuffer::DEFAULT_MAX_CAPACITY;

/// When less than this waits for the socket, more blocks may be loaded.
const LOW_WATER: usize = 256 * 1024;

/// Bytes of messages that may wait while the peer is read from.
pub(super) const READ_WHILE_WAITING: usize = 64 * 1024;

/// Bytes of messages that may wait at all. What others make us say (`have`, for the most part) comes on top of answers.
pub(super) const MAX_WAITING: usize = 512 * 1024;

/// A socket that has taken nothing for so long will not take anything any more. Longer than a laptop's short sleep.
const STUCK_AFTER: Duration = Duration::from_secs(120);

/// What [`Link::next`] has woken up for.
pub(super) enum Wake<L> {
    /// Bytes have arrived.
    Received,
    /// The peer has closed its side.
    Closed,
    /// Little waits for the socket: there is room for more.
    Drained,
    /// There is something in the outbox.
    Called,
    /// The time has come that the caller named.
    Timeout,
    /// What was being loaded for the peer is here.
    Loaded(L),
}

/// Reads blocks for the peer.
pub(super) type Loading<L> = Pin<Box<dyn Future<Output = L> + Send>>;

pub(crate) struct Link {
    stream: BoxStream,
    pub(super) received: ReceiveBuffer,
    ciphers: Ciphers,
    outgoing: Vec<u8>,
    /// Bytes of `outgoing` that the socket has taken.
    sent: usize,
    /// Bytes that the socket has taken since the beginning.
    position: u64,
    /// Parts of the outgoing bytes that do not count as messages, in order.
    runs: VecDeque<Run>,
    /// Payload that the socket has taken and nobody has asked about.
    uploaded: u64,
    /// When the socket last took something, or nothing waited.
    moved: Instant,
}

/// Blocks, or what is said first.
struct Run {
    /// Where it begins and ends, counted as `position` is.
    begin: u64,
    end: u64,
    /// Bytes of pieces in it.
    payload: u64,
    /// Of these, what has been counted as sent.
    counted: u64,
}

impl Link {
    /// `early`: plain bytes that came with the handshake.
    pub(crate) fn new(stream: BoxStream, ciphers: Ciphers, early: &[u8]) -> Self {
        let mut received = ReceiveBuffer::new(READ_BUFFER);
        received.extend(early);
        Self {
            stream,
            received,
            ciphers,
            outgoing: Vec::new(),
            sent: 0,
            position: 0,
            runs: VecDeque::new(),
            uploaded: 0,
            moved: Instant::now(),
        }
    }

    /// Bytes that wait for the socket.
    pub(super) fn waiting(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// Of these, what counts as messages.
    pub(super) fn messages_waiting(&self) -> usize {
        let exempt: u64 = self.runs.iter().map(|run| run.end - run.begin.max(self.position)).sum();
        self.waiting() - exempt as usize
    }

    /// Whether there is room for more blocks.
    pub(super) fn is_low(&self) -> bool {
        self.waiting() <= LOW_WATER
    }

    /// When the peer will have taken nothing for too long; `None` if nothing waits for it.
    pub(super) fn stuck_at(&self) -> Option<Instant> {
        (self.waiting() > 0).then(|| self.moved + STUCK_AFTER)
    }

    /// Queues messages. What was in `bytes` is gone from there afterwards.
    pub(super) fn push(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.ciphers.encrypt(bytes);
        if self.waiting() == 0 {
            self.moved = Instant::now();
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

    /// Queues bytes that do not count as messages, with so many bytes of pieces among them.
    pub(super) fn push_exempt(&mut self, bytes: &mut Vec<u8>, payload: u64) {
        let begin = self.position + self.waiting() as u64;
        let end = begin + bytes.len() as u64;
        self.push(bytes);
        if end > begin {
            self.runs.push_back(Run { begin, end, payload, counted: 0 });
        }
    }

    /// Bytes of pieces that the socket has taken since the last call.
    pub(super) fn take_uploaded(&mut self) -> u64 {
        std::mem::take(&mut self.uploaded)
    }

    /// Gives the socket what it takes without waiting.
    pub(super) async fn flush_some(&mut self) -> io::Result<()> {
        poll_fn(|context| Poll::Ready(self.poll_send(context))).await
    }

    /// Sends what waits, and says what happens first.
    pub(super) async fn next<L>(
        &mut self,
        calls: &Notify,
        mut timeout: Pin<&mut Sleep>,
        loading: &mut Option<Loading<L>>,
    ) -> io::Result<Wake<L>> {
        let mut called = pin!(calls.notified());
        poll_fn(|context| {
            let waited = self.waiting();
            if let Err(error) = self.poll_send(context) {
                return Poll::Ready(Err(error));
            }
            let drained = waited > LOW_WATER && self.waiting() <= LOW_WATER;
            // Nothing else may happen for a long time, and the swarm is to know what has been sent.
            if drained || (self.waiting() == 0 && self.uploaded > 0) {
                return Poll::Ready(Ok(Wake::Drained));
            }
            // Otherwise the socket wakes us when it has room, and then the peer is read again.
            if self.messages_waiting() <= READ_WHILE_WAITING
                && let Poll::Ready(read) = self.poll_receive(context)
            {
                return Poll::Ready(read.map(|length| if length == 0 { Wake::Closed } else { Wake::Received }));
            }
            if called.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Wake::Called));
            }
            if let Some(work) = loading
                && let Poll::Ready(loaded) = work.as_mut().poll(context)
            {
                *loading = None;
                return Poll::Ready(Ok(Wake::Loaded(loaded)));
            }
            timeout.as_mut().poll(context).map(|()| Ok(Wake::Timeout))
        })
        .await
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let before = self.position;
        while self.sent < self.outgoing.len() {
            match Pin::new(&mut self.stream).poll_write(context, &self.outgoing[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(length)) => {
                    self.sent += length;
                    self.position += length as u64;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if self.position > before {
            self.moved = Instant::now();
            self.count();
        }
        // Some streams hold back what they were given until they are flushed.
        if self.waiting() == 0
            && self.position > before
            && let Poll::Ready(Err(error)) = Pin::new(&mut self.stream).poll_flush(context)
        {
            return Err(error);
        }
        Ok(())
    }

    /// Counts payload as sent, in proportion to the bytes of its run.
    fn count(&mut self) {
        while let Some(run) = self.runs.front_mut() {
            let (length, sent) = (run.end - run.begin, self.position.saturating_sub(run.begin));
            let done = if sent >= length { run.payload } else { run.payload * sent / length };
            self.uploaded += done - run.counted;
            run.counted = done;
            if sent < length {
                return;
            }
            self.runs.pop_front();
        }
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_has_been_sent_is_forgotten_though_something_always_waits() {
        let (here, mut there) = duplex(1000);
        let mut link = Link::new(Box::new(here), Ciphers::plain(), &[]);
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

    async fn next(link: &mut Link) -> Option<Wake<()>> {
        let mut timeout = pin!(tokio::time::sleep(Duration::from_secs(1)));
        match link.next(&Notify::new(), timeout.as_mut(), &mut None).await.unwrap() {
            Wake::Timeout => None,
            wake => Some(wake),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_not_read_from() {
        let (here, mut there) = duplex(1000);
        let mut link = Link::new(Box::new(here), Ciphers::plain(), &[]);
        there.write_all(&[1]).await.unwrap();
        // What is said first and blocks may be long.
        link.push_exempt(&mut vec![0; 300_000], 0);
        link.push_exempt(&mut vec![0; 300_000], 290_000);
        link.push(&mut vec![0; READ_WHILE_WAITING]);
        assert!(matches!(next(&mut link).await, Some(Wake::Received)));
        there.write_all(&[2]).await.unwrap();
        link.push(&mut vec![0; 1]);
        assert!(next(&mut link).await.is_none(), "one byte too much waits");
        assert_eq!(link.messages_waiting(), READ_WHILE_WAITING + 1);
        let reading = tokio::spawn(async move {
            let mut bytes = vec![0; 600_000 + READ_WHILE_WAITING + 1];
            there.read_exact(&mut bytes).await.unwrap();
            there
        });
        while link.waiting() > 0 || link.received.filled().len() < 2 {
            next(&mut link).await;
        }
        reading.await.unwrap();
        assert_eq!(link.take_uploaded(), 290_000);
        assert_eq!((link.messages_waiting(), link.stuck_at()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn payload_counts_when_the_socket_has_taken_it() {
        let (here, mut there) = duplex(1000);
        let mut link = Link::new(Box::new(here), Ciphers::plain(), &[]);
        link.push(&mut vec![0; 500]);
        link.push_exempt(&mut vec![0; 2000], 1000);
        link.flush_some().await.unwrap();
        assert_eq!(link.take_uploaded(), 250, "500 of 2000 bytes");
        let begin = Instant::now();
        assert_eq!(link.stuck_at(), Some(begin + STUCK_AFTER));
        let mut bytes = vec![0; 1000];
        there.read_exact(&mut bytes).await.unwrap();
        link.flush_some().await.unwrap();
        there.read_exact(&mut bytes).await.unwrap();
        link.flush_some().await.unwrap();
        assert_eq!(link.take_uploaded(), 750);
    }
}
