//! The way of received bytes: messages, facts, blocks. In: one read of the socket. Out: facts for the swarm, in batches of
//! a bounded size; the data of blocks for the disk. Requests leave before the data is touched.

use std::ops::Range;

use torrent_swarm::{Fact, Source};
use torrent_types::{Bitfield, Geometry, HostPort};
use torrent_wire::{Event, ExtensionId, MAX_FRAME, Messages, MetadataMessage, PIECE_HEADER_LENGTH, Severity};

use super::{End, Peer, exchange::candidate};
use crate::clock;

/// Facts that go to the swarm at a time. A read of the smallest messages would make fifty thousand, which others would
/// have to wait for.
const BATCH: usize = 1024;

/// Metadata is given while less than this waits to be sent.
const MAX_METADATA_WAITING: usize = super::link::READ_WHILE_WAITING;

/// Blocks of metadata given for what one read has brought: a request of 40 bytes is answered by 16 KiB.
const MAX_METADATA_GIVEN: u32 = 8;

impl Peer {
    /// Everything that one read has brought.
    pub(super) async fn received(&mut self) -> Result<(), End> {
        self.metadata_given = 0;
        loop {
            let consumed = self.read_messages()?;
            if consumed == 0 {
                return Ok(());
            }
            let consulted = self.consult();
            // Requests leave before the work on what came begins.
            let sent = consulted.and_then(|()| self.send());
            let flushed = self.link.flush_some().await;
            // Even if the connection ends now: the swarm counts on the blocks that it has accepted.
            self.batch.store(self.link.received.filled());
            self.link.received.consume(consumed);
            sent?;
            flushed?;
        }
    }

    /// Messages become facts; says how far they reach. Stops when there are enough facts for one batch.
    fn read_messages(&mut self) -> Result<usize, End> {
        let now = clock::now();
        let mut messages = Messages::new(self.link.received.filled(), MAX_FRAME);
        while self.batch.facts.len() < BATCH
            && let Some(message) = messages.next()
        {
            let (range, message) = message?;
            let event = match self.connection.handle_message(now, &message) {
                Ok(event) => event,
                // Without effect, and counted by the machine.
                Err(fault) if fault.severity() == Severity::Ignore => {
                    tracing::debug!(address = %self.address, %fault, "ignored");
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            };
            tracing::trace!(address = %self.address, ?event, "received");
            match event {
                Event::Piece { block, .. } => {
                    self.batch.blocks.push((block, data_of(&range)));
                    self.batch.facts.push(Fact::Received(block));
                }
                Event::Metadata(MetadataMessage::Request { piece }) => {
                    // A peer that asks and does not read gets no more.
                    if self.link.messages_waiting() < MAX_METADATA_WAITING && self.metadata_given < MAX_METADATA_GIVEN {
                        let answer = MetadataMessage::answer(self.torrent.public_info(), piece);
                        self.metadata_given += 1;
                        self.connection.send_metadata(now, &answer)?;
                    }
                }
                Event::Metadata(message) => {
                    if self.torrent.metadata_received(self.key, message).is_err() {
                        return Err(End::BadMetadata);
                    }
                }
                Event::Pex(pex) => self.met.extend(pex.added().map(|(address, flags)| candidate(address, flags))),
                Event::Port(port) => {
                    // BEP 27: what is learned in a private torrent stays there.
                    if !self.torrent.is_private()
                        && let Ok(node) = HostPort::new(&self.address.ip().to_string(), port)
                    {
                        self.torrent.client.node_found(&node);
                    }
                }
                Event::ExtendedHandshake(handshake) => {
                    self.exchange.begin(now);
                    let remote = self.connection.remote();
                    self.batch.facts.push(Fact::RequestQueue(remote.reqq));
                    self.batch.facts.push(Fact::UploadOnly(remote.upload_only));
                    self.batch.facts.extend(remote.listen_port.map(Fact::ListenPort));
                    if let Some(size) = remote.metadata_size.filter(|_| self.torrent.content.get().is_none())
                        && self.connection.peer_takes(ExtensionId::METADATA)
                    {
                        self.torrent.metadata_offered(self.key, size);
                    }
                    self.seen_as = handshake.your_ip.or(self.seen_as);
                }
                event => self.batch.facts.extend(fact_of(&event, self.connection.geometry())),
            }
        }
        Ok(messages.consumed())
    }

    /// Tells the torrent of the peers that this one knows, and of our address as it sees it.
    pub(super) fn note_peers(&mut self) {
        if !self.met.is_empty() {
            self.torrent.add_addresses(Source::Pex(self.key), self.met.drain(..));
        }
        if let Some(ip) = self.seen_as.take() {
            self.torrent.seen_as(ip);
        }
    }

    /// The torrent's metadata has become known: numbers of pieces have a meaning now.
    pub(super) fn metadata_known(&mut self) -> Result<(), End> {
        let Some(content) = self.torrent.content.get() else { return Ok(()) };
        let now = clock::now();
        if self.connection.geometry().is_none() {
            self.connection.set_geometry(content.geometry)?;
            if content.info().is_private() {
                self.connection.withdraw(ExtensionId::PEX);
                self.connection.withdraw(ExtensionId::METADATA);
            }
            if self.connection.extended() {
                // From now on others can have the metadata from us.
                self.connection.send_extended_handshake(now, &self.torrent.extended_handshake(self.address.ip()))?;
            }
        }
        // What the peer said before was not for the swarm.
        self.batch.facts.extend(self.connection.announced().map(|pieces| match pieces.is_full() {
            true => Fact::HaveAll,
            false => Fact::Bitfield(pieces),
        }));
        Ok(())
    }

    /// Sends the requests for metadata that are this peer's.
    pub(super) fn ask_for_metadata(&mut self) -> Result<(), End> {
        let now = clock::now();
        for piece in self.mail.metadata_requests.drain(..) {
            self.connection.send_metadata(now, &MetadataMessage::Request { piece })?;
        }
        Ok(())
    }
}

/// Where the data of a block lies, given its frame.
fn data_of(frame: &Range<usize>) -> Range<usize> {
    frame.start + PIECE_HEADER_LENGTH..frame.end
}

/// What the wire machine has checked, in the swarm's words; nothing if it means nothing to the swarm.
fn fact_of(event: &Event<'_>, geometry: Option<&Geometry>) -> Option<Fact> {
    Some(match *event {
        Event::AllowedFast(piece) => Fact::AllowedFast(piece),
        Event::Bitfield(bytes) => Fact::Bitfield(Bitfield::from_bytes(bytes, geometry?.piece_count()).ok()?),
        Event::Cancelled(block) => Fact::Cancelled(block),
        Event::Choked => Fact::Choked,
        Event::DontHave(piece) => Fact::DontHave(piece),
        Event::Have(piece) => Fact::Have(piece),
        Event::HaveAll => Fact::HaveAll,
        Event::HaveNone => Fact::HaveNone,
        Event::Interested => Fact::Interested,
        Event::NotInterested => Fact::NotInterested,
        Event::Rejected(block) => Fact::Rejected(block),
        Event::Requested(block) => Fact::Requested(block),
        Event::Unchoked => Fact::Unchoked,
        _ => return None,
    })
}
