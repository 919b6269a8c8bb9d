//! Our client against opentracker and the npm package `bittorrent-tracker`, and that package's client against our server.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};
use torrent_interop::{cached, free_port, installed};
use torrent_tracker::{AnnounceRequest, Client, Config, Error, Event, Refused, TrackerUrl, Trust, server::Server};
use torrent_types::InfoHash;

/// Every kind of byte that a query has to encode.
const HASH: [u8; 20] = *b"\x00\xff%&=+ ?#/aZ09-._~\n\r";
const UNKNOWN: [u8; 20] = [0xee; 20];

/// A tracker that somebody else wrote, for the length of a test.
pub(super) struct Foreign {
    port: u16,
    _process: Child,
    _folder: TempDir,
}

impl Foreign {
    pub(super) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn urls(&self) -> [TrackerUrl; 2] {
        ["http", "udp"].map(|scheme| format!("{scheme}://127.0.0.1:{}/announce", self.port).parse().unwrap())
    }
}

/// The folder of `npm install bittorrent-tracker`, made by `.ci/install-peers`.
fn npm() -> Option<PathBuf> {
    installed("node")?;
    let manifest = cached("npm's bittorrent-tracker", "npm/node_modules/bittorrent-tracker/package.json")?;
    manifest.parent().map(Path::to_owned)
}

async fn start(mut command: Command, folder: TempDir, port: u16) -> Foreign {
    let process =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let listens = async {
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), listens).await.expect("the tracker listens within 20 s");
    Foreign { port, _process: process, _folder: folder }
}

