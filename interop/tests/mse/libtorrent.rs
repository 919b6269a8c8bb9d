//! libtorrent, in both directions and under every policy and level that it has.
//! The payload is checked too: a block is fetched from it, or it fetches a torrent from us.

use std::{
    env, io,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
};
use torrent_types::InfoHash;
use torrent_wire::{
    Handshake,
    mse::{
        Error, Initiator, Method, Methods, Opening, Responder, SkeyIndex,
        tokio::{HandshakeError, MseStream, accept, connect, detect},
    },
};

use crate::{LENGTH, METHODS, allows, deadline, fetch, hello, message, patiently, payload, seed, send};

/// One torrent of one piece of one block, byte n being n mod 251.
/// usage: seed|leech out_policy in_policy level prefer_rc4 [PORT]; says `ready INFO_HASH PORT`. A leech then says
/// `connected METHOD`, which is its own opinion of the connection, and `done` when it has all.
const LIBTORRENT: &str = r#"
import os, signal, sys, tempfile, time, warnings
import libtorrent as lt
signal.alarm(120)
warnings.simplefilter('ignore')
mode, out_policy, in_policy, level, prefer = sys.argv[1:6]
home = tempfile.TemporaryDirectory()
files = lt.file_storage()
files.add_file('payload', 16384)
creator = lt.create_torrent(files, 16384, lt.create_torrent.v1_only)
with open(os.path.join(home.name, 'payload'), 'wb') as f: f.write(bytes(n % 251 for n in range(16384)))
lt.set_piece_hashes(creator, home.name)
info = lt.torrent_info(creator.generate())
session = lt.session({
    'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_incoming_utp': False, 'enable_outgoing_utp': False, 'ssrf_mitigation': False, 'allow_multiple_connections_per_ip': True,
    'unchoke_slots_limit': -1, 'out_enc_policy': int(lt.enc_policy.names[out_policy]), 'in_enc_policy': int(lt.enc_policy.names[in_policy]),
    'allowed_enc_level': int(lt.enc_level.names[level]), 'prefer_rc4': prefer == 'rc4', 'alert_mask': 0})
params = lt.add_torrent_params()
params.ti = info
if mode == 'seed':
    params.save_path = home.name
    params.flags |= lt.torrent_flags.seed_mode
else:
    params.save_path = tempfile.mkdtemp(dir=home.name)
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
torrent = session.add_torrent(params)
while not session.listen_port() or (mode == 'seed' and not torrent.status().is_seeding): time.sleep(0.01)
print('ready', info.info_hash(), session.listen_port(), flush=True)
if mode == 'seed':
    sys.stdin.read()
    sys.exit()
torrent.connect_peer(('127.0.0.1', int(sys.argv[6])))
opinion = ''
while not opinion:
    for peer in torrent.get_peer_info():
        flags = int(peer.flags)
        if not flags & (int(lt.peer_info.handshake) | int(lt.peer_info.connecting)):
            opinion = 'Rc4' if flags & int(lt.peer_info.rc4_encrypted) else 'Plaintext' if flags & int(lt.peer_info.plaintext_encrypted) else 'plain'
    time.sleep(0.005)
print('connected', opinion, flush=True)
while not torrent.status().is_seeding: time.sleep(0.005)
print('done', flush=True)
"#;

#[derive(Clone, Copy, Debug)]
struct Settings {
    out_policy: &'static str,
    in_policy: &'static str,
    level: &'static str,
    prefer: &'static str,
}

const DEFAULT: Settings =
    Settings { out_policy: "pe_forced", in_policy: "pe_forced", level: "pe_both", prefer: "plaintext" };

impl Settings {
    /// What libtorrent and we shall agree on, if we provide what it wants.
    fn select(self, ours: Methods) -> Option<Method> {
        let theirs: &[Method] = match (self.level, self.prefer) {
            ("pe_plaintext", _) => &[Method::Plaintext],
            ("pe_rc4", _) => &[Method::Rc4],
            (_, "rc4") => &[Method::Rc4, Method::Plaintext],
            _ => &[Method::Plaintext, Method::Rc4],
        };
        theirs.iter().copied().find(|&method| allows(ours, method))
    }

