//! MSE against other clients over TCP, with handshakes and payload on top of it: which method both sides agree on, whoever
//! dials. Whole downloads are in `encryption`.

#![expect(clippy::unwrap_used, reason = "tests may, in their helpers too")]

mod libtorrent;
mod others;

use std::{io, net::SocketAddr, path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
    time::{Instant, sleep, timeout_at},
};
use torrent_interop::{
    ADDRESS, Client, Job, Manner, Payload, Process, Scratch, Torrent, Tracker, free_port, in_sandbox, until,
};
use torrent_types::{InfoHash, PeerId};
use torrent_wire::{
    Handshake, Reserved,
    driver::mse::{HandshakeError, MseStream, accept, connect, detect},
    mse::{Error, Initiator, Method, Methods, Obfuscation, Responder, SkeyIndex},
};

const METHODS: [Methods; 4] = [Methods::PreferRc4, Methods::PreferPlaintext, Methods::Rc4, Methods::Plaintext];

/// A torrent of one piece of one block.
struct Setting {
    scratch: Scratch,
    tracker: Option<Tracker>,
    payload: Payload,
    torrent: Torrent,
    info_hash: InfoHash,
}

impl Setting {
    /// `None` if something is not installed.
    fn new(tracker: bool) -> Option<Self> {
        let scratch = in_sandbox().then(Scratch::new)?;
        let tracker = if tracker { Some(Tracker::start(&scratch)?) } else { None };
        let payload = Payload::block(&scratch);
        let torrent = Torrent::create(&scratch, &payload, tracker.as_ref())?;
        let info_hash = torrent.info_hash().parse().unwrap();
        Some(Self { scratch, tracker, payload, torrent, info_hash })
    }

    fn job<'a>(&'a self, home: &str, folder: &'a Path, peers: &'a [SocketAddr], manner: Manner) -> Job<'a> {
        Job { peers, manner, ..Job::new(&self.scratch, home, &self.torrent, folder) }
    }

    fn seed(&self, home: &str, client: Client, manner: Manner) -> Option<(Process, SocketAddr)> {
        client.seed(&self.job(home, self.payload.folder_path(), &[], manner))
    }

    /// Dials and greets; says what was agreed on, nothing for a plain connection. `early`: our handshake goes as the initial
    /// payload.
    async fn dial(&self, peer: SocketAddr, how: Dial, number: u8) -> Result<Option<Method>, HandshakeError> {
        let hello = hello(self.info_hash, number);
        let stream = TcpStream::connect(peer).await?;
        let Some(ours) = how.methods else {
            let mut stream = MseStream::plain(stream, Vec::new());
            stream.write_all(&hello).await?;
            greet(&mut stream, self.info_hash).await?;
            return Ok(None);
        };
        let early: &[u8] = if how.early { &hello } else { &[] };
        let handshake = Initiator::new(Instant::now().into(), self.info_hash, ours, &[number; 32], early)?;
        let mut stream = connect(stream, handshake.with_timeout(PATIENCE)).await?;
        if !how.early {
            stream.write_all(&hello).await?;
            stream.flush().await?;
        }
        greet(&mut stream, self.info_hash).await?;
        Ok(Some(stream.method()))
    }

    /// Lets a client leech from us, on a connection that it dials and that begins as `ours` says: plain without methods. It
    /// may try the other kind before. What came of the handshake, and the client's opinion of it, if it tells.
    async fn is_dialled_by(
        &self,
        client: Client,
        home: &str,
        manner: Manner,
        ours: Option<Methods>,
    ) -> Option<Result<(Option<Method>, String), HandshakeError>> {
        let address = SocketAddr::from((ADDRESS, free_port()));
        let listener = TcpListener::bind(address).await.unwrap();
        let tells = client == Client::Libtorrent;
        if let Some(tracker) = &self.tracker {
            tracker.announce_seed(self.torrent.info_hash(), address.port());
        }
        let (folder, peers) = (self.scratch.folder(&format!("{home} downloaded")), [address]);
        let leech = client.leech(&self.job(home, &folder, &peers, manner))?;
        let skeys: SkeyIndex = (0..100).map(|n| InfoHash::new([n; 20])).chain([self.info_hash]).collect();
        let mut stream = loop {
            let (mut stream, _) = timeout_at(deadline(), listener.accept()).await.expect("they dial").unwrap();
            let Ok((obfuscation, received)) = detect(&mut stream, deadline()).await else { continue };
            match (obfuscation, ours) {
                (Obfuscation::Plain, None) => break MseStream::plain(stream, received),
                (Obfuscation::Mse, Some(ours)) => {
                    let responder = Responder::new(Instant::now().into(), ours, &[7; 32]).with_timeout(PATIENCE);
                    match accept(stream, received, responder, |skey| skeys.lookup(skey)).await {
                        Ok((asked, stream)) => {
                            assert_eq!(asked, self.info_hash);
                            break stream;
                        }
                        Err(error) => return Some(Err(error)),
                    }
                }
                _ => {}
            }
        };
        let method = ours.map(|_| stream.method());
        let opinion = async {
            let (opinion, leech) = spawn_blocking(move || {
                let said = if tells { until(|| leech.stdout().lines().next().map(str::to_owned)) } else { None };
                (said.unwrap_or_default(), leech)
            })
            .await
            .unwrap();
            (opinion, async { spawn_blocking(|| leech.wait()).await.unwrap() })
        };
        let opinion = serve(&mut stream, self.info_hash, self.payload.content(), opinion).await.unwrap();
        client.assert_downloaded(&self.payload, &folder);
        Some(Ok((method, opinion)))
    }
}

