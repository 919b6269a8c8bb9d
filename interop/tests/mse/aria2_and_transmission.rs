//! aria2 and Transmission as seeds that we dial.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep},
};
use torrent_types::InfoHash;
use torrent_wire::mse::{
    Initiator, Method, Methods,
    tokio::{HandshakeError, MseStream, connect},
};

use crate::{LENGTH, METHODS, POLL, allows, deadline, greet, hello, patiently, payload, seed};

/// SHA-1 of [`payload`].
const PIECE: [u8; 20] = [
    0x68, 0xf3, 0xb8, 0x1a, 0x11, 0xde, 0x1e, 0x16, 0x29, 0xe8, 0x15, 0x55, 0xb4, 0xe7, 0x0a, 0xed, 0x95, 0x5d, 0x11,
    0x40,
];
const INFO_HASH: &str = "3f2129d5027a2f0c66c80c0c9e47a81d7951780c";

/// A client that lives as long as this, on a port that it has opened.
struct Seed {
    process: Child,
    address: SocketAddr,
    /// Whether it takes an initial payload for plaintext if it selects that: Transmission 3 does, and hangs up.
    forgetful: bool,
    _folder: TempDir,
}

impl Seed {
    /// Starts `command PORT_OPTION=PORT OPTIONS TORRENT` in a folder where the payload is. `None` if it is not installed.
    fn start(command: &str, options: impl Fn(u16, &str) -> Vec<String>) -> Option<Self> {
        let path = env::var_os("PATH")?;
        if !env::split_paths(&path).any(|folder| folder.join(command).is_file()) {
            eprintln!("skipped: {command} is not installed");
            return None;
        }
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("payload"), payload()).unwrap();
        let torrent = folder.path().join("payload.torrent");
        let info = format!("d4:infod6:lengthi{LENGTH}e4:name7:payload12:piece lengthi{LENGTH}e6:pieces20:");
        fs::write(&torrent, [info.as_bytes(), &PIECE, b"ee"].concat()).unwrap();

        let address = free_address();
        let process = Command::new(command)
            .args(options(address.port(), folder.path().to_str().unwrap()))
            .arg(torrent)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { process, address, forgetful: false, _folder: folder })
    }

    /// Dials as soon as the port is open.
    async fn dial(
        &self,
        ours: Methods,
        number: u8,
        initial_payload: &[u8],
    ) -> Result<MseStream<TcpStream>, HandshakeError> {
        let deadline = deadline();
        loop {
            if let Ok(stream) = TcpStream::connect(self.address).await {
                let info_hash = INFO_HASH.parse().unwrap();
                let handshake = Initiator::new(info_hash, ours, &seed(number), initial_payload).unwrap();
                return connect(stream, handshake, deadline).await;
            }
            assert!(Instant::now() < deadline, "the port is never opened");
            sleep(POLL).await;
        }
    }

    /// All of it: dials, greets, and tells what was agreed on. `early`: our handshake goes as the initial payload.
    async fn talk(&self, ours: Methods, number: u8, early: bool) -> Result<Method, HandshakeError> {
        let info_hash: InfoHash = INFO_HASH.parse().unwrap();
        let hello = hello(info_hash, number);
        let mut stream = self.dial(ours, number, if early { &hello } else { &[] }).await?;
        if !early {
            stream.write_all(&hello).await?;
        }
        greet(&mut stream, info_hash).await?;
        Ok(stream.method())
    }

    /// Talks with all methods. What is agreed on is to be that of `select`.
    async fn expect(&self, select: impl Fn(Methods) -> Option<Method>) {
        let mut numbers = (1..=u8::MAX).cycle();
        for (ours, early) in METHODS.into_iter().rev().flat_map(|ours| [(ours, true), (ours, false)]) {
            let expected = select(ours);
            if early && self.forgetful && expected == Some(Method::Plaintext) {
                continue;
            }
            let mut talk = async || self.talk(ours, numbers.next().unwrap(), early).await;
            match expected {
                Some(expected) => assert_eq!(patiently(talk).await.unwrap(), expected, "{ours:?}, early {early}"),
                None => {
                    let error = talk().await.unwrap_err();
                    assert!(matches!(error, HandshakeError::Closed | HandshakeError::Io(_)), "{error:?}");
                }
            }
        }
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        let _: Result<(), _> = self.process.kill();
        let _: Result<_, _> = self.process.wait();
    }
}

/// Below the range of outgoing connections, so that a dial cannot meet itself before the port is open.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 20_000 + (std::process::id() as u16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        if TcpListener::bind::<SocketAddr>(address).is_ok() {
            return address;
        }
    }
}

fn prefer(theirs: &[Method]) -> impl Fn(Methods) -> Option<Method> {
    move |ours| theirs.iter().copied().find(|&method| allows(ours, method))
}

#[tokio::test]
async fn we_dial_transmission() {
    for (option, theirs) in [
        ("-er", &[Method::Rc4][..]),
        ("-ep", &[Method::Rc4, Method::Plaintext]),
        ("-et", &[Method::Plaintext, Method::Rc4]),
    ] {
        let options = |port: u16, folder: &str| {
            ["-M", option, "-p", &port.to_string(), "-w", folder, "-g", folder].map(String::from).to_vec()
        };
        let Some(mut transmission) = Seed::start("transmission-cli", options) else { return };
        transmission.forgetful = true;
        transmission.expect(prefer(theirs)).await;
    }
}

#[tokio::test]
async fn we_dial_aria2() {
    for (level, theirs) in [("arc4", &[Method::Rc4][..]), ("plain", &[Method::Plaintext, Method::Rc4])] {
        let options = |port: u16, folder: &str| {
            let mut options =
                ["-V", "--seed-ratio=0", "--enable-dht=false", "--bt-require-crypto"].map(String::from).to_vec();
            options.extend([
                format!("--bt-min-crypto-level={level}"),
                format!("--listen-port={port}"),
                format!("-d{folder}"),
            ]);
            options
        };
        let Some(aria2) = Seed::start("aria2c", options) else { return };
        aria2.expect(prefer(theirs)).await;
    }
}
