//! Our own messages. In: what the application wants to say. Out: bytes, if the peer has agreed to hear it.

use std::{error, fmt, time::Instant};

use torrent_types::{Bitfield, Block};

use super::{Connection, Opening};
use crate::{
    ExtensionId, Message, PIECE_HEADER_LENGTH,
    extension::{self, ExtendedHandshake},
};

impl Connection {
    /// Appends `message` to `out`, and keeps the books: who chokes whom, when we last said something.
    ///
    /// # Errors
    /// If the peer has not agreed to this kind of message, or it comes too late. Nothing is appended then.
    pub fn send(&mut self, now: Instant, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), ApiMisuse> {
        match message {
            Message::Choke => self.am_choking = true,
            Message::Unchoke => self.am_choking = false,
            Message::Interested => self.am_interested = true,
            Message::NotInterested => self.am_interested = false,
            Message::Bitfield(_) => self.open()?,
            Message::HaveAll | Message::HaveNone => {
                self.need_fast()?;
                self.open()?;
            }
            Message::Suggest(_) | Message::AllowedFast(_) => self.need_fast()?,
            Message::Reject(_) => {
                self.need_fast()?;
                self.our_opening.close();
            }
            Message::Have(_) | Message::Request(_) | Message::Piece { .. } | Message::Cancel(_) => {
                self.our_opening.close();
            }
            Message::Extended { .. } if !self.extended() => return Err(ApiMisuse::ExtendedNotNegotiated),
            _ => {}
        }
        message.encode(out);
        self.idle.sent(now);
        Ok(())
    }

    /// Says which pieces we have, in the shortest way that the peer understands; nothing if there is nothing to say.
    /// To be called once, first, with an empty bitfield while the metadata is unknown.
    ///
    /// # Errors
    /// If it comes too late.
    pub fn send_pieces(&mut self, now: Instant, have: &Bitfield, out: &mut Vec<u8>) -> Result<(), ApiMisuse> {
        let count = have.count_ones();
        match (count, self.fast()) {
            (0, true) => self.send(now, &Message::HaveNone, out),
            (0, false) => self.open(),
            (count, true) if count == have.len() => self.send(now, &Message::HaveAll, out),
            _ => self.send(now, &Message::Bitfield(&have.to_bytes()), out),
        }
    }

    /// Chokes or unchokes the peer, if that changes anything; says whether it does.
    pub fn set_choking(&mut self, now: Instant, choking: bool, out: &mut Vec<u8>) -> bool {
        let changes = self.am_choking != choking;
        if changes {
            self.am_choking = choking;
            if choking { Message::Choke } else { Message::Unchoke }.encode(out);
            self.idle.sent(now);
        }
        changes
    }

    /// Tells the peer whether we are interested, if that changes anything; says whether it does.
    pub fn set_interested(&mut self, now: Instant, interested: bool, out: &mut Vec<u8>) -> bool {
        let changes = self.am_interested != interested;
        if changes {
            self.am_interested = interested;
            if interested { Message::Interested } else { Message::NotInterested }.encode(out);
            self.idle.sent(now);
        }
        changes
    }

    /// The 13 bytes that go before the data of `block`, for a caller that writes the data from where it lies.
    #[must_use]
    pub fn send_piece_header(&mut self, now: Instant, block: Block) -> [u8; PIECE_HEADER_LENGTH] {
        self.our_opening.close();
        self.idle.sent(now);
        Message::piece_header(block.into())
    }

    /// Says what we can do; again later, when something has changed. Which extensions we take is added to `handshake`.
    ///
    /// # Errors
    /// If the peer does not know the extension protocol.
    pub fn send_extended_handshake(
        &mut self,
        now: Instant,
        handshake: &ExtendedHandshake<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiMisuse> {
        let payload = handshake.encode(self.extensions.offered());
        self.send(now, &Message::Extended { id: extension::HANDSHAKE_ID, payload: &payload }, out)
    }

    /// Sends a message of an extension, under the id that the peer has given it.
    ///
    /// # Errors
    /// If the peer has not offered this extension.
    pub fn send_extension(
        &mut self,
        now: Instant,
        extension: ExtensionId,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ApiMisuse> {
        let id = self.extensions.remote_id(extension).ok_or(ApiMisuse::ExtensionNotOffered)?;
        self.send(now, &Message::Extended { id, payload }, out)
    }

    const fn need_fast(&self) -> Result<(), ApiMisuse> {
        if self.fast() { Ok(()) } else { Err(ApiMisuse::FastNotNegotiated) }
    }

    fn open(&mut self) -> Result<(), ApiMisuse> {
        if self.our_opening != Opening::Open {
            return Err(ApiMisuse::TooLate);
        }
        self.our_opening = Opening::Said;
        Ok(())
    }
}

/// A message that may not be sent on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// One side has not offered BEP 10.
    ExtendedNotNegotiated,
    /// The peer's extended handshake has not named this extension.
    ExtensionNotOffered,
    /// One side has not offered BEP 6.
    FastNotNegotiated,
    /// A bitfield, have-all or have-none that is not the first word about pieces.
    TooLate,
}

impl fmt::Display for ApiMisuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExtendedNotNegotiated => "the peer does not know the extension protocol",
            Self::ExtensionNotOffered => "the peer does not know this extension",
            Self::FastNotNegotiated => "the peer does not know the fast extension",
            Self::TooLate => "which pieces we have must be said first, and once",
        })
    }
}

impl error::Error for ApiMisuse {}