/// How we dial.
#[derive(Clone, Copy, Debug)]
struct Dial {
    /// None: plain.
    methods: Option<Methods>,
    /// Whether our handshake goes as the initial payload.
    early: bool,
}

const PLAIN: Dial = Dial { methods: None, early: false };

fn obfuscated(methods: Methods) -> Dial {
    Dial { methods: Some(methods), early: true }
}

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

/// The peer has hung up.
#[track_caller]
fn assert_left<T: std::fmt::Debug>(outcome: Result<T, HandshakeError>) {
    assert!(matches!(outcome, Err(HandshakeError::Closed | HandshakeError::Io(_))), "{outcome:?}");
}

fn allows(methods: Methods, method: Method) -> bool {
    match methods {
        Methods::Plaintext => method == Method::Plaintext,
        Methods::Rc4 => method == Method::Rc4,
        _ => true,
    }
}

/// Foreign clients share two cores with each other.
const PATIENCE: Duration = Duration::from_secs(30);

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Our handshake, with a peer id of its own for each connection: clients hang up on those that they know already.
fn hello(info_hash: InfoHash, number: u8) -> [u8; Handshake::LENGTH] {
    let mut peer_id = *b"-XX0001-interop mse.";
    peer_id[19] = number;
    Handshake { reserved: Reserved::default(), info_hash, peer_id: PeerId::new(peer_id) }.encode()
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

/// Their handshake, our interest, and their one piece as a bitfield or `have`: enough to see that both directions are
/// understood.
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

/// The other way round: handshake, bitfield, and, once they have told their opinion, unchoke and the piece, until they are
/// done.
async fn serve<D: Future<Output = ()>>(
    stream: &mut MseStream<TcpStream>,
    info_hash: InfoHash,
    content: &[u8],
    opinion: impl Future<Output = (String, D)>,
) -> io::Result<String> {
    let mut theirs = [0; Handshake::LENGTH];
    stream.read_exact(&mut theirs).await?;
    assert_eq!(Handshake::decode(&theirs).unwrap().info_hash, info_hash);
    stream.write_all(&hello(info_hash, 0)).await?;
    send(stream, 5, &[0x80]).await?;
    let (opinion, done) = opinion.await;
    send(stream, 1, &[]).await?;
    let serve = async {
        while let Ok(message) = message(stream).await {
            if message[0] == 6 {
                let [piece, begin, length] = [1, 5, 9].map(|at| message[at..at + 4].try_into().unwrap());
                assert_eq!([piece, begin, length].map(u32::from_be_bytes), [0, 0, content.len() as u32]);
                send(stream, 7, &[&[0; 8], content].concat()).await?;
            }
        }
        Ok::<_, io::Error>(())
    };
    let (served, ()) = tokio::join!(serve, done);
    served.map(|()| opinion)
}
