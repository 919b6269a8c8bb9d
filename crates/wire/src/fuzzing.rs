//! Bodies of the fuzz targets `wire_message`, `wire_connection`, `wire_extended_handshake`, `wire_holepunch`,
//! `wire_metadata` and `wire_pex`. Each holds what it is given to a property, not only to not panicking.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use torrent_types::{Bitfield, Geometry, InfoHash, MAX_PIECES, PeerId};

use crate::{
    Config, Connection, Event, ExtendedHandshake, ExtensionId, Handshake, Holepunch, MAX_FRAME, Message, Messages,
    MetadataEvent, MetadataFetch, MetadataMessage, PeerSession, Pex, RawBlock, Reserved, SessionEvent, Severity,
};

/// What is decoded, encodes to the very bytes it was decoded from.
pub fn message(data: &[u8]) {
    let mut messages = Messages::new(data, MAX_FRAME);
    let mut again = Vec::new();
    for message in messages.by_ref() {
        let Ok((range, message)) = message else { break };
        assert_eq!(range.start, again.len());
        message.encode(&mut again);
        assert_eq!((range.end, range.len()), (again.len(), message.encoded_len()));
    }
    assert_eq!(again, &data[..messages.consumed()]);
}

/// An op list against a whole session: bytes, messages, time, metadata and our own messages. Chunking is invisible.
pub fn connection(data: &[u8]) {
    let whole = Run::new(usize::MAX).story(data);
    assert_eq!(Run::new(1).story(data), whole);
}

struct Run {
    session: PeerSession,
    now: Instant,
    /// The most bytes that are handed over at once.
    portion: usize,
    said: Vec<String>,
    over: bool,
}

impl Run {
    #[expect(clippy::disallowed_methods, reason = "a run has to begin somewhen")]
    fn new(portion: usize) -> Self {
        let now = Instant::now();
        let session = PeerSession::responder(now, Config::default());
        Self { session, now, portion, said: Vec::new(), over: false }
    }

    fn story(mut self, data: &[u8]) -> Vec<String> {
        let mut ops = Ops(data);
        // Most inputs come past the handshake.
        if ops.byte() % 4 != 0 {
            self.feed(&handshake(2, ops.byte()).encode());
        }
        while !ops.0.is_empty() && !self.over {
            match ops.byte() % 7 {
                0 | 1 => {
                    let length = ops.byte();
                    let bytes = ops.bytes(length.into());
                    self.feed(bytes);
                }
                2 | 3 => {
                    let mut bytes = Vec::new();
                    ops.message().encode(&mut bytes);
                    self.feed(&bytes);
                }
                4 => self.wait(Duration::from_secs(u64::from(ops.byte()))),
                5 => self.learn_geometry(u64::from(ops.byte() % 32)),
                _ => self.speak(&mut ops),
            }
        }
        self.said
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.over {
            let taken = self.session.handle_bytes(self.now, &rest[..self.portion.min(rest.len())]);
            rest = &rest[taken..];
            self.poll();
        }
    }

