//! Peers that behave as a test wants: honest at a given rate, silent, slow, reluctant, or noisy. Each is a thread with a
//! runtime of its own, so that what it costs is not counted as the client's.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use torrent_types::{InfoHash, PeerId};
use torrent_wire::{Handshake, Message, RawBlock, Reserved};

/// What a fake peer seeds, or pretends to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests fill them in")]
pub struct FakeTorrent {
    /// Its name among peers.
    pub info_hash: InfoHash,
    /// Bytes per piece.
    pub piece_length: u32,
    /// All bytes.
    pub content: Arc<Vec<u8>>,
}

/// What a peer does once it is connected. All of them say that they have everything.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "tests fill them in")]
pub enum Conduct {
    /// Answers all requests, at so many bytes per second.
    Serve(u64),
    /// Lets us request, and never answers.
    Mute,
    /// Answers one request in two seconds.
    Drip,
    /// Chokes when it is asked for something, and lets us request again at once.
    Choke,
}

/// What a peer that dials the client repeats for as long as it can.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "tests fill them in")]
pub enum Noise {
    /// Keep-alives.
    KeepAlive,
    /// The same `have` again and again.
    Have,
    /// Takes a piece back, has it again. BEP 54.
    DontHave,
    /// Requests for blocks while it is choked.
    Request,
    /// Interested, not interested.
    Interest,
}

impl FakeTorrent {
    /// Starts a seed on a loopback address of its own: clients limit connections per address.
    ///
    /// # Panics
    /// If there is no socket or thread for it.
    #[must_use]
    pub fn seed(&self, number: u8, conduct: Conduct) -> SocketAddr {
        let (torrent, ip) = (self.clone(), IpAddr::from(Ipv4Addr::new(127, 0, 1, number)));
        let listener = std::net::TcpListener::bind((ip, 0)).expect("an address of loopback");
        let address = listener.local_addr().expect("a bound socket");
        run(move || async move {
            listener.set_nonblocking(true).expect("a socket");
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                let torrent = torrent.clone();
                tokio::spawn(async move {
                    // It ends when the client has had enough.
                    let _ = torrent.conduct(stream, conduct).await;
                });
            }
        });
        address
    }

    /// Dials the client at `address` again and again, and makes noise.
    pub fn make_noise(&self, number: u8, address: SocketAddr, noise: Noise) {
        let torrent = self.clone();
        run(move || async move {
            loop {
                let _ = torrent.noise(number, address, noise).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }

    async fn conduct(&self, mut stream: TcpStream, conduct: Conduct) -> std::io::Result<()> {
        let mut theirs = [0; Handshake::LENGTH];
        stream.read_exact(&mut theirs).await?;
        let mut out = self.hello().to_vec();
        Message::HaveAll.encode(&mut out);
        Message::Unchoke.encode(&mut out);
        stream.write_all(&out).await?;
        let (begin, mut sent, mut received) = (now(), 0_u64, Vec::new());
        loop {
            let mut out = Vec::new();
            while let Ok(Some((message, used))) = Message::decode(&received, 1 << 20) {
                if let Message::Request(block) = message {
                    match conduct {
                        Conduct::Serve(rate) => {
                            self.piece(block, &mut out);
                            sent += u64::from(block.length);
                            let due = Duration::from_nanos(sent.saturating_mul(1_000_000_000) / rate.max(1));
                            let wait = due.saturating_sub(begin.elapsed());
                            // Timers are no finer than a millisecond.
                            if wait > Duration::from_millis(2) {
                                stream.write_all(&out).await?;
                                out.clear();
                                tokio::time::sleep(wait).await;
                            }
                        }
                        Conduct::Drip => {
                            tokio::time::sleep(Duration::from_secs(2)).await;
                            self.piece(block, &mut out);
                            stream.write_all(&out).await?;
                            out.clear();
                        }
                        Conduct::Choke => {
                            Message::Choke.encode(&mut out);
                            Message::Reject(block).encode(&mut out);
                            Message::Unchoke.encode(&mut out);
                        }
                        Conduct::Mute => {}
                    }
                }
                received.drain(..used);
            }
            stream.write_all(&out).await?;
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn noise(&self, number: u8, address: SocketAddr, noise: Noise) -> std::io::Result<()> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 0, 2, number), 0).into())?;
        let mut stream = socket.connect(address).await?;
        stream.write_all(&self.hello()).await?;
        let mut theirs = [0; Handshake::LENGTH];
        stream.read_exact(&mut theirs).await?;
        let mut out = Vec::new();
        Message::Extended { id: 0, payload: b"d1:mdee" }.encode(&mut out);
        Message::HaveNone.encode(&mut out);
        stream.write_all(&out).await?;
        out.clear();
        for number in 0_u32..2000 {
            match noise {
                Noise::KeepAlive => Message::KeepAlive.encode(&mut out),
                Noise::Have => Message::Have(0).encode(&mut out),
                Noise::DontHave => {
                    // 3 is the id that our handshakes give to `lt_donthave`.
                    Message::Extended { id: 3, payload: &[0; 4] }.encode(&mut out);
                    Message::Have(0).encode(&mut out);
                }
                Noise::Request => {
                    let block = RawBlock { piece: 0, begin: (number % 16) << 14, length: 1 << 14 };
                    Message::Request(block).encode(&mut out);
                }
                Noise::Interest => {
                    Message::Interested.encode(&mut out);
                    Message::NotInterested.encode(&mut out);
                }
            }
        }
        let (mut read, mut write) = stream.split();
        let (mut sink, reads) = (vec![0; 1 << 16], !matches!(noise, Noise::Request | Noise::Interest));
        loop {
            tokio::select! {
                written = write.write_all(&out) => written?,
                length = read.read(&mut sink), if reads => if length? == 0 { return Ok(()) },
            }
        }
    }

    fn hello(&self) -> [u8; Handshake::LENGTH] {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut id = *b"-XX0000-000000000000";
        id[12..].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let reserved = Reserved::FAST | Reserved::EXTENSION_PROTOCOL;
        Handshake { reserved, info_hash: self.info_hash, peer_id: PeerId::new(id) }.encode()
    }

    fn piece(&self, block: RawBlock, out: &mut Vec<u8>) {
        let begin = block.piece as usize * self.piece_length as usize + block.begin as usize;
        if let Some(data) = self.content.get(begin..begin + block.length as usize) {
            Message::Piece { piece: block.piece, begin: block.begin, data }.encode(out);
        }
    }
}

/// Runs it on a thread of its own, to the end of the test.
fn run<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work());
    });
}

#[expect(clippy::disallowed_methods, reason = "peers in tests send at a rate")]
fn now() -> Instant {
    Instant::now()
}
