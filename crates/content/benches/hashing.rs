//! How fast files become hashes: create and verify on warm files, beside `openssl speed` and other programs.
//!
//! `cargo bench -p torrent-content --bench hashing`; `HASHING_MIB` sets the size (default 1024). The first columns are
//! MB/s and what part that is of `openssl speed` on as many cores, and need quiet ones. The last two are the same per second
//! of CPU time against one core, for machines that others use, too (Linux only).

#![expect(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use torrent_content::{Builder, Verifier, Version};

const MIB: usize = 1 << 20;
const PIECE_LENGTH: u32 = 1 << 20;
const ROUNDS: usize = 5;

fn main() {
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mib: usize = env::var("HASHING_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(1024);
    let folder = tempfile::tempdir().unwrap();
    let (one, many) = (folder.path().join("one.bin"), folder.path().join("many"));
    fill(&one, mib);
    fs::create_dir(&many).unwrap();
    (0..mib).for_each(|number| fill(&many.join(format!("{number:05}")), 1));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{mib} MiB, {cores} cores, pieces of 1 MiB, best of {ROUNDS}: MB/s of openssl, MB/s per CPU second of openssl"
    );

    let speed = Openssl::measure(cores);
    let bytes = (mib * MIB) as f64;
    let row = |name: &str, (wall, cpu): (f64, f64)| {
        let hashes: &[Openssl] = match name {
            name if name.contains("v1") => &speed[..1],
            name if name.contains("v2") => &speed[1..],
            _ => &speed,
        };
        // One hash after the other.
        let (all, one) =
            hashes.iter().fold((0.0, 0.0), |(all, one), hash| (all + 1.0 / hash.all, one + 1.0 / hash.one));
        let (wall, cpu) = (bytes / wall / 1e6, bytes / cpu / 1e6);
        println!("{name:<32} {wall:>7.0} {:>4.0} %   {cpu:>7.0} {:>4.0} %", wall * all * 100.0, cpu * one * 100.0);
    };
    for (name, hash) in ["sha1", "sha256"].into_iter().zip(&speed) {
        println!("{:<32} {:>7.0}          {:>7.0}", format!("openssl speed {name}"), hash.all, hash.one);
    }
    for (name, version) in [("v1", Version::V1), ("v2", Version::V2), ("hybrid", Version::Hybrid)] {
        let builder = || Builder::new().version(version).piece_length(PIECE_LENGTH);
        row(&format!("create {name}, one file"), best(|| drop(builder().build(&one).unwrap())));
        row(&format!("create {name}, {mib} files"), best(|| drop(builder().build(&many).unwrap())));
        let torrent = builder().build(&one).unwrap();
        row(
            &format!("verify {name}, one file"),
            best(|| assert!(Verifier::new(&torrent).run(folder.path()).unwrap().is_complete())),
        );
    }
    let out = folder.path().join("out.torrent");
    let other = |name: &str, command: &mut Command| {
        let mut run = || {
            let _ = fs::remove_file(&out);
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        if run() {
            row(name, best(|| assert!(run())));
        } else {
            println!("{name:<44} not installed");
        }
    };
    let out = out.as_os_str();
    let threads = cores.to_string();
    other(
        &format!("mktorrent -t{threads} (v1)"),
        Command::new("mktorrent").args(["-l20", "-t", &threads, "-o"]).arg(out).arg(&one),
    );
    other(
        "transmission-create (v1)",
        Command::new("transmission-create").args(["-s", "1024", "-o"]).arg(out).arg(&one),
    );
    for (mode, flags) in [("v1", "lt.create_torrent.v1_only"), ("hybrid", "0")] {
        other(&format!("libtorrent ({mode})"), Command::new(python()).args(["-c", &libtorrent(flags)]).arg(&one));
    }
}

fn fill(path: &Path, mib: usize) {
    let mut file = fs::File::create(path).unwrap();
    let block: Vec<u8> = (0..MIB).map(|at| (at * at % 251) as u8).collect();
    (0..mib).for_each(|_| file.write_all(&block).unwrap());
}

/// The best wall time and the best CPU time, in seconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn best(mut work: impl FnMut()) -> (f64, f64) {
    let seconds = (0..ROUNDS).map(|_| {
        let (start, before) = (Instant::now(), cpu_seconds());
        work();
        (start.elapsed().as_secs_f64(), cpu_seconds() - before)
    });
    seconds.fold((f64::INFINITY, f64::INFINITY), |best, round| (best.0.min(round.0), best.1.min(round.1)))
}

/// Of this process and its children that have ended, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(4).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// MB/s for blocks of 16 KiB.
struct Openssl {
    /// On all cores at once.
    all: f64,
    /// On one, per second of CPU time.
    one: f64,
}

impl Openssl {
    /// SHA-1 and SHA-256; not numbers if it is not installed.
    fn measure(cores: usize) -> [Self; 2] {
        ["sha1", "sha256"].map(|hash| Self { all: openssl(hash, cores), one: openssl(hash, 1) })
    }
}

fn openssl(hash: &str, processes: usize) -> f64 {
    let mut command = Command::new("openssl");
    command.args(["speed", "-mr", "-seconds", "2", "-bytes", "16384"]);
    if processes > 1 {
        // It goes by the wall then, else by CPU time.
        command.args(["-multi", &processes.to_string()]);
    }
    let output = command.args(["-evp", hash]).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = text.lines().rev().find(|line| line.starts_with("+F:"));
    line.and_then(|line| line.rsplit(':').next()?.parse::<f64>().ok()).map_or(f64::NAN, |bytes| bytes / 1e6)
}

fn python() -> PathBuf {
    let peers = env::var_os("PEERS_DIR").map(PathBuf::from);
    let peers =
        peers.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/torrent-peers"));
    peers.join("venv/bin/python")
}

fn libtorrent(flags: &str) -> String {
    format!(
        "import os, sys, libtorrent as lt\n\
         f = sys.argv[1]\n\
         t = lt.create_torrent(list(lt.list_files(f, lambda _: True, 0)), {PIECE_LENGTH}, {flags})\n\
         lt.set_piece_hashes(t, os.path.dirname(f))\n\
         t.generate()\n"
    )
}
