//! MSE against other clients over TCP, with handshakes and payload on top of it.

#![expect(clippy::unwrap_used, reason = "tests may, in their helpers too")]

mod aria2_and_transmission;
mod libtorrent;

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};
use torrent_types::{InfoHash, PeerId};
use torrent_wire::{
    Handshake, Reserved,
    mse::{
        Method, Methods,
        tokio::{HandshakeError, MseStream},
    },
};

const METHODS: [Methods; 4] = [Methods::Plaintext, Methods::Rc4, Methods::PreferPlaintext, Methods::PreferRc4];

/// Length of the one piece of one block that all torrents here have.
const LENGTH: usize = 16 * 1024;

/// Clients hang up on us before their torrent is ready and while they have not forgotten the last connection. So the good
/// outcome may take a few attempts, and a bad one takes all of them.
async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, HandshakeError>) -> Result<T, HandshakeError> {
    let deadline = deadline();
    loop {
        match attempt().await {
            Err(HandshakeError::Closed | HandshakeError::Io(_)) if Instant::now() < deadline => sleep(POLL).await,
            result => return result,
        }
    }
}

const POLL: Duration = Duration::from_millis(100);

fn allows(methods: Methods, method: Method) -> bool {
    match methods {
        Methods::Plaintext => method == Method::Plaintext,
        Methods::Rc4 => method == Method::Rc4,
        _ => true,
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Our handshake, with a peer id of its own for each connection: clients hang up on those that they know already.
fn hello(info_hash: InfoHash, number: u8) -> [u8; Handshake::LENGTH] {
    let mut peer_id = *b"-XX0001-interop mse.";
    peer_id[19] = number;
    Handshake { reserved: Reserved::default(), info_hash, peer_id: PeerId::new(peer_id) }.encode()
}

fn seed(number: u8) -> [u8; 32] {
    [number; 32]
}

/// Reads a message, keep-alives aside: its id, then its payload.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    loop {
        let length = stream.read_u32().await?;
        if length > 0 {
            let mut message = vec![0; length as usize];
            stream.read_exact(&mut message).await?;
            return Ok(message);
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), id: u8, payload: &[u8]) -> io::Result<()> {
    let mut bytes = (payload.len() as u32 + 1).to_be_bytes().to_vec();
    bytes.push(id);
    bytes.extend(payload);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

fn payload() -> Vec<u8> {
    (0..=250).cycle().take(LENGTH).collect()
}

/// Their handshake, our interest, and their one piece as a bitfield or `have`: enough to see that both directions are understood.
async fn greet(stream: &mut MseStream<TcpStream>, info_hash: InfoHash) -> io::Result<()> {
    let mut theirs = [0; Handshake::LENGTH];
    stream.read_exact(&mut theirs).await?;
    assert_eq!(Handshake::decode(&theirs).unwrap().info_hash, info_hash);
    send(stream, 2, &[]).await?;
    let has_it = async {
        loop {
            match &message(stream).await?[..] {
                [4, 0, 0, 0, 0] | [5, 0x80] => return Ok(()),
                _ => {}
            }
        }
    };
    timeout_at(deadline(), has_it).await?
}

/// BEP 3 § "peer protocol", the short of it: their handshake, interested, unchoke, request, piece.
async fn fetch(stream: &mut MseStream<TcpStream>, info_hash: InfoHash) -> io::Result<Vec<u8>> {
    greet(stream, info_hash).await?;
    loop {
        match &message(stream).await?[..] {
            [1] => send(stream, 6, &[0_u32, 0, LENGTH as u32].map(u32::to_be_bytes).concat()).await?,
            [7, 0, 0, 0, 0, 0, 0, 0, 0, block @ ..] => return Ok(block.to_vec()),
            _ => {}
        }
    }
}
