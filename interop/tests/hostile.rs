//! Downloads beside peers that hold, flood and choke: what they cost in time, CPU and memory. The peers are ours, the
//! client is the `torrent` command in a process of its own.
#![cfg(target_os = "linux")]

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use torrent_content::{Builder, Version};
use torrent_interop::{Conduct, FakeTorrent, Noise, Process, Scratch, free_port, our_command, until_after};

const MIB: u64 = 1 << 20;

/// Measurements would disturb each other.
static ALONE: Mutex<()> = Mutex::new(());

struct Setting {
    scratch: Scratch,
    torrent: FakeTorrent,
    file: std::path::PathBuf,
}

struct Measured {
    wall: Duration,
    /// Seconds, in user and kernel mode.
    cpu: f64,
    /// MiB at most.
    resident: u64,
}

impl Setting {
    fn new(length: u64, piece_length: u32) -> Self {
        let scratch = Scratch::new();
        let content: Vec<u8> =
            (0..length / 8).flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes()).collect();
        let payload = scratch.path().join("payload.bin");
        std::fs::write(&payload, &content).expect("a file");
        let metainfo =
            Builder::new().version(Version::V1).piece_length(piece_length).build(&payload).expect("a torrent");
        let file = scratch.path().join("payload.torrent");
        std::fs::write(&file, metainfo.as_bytes()).expect("a file");
        let torrent =
            FakeTorrent { info_hash: metainfo.info_hashes().short(), piece_length, content: Arc::new(content) };
        Self { scratch, torrent, file }
    }

    fn command(&self, folder: &Path, address: SocketAddr, peers: &[SocketAddr]) -> Option<Command> {
        let mut command = Command::new(our_command()?);
        command.arg("download").arg(&self.file).arg("-o").arg(folder);
        command.args(["--no-trackers", "--encryption", "disabled", "--progress", "none"]);
        command.arg(format!("--listen={address}")).args(peers.iter().map(|peer| format!("--peer={peer}")));
        Some(command)
    }

    /// Downloads from these peers, while others may be busy with `address`.
    fn download(&self, name: &str, address: SocketAddr, peers: &[SocketAddr]) -> Option<Measured> {
        let folder = self.scratch.folder(name);
        let command = self.command(&folder, address, peers)?;
        let begin = now();
        let mut process = Process::start(name, command, self.scratch.path());
        let mut last = (0.0, 0);
        let ended = until_after(Duration::from_secs(120), || {
            last = usage(process.id()).unwrap_or(last);
            (!process.is_running()).then(|| begin.elapsed())
        });
        let wall = ended.unwrap_or_else(|| panic!("{name}: not done, {last:?}"));
        assert_eq!(process.wait().code(), Some(0), "{name}");
        assert!(std::fs::read(folder.join("payload.bin")).expect("a file") == *self.torrent.content);
        let measured = Measured { wall, cpu: last.0, resident: last.1 };
        println!("{name}: {:.2} s, {:.2} CPU s, {} MiB", measured.wall.as_secs_f64(), measured.cpu, measured.resident);
        Some(measured)
    }
}

/// CPU seconds, and the most memory so far in MiB.
fn usage(process: u32) -> Option<(f64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = most.split_whitespace().next()?.parse().ok()?;
    Some((ticks / 100.0, kib / 1024))
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], free_port()).into()
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn peers_that_hold_what_they_are_asked_for_cost_little_time() {
    let _alone = ALONE.lock();
    let setting = Setting::new(96 * MIB, 1 << 20);
    let honest = [1, 2].map(|number| setting.torrent.seed(number, Conduct::Serve(8 * MIB)));
    let Some(clean) = setting.download("clean", loopback(), &honest) else { return };
    for (kind, conduct) in [("mute", Conduct::Mute), ("dripping", Conduct::Drip), ("choking", Conduct::Choke)] {
        let hostile: Vec<_> = (10..14).map(|number| setting.torrent.seed(number, conduct)).collect();
        let peers = [&hostile[..], &honest[..]].concat();
        if let Some(disturbed) = setting.download(kind, loopback(), &peers) {
            let ratio = disturbed.wall.as_secs_f64() / clean.wall.as_secs_f64();
            println!("four {kind} peers beside two honest ones: {ratio:.2} of the time without them");
            assert!(ratio <= 1.15, "four {kind} peers: {ratio:.2}");
        }
    }
    let kinds = [Conduct::Mute, Conduct::Drip, Conduct::Choke];
    let hostile: Vec<_> =
        (20..32).zip(kinds.iter().cycle()).map(|(number, conduct)| setting.torrent.seed(number, *conduct)).collect();
    let peers = [&hostile[..], &honest[..]].concat();
    if let Some(disturbed) = setting.download("all twelve", loopback(), &peers) {
        let ratio = disturbed.wall.as_secs_f64() / clean.wall.as_secs_f64();
        println!("four of each, twelve together: {ratio:.2}");
        assert!(ratio <= 1.15, "{ratio:.2}");
    }
}

#[test]
fn noise_costs_little() {
    let _alone = ALONE.lock();
    // Many small pieces: what is done per piece and message shows.
    let setting = Setting::new(64 * MIB, 1 << 14);
    let honest = [setting.torrent.seed(1, Conduct::Serve(8 * MIB))];
    let Some(clean) = setting.download("quiet", loopback(), &honest) else { return };
    for (noise, count, limit) in [
        (Noise::KeepAlive, 15, 2.0),
        (Noise::Have, 15, 1.0),
        (Noise::DontHave, 1, 1.0),
        (Noise::Request, 15, 2.0),
        (Noise::Interest, 15, 2.0),
    ] {
        let address = loopback();
        (0..count).for_each(|number| setting.torrent.make_noise(number + 1, address, noise));
        let Some(noisy) = setting.download(&format!("{noise:?}"), address, &honest) else { return };
        let more = noisy.cpu - clean.cpu;
        println!(
            "{count} × {noise:?}: {more:.2} CPU s more, {:.2} of the time",
            noisy.wall.as_secs_f64() / clean.wall.as_secs_f64()
        );
        assert!(more <= limit, "{noise:?}: {more} CPU s");
        assert!(noisy.wall <= clean.wall * 5 / 4, "{noise:?}: {:?} beside {:?}", noisy.wall, clean.wall);
        assert!(noisy.resident <= clean.resident + 8, "{noise:?}: {} MiB", noisy.resident);
    }
}
