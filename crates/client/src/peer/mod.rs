//! One connection: what arrives becomes facts for the swarm and blocks for pieces; what the swarm wants becomes messages.
//! One task owns the socket, the wire machine and the buffers; one batch per read goes through the swarm's lock.
//! Never: decisions (see `torrent-swarm`), message rules (see `torrent-wire`).

mod blocks;
mod exchange;
mod facts;
mod link;
mod serve;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Interval, MissedTickBehavior},
};
use torrent_swarm::{Command, Fact, Parting, PeerKey, Verdict};
use torrent_types::Block;
use torrent_wire::{
    ApiMisuse, Connection, DecodeError, ExtensionId, MAX_FRAME, METADATA_BLOCK_LENGTH, Message, Messages,
    MetadataMessage, PIECE_HEADER_LENGTH, PeerFault, RawBlock, Severity,
};

use crate::{brain::Errand, clock, torrent::Shared};
pub(crate) use link::{Link, Stream};
use link::{Loaded, Wake};

/// How often keep-alives and silence are looked at.
const TICK: Duration = Duration::from_secs(5);

/// Metadata is given while less than this waits for the socket; a peer that asks and never reads gets no more.
const MAX_METADATA_WAITING: usize = 256 * 1024;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the peer closed the connection")]
    Closed,
    #[error(transparent)]
    Fault(#[from] PeerFault),
    #[error(transparent)]
    Garbage(#[from] DecodeError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Misuse(#[from] ApiMisuse),
    #[error("{0}")]
    Parted(Parting),
}

/// A connection in use.
pub(crate) struct Peer<S> {
    key: PeerKey,
    address: SocketAddr,
    torrent: Arc<Shared>,
    link: Link<S>,
    connection: Connection,
    wake: Arc<Notify>,
    /// Blocks of the current read and where they lie in the receive buffer.
    arrived: Vec<(Block, std::ops::Range<usize>)>,
    facts: Vec<Fact>,
    verdicts: Vec<Verdict>,
    commands: Vec<Command>,
    /// Messages on their way to the link.
    out: Vec<u8>,
    /// The peer has asked for blocks that were not taken from its queue yet.
    serving: bool,
    loading: Option<JoinHandle<Loaded>>,
    blocks: blocks::Inbox,
    exchange: exchange::Exchange,
    /// Addresses that the peer has told us of.
    met: Vec<SocketAddr>,
}

impl<S: Stream> Peer<S> {
    pub(crate) fn new(
        key: PeerKey,
        address: SocketAddr,
        torrent: Arc<Shared>,
        link: Link<S>,
        connection: Connection,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            key,
            address,
            torrent,
            link,
            connection,
            wake,
            arrived: Vec::new(),
            facts: Vec::new(),
            verdicts: Vec::new(),
            commands: Vec::new(),
            out: Vec::new(),
            serving: false,
            loading: None,
            blocks: blocks::Inbox::default(),
            exchange: exchange::Exchange::default(),
            met: Vec::new(),
        }
    }

    /// Lives until the connection ends.
    pub(crate) async fn run(mut self) -> End {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        match self.converse(&mut ticks).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn converse(&mut self, ticks: &mut Interval) -> Result<std::convert::Infallible, End> {
        self.introduce()?;
        // What came with the handshake.
        self.received().await?;
        loop {
            let wake = Arc::clone(&self.wake);
            match self.link.next(&wake, ticks, &mut self.loading).await? {
                Wake::Received => self.received().await?,
                Wake::Closed => return Err(End::Closed),
                Wake::Called => self.consult()?,
                // More is loaded below.
                Wake::Drained => {}
                Wake::Tick => {
                    self.connection.handle_timeout(clock::now())?;
                    self.tell_peers()?;
                }
                Wake::Loaded(mut loaded) => {
                    self.connection.handle_sent(clock::now(), loaded.blocks);
                    self.torrent.brain.with(|swarm| swarm.uploaded(self.key, loaded.payload));
                    self.link.push(&mut loaded.messages);
                }
            }
            self.push();
            self.load();
        }
    }

    /// Extended handshake and bitfield.
    fn introduce(&mut self) -> Result<(), End> {
        let now = clock::now();
        if self.connection.extended() {
            self.connection.send_extended_handshake(now, &self.torrent.extended_handshake())?;
        }
        let have = self.torrent.brain.with(|swarm| swarm.have().clone());
        self.connection.send_pieces(now, &have)?;
        Ok(())
    }

    /// Everything that one read has brought.
    async fn received(&mut self) -> Result<(), End> {
        let consumed = self.read_messages()?;
        if consumed == 0 {
            return Ok(());
        }
        let consulted = self.consult();
        if !self.met.is_empty() {
            self.torrent.add_addresses(self.met.drain(..), false);
        }
        // Requests leave before the work on what came begins.
        self.push();
        let flushed = self.link.flush_some().await;
        // Even if the connection ends now: the swarm counts on the blocks that it has accepted.
        self.keep_blocks().await;
        self.link.received.consume(consumed);
        consulted?;
        Ok(flushed?)
    }

    /// Our messages go to the link.
    fn push(&mut self) {
        if self.connection.poll_transmit(&mut self.out) {
            self.link.push(&mut self.out);
        }
    }

    /// Messages become facts; says how far they reach.
    fn read_messages(&mut self) -> Result<usize, End> {
        let now = clock::now();
        let mut metadata = 0;
        let mut messages = Messages::new(self.link.received.filled(), MAX_FRAME);
        for message in &mut messages {
            let (range, message) = message?;
            let event = match self.connection.handle_message(now, &message) {
                Ok(event) => event,
                Err(fault) if fault.severity() == Severity::Ignore => {
                    tracing::debug!(address = %self.address, %fault, "ignored");
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            };
            if let torrent_wire::Event::Piece { block, .. } = &event {
                self.arrived.push((*block, range.start + PIECE_HEADER_LENGTH..range.end));
            }
            facts::translate(&event, &self.connection, &mut self.facts);
            if let torrent_wire::Event::Pex(pex) = &event {
                self.met.extend(exchange::Exchange::learn(pex, self.address.ip()));
            }
            if let torrent_wire::Event::Metadata(MetadataMessage::Request { piece }) = event
                && self.link.is_low()
                && metadata < MAX_METADATA_WAITING
                && self.connection.peer_takes(ExtensionId::METADATA)
            {
                let answer = MetadataMessage::answer(self.torrent.public_info(), piece);
                self.connection.send_metadata(now, &answer)?;
                metadata += METADATA_BLOCK_LENGTH as usize;
            }
        }
        Ok(messages.consumed())
    }

    /// Gives the facts to the swarm and takes what it wants said.
    fn consult(&mut self) -> Result<(), End> {
        let errand = self.torrent.brain.exchange(self.key, &mut self.facts, &mut self.verdicts, &mut self.commands);
        let now = clock::now();
        for command in self.commands.drain(..) {
            self.connection.send(now, &message_of(command))?;
        }
        let Errand { serve, close } = errand;
        self.serving |= serve;
        close.map_or(Ok(()), |reason| Err(End::Parted(reason)))
    }
}

fn message_of(command: Command) -> Message<'static> {
    let raw = |block: Block| RawBlock::from(block);
    match command {
        Command::Cancel(block) => Message::Cancel(raw(block)),
        Command::Choke => Message::Choke,
        Command::Have(piece) => Message::Have(piece.get()),
        Command::Interested => Message::Interested,
        Command::NotInterested => Message::NotInterested,
        Command::Reject(block) => Message::Reject(raw(block)),
        Command::Request(block) => Message::Request(raw(block)),
        Command::Unchoke => Message::Unchoke,
        // A command that this crate does not know yet cannot be sent; saying nothing is always allowed.
        _ => Message::KeepAlive,
    }
}