    fn poll(&mut self) {
        while !self.over {
            let mut asked = false;
            let waiting = self.session.has_message();
            match self.session.poll_event() {
                None => return assert!(!waiting),
                Some(SessionEvent::Fault(fault)) => {
                    self.over = fault.severity() > Severity::Ignore;
                    self.said.push(format!("{fault:?}"));
                }
                Some(event) => {
                    asked = matches!(event, SessionEvent::Asked { .. });
                    let data =
                        if let SessionEvent::Message(Event::Piece { data, .. }) = &event { data } else { &[][..] };
                    self.said.push(format!("{event:?} {data:?}"));
                }
            }
            if asked {
                self.session.answer(handshake(1, 0xff));
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.poll();
        if let Some(next) = self.session.poll_timeout() {
            assert!(next > self.now, "a timeout that has been handled is over");
        }
    }

    fn learn_geometry(&mut self, pieces: u64) {
        let geometry = Geometry::new(pieces * 32768, 32768).expect("a small torrent");
        if let Some(connection) = self.session.connection_mut()
            && let Err(fault) = connection.set_geometry(geometry)
        {
            self.over = true;
            self.said.push(format!("{fault:?}"));
        }
    }

    /// What we say ourselves is always understood, or refused.
    fn speak(&mut self, ops: &mut Ops<'_>) {
        let now = self.now;
        self.session.poll_transmit(&mut Vec::new());
        let Some(connection) = self.session.connection_mut() else { return };
        let sent = match ops.byte() % 4 {
            0 => connection.send_pieces(now, &Bitfield::full(ops.byte().into())).is_ok(),
            1 => connection.send_extended_handshake(now, &ExtendedHandshake::default()).is_ok(),
            2 => connection.send_extension(now, ExtensionId::PEX, b"de").is_ok(),
            _ => connection.send(now, &ops.message()).is_ok(),
        };
        let grown = self.session.poll_transmit(&mut Vec::new());
        assert!(sent || !grown, "a refusal says nothing");
        self.said.push(format!("sent {sent}"));
    }
}

fn handshake(peer: u8, reserved: u8) -> Handshake {
    let bits = [(1, Reserved::FAST), (2, Reserved::EXTENSION_PROTOCOL), (4, Reserved::DHT), (8, Reserved::V2)];
    let chosen = bits.into_iter().filter(|(bit, _)| reserved & bit != 0);
    let reserved = chosen.fold(Reserved::NONE, |all, (_, one)| all | one);
    Handshake { reserved, info_hash: InfoHash::new([7; 20]), peer_id: PeerId::new([peer; 20]) }
}

/// Bytes that choose what to do; zero when there are no more.
struct Ops<'a>(&'a [u8]);

impl<'a> Ops<'a> {
    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn message(&mut self) -> Message<'a> {
        let kind = self.byte() % 18;
        let block = |ops: &mut Self| RawBlock {
            piece: u32::from(ops.byte() % 40),
            begin: u32::from(ops.byte()) * 256,
            length: u32::from(ops.byte()) * 256,
        };
        match kind {
            0 => Message::Choke,
            1 => Message::Unchoke,
            2 => Message::Interested,
            3 => Message::NotInterested,
            4 => Message::Have(u32::from(self.byte() % 40)),
            5 => Message::Bitfield(self.bytes(4)),
            6 => Message::Request(block(self)),
            7 => Message::Piece { piece: u32::from(self.byte() % 40), begin: 0, data: self.bytes(5) },
            8 => Message::Cancel(block(self)),
            9 => Message::Suggest(u32::from(self.byte() % 40)),
            10 => Message::HaveAll,
            11 => Message::HaveNone,
            12 => Message::Reject(block(self)),
            13 => Message::AllowedFast(u32::from(self.byte() % 40)),
            14 => Message::Have(MAX_PIECES - 1),
            15 => Message::KeepAlive,
            _ => {
                let (id, length) = (self.byte() % 8, self.byte());
                Message::Extended { id, payload: self.bytes(length.into()) }
            }
        }
    }
}

/// What is read, encodes to something that reads the same; and no handshake makes a connection larger.
pub fn extended_handshake(data: &[u8]) {
    let (ours, now) = (handshake(1, 0xff), Run::new(1).now);
    let mut connection = Connection::new(now, &ours, &handshake(2, 0xff), &Config::default());
    let _: Result<_, _> = connection.handle_message(now, &Message::Extended { id: 0, payload: data });

    let Ok(read) = ExtendedHandshake::decode(data) else { return };
    let mut extensions = BTreeMap::new();
    read.for_each_extension(|name, id| {
        if let Ok(name) = str::from_utf8(name) {
            extensions.entry(name).or_insert(id);
        }
    });
    let encoded = read.encode(extensions.iter().map(|(name, id)| (*name, *id)));
    let again = ExtendedHandshake::decode(&encoded).expect("what we write, we read");
    for (name, id) in &extensions {
        assert_eq!(again.extension_id(name), Some(*id));
    }
    let your_ip = |handshake: &ExtendedHandshake<'_>| handshake.your_ip.map(|ip| ip.to_canonical());
    assert_eq!(your_ip(&again), your_ip(&read));
    assert_eq!((again.reqq, again.metadata_size, again.listen_port), (read.reqq, read.metadata_size, read.listen_port));
}

/// What is read, encodes to something that reads the same.
pub fn holepunch(data: &[u8]) {
    let Ok(read) = Holepunch::decode(data) else { return };
    assert_eq!(Holepunch::decode(&read.encode()), Ok(read));
}

