//! Connects to a peer and prints what it says; then asks for each block of the first pieces and counts the bytes:
//! `cargo run --example listen_to_peer -- 127.0.0.1:6881 INFO_HASH TOTAL_LENGTH PIECE_LENGTH`.

use std::{env, error::Error};

use tokio::net::TcpStream;
use torrent_types::{Bitfield, Geometry, PeerId};
use torrent_wire::{Config, Event, ExtendedHandshake, Handshake, Message, PeerStream, Reserved};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [peer, info_hash, total, piece_length] = &arguments[..] else {
        return Err("usage: listen_to_peer ADDRESS INFO_HASH TOTAL_LENGTH PIECE_LENGTH".into());
    };
    let geometry = Geometry::new(total.parse()?, piece_length.parse()?)?;
    let ours = Handshake {
        reserved: Reserved::FAST | Reserved::EXTENSION_PROTOCOL,
        info_hash: info_hash.parse()?,
        peer_id: PeerId::new(*b"-to0100-example00000"),
    };
    let mut peer = PeerStream::initiate(TcpStream::connect(peer).await?, ours, Config::default()).await?;
    peer.with_connection(|connection, now| {
        connection.set_geometry(geometry)?;
        connection.send_pieces(now, &Bitfield::new(geometry.piece_count()))?;
        if connection.extended() {
            connection.send_extended_handshake(now, &ExtendedHandshake::default())?;
        }
        connection.send(now, &Message::Interested)?;
        Ok::<_, Box<dyn Error>>(())
    })?;

    let mut blocks = geometry
        .pieces()
        .flat_map(|piece| (0..geometry.block_count(piece)).filter_map(move |n| geometry.nth_block(piece, n).ok()));
    let mut received = 0;
    while received < geometry.total_length() {
        let mut wanted = 0;
        match peer.next().await? {
            Event::Unchoked => wanted = 64,
            Event::Piece { data, .. } => {
                received += data.len() as u64;
                wanted = 1;
            }
            event => println!("{event:?}"),
        }
        for block in blocks.by_ref().take(wanted) {
            peer.send(&Message::Request(block.into()))?;
        }
    }
    println!("{received} bytes");
    Ok(())
}
