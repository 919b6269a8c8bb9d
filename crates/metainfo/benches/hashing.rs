//! How fast files become hashes: create and verify on warm files, beside `openssl speed` and other programs.
//!
//! `cargo bench -p torrent-metainfo --bench hashing`; `HASHING_MIB` sets the size (default 1024). Wall time needs quiet
//! cores; the second column, per second of CPU time, is meant for machines that others use, too (Linux only).

#![expect(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use torrent_metainfo::{Builder, Verifier, Version};

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
    println!("{mib} MiB, {cores} cores, pieces of 1 MiB, best of {ROUNDS}, MB/s, then per CPU second");

    let bytes = (mib * MIB) as f64;
    let row = |name: &str, (wall, cpu): (f64, f64)| {
        println!("{name:<44} {:>7.0} {:>7.0}", bytes / wall / 1e6, bytes / cpu / 1e6);
    };
    if let (Some(sha1), Some(sha256)) = (openssl("sha1"), openssl("sha256")) {
        println!("{:<44} {:>7} {sha1:>7.0}", "openssl speed sha1, one core", "");
        println!("{:<44} {:>7} {sha256:>7.0}", "openssl speed sha256, one core", "");
        println!("{:<44} {:>7} {:>7.0}", "both, one after the other", "", 1.0 / (1.0 / sha1 + 1.0 / sha256));
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

/// MB per CPU second for blocks of 16 KiB.
fn openssl(hash: &str) -> Option<f64> {
    let arguments = ["speed", "-mr", "-seconds", "3", "-bytes", "16384", "-evp", hash];
    let output = Command::new("openssl").args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().rev().find(|line| line.starts_with("+F:"))?;
    line.rsplit(':').next()?.parse::<f64>().ok().map(|bytes| bytes / 1e6)
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