/// Debian's opentracker admits listed torrents only, and does not run as root.
async fn opentracker() -> Option<Foreign> {
    let program = installed("opentracker")?;
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let list = folder.path().join("whitelist");
    fs::write(&list, format!("{}\n", InfoHash::new(HASH))).unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(program);
    let number = port.to_string();
    command.args(["-i", "127.0.0.1", "-p", &number, "-P", &number, "-w", "whitelist", "-u", "nobody", "-d"]);
    command.arg(folder.path());
    let tracker = start(command, folder, port).await;
    // It listens before it has read the list.
    let [url, _] = tracker.urls();
    let client = Client::new(Config::default());
    let admits = async {
        while client.announce(&url, &request(7000, 9, Event::Started)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        // This it grants for any torrent.
        client.announce(&url, &request(7000, 9, Event::Stopped)).await.unwrap();
    };
    timeout(Duration::from_secs(20), admits).await.expect("the torrent is listed within 20 s");
    Some(tracker)
}

/// Node with the package's own files. WebRTC is a stub: its native part is not built, and HTTP and UDP do without it.
fn node(npm: &Path, folder: &Path, script: &str) -> Command {
    for (name, text) in [("hooks.mjs", HOOKS), ("register.mjs", REGISTER), ("script.mjs", script)] {
        fs::write(folder.join(name), text).unwrap();
    }
    let mut command = Command::new("node");
    command.arg("--import").arg(folder.join("register.mjs")).arg(folder.join("script.mjs"));
    command.arg(npm);
    command
}

const REGISTER: &str = "import { register } from 'node:module'; register('./hooks.mjs', import.meta.url)";

const HOOKS: &str = r"
const stub = 'data:text/javascript,export default {}; export class RTCPeerConnection {};' +
  'export class RTCIceCandidate {}; export class RTCSessionDescription {}'
export const resolve = (name, context, next) =>
  name === 'webrtc-polyfill' ? { url: stub, shortCircuit: true } : next(name, context)
";

const NPM_SERVER: &str = r"
const [folder, port] = process.argv.slice(2)
const { default: Server } = await import(folder + '/server.js')
new Server({ http: true, udp: true, ws: false, stats: false, interval: 600000 }).listen(Number(port), { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' })
";

pub(super) async fn npm_server() -> Option<Foreign> {
    let npm = npm()?;
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut command = node(&npm, folder.path(), NPM_SERVER);
    command.arg(port.to_string());
    Some(start(command, folder, port).await)
}

fn request(port: u16, left: u64, event: Event) -> AnnounceRequest {
    let mut peer_id = *b"-RS0001-000000000000";
    peer_id[18..].copy_from_slice(&port.to_be_bytes());
    let mut request = AnnounceRequest::new(HASH.into(), peer_id.into(), port);
    (request.left, request.event, request.num_want) = (Some(left), Some(event), Some(50));
    request
}

/// A seed and a leecher meet; the seed's download was counted; both leave.
async fn a_swarm_lives(tracker: &Foreign, url: &TrackerUrl) {
    let client = Client::new(Config::default());
    let seed = client.announce(url, &request(7001, 0, Event::Started)).await.unwrap();
    assert!(seed.interval >= Duration::from_secs(60), "{url}: {seed:?}");
    assert_eq!((seed.seeders, seed.leechers), (Some(1), Some(0)), "{url}");
    let leecher = client.announce(url, &request(7002, 9, Event::Started)).await.unwrap();
    assert_eq!((leecher.seeders, leecher.leechers), (Some(1), Some(1)), "{url}");
    let seed_address = SocketAddr::from(([127, 0, 0, 1], 7001));
    assert!(leecher.peers.contains(&seed_address), "{url}: {leecher:?}");

    client.announce(url, &request(7002, 0, Event::Completed)).await.unwrap();
    let entries = client.scrape(url, &[HASH.into()]).await.unwrap();
    let entry = entries[0].expect("the tracker knows the torrent");
    assert_eq!((entry.seeders, entry.leechers), (2, 0), "{url}");
    assert!(entry.downloaded >= 1, "{url}");

    for port in [7001, 7002] {
        client.announce(url, &request(port, 0, Event::Stopped)).await.unwrap();
    }
    let entry = client.scrape(url, &[HASH.into()]).await.unwrap()[0].unwrap_or_default();
    assert_eq!((entry.seeders, entry.leechers), (0, 0), "{url} of {}", tracker.port);
}

#[tokio::test]
async fn opentracker_serves_us_over_http_and_udp() {
    let Some(tracker) = opentracker().await else { return };
    for url in tracker.urls() {
        a_swarm_lives(&tracker, &url).await;
    }
}

#[tokio::test]
async fn opentracker_refuses_torrents_that_it_does_not_list() {
    let Some(tracker) = opentracker().await else { return };
    let [http, _] = tracker.urls();
    let mut request = request(7001, 0, Event::Started);
    request.info_hash = UNKNOWN.into();
    let outcome = Client::new(Config::default()).announce(&http, &request).await;
    assert!(matches!(outcome, Err(Error::Failure(_))), "{outcome:?}");
}

#[tokio::test]
async fn bittorrent_tracker_of_npm_serves_us_over_http_and_udp() {
    let Some(tracker) = npm_server().await else { return };
    for url in tracker.urls() {
        a_swarm_lives(&tracker, &url).await;
    }
}

#[tokio::test]
async fn bittorrent_tracker_of_npm_scrapes_many_and_says_why_it_refuses() {
    let Some(tracker) = npm_server().await else { return };
    let client = Client::new(Config::default());
    let hashes: Vec<InfoHash> = (0..100).map(|n| [n; 20].into()).collect();
    for url in tracker.urls() {
        assert_eq!(client.scrape(&url, &hashes).await.unwrap().len(), 100);
    }
    let [http, _] = tracker.urls();
    let bad: TrackerUrl = format!("{http}?port=0").parse().unwrap();
    let outcome = client.announce(&bad.trust(Trust::User), &request(7001, 0, Event::Started)).await;
    assert!(matches!(outcome, Err(Error::Failure(_))), "{outcome:?}");
}

/// An address of the internet, which is ours in the namespace.
const GLOBAL: &str = "203.0.113.7";

#[tokio::test]
async fn a_redirect_from_the_internet_into_the_local_network_is_refused() {
    if !torrent_interop::in_sandbox() {
        return;
    }
    let _ = Command::new("ip").args(["addr", "add", &format!("{GLOBAL}/32"), "dev", "lo"]).status().await.unwrap();
    let inside = Server::bind((torrent_interop::ADDRESS, 0)).await.unwrap();
    let outside = TcpListener::bind((GLOBAL, 0)).unwrap();
    let url: TrackerUrl = format!("http://{}/announce", outside.local_addr().unwrap()).parse().unwrap();
    let location = inside.http_url();
    let answers = tokio::task::spawn_blocking(move || {
        for _ in 0..2 {
            let (mut stream, _) = outside.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let client = Client::new(Config::default());
    let request = request(7001, 0, Event::Started);
    // Asked directly, it answers: then there is a connection to it that must not be used either.
    for asked_before in [false, true] {
        if asked_before {
            client.announce(&inside.http_url().parse().unwrap(), &request).await.unwrap();
        }
        let outcome = client.announce(&url.clone().trust(Trust::User), &request).await;
        assert!(matches!(outcome, Err(Error::Refused(Refused::RedirectToLocal))), "{outcome:?}");
        assert_eq!(inside.stats().http, u64::from(asked_before));
    }
    answers.await.unwrap();
}

/// A life of two peers as npm's client leads it: prints one JSON object of what it was told.
const NPM_CLIENT: &str = r#"
import { once } from 'node:events'
const [folder, url, infoHash] = process.argv.slice(2)
const { default: Client } = await import(folder + '/client.js')
const make = (port, left) => new Client({
  infoHash, peerId: Buffer.from('-NP0001-0000000' + port), announce: [url], port,
  getAnnounceOpts: () => ({ uploaded: 0, downloaded: 0, left })
})
const fail = (e) => { console.error(e); process.exit(1) }
const seed = make(17001, 0), leecher = make(17002, 9)
for (const client of [seed, leecher]) { client.on('error', fail); client.on('warning', fail) }
seed.start({ left: 0 })
const [first] = await once(seed, 'update')
const peer = once(leecher, 'peer'), second = once(leecher, 'update')
leecher.start({ left: 9 })
const [address] = await peer
const { complete, incomplete } = (await second)[0]
leecher.scrape()
const [scrape] = await once(leecher, 'scrape')
const completed = once(leecher, 'update')
leecher.complete({ left: 0 })
const [third] = await completed
const gone = once(leecher, 'update')
leecher.stop()
await gone
console.log(JSON.stringify({
  first: [first.complete, first.incomplete], second: [complete, incomplete], address,
  scrape: [scrape.complete, scrape.incomplete], third: [third.complete, third.incomplete]
}))
process.exit(0)
"#;

async fn npm_client(npm: &Path, url: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = node(npm, folder.path(), NPM_CLIENT);
    command.arg(url).arg(InfoHash::new(HASH).to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(60), command.output()).await.expect("done within a minute").unwrap();
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn npms_client_is_served_by_us_over_http_and_udp() {
    let Some(npm) = npm() else { return };
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    for url in [server.http_url(), server.udp_url()] {
        let told = npm_client(&npm, &url).await;
        let expected = r#"{"first":[1,0],"second":[1,1],"address":"127.0.0.1:17001","scrape":[1,1],"third":[2,0]}"#;
        assert_eq!(told.trim(), expected, "{url}");
        // The seed did not say goodbye.
        assert_eq!(server.stats().peers, 1);
        let client = Client::new(Config::default());
        client.announce(&url.parse().unwrap(), &request(17001, 0, Event::Stopped)).await.unwrap();
        assert_eq!(server.stats().peers, 0);
    }
}
