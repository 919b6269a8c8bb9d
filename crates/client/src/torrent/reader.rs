//! Reading a torrent while it downloads. In: positions, seeks. Out: verified bytes, and deadlines for the pieces ahead of each
//! reader, which the swarm fetches first. Never: bytes of pieces that are not verified.

use std::{
    collections::BTreeMap,
    fmt, io,
    ops::Range,
    pin::Pin,
    sync::{Arc, MutexGuard},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncSeek, ReadBuf, SeekFrom};
use torrent_types::PieceIndex;

use super::{File, Torrent, TorrentInner, lock};
use crate::{Error, Phase, clock, net::BoxFuture};

/// Bytes read from storage at a time.
const CHUNK: u64 = 256 * 1024;
/// How far ahead of a reader pieces are fetched, at first and at most. In between it is as far as the reader has come without
/// a seek.
const MIN_AHEAD: u64 = 1 << 20;
const MAX_AHEAD: u64 = 32 << 20;
/// Bytes per second that a reader is taken to need at least.
const MIN_RATE: u64 = 256 * 1024;
/// Pieces ahead of one reader that have a deadline.
const MAX_PIECES_AHEAD: usize = 256;

/// Why bytes cannot be read. It comes inside an [`io::Error`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The metadata is not known yet.
    #[error("the torrent's metadata is not known yet")]
    NoMetadata,
    /// The torrent is paused, and the bytes are not here.
    #[error("the torrent is paused")]
    Paused,
    /// The torrent is stopped.
    #[error("the torrent is stopped")]
    Stopped,
    /// Storage has failed, and the bytes are not here.
    #[error("storage has failed: {0}")]
    Storage(Arc<Error>),
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        Self::other(error)
    }
}

/// Reads a file or a whole torrent while it downloads. Each read waits until its bytes are here and verified; the pieces ahead
/// are fetched before all others, also if the torrent was not told to [download](Torrent::download_all).
///
/// Any number of readers may be open. For many reads at once use [`Reader::read_at`].
pub struct Reader {
    torrent: Torrent,
    /// The torrent's bytes that it reads.
    range: Range<u64>,
    position: u64,
    /// Bytes read since the last seek, and when that was.
    read: u64,
    since: Instant,
    ahead: Option<u64>,
    number: u64,
    work: Option<BoxFuture<io::Result<Vec<u8>>>>,
}

/// What is read next, and how far ahead.
#[derive(Debug)]
struct Window {
    bytes: Range<u64>,
    /// Bytes per second.
    rate: u64,
}

/// The readers of a torrent.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    windows: BTreeMap<u64, Window>,
    next: u64,
}

impl Torrent {
    /// Reads all of it, files laid end to end.
    ///
    /// # Errors
    /// [`ReadError::NoMetadata`].
    pub fn reader(&self) -> Result<Reader, ReadError> {
        let content = self.inner.content.get().ok_or(ReadError::NoMetadata)?;
        Ok(Reader::new(self.clone(), 0..content.geometry.total_length()))
    }
}

impl File {
    /// Reads the file.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.torrent().clone(), self.bytes())
    }
}

impl Reader {
    fn new(torrent: Torrent, range: Range<u64>) -> Self {
        let number = torrent.inner.open_reader();
        let position = range.start;
        let reader = Self { torrent, range, position, read: 0, since: clock::now(), ahead: None, number, work: None };
        reader.announce();
        reader
    }

    /// Bytes that there are to read.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// How many bytes ahead of the position are fetched before all others. By default that grows with what was read since the
    /// last seek, from 1 MiB to 32 MiB.
    pub fn set_readahead(&mut self, bytes: u64) {
        self.ahead = Some(bytes);
        self.announce();
    }

    /// Fills `buffer` with the bytes from `offset` on, or with as many as there are before the end, and says how many that is.
    /// Any number of calls may wait at the same time; the position does not change.
    ///
    /// # Errors
    /// A [`ReadError`], or what storage says.
    pub async fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let begin = self.range.start.saturating_add(offset).min(self.range.end);
        let end = begin.saturating_add(buffer.len() as u64).min(self.range.end);
        let inner = &self.torrent.inner;
        let window = Guard { torrent: inner, number: inner.open_reader() };
        inner.set_window(window.number, Window { bytes: begin..end, rate: u64::MAX });
        let mut done = 0;
        while begin + (done as u64) < end {
            let at = begin + done as u64;
            let bytes = Arc::clone(inner).read_verified(at..end.min(at + CHUNK)).await?;
            buffer[done..done + bytes.len()].copy_from_slice(&bytes);
            done += bytes.len();
        }
        Ok(done)
    }

    /// Says which bytes are needed next.
    fn announce(&self) {
        let piece = self.torrent.inner.content.get().map_or(0, |content| content.geometry.piece_length().into());
        let ahead = self.ahead.unwrap_or_else(|| self.read.max(2 * piece).clamp(MIN_AHEAD, MAX_AHEAD));
        let end = self.position.saturating_add(ahead.max(1)).min(self.range.end);
        let elapsed = clock::now().saturating_duration_since(self.since).as_millis().max(1);
        let rate = u64::try_from(u128::from(self.read) * 1000 / elapsed).unwrap_or(u64::MAX).max(MIN_RATE);
        self.torrent.inner.set_window(self.number, Window { bytes: self.position..end, rate });
    }
}

