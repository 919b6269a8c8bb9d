//! Message → event: the rules of who may say what, when. In: decoded messages. Out: facts, or a fault.

use std::{mem, time::Instant};

use torrent_types::{Block, GeometryError};

use super::{
    Connection, Event,
    budget::{self, FAULTY, HANDSHAKE, INDIRECT, USELESS},
    holdings::{Change, Gain},
};
use crate::{
    ExtensionId, Message, PeerFault, RawBlock, Severity,
    codec::id,
    extension::{self, ExtendedHandshake, Holepunch, MetadataMessage, Pex},
};

impl Connection {
    /// Takes in one message of the peer; returns what it means.
    ///
    /// Every message costs a constant amount of work, and a bitfield an amount in proportion to its bytes.
    ///
    /// # Errors
    /// If the peer breaks the protocol; what to do then is said by [`PeerFault::severity`]. The message has had no effect.
    pub fn handle_message<'a>(&mut self, now: Instant, message: &Message<'a>) -> Result<Event<'a>, PeerFault> {
        if tracing::enabled!(tracing::Level::TRACE) {
            trace(message);
        }
        self.idle.heard(now);
        let outcome = self.judge(now, message);
        if let Err(fault) = &outcome
            && fault.severity() == Severity::Ignore
        {
            self.budget.spend(now, cost_of_fault(fault));
        }
        if self.budget.is_overdrawn() { Err(PeerFault::UselessMessages) } else { outcome }
    }

    fn judge<'a>(&mut self, now: Instant, message: &Message<'a>) -> Result<Event<'a>, PeerFault> {
        Ok(match *message {
            Message::KeepAlive => self.useless(now, Event::KeepAlive),
            Message::Choke => {
                let same = mem::replace(&mut self.peer_choking, true);
                self.useless(now, if same { Event::Redundant } else { Event::Choked })
            }
            Message::Unchoke => {
                let same = !mem::replace(&mut self.peer_choking, false);
                self.useless(now, if same { Event::Redundant } else { Event::Unchoked })
            }
            Message::Interested => {
                let same = mem::replace(&mut self.peer_interested, true);
                self.useless(now, if same { Event::Redundant } else { Event::Interested })
            }
            Message::NotInterested => {
                let same = !mem::replace(&mut self.peer_interested, false);
                self.useless(now, if same { Event::Redundant } else { Event::NotInterested })
            }
            Message::Have(piece) => match self.holdings.have(piece, self.geometry.as_ref())? {
                Change::New(piece) => Event::Have(piece),
                Change::Again(piece) => self.useless(now, Event::Have(piece)),
                Change::None => self.useless(now, Event::Redundant),
            },
            Message::Bitfield(bits) => self.bitfield(now, bits)?,
            Message::Request(block) => Event::Requested(self.block(block)?),
            Message::Piece { piece, begin, data } => {
                let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let block = self.block(RawBlock { piece, begin, length })?;
                match self.unanswered.blocks.checked_sub(1) {
                    Some(left) => {
                        self.unanswered.blocks = left;
                        self.budget.earn(budget::EARNED_BY_BLOCK);
                    }
                    None => self.budget.spend(now, USELESS),
                }
                Event::Piece { block, data }
            }
            Message::Cancel(block) => {
                let block = self.block(block)?;
                self.useless(now, Event::Cancelled(block))
            }
            Message::Port(port) => self.port(now, port),
            Message::Extended { id, payload } => self.extended_message(now, id, payload)?,
            Message::Unknown { id, payload } => {
                self.budget.spend(now, budget::cost_of_unknown(payload));
                Event::Unknown { id, payload }
            }
            Message::HashRequest(_) | Message::Hashes { .. } | Message::HashReject(_) => {
                self.hash_message(now, message)?
            }
            Message::Suggest(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::Reject(_)
            | Message::AllowedFast(_) => self.fast_message(now, message)?,
        })
    }

    /// The message has cost a token: it says nothing, or something that honest peers say seldom.
    fn useless<'a>(&mut self, now: Instant, event: Event<'a>) -> Event<'a> {
        self.budget.spend(now, USELESS);
        event
    }

    fn bitfield<'a>(&mut self, now: Instant, bits: &'a [u8]) -> Result<Event<'a>, PeerFault> {
        let Gain { pieces, further } = self.holdings.bitfield(bits, self.geometry.as_ref())?;
        if further {
            self.budget.spend(now, budget::cost_of_bitfield(bits.len(), pieces));
        }
        Ok(if further && pieces == 0 { Event::Redundant } else { Event::Bitfield(bits) })
    }

    fn port<'a>(&mut self, now: Instant, port: u16) -> Event<'a> {
        if self.remote.dht_port == Some(port) {
            return self.useless(now, Event::Redundant);
        }
        self.remote.dht_port = Some(port);
        self.budget.spend(now, INDIRECT);
        Event::Port(port)
    }

    /// BEP 6: these need the consent of both sides.
    fn fast_message<'a>(&mut self, now: Instant, message: &Message<'a>) -> Result<Event<'a>, PeerFault> {
        let fast = self.fast();
        let need = |id| if fast { Ok(()) } else { Err(PeerFault::FastNotNegotiated { id }) };
        Ok(match *message {
            Message::Suggest(piece) => {
                need(id::SUGGEST)?;
                let piece = self.holdings.name(piece, self.geometry.as_ref())?;
                self.useless(now, Event::Suggested(piece))
            }
            Message::HaveAll => {
                need(id::HAVE_ALL)?;
                self.holdings.have_all()?;
                Event::HaveAll
            }
            Message::HaveNone => {
                need(id::HAVE_NONE)?;
                self.holdings.have_none()?;
                Event::HaveNone
            }
            Message::Reject(block) => {
                need(id::REJECT)?;
                let block = self.block(block)?;
                let Some(left) = self.unanswered.blocks.checked_sub(1) else {
                    return Ok(self.useless(now, Event::Redundant));
                };
                self.unanswered.blocks = left;
                Event::Rejected(block)
            }
            Message::AllowedFast(piece) => {
                need(id::ALLOWED_FAST)?;
                let piece = self.holdings.name(piece, self.geometry.as_ref())?;
                self.useless(now, Event::AllowedFast(piece))
            }
            _ => unreachable!("`judge` passes only messages of BEP 6"),
        })
    }

    /// BEP 52.
    fn hash_message<'a>(&mut self, now: Instant, message: &Message<'a>) -> Result<Event<'a>, PeerFault> {
        let event = match *message {
            Message::HashRequest(range) => {
                range.check().map_err(|_| PeerFault::ImpossibleHashes)?;
                return Ok(self.useless(now, Event::HashesRequested(range)));
            }
            Message::Hashes { range, hashes } => {
                range.check().map_err(|_| PeerFault::ImpossibleHashes)?;
                Event::Hashes { range, hashes }
            }
            Message::HashReject(range) => Event::HashesRejected(range),
            _ => unreachable!("`judge` passes only messages of BEP 52"),
        };
        Ok(self.answer(now, |unanswered| &mut unanswered.hashes, event))
    }

    /// An answer to one of our requests, or nothing new if we have asked for nothing.
    fn answer<'a>(
        &mut self,
        now: Instant,
        count: impl FnOnce(&mut super::Unanswered) -> &mut u32,
        event: Event<'a>,
    ) -> Event<'a> {
        let count = count(&mut self.unanswered);
        let Some(left) = count.checked_sub(1) else { return self.useless(now, Event::Redundant) };
        *count = left;
        event
    }

    fn extended_message<'a>(&mut self, now: Instant, id: u8, payload: &'a [u8]) -> Result<Event<'a>, PeerFault> {
        if !self.extended() {
            return Err(PeerFault::ExtendedNotNegotiated);
        }
        let malformed = PeerFault::ExtensionPayload { id };
        if id == extension::HANDSHAKE_ID {
            let handshake = ExtendedHandshake::decode(payload).map_err(|_| malformed)?;
            self.extensions.learn(&handshake);
            self.remote.learn(&handshake);
            self.budget.spend(now, HANDSHAKE);
            return Ok(Event::ExtendedHandshake(Box::new(handshake)));
        }
        let Some(extension) = self.extensions.local(id) else {
            self.budget.spend(now, budget::cost_of_unknown(payload));
            return Ok(Event::UnknownExtension { id, payload });
        };
        Ok(match extension {
            ExtensionId::METADATA => {
                let message = MetadataMessage::decode(payload).map_err(|_| malformed)?;
                match message {
                    // Each costs us a block of 16 KiB, and somebody who has got the metadata needs no more.
                    MetadataMessage::Request { .. } | MetadataMessage::Unknown { .. } => {
                        self.useless(now, Event::Metadata(message))
                    }
                    MetadataMessage::Data { .. } | MetadataMessage::Reject { .. } => {
                        self.answer(now, |unanswered| &mut unanswered.metadata, Event::Metadata(message))
                    }
                }
            }
            ExtensionId::PEX => {
                if self.pex.is_early(now) {
                    self.budget.spend(now, FAULTY);
                    return Ok(Event::Redundant);
                }
                let message = Pex::decode(payload).map_err(|_| malformed)?;
                self.pex.heard(now);
                Event::Pex(Box::new(message))
            }
            ExtensionId::DONT_HAVE => {
                let piece = payload.try_into().map(u32::from_be_bytes).map_err(|_| malformed)?;
                match self.holdings.dont_have(piece, self.geometry.as_ref())? {
                    Change::New(piece) | Change::Again(piece) => Event::DontHave(piece),
                    Change::None => self.useless(now, Event::Redundant),
                }
            }
            ExtensionId::HOLEPUNCH => {
                let message = Holepunch::decode(payload).map_err(|_| malformed)?;
                self.budget.spend(now, INDIRECT);
                Event::Holepunch(message)
            }
            id => Event::Extension { id, payload },
        })
    }

    fn block(&mut self, raw: RawBlock) -> Result<Block, PeerFault> {
        let geometry = self.geometry.as_ref().ok_or(PeerFault::BeforeMetadata(raw))?;
        let block = raw.check(geometry).map_err(|_: GeometryError| PeerFault::OutsidePiece(raw))?;
        self.holdings.close();
        Ok(block)
    }
}

const fn cost_of_fault(fault: &PeerFault) -> u32 {
    match fault {
        PeerFault::BeforeMetadata(_) | PeerFault::HaveAfterHaveAll { .. } => USELESS,
        _ => FAULTY,
    }
}

/// Out of the way of the messages that nobody looks at.
#[cold]
fn trace(message: &Message<'_>) {
    tracing::trace!(?message, "received");
}