    /// What we and libtorrent shall agree on, if it provides what we want.
    fn selected_by(self, ours: Methods) -> Option<Method> {
        let order = match ours {
            Methods::PreferRc4 => [Method::Rc4, Method::Plaintext],
            _ => [Method::Plaintext, Method::Rc4],
        };
        let theirs = |method| match self.level {
            "pe_plaintext" => method == Method::Plaintext,
            "pe_rc4" => method == Method::Rc4,
            _ => true,
        };
        order.into_iter().find(|&method| allows(ours, method) && theirs(method))
    }
}

/// A Python that has libtorrent, if it is there.
fn libtorrent() -> Option<PathBuf> {
    let peers = env::var_os("PEERS_DIR").map(PathBuf::from);
    let peers = peers.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache/torrent-peers")))?;
    let python = peers.join("venv/bin/python");
    let works = Command::new(&python).args(["-c", "import libtorrent"]).stderr(Stdio::null()).status();
    if works.is_ok_and(|status| status.success()) {
        Some(python)
    } else {
        eprintln!("skipped: libtorrent is not installed");
        None
    }
}

/// A libtorrent that lives as long as this.
struct Libtorrent {
    process: Child,
    output: BufReader<ChildStdout>,
    info_hash: InfoHash,
    address: SocketAddr,
}

