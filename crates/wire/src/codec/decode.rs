//! Bytes → messages. In: what a socket delivered. Out: messages that borrow from it, and how far they reach.
//! A frame that is longer than allowed is refused from its length prefix alone.

use std::{error, fmt, ops::Range};

use torrent_types::MAX_PIECES;

use super::{HashRange, Message, RawBlock, hash_range, message::id};

/// Bytes of the largest frame that an honest peer has reason to send, without its length prefix:
/// the bitfield of a torrent of [`MAX_PIECES`] pieces (262,145 bytes).
pub const MAX_FRAME: u32 = 1 + MAX_PIECES / 8;

const PREFIX: usize = 4;

impl<'a> Message<'a> {
    /// The first message in `buffer` and how many bytes it takes there; `None` if it has not arrived completely.
    ///
    /// `max_frame` is the longest frame to accept, without the 4 bytes of its length: [`MAX_FRAME`], or less.
    ///
    /// # Errors
    /// If the frame is too long, or too short or too long for its message. The stream cannot be read any further.
    #[inline]
    pub fn decode(buffer: &'a [u8], max_frame: u32) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some((prefix, rest)) = buffer.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix);
        if length > max_frame {
            return Err(DecodeError::FrameTooLong { length, max_frame });
        }
        let Some((frame, _)) = rest.split_at_checked(length as usize) else { return Ok(None) };
        let message = match frame.split_first() {
            None => Self::KeepAlive,
            Some((&id, payload)) => Self::from_payload(id, payload).ok_or(DecodeError::WrongLength { id, length })?,
        };
        Ok(Some((message, PREFIX.saturating_add(frame.len()))))
    }

    /// `None` if the payload has the wrong length.
    #[inline]
    fn from_payload(id: u8, payload: &'a [u8]) -> Option<Self> {
        let empty = |message| payload.is_empty().then_some(message);
        match id {
            id::PIECE => {
                let (piece, rest) = split_u32(payload)?;
                let (begin, data) = split_u32(rest)?;
                Some(Self::Piece { piece, begin, data })
            }
            id::REQUEST => raw_block(payload).map(Self::Request),
            id::HAVE => number(payload).map(Self::Have),
            id::CHOKE => empty(Self::Choke),
            id::UNCHOKE => empty(Self::Unchoke),
            id::INTERESTED => empty(Self::Interested),
            id::NOT_INTERESTED => empty(Self::NotInterested),
            id::BITFIELD => Some(Self::Bitfield(payload)),
            id::CANCEL => raw_block(payload).map(Self::Cancel),
            id::PORT => payload.try_into().ok().map(|port| Self::Port(u16::from_be_bytes(port))),
            id::SUGGEST => number(payload).map(Self::Suggest),
            id::HAVE_ALL => empty(Self::HaveAll),
            id::HAVE_NONE => empty(Self::HaveNone),
            id::REJECT => raw_block(payload).map(Self::Reject),
            id::ALLOWED_FAST => number(payload).map(Self::AllowedFast),
            id::EXTENDED => payload.split_first().map(|(&id, payload)| Self::Extended { id, payload }),
            id::HASH_REQUEST => whole_range(payload).map(Self::HashRequest),
            id::HASHES => {
                let (range, hashes) = HashRange::split_from(payload)?;
                hashes.len().is_multiple_of(hash_range::HASH_LENGTH).then_some(Self::Hashes { range, hashes })
            }
            id::HASH_REJECT => whole_range(payload).map(Self::HashReject),
            id => Some(Self::Unknown { id, payload }),
        }
    }
}

/// All complete messages at the beginning of a buffer, one after the other, each with the bytes of the buffer that it
/// takes. The data of a `piece` message begins [`PIECE_HEADER_LENGTH`](super::PIECE_HEADER_LENGTH) bytes behind the
/// beginning and ends with the message, so that a driver finds it again when nothing borrows from the buffer any more.
///
/// ```
/// # use torrent_wire::{MAX_FRAME, Message, Messages};
/// let bytes = [0, 0, 0, 1, 1, /**/ 0, 0, 0, 5, 4, 0, 0, 0, 7, /**/ 0, 0];
/// let mut messages = Messages::new(&bytes, MAX_FRAME);
/// assert_eq!(messages.next(), Some(Ok((0..5, Message::Unchoke))));
/// assert_eq!(messages.next(), Some(Ok((5..14, Message::Have(7)))));
/// assert_eq!(messages.next(), None);
/// assert_eq!(messages.consumed(), 14);
/// ```
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    buffer: &'a [u8],
    consumed: usize,
    max_frame: u32,
}

impl<'a> Messages<'a> {
    /// Reads from the beginning of `buffer`, frames of up to `max_frame` bytes.
    #[must_use]
    pub const fn new(buffer: &'a [u8], max_frame: u32) -> Self {
        Self { buffer, consumed: 0, max_frame }
    }

    /// How many bytes the messages so far have taken.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<(Range<usize>, Message<'a>), DecodeError>;

    /// `None` when no complete message is left. After an error it returns the same error again.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match Message::decode(self.buffer, self.max_frame) {
            Ok(Some((message, taken))) => {
                let begin = self.consumed;
                self.buffer = self.buffer.get(taken..).unwrap_or_default();
                self.consumed = begin.saturating_add(taken);
                Some(Ok((begin..self.consumed, message)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// The bytes are not messages. The stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The length prefix asks for more than is allowed.
    FrameTooLong {
        /// What it asks for, in bytes.
        length: u32,
        /// What is allowed, in bytes.
        max_frame: u32,
    },
    /// A message of this kind cannot have this length.
    WrongLength {
        /// Id of the message.
        id: u8,
        /// Bytes of the frame, with the id and without the length prefix.
        length: u32,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameTooLong { length, max_frame } => write!(f, "a frame of {length} bytes, allowed are {max_frame}"),
            Self::WrongLength { id, length } => write!(f, "message {id} cannot be {length} bytes long"),
        }
    }
}

impl error::Error for DecodeError {}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
}

fn number(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}

fn raw_block(payload: &[u8]) -> Option<RawBlock> {
    let (piece, rest) = split_u32(payload)?;
    let (begin, rest) = split_u32(rest)?;
    Some(RawBlock { piece, begin, length: number(rest)? })
}

fn whole_range(payload: &[u8]) -> Option<HashRange> {
    HashRange::split_from(payload).filter(|(_, rest)| rest.is_empty()).map(|(range, _)| range)
}
