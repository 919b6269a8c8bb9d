//! Peers in the hands of a test: real sockets, messages of the wire crate, and whatever behaviour the test wants.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use torrent_types::{InfoHash, PeerId};
use torrent_wire::{Handshake, Message, RawBlock, Reserved};

/// Longest message that a fake peer understands.
const MAX_MESSAGE: u32 = 1 << 20;

/// A connection whose handshakes are done.
pub(crate) struct Fake {
    stream: TcpStream,
    received: Vec<u8>,
    waiting: Vec<u8>,
}

/// What the client has said, as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Request(RawBlock),
    Cancel(RawBlock),
    Reject(RawBlock),
    Piece(RawBlock, Vec<u8>),
    Choke,
    Unchoke,
    Interested,
    Extended(u8, Vec<u8>),
    Other,
}

/// What a fake peer knows of a torrent.
#[derive(Clone)]
pub(crate) struct Seed {
    pub(crate) info_hash: InfoHash,
    pub(crate) piece_length: u32,
    pub(crate) content: Arc<Vec<u8>>,
}

impl Seed {
    /// The bytes of a block.
    pub(crate) fn block(&self, block: RawBlock) -> &[u8] {
        let begin = block.piece as usize * self.piece_length as usize + block.begin as usize;
        &self.content[begin..begin + block.length as usize]
    }
}

impl Fake {
    /// Waits for the client to dial, and shakes hands.
    pub(crate) async fn accept(listener: &TcpListener, info_hash: InfoHash, reserved: Reserved) -> Option<Self> {
        let (mut stream, _) = listener.accept().await.ok()?;
        let mut theirs = [0; Handshake::LENGTH];
        stream.read_exact(&mut theirs).await.ok()?;
        stream.write_all(&hello(info_hash, reserved)).await.ok()?;
        Some(Self { stream, received: Vec::new(), waiting: Vec::new() })
    }

    /// Dials the client, and shakes hands.
    pub(crate) async fn dial(address: SocketAddr, info_hash: InfoHash, reserved: Reserved) -> Option<Self> {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(&hello(info_hash, reserved)).await.ok()?;
        let mut theirs = [0; Handshake::LENGTH];
        stream.read_exact(&mut theirs).await.ok()?;
        Some(Self { stream, received: Vec::new(), waiting: Vec::new() })
    }

    /// Says it with the next [`flush`](Self::flush).
    pub(crate) fn say(&mut self, message: &Message<'_>) -> &mut Self {
        message.encode(&mut self.waiting);
        self
    }

    /// Sends the block with the next flush.
    pub(crate) fn give(&mut self, seed: &Seed, block: RawBlock) -> &mut Self {
        self.say(&Message::Piece { piece: block.piece, begin: block.begin, data: seed.block(block) })
    }

    pub(crate) async fn flush(&mut self) -> Option<()> {
        let bytes = std::mem::take(&mut self.waiting);
        self.stream.write_all(&bytes).await.ok()
    }

    /// What the client says next. `None`: the connection is over.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        self.flush().await?;
        loop {
            if let Some((said, used)) = decode(&self.received) {
                self.received.drain(..used);
                return Some(said);
            }
            if self.stream.read_buf(&mut self.received).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// The next request of the client. Whatever else it says is skipped.
    pub(crate) async fn next_request(&mut self) -> Option<RawBlock> {
        loop {
            if let Said::Request(block) = self.next().await? {
                return Some(block);
            }
        }
    }

    /// Answers all requests.
    pub(crate) async fn serve(&mut self, seed: &Seed) -> Option<()> {
        loop {
            let block = self.next_request().await?;
            self.give(seed, block);
        }
    }

    /// Listens until the client hangs up.
    pub(crate) async fn listen(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// A listener that behaves in one way to every connection, and its address.
pub(crate) async fn listener<F: Future<Output = ()> + Send + 'static>(
    info_hash: InfoHash,
    reserved: Reserved,
    behave: impl Fn(Fake) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            if let Some(fake) = Fake::accept(&listener, info_hash, reserved).await {
                tokio::spawn(behave(fake));
            }
        }
    });
    address
}

/// A handshake with a peer id of its own.
pub(crate) fn hello(info_hash: InfoHash, reserved: Reserved) -> Vec<u8> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut id = *b"-XX0000-000000000000";
    id[12..].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Handshake { reserved, info_hash, peer_id: PeerId::new(id) }.encode().to_vec()
}

fn decode(received: &[u8]) -> Option<(Said, usize)> {
    let (message, used) = Message::decode(received, MAX_MESSAGE).unwrap()?;
    let said = match message {
        Message::Request(block) => Said::Request(block),
        Message::Cancel(block) => Said::Cancel(block),
        Message::Reject(block) => Said::Reject(block),
        Message::Piece { piece, begin, data } => {
            Said::Piece(RawBlock { piece, begin, length: data.len() as u32 }, data.to_vec())
        }
        Message::Choke => Said::Choke,
        Message::Unchoke => Said::Unchoke,
        Message::Interested => Said::Interested,
        Message::Extended { id, payload } => Said::Extended(id, payload.to_vec()),
        _ => Said::Other,
    };
    Some((said, used))
}