impl Libtorrent {
    fn start(python: &PathBuf, mode: &str, settings: Settings, port: Option<u16>) -> Self {
        let Settings { out_policy, in_policy, level, prefer } = settings;
        let mut process = Command::new(python)
            .args(["-c", LIBTORRENT, mode, out_policy, in_policy, level, prefer])
            .args(port.map(|port| port.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let [_, info_hash, port] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        let address = (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into();
        Self { info_hash: info_hash.parse().unwrap(), process, output, address }
    }

    /// What a leech says next.
    fn says(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().into()
    }
}

impl Drop for Libtorrent {
    fn drop(&mut self) {
        let _: Result<(), _> = self.process.kill();
        let _: Result<_, _> = self.process.wait();
    }
}

/// The other way round: handshake, bitfield, unchoke, piece, until they hang up. Their opinion of the connection.
async fn serve(stream: &mut MseStream<TcpStream>, mut leech: Libtorrent) -> io::Result<String> {
    let mut theirs = [0; Handshake::LENGTH];
    stream.read_exact(&mut theirs).await?;
    assert_eq!(Handshake::decode(&theirs).unwrap().info_hash, leech.info_hash);
    stream.write_all(&hello(leech.info_hash, 0)).await?;
    send(stream, 5, &[0x80]).await?;
    let (opinion, mut leech) = spawn_blocking(move || (leech.says(), leech)).await?;
    send(stream, 1, &[]).await?;
    while let Ok(message) = message(stream).await {
        if message[0] == 6 {
            assert_eq!(message[1..], [0_u32, 0, LENGTH as u32].map(u32::to_be_bytes).concat());
            send(stream, 7, &[vec![0; 8], payload()].concat()).await?;
        }
    }
    assert_eq!(spawn_blocking(move || leech.says()).await?, "done");
    Ok(opinion)
}

#[tokio::test]
async fn we_dial_libtorrent_and_fetch_a_block() {
    let Some(python) = libtorrent() else { return };
    let mut number = 0_u8;
    for in_policy in ["pe_enabled", "pe_forced"] {
        for level in ["pe_plaintext", "pe_rc4", "pe_both"] {
            for prefer in ["plaintext", "rc4"] {
                let settings = Settings { in_policy, level, prefer, ..DEFAULT };
                let seeder = Libtorrent::start(&python, "seed", settings, None);
                let info_hash = seeder.info_hash;
                for ours in METHODS {
                    let mut attempt = async || {
                        number = number.wrapping_add(1);
                        let stream = TcpStream::connect(seeder.address).await?;
                        let hello = hello(info_hash, number);
                        let handshake = Initiator::new(info_hash, ours, &seed(number), &hello)?;
                        let mut stream = connect(stream, handshake, deadline()).await?;
                        Ok((stream.method(), fetch(&mut stream, info_hash).await?))
                    };
                    match settings.select(ours) {
                        Some(expected) => {
                            let fetched = patiently(attempt).await.unwrap();
                            assert_eq!(fetched, (expected, payload()), "{settings:?} {ours:?}");
                        }
                        None => {
                            let error = attempt().await.unwrap_err();
                            assert!(matches!(error, HandshakeError::Closed | HandshakeError::Io(_)), "{error:?}");
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn libtorrent_without_encryption_hangs_up_and_takes_plain() {
    let Some(python) = libtorrent() else { return };
    let seeder = Libtorrent::start(&python, "seed", Settings { in_policy: "pe_disabled", ..DEFAULT }, None);
    let info_hash = seeder.info_hash;
    let stream = TcpStream::connect(seeder.address).await.unwrap();
    let handshake = Initiator::new(info_hash, Methods::PreferRc4, &seed(1), &hello(info_hash, 1)).unwrap();
    let error = connect(stream, handshake, deadline()).await.unwrap_err();
    assert!(matches!(error, HandshakeError::Closed | HandshakeError::Io(_)), "{error:?}");

    let fetched = patiently(async || {
        let mut stream = MseStream::plain(TcpStream::connect(seeder.address).await?, Vec::new());
        stream.write_all(&hello(info_hash, 2)).await?;
        Ok(fetch(&mut stream, info_hash).await?)
    });
    assert_eq!(fetched.await.unwrap(), payload());
}

#[tokio::test]
async fn libtorrent_hangs_up_on_whoever_asks_for_a_torrent_it_has_not() {
    let Some(python) = libtorrent() else { return };
    let seeder = Libtorrent::start(&python, "seed", DEFAULT, None);
    let stream = TcpStream::connect(seeder.address).await.unwrap();
    let handshake = Initiator::new(InfoHash::new([1; 20]), Methods::PreferRc4, &seed(1), &[]).unwrap();
    let error = connect(stream, handshake, deadline()).await.unwrap_err();
    assert!(matches!(error, HandshakeError::Closed | HandshakeError::Io(_)), "{error:?}");
}

#[tokio::test]
async fn libtorrent_dials_us_and_leeches() {
    let Some(python) = libtorrent() else { return };
    let mut number = 100;
    for out_policy in ["pe_enabled", "pe_forced"] {
        for level in ["pe_plaintext", "pe_rc4", "pe_both"] {
            for ours in METHODS {
                number += 1;
                let settings = Settings { out_policy, level, ..DEFAULT };
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let port = listener.local_addr().unwrap().port();
                let leech = Libtorrent::start(&python, "leech", settings, Some(port));
                let info_hash = leech.info_hash;
                let skeys: SkeyIndex = (0..100).map(|n| InfoHash::new([n; 20])).chain([info_hash]).collect();

                let (mut stream, _) = listener.accept().await.unwrap();
                let (opening, received) = detect(&mut stream, deadline()).await.unwrap();
                assert_eq!(opening, Opening::Obfuscated);
                let handshake = Responder::new(ours, &seed(number));
                let accepted = accept(stream, received, handshake, |skey| skeys.lookup(skey), deadline()).await;
                match (settings.selected_by(ours), accepted) {
                    (Some(expected), Ok((asked, mut stream))) => {
                        assert_eq!((asked, stream.method()), (info_hash, expected), "{settings:?} {ours:?}");
                        let opinion = serve(&mut stream, leech).await.unwrap();
                        assert_eq!(opinion, format!("connected {expected:?}"), "{settings:?} {ours:?}");
                    }
                    (None, Err(HandshakeError::Handshake(Error::NoCommonMethod { .. }))) => {}
                    (expected, other) => panic!("{settings:?} {ours:?}: {other:?} instead of {expected:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn libtorrent_dials_us_in_plain_on_the_same_port() {
    let Some(python) = libtorrent() else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = Settings { out_policy: "pe_disabled", ..DEFAULT };
    let leech = Libtorrent::start(&python, "leech", settings, Some(port));
    let (mut stream, _) = listener.accept().await.unwrap();
    let (opening, received) = detect(&mut stream, deadline()).await.unwrap();
    assert_eq!(opening, Opening::Plain);
    assert_eq!(serve(&mut MseStream::plain(stream, received), leech).await.unwrap(), "connected plain");
}
