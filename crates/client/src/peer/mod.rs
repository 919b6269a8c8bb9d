//! One connection: what arrives becomes facts for the swarm and blocks for the disk; what the swarm wants becomes messages.
//! One task owns the stream, the wire machine and the buffers; one batch of facts at a time goes through the swarm's lock.
//! Never: decisions (see `torrent-swarm`), message rules (see `torrent-wire`).

mod exchange;
mod link;
mod read;
mod serve;

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, Sleep},
};
use torrent_swarm::{Candidate, Command, Connected, Ending, Parting, PeerKey, Via};
use torrent_types::Block;
use torrent_wire::{ApiMisuse, Connection, DecodeError, ExtensionId, Message, PeerFault, RawBlock, Severity};

use crate::{
    Event, clock,
    net::{Opened, Transport, obfuscation_of},
    torrent::{Batch, Mail, TorrentInner},
};
pub(crate) use link::Link;
use link::{Loading, MAX_WAITING, Wake};
use serve::Loaded;

/// When a connection without deadlines looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// No timer of a connection is finer than this.
const TIMER_SLACK: Duration = Duration::from_millis(50);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the peer closed the connection")]
    Closed,
    #[error(transparent)]
    Fault(#[from] PeerFault),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Misuse(#[from] ApiMisuse),
    #[error("{0}")]
    Parted(Parting),
    #[error("the peer does not read what it is sent")]
    NotReading,
    #[error("the peer has given metadata that it was not asked for")]
    BadMetadata,
    #[error("the peer has given wrong metadata")]
    Liar,
}

impl End {
    /// What the swarm makes of it.
    fn ending(&self) -> Ending {
        match self {
            Self::Closed | Self::Io(_) => Ending::Closed,
            Self::Fault(PeerFault::Silent) => Ending::Silent,
            Self::Fault(fault) => Ending::Fault(match fault.severity() {
                Severity::Ignore => torrent_swarm::Severity::Ignore,
                Severity::Disconnect => torrent_swarm::Severity::Disconnect,
                Severity::Forget => torrent_swarm::Severity::Forget,
                Severity::Ban => torrent_swarm::Severity::Ban,
            }),
            Self::NotReading | Self::BadMetadata => Ending::Fault(torrent_swarm::Severity::Disconnect),
            Self::Liar => Ending::Fault(torrent_swarm::Severity::Ban),
            Self::Misuse(_) | Self::Parted(_) => Ending::Ours,
        }
    }
}

impl From<DecodeError> for End {
    fn from(error: DecodeError) -> Self {
        Self::Fault(error.into())
    }
}

/// A connection in use.
pub(crate) struct Peer {
    key: PeerKey,
    address: SocketAddr,
    torrent: Arc<TorrentInner>,
    link: Link,
    connection: Connection,
    wake: Arc<Notify>,
    batch: Batch,
    mail: Mail,
    /// Messages on their way to the link.
    out: Vec<u8>,
    /// The peer has asked for blocks that were not taken from its queue yet.
    serving: bool,
    loading: Option<Loading<Option<Loaded>>>,
    exchange: exchange::Exchange,
    /// Peers that this one has told us of.
    met: Vec<Candidate>,
    /// Our address as the peer sees it.
    seen_as: Option<IpAddr>,
    /// Blocks of metadata given for the current read.
    metadata_given: u32,
}

/// From the handshake to the end of the connection.
pub(crate) async fn converse(
    torrent: Arc<TorrentInner>,
    address: SocketAddr,
    transport: Transport,
    opened: Opened,
    via: Via,
) {
    let Opened { link, connection, obfuscation, .. } = opened;
    let wake = Arc::new(Notify::new());
    let (id, fast) = (connection.peer_id(), connection.fast());
    let connected = Connected { address, id, via, transport, obfuscation: obfuscation_of(obfuscation), fast };
    let key = match torrent.admit(Arc::clone(&wake), connected) {
        Ok(key) => key,
        Err(refused) => return tracing::debug!(%address, %refused, "not admitted"),
    };
    tracing::debug!(%address, ?via, ?transport, "connected");
    torrent.report(|| Event::PeerConnected(address));
    let peer = Peer {
        key,
        address,
        torrent: Arc::clone(&torrent),
        link,
        connection,
        wake,
        batch: Batch::default(),
        mail: Mail::default(),
        out: Vec::new(),
        serving: false,
        loading: None,
        exchange: exchange::Exchange::default(),
        met: Vec::new(),
        seen_as: None,
        metadata_given: 0,
    };
    let end = peer.run().await;
    tracing::debug!(%address, %end, "connection over");
    torrent.dismiss(key, end.ending());
    torrent.report(|| Event::PeerGone { address, reason: end.to_string().into() });
}

