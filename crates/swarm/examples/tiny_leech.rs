//! A download from one peer in a single thread: wire + swarm + storage, without the client crate.
//! `cargo run -p torrent-swarm --example tiny_leech -- FILE.torrent FOLDER 192.0.2.1:6881`
#![expect(clippy::disallowed_methods, reason = "a driver reads the clock")]

use std::{
    collections::HashMap,
    env,
    error::Error,
    fs,
    io::{ErrorKind, IoSlice, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use sha1::{Digest, Sha1};
use torrent_metainfo::Metainfo;
use torrent_storage::{FileEntry, FileStorage, Layout, Storage};
use torrent_swarm::{
    Action, Candidate, Command, Config, Connected, Fact, Goal, Obfuscation, Outcome, PeerKey, Privacy, Shared, Source,
    Swarm, Verdict, Via,
};
use torrent_types::{Bitfield, PeerId, PieceIndex};
use torrent_wire::{Event, Handshake, Message, PeerSession, RawBlock, Reserved, SessionEvent};

fn main() -> Result<(), Box<dyn Error>> {
    let [_, torrent, folder, peer] =
        env::args().collect::<Vec<_>>().try_into().map_err(|_| "FILE.torrent FOLDER PEER")?;
    let metainfo = Metainfo::from_bytes(fs::read(torrent)?)?;
    let info = metainfo.info();
    let geometry = info.geometry();
    let storage = FileStorage::new(folder)
        .open(&Layout::new(info.files().iter().map(|file| FileEntry::new(file.path().as_str(), file.length())))?)?;
    let mut swarm = Swarm::new(Instant::now(), 1, Config::default().openings([Obfuscation::Plain]), Shared::default());
    swarm.handle_goal(Instant::now(), Goal::Download);
    swarm.handle_metadata(Instant::now(), geometry, Privacy::Public);
    swarm.handle_addresses(Instant::now(), Source::User, [Candidate::from(peer.parse::<std::net::SocketAddr>()?)]);

    let ours = Handshake {
        reserved: Reserved::FAST,
        info_hash: info.info_hashes().v1().ok_or("no v1 hash")?,
        peer_id: PeerId::new(*b"-RT0001-tiny-leech--"),
    };
    let mut link: Option<(TcpStream, PeerSession, Connected, Option<PeerKey>)> = None;
    let mut pieces: HashMap<PieceIndex, (Vec<u8>, u32)> = HashMap::new();
    loop {
        let now = Instant::now();
        if swarm.poll_timeout().is_some_and(|at| at <= now) {
            swarm.handle_timeout(now);
        }
        while let Some(action) = swarm.poll_action() {
            match action {
                Action::Check => swarm.handle_checked(now, Ok(Bitfield::new(geometry.piece_count()))),
                Action::Dial(attempt) => {
                    let stream = TcpStream::connect_timeout(&attempt.address, attempt.timeout)?;
                    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
                    let connected = Connected {
                        address: attempt.address,
                        id: PeerId::new([0; 20]),
                        via: Via::Dialed(attempt.id),
                        transport: attempt.transport,
                        obfuscation: attempt.obfuscation,
                        fast: false,
                    };
                    link = Some((stream, PeerSession::initiator(now, ours, Default::default()), connected, None));
                }
                Action::Send(_, command) => {
                    if let Some(connection) = link.as_mut().and_then(|link| link.1.connection_mut()) {
                        match command {
                            Command::Request(block) => {
                                connection.send(now, &Message::Request(RawBlock::from(block)))?
                            }
                            Command::Cancel(block) => connection.send(now, &Message::Cancel(RawBlock::from(block)))?,
                            Command::Interested => connection.send(now, &Message::Interested)?,
                            Command::NotInterested => connection.send(now, &Message::NotInterested)?,
                            _ => {} // It gives nothing, so it has nothing more to say.
                        }
                    }
                }
                Action::Write(piece) => {
                    let (bytes, _) = pieces.remove(&piece).ok_or("no such piece")?;
                    storage.write_at(geometry.piece_offset(piece), &[IoSlice::new(&bytes)])?;
                    swarm.handle_pieces_stored(now, &[piece]);
                }
                Action::Forget(piece) => drop(pieces.remove(&piece)),
                Action::Testify(piece) => swarm.handle_evidence(now, piece, Vec::new()),
                Action::Finished => return Ok(storage.finish()?),
                Action::Disconnect(_, why) => return Err(why.to_string().into()),
                Action::Announce(_)
                | Action::Damaged(_)
                | Action::Leave
                | Action::Phase(_)
                | Action::RetryStorage
                | Action::Serve(_) => {}
            }
        }
        let Some((stream, session, connected, key)) = &mut link else { return Err("no connection".into()) };
        let mut out = Vec::new();
        session.poll_transmit(&mut out);
        stream.write_all(&out)?;
        match stream.read(session.space()) {
            Ok(0) => return Err("the peer closed".into()),
            Ok(read) => session.handle_read(Instant::now(), read),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        let (mut facts, mut blocks, mut verdicts, mut opened) = (Vec::new(), Vec::new(), Vec::new(), false);
        while let Some(event) = session.poll_event() {
            match event {
                SessionEvent::Connected(theirs) => {
                    connected.id = theirs.peer_id;
                    connected.fast = theirs.reserved.contains(Reserved::FAST);
                    opened = true;
                    break;
                }
                SessionEvent::Message(Event::Piece { block, data }) => {
                    facts.push(Fact::Received(block));
                    blocks.push((block, data.to_vec()));
                }
                SessionEvent::Message(Event::Bitfield(bits)) => {
                    facts.push(Fact::Bitfield(Bitfield::from_bytes(bits, geometry.piece_count())?))
                }
                SessionEvent::Message(Event::HaveAll) => facts.push(Fact::HaveAll),
                SessionEvent::Message(Event::Have(piece)) => facts.push(Fact::Have(piece)),
                SessionEvent::Message(Event::Unchoked) => facts.push(Fact::Unchoked),
                SessionEvent::Message(Event::Choked) => facts.push(Fact::Choked),
                SessionEvent::Message(Event::Rejected(block)) => facts.push(Fact::Rejected(block)),
                SessionEvent::Fault(fault) => return Err(fault.into()),
                _ => {}
            }
        }
        if opened {
            session.connection_mut().ok_or("not open")?.set_geometry(geometry)?;
            *key = Some(swarm.handle_connected(now, *connected)?);
            continue;
        }
        if let Some(key) = *key {
            swarm.handle_facts(Instant::now(), key, facts, &mut verdicts);
        }
        for ((block, data), _) in blocks.iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Buffer) {
            let (bytes, here) =
                pieces.entry(block.piece()).or_insert_with(|| (vec![0; geometry.length_of(block.piece()) as usize], 0));
            bytes[block.begin() as usize..block.end() as usize].copy_from_slice(data);
            *here += 1;
            if *here == geometry.block_count(block.piece()) {
                let good = info.piece_hash(block.piece()) == Some(&Sha1::digest(&*bytes).into());
                swarm.handle_piece_hashed(
                    Instant::now(),
                    block.piece(),
                    if good { Outcome::Good } else { Outcome::Bad },
                );
            }
        }
    }
}
