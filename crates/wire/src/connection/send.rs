//! Our own messages. In: what the application wants to say. Out: bytes for `poll_transmit`, if the peer has agreed to hear
//! it.

use std::{error, fmt, time::Instant};

use torrent_types::{Bitfield, Block, PieceIndex};

use super::{
    Connection, FirstWord,
    budget::{EARNED_BY_BLOCK, EARNED_BY_HAVE, USELESS},
};
use crate::{
    ExtensionId, Message,
    extension::{self, ExtendedHandshake, Holepunch, MetadataMessage},
};

impl Connection {
    /// Queues `message`.
    ///
    /// # Errors
    /// If the peer has not agreed to this kind of message, or it comes too late. Nothing is queued then.
    pub fn send(&mut self, now: Instant, message: &Message<'_>) -> Result<(), ApiMisuse> {
        match message {
            Message::Choke => self.budget.earn_by_choke(now),
            Message::Bitfield(_) => self.say_first()?,
            Message::HaveAll | Message::HaveNone => {
                self.need_fast()?;
                self.say_first()?;
            }
            Message::Suggest(_) | Message::AllowedFast(_) => self.need_fast()?,
            Message::Reject(_) => {
                self.need_fast()?;
                self.our_first_word.close();
                self.budget.spend(now, USELESS);
            }
            Message::Have(_) => {
                self.our_first_word.close();
                self.budget.earn(EARNED_BY_HAVE);
            }
            Message::Request(_) => {
                self.our_first_word.close();
                self.unanswered.blocks = self.unanswered.blocks.saturating_add(1);
            }
            Message::Piece { .. } => {
                self.our_first_word.close();
                self.budget.earn(EARNED_BY_BLOCK);
            }
            Message::Cancel(_) => self.our_first_word.close(),
            Message::HashRequest(_) => self.unanswered.hashes = self.unanswered.hashes.saturating_add(1),
            Message::Extended { .. } if !self.extended() => return Err(ApiMisuse::ExtendedNotNegotiated),
            _ => {}
        }
        self.queue(now, message);
        Ok(())
    }

    /// Says which pieces we have, in the shortest way that the peer understands; nothing if there is nothing to say.
    /// To be called once, first, with an empty bitfield while the metadata is unknown.
    ///
    /// # Errors
    /// If it comes too late.
    pub fn send_pieces(&mut self, now: Instant, have: &Bitfield) -> Result<(), ApiMisuse> {
        let count = have.count_ones();
        match (count, self.fast()) {
            (0, true) => self.send(now, &Message::HaveNone),
            (0, false) => self.say_first(),
            (count, true) if count == have.len() => self.send(now, &Message::HaveAll),
            _ => self.send(now, &Message::Bitfield(&have.to_bytes())),
        }
    }

    /// Refuses a request. A peer without the fast extension is not told, as there is no message for it; the refusal
    /// counts against its budget of useless messages all the same.
    pub fn send_reject(&mut self, now: Instant, block: Block) {
        if self.send(now, &Message::Reject(block.into())).is_err() {
            self.budget.spend(now, USELESS);
        }
    }

    /// So many `piece` messages have been handed to the socket that the driver has framed itself, with
    /// [`Message::piece_header`], to send their data from where it lies.
    pub fn handle_sent(&mut self, now: Instant, blocks: u32) {
        self.our_first_word.close();
        self.idle.sent(now);
        self.budget.earn(EARNED_BY_BLOCK.saturating_mul(blocks));
    }

    /// Says what we can do; again later, when something has changed. Which extensions we take is added to `handshake`.
    ///
    /// # Errors
    /// If the peer does not know the extension protocol.
    pub fn send_extended_handshake(
        &mut self,
        now: Instant,
        handshake: &ExtendedHandshake<'_>,
    ) -> Result<(), ApiMisuse> {
        let payload = handshake.encode(self.extensions.offered());
        self.send(now, &Message::Extended { id: extension::HANDSHAKE_ID, payload: &payload })
    }

    /// Sends a message of an extension, under the id that the peer has given it.
    ///
    /// # Errors
    /// If the peer has not offered this extension.
    pub fn send_extension(&mut self, now: Instant, extension: ExtensionId, payload: &[u8]) -> Result<(), ApiMisuse> {
        let id = self.extensions.remote_id(extension).ok_or(ApiMisuse::ExtensionNotOffered)?;
        self.send(now, &Message::Extended { id, payload })
    }

    /// Sends a message of `ut_metadata`. BEP 9.
    ///
    /// # Errors
    /// If the peer has not offered this extension.
    pub fn send_metadata(&mut self, now: Instant, message: &MetadataMessage<'_>) -> Result<(), ApiMisuse> {
        self.send_extension(now, ExtensionId::METADATA, &message.encode())?;
        if matches!(message, MetadataMessage::Request { .. }) {
            self.unanswered.metadata = self.unanswered.metadata.saturating_add(1);
        }
        Ok(())
    }

    /// Takes back a piece that we have announced. BEP 54.
    ///
    /// # Errors
    /// If the peer has not offered this extension.
    pub fn send_dont_have(&mut self, now: Instant, piece: PieceIndex) -> Result<(), ApiMisuse> {
        self.send_extension(now, ExtensionId::DONT_HAVE, &piece.get().to_be_bytes())
    }

    /// Sends a message of `ut_holepunch`. BEP 55.
    ///
    /// # Errors
    /// If the peer has not offered this extension.
    pub fn send_holepunch(&mut self, now: Instant, message: &Holepunch) -> Result<(), ApiMisuse> {
        self.send_extension(now, ExtensionId::HOLEPUNCH, &message.encode())
    }

    pub(super) fn queue(&mut self, now: Instant, message: &Message<'_>) {
        if tracing::enabled!(tracing::Level::TRACE) {
            trace(message);
        }
        message.encode(&mut self.out);
        self.idle.sent(now);
    }

    const fn need_fast(&self) -> Result<(), ApiMisuse> {
        if self.fast() { Ok(()) } else { Err(ApiMisuse::FastNotNegotiated) }
    }

    fn say_first(&mut self) -> Result<(), ApiMisuse> {
        if self.our_first_word != FirstWord::Open {
            return Err(ApiMisuse::TooLate);
        }
        self.our_first_word = FirstWord::Said;
        Ok(())
    }
}

#[cold]
fn trace(message: &Message<'_>) {
    tracing::trace!(?message, "sent");
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