impl Peer {
    /// Lives until the connection ends.
    async fn run(mut self) -> End {
        let mut timeout = std::pin::pin!(tokio::time::sleep_until(Instant::now()));
        match self.exchange(timeout.as_mut()).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn exchange(&mut self, mut timeout: Pin<&mut Sleep>) -> Result<Infallible, End> {
        self.introduce()?;
        // What came with the handshake.
        self.received().await?;
        loop {
            self.set_timeout(timeout.as_mut());
            let wake = Arc::clone(&self.wake);
            match self.link.next(&wake, timeout.as_mut(), &mut self.loading).await? {
                Wake::Received => self.received().await?,
                Wake::Closed => return Err(End::Closed),
                Wake::Called => self.consult()?,
                // More is loaded below.
                Wake::Drained => {}
                Wake::Timeout => self.handle_timeout()?,
                Wake::Loaded(loaded) => self.loaded(loaded),
            }
            self.send()?;
            self.load();
        }
    }

    /// What we say first: extended handshake and pieces.
    fn introduce(&mut self) -> Result<(), End> {
        let now = clock::now();
        if self.connection.extended() {
            self.connection.send_extended_handshake(now, &self.torrent.extended_handshake(self.address.ip()))?;
        }
        let have = self.torrent.look(|swarm| swarm.have().clone());
        self.connection.send_pieces(now, &have)?;
        if let Some(content) = self.torrent.content.get() {
            self.connection.set_geometry(content.geometry)?;
        }
        // Not in private torrents, which have nothing to do with the DHT. BEP 27.
        if self.connection.dht()
            && !self.torrent.is_private()
            && let Some(port) = self.torrent.client.dht_port()
        {
            self.connection.send(now, &Message::Port(port))?;
        }
        self.connection.poll_transmit(&mut self.out);
        self.link.push_exempt(&mut self.out, 0);
        Ok(())
    }

    /// Gives the link what there is to say.
    fn send(&mut self) -> Result<(), End> {
        self.connection.poll_transmit(&mut self.out);
        self.link.push(&mut self.out);
        if self.link.messages_waiting() > MAX_WAITING {
            return Err(End::NotReading);
        }
        Ok(())
    }

    /// Gives the facts to the swarm and takes what it wants said.
    fn consult(&mut self) -> Result<(), End> {
        self.torrent.exchange(self.key, &mut self.batch, &mut self.mail);
        let now = clock::now();
        for command in self.mail.commands.drain(..) {
            send(&mut self.connection, now, command)?;
        }
        self.serving |= std::mem::take(&mut self.mail.serve);
        if std::mem::take(&mut self.mail.metadata_known) {
            self.metadata_known()?;
            return self.consult();
        }
        self.ask_for_metadata()?;
        self.note_peers();
        if self.mail.liar {
            return Err(End::Liar);
        }
        self.mail.close.take().map_or(Ok(()), |reason| Err(End::Parted(reason)))
    }

    fn handle_timeout(&mut self) -> Result<(), End> {
        let now = clock::now();
        if self.link.stuck_at().is_some_and(|at| at <= Instant::from_std(now)) {
            return Err(End::NotReading);
        }
        self.connection.handle_timeout(now)?;
        self.tell_peers(now)
    }

    /// Sleeps until the first of this connection's deadlines.
    fn set_timeout(&self, timeout: Pin<&mut Sleep>) {
        let wire = [self.connection.poll_timeout(), self.exchange.poll_timeout()].into_iter().flatten().min();
        let next = wire.map(Instant::from_std).into_iter().chain(self.link.stuck_at()).min();
        // No deadline is as good as one in a while.
        let now = Instant::now();
        // Keep-alives and the like have time: a deadline that stays in the past must not become a busy loop.
        let next = next.unwrap_or(now + LOOK_AGAIN).max(now + TIMER_SLACK);
        // Deadlines move with every message: a timer that is too early costs one look, setting it costs a lock.
        if next < timeout.deadline() || timeout.is_elapsed() {
            timeout.reset(next);
        }
    }
}

/// A command of the swarm becomes a message.
fn send(connection: &mut Connection, now: std::time::Instant, command: Command) -> Result<(), ApiMisuse> {
    let raw = |block: Block| RawBlock::from(block);
    let message = match command {
        Command::Cancel(block) => Message::Cancel(raw(block)),
        Command::Choke => Message::Choke,
        // Peers without BEP 54 find out when they ask.
        Command::DontHave(_) if !connection.peer_takes(ExtensionId::DONT_HAVE) => return Ok(()),
        Command::DontHave(piece) => return connection.send_dont_have(now, piece),
        Command::Have(piece) => Message::Have(piece.get()),
        Command::Interested => Message::Interested,
        Command::NotInterested => Message::NotInterested,
        Command::Reject(block) => {
            connection.send_reject(now, block);
            return Ok(());
        }
        Command::Request(block) => Message::Request(raw(block)),
        Command::Unchoke => Message::Unchoke,
    };
    connection.send(now, &message)
}