/// Closes a reader's window.
struct Guard<'a> {
    torrent: &'a Arc<TorrentInner>,
    number: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.torrent.close_reader(self.number);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.torrent.inner.close_reader(self.number);
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let most = (buffer.remaining() as u64).min(CHUNK).min(this.range.end - this.position);
        if most == 0 {
            return Poll::Ready(Ok(()));
        }
        let wanted = this.position..this.position + most;
        let work = this.work.get_or_insert_with(|| Box::pin(Arc::clone(&this.torrent.inner).read_verified(wanted)));
        let outcome = ready!(work.as_mut().poll(context));
        this.work = None;
        let bytes = outcome?;
        // The buffer may be another one than that of the call which began to wait.
        let taken = bytes.get(..buffer.remaining()).unwrap_or(&bytes);
        buffer.put_slice(taken);
        let piece = |position: u64| this.torrent.inner.piece_at(position);
        let before = piece(this.position);
        this.position += taken.len() as u64;
        this.read += taken.len() as u64;
        if piece(this.position) != before {
            this.announce();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for Reader {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let length = self.length();
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => length.checked_add_signed(offset),
            SeekFrom::Current(offset) => (self.position - self.range.start).checked_add_signed(offset),
        };
        let position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.min(length);
        self.position = self.range.start + position;
        self.work = None;
        (self.read, self.since) = (0, clock::now());
        self.announce();
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position - self.range.start))
    }
}

impl TorrentInner {
    fn open_reader(self: &Arc<Self>) -> u64 {
        let mut readers = self.readers();
        readers.next += 1;
        readers.next
    }

    fn set_window(self: &Arc<Self>, number: u64, window: Window) {
        let first = {
            let mut readers = self.readers();
            readers.windows.insert(number, window);
            readers.windows.len() == 1
        };
        if first {
            self.apply_selection();
        }
        self.apply_deadlines();
    }

    fn close_reader(self: &Arc<Self>, number: u64) {
        let last = {
            let mut readers = self.readers();
            readers.windows.remove(&number).is_some() && readers.windows.is_empty()
        };
        self.apply_deadlines();
        if last {
            self.apply_selection();
        }
    }

    /// Whether somebody reads.
    pub(super) fn has_readers(&self) -> bool {
        !self.readers().windows.is_empty()
    }

    /// Something that readers wait for may have happened.
    pub(super) fn wake_readers(&self) {
        self.progress.notify_waiters();
    }

    /// Tells the swarm when each missing piece ahead of a reader is needed.
    fn apply_deadlines(self: &Arc<Self>) {
        let Some(content) = self.content.get() else { return };
        let now = clock::now();
        let mut due: BTreeMap<PieceIndex, Instant> = BTreeMap::new();
        for Window { bytes, rate } in self.readers().windows.values() {
            let pieces = super::files::pieces_of(&content.geometry, bytes);
            for piece in (pieces.start.get()..pieces.end.get()).map(PieceIndex::new).take(MAX_PIECES_AHEAD) {
                let distance = content.geometry.piece_offset(piece).saturating_sub(bytes.start);
                let wait = Duration::from_millis(distance.saturating_mul(1000).checked_div(*rate).unwrap_or(0));
                let at = now + wait;
                due.entry(piece).and_modify(|known| *known = at.min(*known)).or_insert(at);
            }
        }
        self.with(|swarm, now| {
            let have = swarm.have();
            let missing: Vec<_> = due.into_iter().filter(|(piece, _)| !have.get(*piece)).collect();
            swarm.handle_deadlines(now, &missing);
        });
    }

    fn piece_at(&self, position: u64) -> u64 {
        self.content.get().map_or(0, |content| position / u64::from(content.geometry.piece_length().max(1)))
    }

    /// Some bytes from the beginning of the range, as soon as they are here and verified; at least one.
    async fn read_verified(self: Arc<Self>, range: Range<u64>) -> io::Result<Vec<u8>> {
        loop {
            // Before looking, so that nothing is missed.
            let progress = self.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            let end = self.verified_until(&range);
            if end > range.start {
                let inner = Arc::clone(&self);
                let work = tokio::task::spawn_blocking(move || inner.read_stored(range.start..end));
                return work.await.map_err(io::Error::other)?;
            }
            match *self.phase().borrow() {
                Phase::Paused => return Err(ReadError::Paused.into()),
                Phase::Leaving | Phase::Stopped => return Err(ReadError::Stopped.into()),
                Phase::StorageFailed => {
                    let error = lock(&self.failure).clone().unwrap_or_else(|| Arc::new(Error::Stopped));
                    return Err(ReadError::Storage(error).into());
                }
                _ => {}
            }
            progress.await;
        }
    }

    /// Bytes that are in storage.
    fn read_stored(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let content = self.content.get().ok_or(ReadError::NoMetadata)?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let read = content.disk.read_at(range.start, &mut bytes).map_err(io::Error::other)?;
        bytes.truncate(read);
        // A good piece whose file somebody has cut: the disk finds that out when a peer asks, or at the next check.
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    /// Up to where the range is in storage and good.
    fn verified_until(&self, range: &Range<u64>) -> u64 {
        let Some(content) = self.content.get() else { return range.start };
        let pieces = super::files::pieces_of(&content.geometry, range);
        self.look(|swarm| {
            let have = swarm.have();
            let missing = (pieces.start.get()..pieces.end.get()).map(PieceIndex::new).find(|piece| !have.get(*piece));
            missing.map_or(range.end, |piece| content.geometry.piece_offset(piece).max(range.start))
        })
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        lock(&self.readers)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("range", &self.range).field("position", &self.position).finish_non_exhaustive()
    }
}
