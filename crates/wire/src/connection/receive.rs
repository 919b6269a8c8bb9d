//! Message → event: the rules of who may say what, when. In: decoded messages. Out: facts, or a fault.

use std::time::Instant;

use torrent_types::{Block, GeometryError};

use super::{Connection, Event};
use crate::{
    ExtensionId, Message, PeerFault, RawBlock,
    codec::id,
    extension::{self, ExtendedHandshake, Holepunch, MetadataMessage, Pex},
};

impl Connection {
    /// Takes in one message of the peer; says what it means.
    ///
    /// # Errors
    /// If the peer breaks the protocol. The message has had no effect then; whether the connection can go on is said by
    /// [`PeerFault::severity`].
    pub fn handle<'a>(&mut self, now: Instant, message: &Message<'a>) -> Result<Event<'a>, PeerFault> {
        self.idle.heard(now);
        Ok(match *message {
            Message::KeepAlive => Event::KeepAlive,
            Message::Choke => {
                self.peer_choking = true;
                Event::Choked
            }
            Message::Unchoke => {
                self.peer_choking = false;
                Event::Unchoked
            }
            Message::Interested => {
                self.peer_interested = true;
                Event::Interested
            }
            Message::NotInterested => {
                self.peer_interested = false;
                Event::NotInterested
            }
            Message::Have(piece) => Event::Have(self.announced.have(piece, self.geometry.as_ref())?),
            Message::Bitfield(bits) => {
                self.announced.bitfield(bits, self.geometry.as_ref())?;
                Event::Bitfield(bits)
            }
            Message::Request(block) => Event::Requested(self.block(block)?),
            Message::Piece { piece, begin, data } => {
                let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
                Event::Piece { block: self.block(RawBlock { piece, begin, length })?, data }
            }
            Message::Cancel(block) => Event::Cancelled(self.block(block)?),
            Message::Port(port) => Event::Port(port),
            Message::HashRequest(range) => {
                range.check().map_err(|_| PeerFault::ImpossibleHashes)?;
                Event::HashesRequested(range)
            }
            Message::Hashes { range, hashes } => {
                range.check().map_err(|_| PeerFault::ImpossibleHashes)?;
                Event::Hashes { range, hashes }
            }
            Message::HashReject(range) => Event::HashesRejected(range),
            Message::Extended { id, payload } => self.handle_extended(id, payload)?,
            Message::Unknown { id, payload } => Event::Unknown { id, payload },
            Message::Suggest(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::Reject(_)
            | Message::AllowedFast(_) => self.handle_fast(message)?,
        })
    }

    /// BEP 6: these need the consent of both sides.
    fn handle_fast<'a>(&mut self, message: &Message<'a>) -> Result<Event<'a>, PeerFault> {
        let fast = self.fast();
        let need = |id| if fast { Ok(()) } else { Err(PeerFault::FastNotNegotiated { id }) };
        Ok(match *message {
            Message::Suggest(piece) => {
                need(id::SUGGEST)?;
                Event::Suggested(self.announced.name(piece, self.geometry.as_ref())?)
            }
            Message::HaveAll => {
                need(id::HAVE_ALL)?;
                self.announced.all_or_none(true)?;
                Event::HaveAll
            }
            Message::HaveNone => {
                need(id::HAVE_NONE)?;
                self.announced.all_or_none(false)?;
                Event::HaveNone
            }
            Message::Reject(block) => {
                need(id::REJECT)?;
                Event::Rejected(self.block(block)?)
            }
            Message::AllowedFast(piece) => {
                need(id::ALLOWED_FAST)?;
                Event::AllowedFast(self.announced.name(piece, self.geometry.as_ref())?)
            }
            _ => unreachable!("`handle` passes only messages of BEP 6"),
        })
    }

    fn handle_extended<'a>(&mut self, id: u8, payload: &'a [u8]) -> Result<Event<'a>, PeerFault> {
        if !self.extended() {
            return Err(PeerFault::ExtendedNotNegotiated);
        }
        let malformed = PeerFault::ExtensionPayload { id };
        if id == extension::HANDSHAKE_ID {
            let handshake = ExtendedHandshake::decode(payload).map_err(|_| malformed)?;
            self.extensions.learn(&handshake);
            self.remote.learn(&handshake);
            return Ok(Event::ExtendedHandshake(Box::new(handshake)));
        }
        let Some(extension) = self.extensions.local(id) else { return Ok(Event::UnknownExtension { id, payload }) };
        Ok(match extension {
            ExtensionId::METADATA => Event::Metadata(MetadataMessage::decode(payload).map_err(|_| malformed)?),
            ExtensionId::PEX => Event::Pex(Box::new(Pex::decode(payload).map_err(|_| malformed)?)),
            ExtensionId::DONT_HAVE => {
                let piece = payload.try_into().map(u32::from_be_bytes).map_err(|_| malformed)?;
                Event::DontHave(self.announced.dont_have(piece, self.geometry.as_ref())?)
            }
            ExtensionId::HOLEPUNCH => Event::Holepunch(Holepunch::decode(payload).map_err(|_| malformed)?),
            id => Event::Extension { id, payload },
        })
    }

    fn block(&mut self, raw: RawBlock) -> Result<Block, PeerFault> {
        let geometry = self.geometry.as_ref().ok_or(PeerFault::BeforeMetadata(raw))?;
        let block = raw.check(geometry).map_err(|_: GeometryError| PeerFault::OutsidePiece(raw))?;
        self.announced.close();
        Ok(block)
    }
}
