//! Where received bytes wait until they are whole messages. In: what a socket reads. Out: one slice to decode from.
//! One allocation, which grows only when bytes have really arrived and shrinks when they no longer do.
//! Never: messages, sockets.

use std::{fmt, io::Read};

/// Size in bytes of a new buffer, and of one that has been idle.
const IDLE_CAPACITY: usize = 2 * 1024;
/// So many uses of less than a quarter of the buffer halve it.
const SHRINK_AFTER: u8 = 32;

/// A receive buffer: read into [`space`](Self::space), [`commit`](Self::commit), decode from
/// [`filled`](Self::filled), [`consume`](Self::consume).
///
/// It begins with 2 KiB, doubles when a read fills it, and never exceeds `max_capacity`. A length prefix alone costs
/// nothing: only bytes that have arrived make it grow. After bursts it halves itself again.
///
/// ```
/// # use torrent_wire::{MAX_FRAME, Message, Messages, ReceiveBuffer};
/// # let socket: &[u8] = &[0, 0, 0, 1, 1, 0, 0];
/// # use std::io::Read;
/// # let mut socket = socket;
/// let mut buffer = ReceiveBuffer::new(ReceiveBuffer::DEFAULT_MAX_CAPACITY);
/// let read = socket.read(buffer.space())?;
/// buffer.commit(read);
///
/// let mut messages = Messages::new(buffer.filled(), MAX_FRAME);
/// for message in &mut messages {
///     assert_eq!(message?.1, Message::Unchoke);
/// }
/// let consumed = messages.consumed();
/// buffer.consume(consumed);
/// assert_eq!(buffer.filled(), [0, 0], "waits for the rest");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReceiveBuffer {
    /// Always initialised to its full length; `start..end` is filled.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    max_capacity: usize,
    /// How many times in a row little of the buffer was used.
    slack: u8,
    /// The last read took all the space that it was offered.
    was_filled: bool,
}

impl ReceiveBuffer {
    /// 260 KiB: the longest frame that a [`Connection`](crate::Connection) accepts, and as much as one reads at once.
    pub const DEFAULT_MAX_CAPACITY: usize = 260 * 1024;

    /// An empty buffer, of up to `max_capacity` bytes. It must hold the longest frame and its prefix.
    #[must_use]
    pub const fn new(max_capacity: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, max_capacity, slack: 0, was_filled: false }
    }

    /// Where to read into. Empty only if `max_capacity` bytes are waiting to be consumed.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let room = self.bytes.len().saturating_sub(self.end);
        if self.start > 0 && room < self.bytes.len() / 2 {
            self.compact();
        }
        if self.was_filled || self.end == self.bytes.len() {
            self.grow();
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `read` bytes of the space now hold what was received. Returns them, for a cipher to decrypt in place.
    pub fn commit(&mut self, read: usize) -> &mut [u8] {
        let from = self.end;
        let room = self.bytes.len().saturating_sub(from);
        self.end = from.saturating_add(read.min(room));
        self.was_filled = read >= room;
        self.bytes.get_mut(from..self.end).unwrap_or_default()
    }

    /// Takes in as many of `bytes` as there is room for; says how many.
    pub fn extend(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let length = (&*rest).read(self.space()).unwrap_or(0);
            if length == 0 {
                break;
            }
            self.commit(length);
            taken = taken.saturating_add(length);
        }
        taken
    }

    /// What has been received and not consumed.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// What has been received and not consumed, to change it in place.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Forgets the first `length` bytes that are filled. Call it once for all messages of a read.
    pub fn consume(&mut self, length: usize) {
        let used = self.end;
        self.start = self.start.saturating_add(length).min(self.end);
        if self.start != self.end {
            return;
        }
        (self.start, self.end) = (0, 0);
        self.slack = if used < self.bytes.len() / 4 { self.slack.saturating_add(1) } else { 0 };
        if self.slack >= SHRINK_AFTER && self.bytes.len() > IDLE_CAPACITY {
            self.resize((self.bytes.len() / 2).max(IDLE_CAPACITY));
        }
    }

    /// Gives back all memory if nothing waits to be consumed; for connections that have fallen silent.
    pub fn release(&mut self) {
        if self.start == self.end {
            self.resize(0);
            (self.start, self.end) = (0, 0);
        }
    }

    /// Bytes that it takes up now.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that it may take up.
    #[must_use]
    pub const fn max_capacity(&self) -> usize {
        self.max_capacity
    }

    fn compact(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
    }

    /// Doubles, up to the maximum; what waits moves to the front at the same time.
    fn grow(&mut self) {
        let capacity = self.bytes.len().saturating_mul(2).max(IDLE_CAPACITY).min(self.max_capacity);
        if capacity > self.bytes.len() {
            self.resize(capacity);
        } else if self.start > 0 {
            self.compact();
        }
    }

    fn resize(&mut self, capacity: usize) {
        let mut bytes = vec![0; capacity];
        let filled = self.filled();
        if let Some(head) = bytes.get_mut(..filled.len()) {
            head.copy_from_slice(filled);
        }
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        self.bytes = bytes;
        self.slack = 0;
        self.was_filled = false;
    }
}

impl fmt::Debug for ReceiveBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiveBuffer({} of {} bytes)", self.filled().len(), self.bytes.len())
    }
}
