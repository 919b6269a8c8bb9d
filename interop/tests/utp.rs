//! uTP streams with implementations that others wrote, clean and over a bad path; and beside TCP on a slow link.
//! The one who calls sends so many MiB and then receives as many. Both check every byte.

#![expect(clippy::disallowed_methods, reason = "it measures and prints how long others take")]

use std::{
    env,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path as FilePath,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torrent_interop::{
    ADDRESS, Client, Job, Manner, Path, Payload, Process, Scratch, Torrent, Tracker, UdpProxy, cached, free_port,
    in_sandbox, installed, our_command,
};
use torrent_utp::{UtpSocket, UtpStream};

const PERIOD: usize = 8191;
const BAD: Path = Path { delay: Duration::from_millis(30), lost: 20, reordered: 50 };
/// What a stream carries over a clean path, in MiB.
const CLEAN_MIB: usize = 64;
/// What others send over a bad path: their windows halve with each loss, and 64 MiB would take them minutes.
const BAD_MIB: usize = 8;

/// Another implementation of uTP.
#[derive(Clone, Copy, Debug)]
enum Other {
    /// npm's `utp-native`, which is libutp.
    Libutp,
    /// The `librqbit-utp` crate.
    Rqbit,
}

impl Other {
    fn command(self) -> Option<Command> {
        match self {
            Self::Libutp => {
                let module = cached("utp-native", "npm/node_modules/utp-native/package.json")?;
                let mut command = Command::new(installed("node")?);
                command.arg(FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src/clients/utp_native.cjs"));
                command.env("NODE_PATH", module.parent()?.parent()?);
                Some(command)
            }
            Self::Rqbit => {
                let mut command = Command::new(cached("librqbit-utp", "utp-compare/bin/torrent-utp-compare")?);
                command.arg("rqbit");
                Some(command)
            }
        }
    }

    fn start(self, role: &str, address: SocketAddr, mib: usize, scratch: &Scratch) -> Option<Process> {
        let mut command = self.command()?;
        command.arg(role);
        match self {
            Self::Libutp => command.arg(address.ip().to_string()).arg(address.port().to_string()),
            Self::Rqbit => command.arg(address.to_string()),
        };
        command.arg(mib.to_string());
        Some(Process::start(&format!("{self:?}-{role}"), command, scratch.path()))
    }
}

fn block() -> Vec<u8> {
    (0..PERIOD as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>().repeat(32)
}

async fn send(stream: &mut UtpStream, mib: usize) {
    let (block, mut left) = (block(), mib << 20);
    while left > 0 {
        let count = left.min(block.len());
        stream.write_all(&block[..count]).await.expect("the peer takes it");
        left -= count;
    }
}

async fn receive(stream: &mut UtpStream, mib: usize) {
    let (block, mut got, mut buffer) = (block(), 0, vec![0; 128 << 10]);
    while got < mib << 20 {
        let count = stream.read(&mut buffer).await.expect("the peer sends");
        assert!(count > 0, "the stream ends after {got} bytes");
        assert!(buffer[..count] == block[got % PERIOD..got % PERIOD + count], "the stream is damaged at {got}");
        got += count;
    }
    assert_eq!(got, mib << 20);
}

fn any() -> SocketAddr {
    SocketAddr::from((ADDRESS, 0))
}

/// They call us.
async fn from(other: Other, mib: usize, path: Option<Path>) -> Option<()> {
    let (scratch, socket) = (Scratch::new(), UtpSocket::bind(any()).expect("a port"));
    let proxy = match path {
        Some(path) => Some(UdpProxy::start(any(), socket.local_addr(), path).await.expect("a port")),
        None => None,
    };
    let address = proxy.as_ref().map_or(socket.local_addr(), UdpProxy::address);
    let began = Instant::now();
    let mut process = other.start("dial", address, mib, &scratch)?;
    let mut stream = socket.accept().await.expect("a call");
    receive(&mut stream, mib).await;
    let theirs = began.elapsed();
    send(&mut stream, mib).await;
    // They hang up once they have everything.
    let _ = stream.read(&mut [0]).await;
    println!("{other:?} called, {mib} MiB, {path:?}: {theirs:?} from them, {:?} from us", began.elapsed() - theirs);
    drop(stream);
    let status = tokio::task::spawn_blocking(move || process.wait()).await.expect("it ends");
    assert!(status.success(), "{other:?}");
    Some(())
}

/// We call them.
async fn to(other: Other, mib: usize, path: Option<Path>) -> Option<()> {
    let scratch = Scratch::new();
    let address = SocketAddr::from((ADDRESS, free_port()));
    let mut process = other.start("serve", address, mib, &scratch)?;
    let proxy = match path {
        Some(path) => Some(UdpProxy::start(any(), address, path).await.expect("a port")),
        None => None,
    };
    let target = proxy.as_ref().map_or(address, UdpProxy::address);
    let socket = UtpSocket::bind(any()).expect("a port");
    // A SYN to a port where nobody listens yet is refused.
    let mut stream = loop {
        match socket.connect(target).await {
            Ok(stream) => break stream,
            Err(error) => assert!(process.is_running(), "{other:?} does not listen: {error}"),
        }
    };
    let began = Instant::now();
    send(&mut stream, mib).await;
    receive(&mut stream, mib).await;
    println!("called {other:?}, {mib} MiB, {path:?}: {:?} both ways", began.elapsed());
    stream.shutdown().await.expect("it is open");
    drop(stream);
    let status = tokio::task::spawn_blocking(move || process.wait()).await.expect("it ends");
    assert!(status.success(), "{other:?}");
    Some(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not yet: 64 MiB take minutes, because bitmasks of 32 packets leave most losses to the timeout"]
async fn libutp_and_we_exchange_streams() {
    if in_sandbox() {
        from(Other::Libutp, CLEAN_MIB, None).await;
        to(Other::Libutp, CLEAN_MIB, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not yet: as over the clean path"]
async fn libutp_and_we_exchange_streams_over_a_bad_path() {
    if in_sandbox() {
        from(Other::Libutp, BAD_MIB, Some(BAD)).await;
        to(Other::Libutp, BAD_MIB, Some(BAD)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn librqbit_utp_and_we_exchange_streams() {
    if in_sandbox() {
        from(Other::Rqbit, CLEAN_MIB, None).await;
        to(Other::Rqbit, CLEAN_MIB, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not yet: takes minutes"]
async fn librqbit_utp_and_we_exchange_streams_over_a_bad_path() {
    if in_sandbox() {
        from(Other::Rqbit, BAD_MIB, Some(BAD)).await;
        to(Other::Rqbit, BAD_MIB, Some(BAD)).await;
    }
}

/// `torrent download` over uTP and nothing else.
async fn download(client: Client, make: fn(&Scratch) -> Payload, path: Option<Path>) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = make(&scratch);
    let torrent = Torrent::create(&scratch, &payload, None)?;
    let manner = Manner { utp: true, ..Manner::default() };
    let job = Job { manner, ..Job::new(&scratch, "seed", &torrent, payload.folder_path()) };
    let (_seed, address) = tokio::task::block_in_place(|| client.seed(&job))?;
    let proxy = match path {
        Some(path) => Some(UdpProxy::start(any(), address, path).await.expect("a port")),
        None => None,
    };
    let peer = proxy.as_ref().map_or(address, UdpProxy::address);
    let folder = scratch.folder("downloaded");
    let mut command = Command::new(ours);
    command
        .args(["download", "--transport=utp"])
        .arg(torrent.path())
        .arg("-o")
        .arg(&folder)
        .arg(format!("--peer={peer}"));
    let mut process = Process::start("torrent", command, scratch.path());
    let status = tokio::task::spawn_blocking(move || process.wait()).await.expect("it ends");
    assert_eq!(status.code(), Some(0));
    payload.assert_same(&folder);
    Some(())
}

/// `torrent seed` over uTP and nothing else.
fn seed(client: Client, make: fn(&Scratch) -> Payload) -> Option<()> {
    let (scratch, ours) = (Scratch::new(), our_command().filter(|_| in_sandbox())?);
    let payload = make(&scratch);
    let tracker = if client.needs_tracker() { Some(Tracker::start(&scratch)?) } else { None };
    let torrent = Torrent::create(&scratch, &payload, tracker.as_ref())?;
    let peer = SocketAddr::from((ADDRESS, free_port()));
    let mut command = Command::new(ours);
    command.args(["seed", "--transport=utp"]).arg(torrent.path()).arg(payload.folder_path());
    command.arg(format!("--port={}", peer.port()));
    let mut process = Process::start("torrent", command, scratch.path());
    if let Some(tracker) = &tracker {
        tracker.wait_for_seeds(torrent.info_hash(), 1);
    }
    let (folder, peers, manner) = (scratch.folder("downloaded"), [peer], Manner { utp: true, ..Manner::default() });
    let job = Job { peers: &peers, manner, ..Job::new(&scratch, "leech", &torrent, &folder) };
    client.leech(&job)?.wait();
    client.assert_downloaded(&payload, &folder);
    assert!(process.is_running(), "it goes on serving");
    Some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn we_download_from_libtorrent() {
    download(Client::Libtorrent, Payload::large, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_download_from_libtorrent_over_a_bad_path() {
    download(Client::Libtorrent, Payload::file, Some(BAD)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_download_from_transmission() {
    download(Client::Transmission, Payload::large, None).await;
}

#[test]
fn libtorrent_downloads_from_us() {
    seed(Client::Libtorrent, Payload::large);
}

#[test]
#[ignore = "not yet: Transmission does not finish over uTP alone in a minute"]
fn transmission_downloads_from_us() {
    seed(Client::Transmission, Payload::large);
}

/// The address of the far side of a link of 40 Mbit/s with a queue of 300 ms.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
const TCP_PORT: u16 = 7001;
const UTP_PORT: u16 = 7002;

fn ip(arguments: &str) -> bool {
    run("ip", arguments)
}

fn run(program: &str, arguments: &str) -> bool {
    Command::new(program).args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}

/// Not a test: the far side of the next one, in a network namespace of its own.
#[test]
#[ignore = "a part of the test below"]
fn far_side() {
    if env::var_os("FAR_SIDE").is_none() {
        return;
    }
    // The near side puts the interface here.
    while !ip("addr add 10.78.0.2/24 dev far") {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(ip("link set far up"));
    while !ip("route add 10.78.1.0/24 via 10.78.0.1") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let utp_bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&utp_bytes);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let socket = UtpSocket::bind(SocketAddr::from((FAR, UTP_PORT))).expect("a port");
            loop {
                let mut stream = socket.accept().await.expect("a call");
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        counter.fetch_add(count as u64, Ordering::Relaxed);
                    }
                });
            }
        })
    });
    let listener = TcpListener::bind((FAR, TCP_PORT)).expect("a port");
    let (mut stream, _) = listener.accept().expect("a call");
    let before = utp_bytes.load(Ordering::Relaxed);
    let (mut tcp, mut buffer) = (0_u64, vec![0; 1 << 16]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        tcp += count as u64;
    }
    let utp = utp_bytes.load(Ordering::Relaxed) - before;
    println!("\ntcp {tcp} utp {utp} before {before}");
}

#[test]
#[ignore = "not yet: the network of three namespaces is not always up in time"]
fn beside_tcp_on_a_slow_link_we_yield() {
    if !in_sandbox() || installed("tc").is_none() {
        return;
    }
    let scratch = Scratch::new();
    let mut command = Command::new("unshare");
    command.arg("--net").arg(env::current_exe().expect("this test")).args([
        "far_side",
        "--ignored",
        "--exact",
        "--nocapture",
    ]);
    command.env("FAR_SIDE", "1");
    let mut far = Process::start("far", command, scratch.path());
    // The slow link begins at a router: a sender of TCP does not fill a queue of its own machine, which the kernel prevents.
    let mut command = Command::new("unshare");
    command.args(["--net", "sleep", "120"]);
    let router = Process::start("router", command, scratch.path());
    let at_router = |arguments: &str| run("nsenter", &format!("-t {} -n {arguments}", router.id()));
    // Both processes have to be in their namespaces first.
    let up = torrent_interop::until(|| {
        let near = ip(&format!("link add name near type veth peer name side netns {}", router.id()));
        (near && at_router("ip link show side")).then_some(())
    });
    assert!(up.is_some(), "an interface at the router");
    let far_up = torrent_interop::until(|| {
        at_router(&format!("ip link add name slow type veth peer name far netns {}", far.id())).then_some(())
    });
    assert!(far_up.is_some(), "an interface at the far side");
    assert!(ip("addr add 10.78.1.1/24 dev near") && ip("link set near up"));
    assert!(ip("route add 10.78.0.0/24 via 10.78.1.2"));
    for arguments in [
        "ip addr add 10.78.1.2/24 dev side",
        "ip link set side up",
        "ip addr add 10.78.0.1/24 dev slow",
        "ip link set slow up",
        "sysctl -qw net.ipv4.ip_forward=1",
        // 300 ms of 40 Mbit/s are 1.5 MB.
        "tc qdisc add dev slow root tbf rate 40mbit burst 15k limit 1500000",
    ] {
        assert!(at_router(arguments), "{arguments}");
    }
    std::fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "cubic").expect("CUBIC is there");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let socket = runtime
        .block_on(async { UtpSocket::bind(SocketAddr::from((Ipv4Addr::new(10, 78, 1, 1), 0))).expect("a port") });
    runtime.spawn(async move {
        let mut stream = loop {
            if let Ok(stream) = socket.connect(SocketAddr::from((FAR, UTP_PORT))).await {
                break stream;
            }
        };
        let block = vec![7; 1 << 16];
        while stream.write_all(&block).await.is_ok() {}
    });
    // Alone it fills the link.
    std::thread::sleep(Duration::from_secs(8));
    let mut tcp = TcpStream::connect((FAR, TCP_PORT)).expect("it listens");
    let (end, block) = (Instant::now() + Duration::from_secs(20), vec![7; 1 << 16]);
    while Instant::now() < end {
        tcp.write_all(&block).expect("it reads");
    }
    drop(tcp);
    far.wait();
    let said = far.stdout();
    let line = said.lines().find(|line| line.starts_with("tcp ")).expect("the far side has counted");
    println!("{line}");
    let numbers: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [tcp, utp, before] = numbers[..] else { panic!("{line}") };
    assert!(before > 0.7 * 8.0 * 5e6, "alone, uTP fills the link: {before}");
    assert!(tcp / (tcp + utp) >= 0.8, "TCP keeps the link: {line}");
}