/// What is read is bounded, and encodes to something that reads the same.
pub fn pex(data: &[u8]) {
    let Ok(read) = Pex::decode(data) else { return };
    let (mut added, mut dropped) = (read.added().collect::<Vec<_>>(), read.dropped().collect::<Vec<_>>());
    assert!(added.len() <= 400 && dropped.len() <= 400);
    // An IPv4 address in IPv6 clothes is written as what it is.
    added.iter_mut().for_each(|(peer, _)| peer.set_ip(peer.ip().to_canonical()));
    dropped.iter_mut().for_each(|peer| peer.set_ip(peer.ip().to_canonical()));
    let payload = Pex::encode(added.iter().copied(), dropped.iter().copied());
    let again = Pex::decode(&payload).expect("what we write, we read");
    assert!(again.added().all(|entry| added.contains(&entry)));
    assert!(again.dropped().all(|peer| dropped.contains(&peer)));
}

/// A message as it is; then an op list against the fetching of metadata, whose memory stays within its bounds.
pub fn metadata(data: &[u8]) {
    if let Ok(read) = MetadataMessage::decode(data) {
        assert_eq!(MetadataMessage::decode(&read.encode()), Ok(read));
    }
    const MAX_SIZE: u32 = 100_000;
    let mut now = Run::new(1).now;
    let mut fetch = MetadataFetch::new(MAX_SIZE);
    let mut sizes = BTreeMap::new();
    let mut asked = Vec::new();
    let mut ops = Ops(data);
    while !ops.0.is_empty() {
        let (op, peer) = (ops.byte(), ops.byte() % 4);
        match op % 6 {
            0 => {
                let size = u32::from(ops.byte()) * 500;
                sizes.insert(peer, size);
                let _: Result<_, _> = fetch.handle_offer(now, peer, size);
            }
            1 => fetch.handle_removed(now, peer),
            2 | 3 if !asked.is_empty() => {
                let (peer, piece): (u8, u32) = asked.remove(usize::from(ops.byte()) % asked.len());
                let size: u32 = sizes[&peer];
                let whole = vec![peer; size as usize];
                match MetadataMessage::answer(Some(&whole), piece) {
                    MetadataMessage::Data { data, .. } if op % 6 == 2 => {
                        let _: Result<_, _> = fetch.handle_data(now, peer, piece, size, data);
                        while let Some(event) = fetch.poll_event() {
                            if let MetadataEvent::Assembled(assembled) = event {
                                fetch.handle_refuted(now, assembled);
                            }
                        }
                    }
                    _ => fetch.handle_reject(now, peer, piece),
                }
            }
            4 => {
                now += Duration::from_secs(ops.byte().into());
                fetch.handle_timeout(now);
            }
            _ => {
                let _: Result<_, _> = fetch.handle_data(now, peer, ops.byte().into(), 500, ops.bytes(4));
            }
        }
        // Four peers with seven blocks each, of which they are asked for none twice at a time.
        for _ in 0..=28 {
            let Some(request) = fetch.poll_request() else { break };
            asked.push(request);
            assert!(asked.len() < 10_000);
        }
        assert_eq!(fetch.poll_request(), None, "requests come to an end");
        assert!(fetch.poll_timeout().is_none_or(|due| due > now), "what is due has been done");
        assert!(fetch.memory() <= 2 * u64::from(MAX_SIZE));
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_corpora_still_hold() {
        for (name, target) in [
            ("wire_message", message as fn(&[u8])),
            ("wire_connection", connection),
            ("wire_extended_handshake", extended_handshake),
            ("wire_holepunch", holepunch),
            ("wire_metadata", metadata),
            ("wire_pex", pex),
        ] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
            let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
            assert!(files.len() >= 5, "{name} has a corpus");
            for file in files {
                target(&fs::read(file).unwrap());
            }
        }
    }

    /// What a peer can make one connection hold is what the README says.
    #[test]
    fn a_connection_is_small_and_a_buffer_bounded() {
        assert!(size_of::<Message<'_>>() <= 80 && size_of::<Event<'_>>() <= 80);
        assert!(size_of::<Connection>() < 512, "{}", size_of::<Connection>());
        assert!(size_of::<PeerSession>() < 768, "{}", size_of::<PeerSession>());
        const { assert!(crate::ReceiveBuffer::DEFAULT_MAX_CAPACITY >= MAX_FRAME as usize + 4) };
    }
}
