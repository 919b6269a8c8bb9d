//! `torrent create` beside the commands of others: same files, same options, same info hash; and what we make loads there.
//! The library's side of this, with many more trees of files, is in `metainfo.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use torrent_interop::{Scratch, our_command};
use torrent_metainfo::Metainfo;

/// Arguments: version, `private` or not, source, folder, output.
const LIBTORRENT_CREATE: &str = r#"
import os, sys, warnings
import libtorrent as lt
warnings.simplefilter('ignore')
T = lt.create_torrent
version, private, source, path, out = sys.argv[1:]
flags = {'v1': T.v1_only, 'v2': T.v2_only, 'hybrid': 0}[version]
files = list(lt.list_files(path, lambda _: True, flags))
if version == 'v1': files.sort(key=lambda f: f.filename)
t = T(files, 32768, flags)
t.set_priv(private == 'private')
t.add_tracker('http://tracker.example/announce')
lt.set_piece_hashes(t, os.path.dirname(path))
made = t.generate()
if source: made[b'info'][b'source'] = source.encode()
with open(out, 'wb') as f: f.write(lt.bencode(made))
"#;

/// Argument: a torrent. Prints what it has understood.
const LIBTORRENT_LOAD: &str = r#"
import sys, warnings
import libtorrent as lt
warnings.simplefilter('ignore')
t = lt.load_torrent_file(sys.argv[1])
h = t.ti.info_hashes()
print('+'.join(str(x) for x, there in ((h.v1, h.has_v1()), (h.v2, h.has_v2())) if there))
print(' '.join(t.trackers), t.tracker_tiers)
print(' '.join(t.url_seeds))
print(t.ti.priv(), t.comment)
"#;

/// A folder whose order no two tools could disagree about.
fn album(scratch: &Scratch) -> PathBuf {
    let folder = scratch.folder("album");
    for (number, (name, length)) in
        [("a.bin", 100_000), ("b.bin", 32_768), ("c/d.bin", 70_001), ("c/e.bin", 1)].into_iter().enumerate()
    {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let content: Vec<u8> =
            (0..length).map(|at: usize| (at * 31 + number * 7).to_le_bytes()[0] ^ (at >> 8) as u8).collect();
        fs::write(path, content).unwrap();
    }
    folder
}

fn tool(name: &str) -> Option<PathBuf> {
    let found = env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.or_else(|| missing(name))
}

/// A Python that has libtorrent.
fn libtorrent() -> Option<PathBuf> {
    let home = || Some(Path::new(&env::var_os("HOME")?).join(".cache/torrent-peers"));
    let python = env::var_os("PEERS_DIR").map(PathBuf::from).or_else(home)?.join("venv/bin/python");
    python.is_file().then_some(python).or_else(|| missing("libtorrent"))
}

fn missing<T>(name: &str) -> Option<T> {
    assert!(env::var_os("TORRENT_INTEROP_STRICT").is_none(), "{name} is not installed");
    eprintln!("skipped: {name} is not installed");
    None
}

/// Runs a command that has to succeed.
#[track_caller]
fn run(program: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {}\n{stdout}\n{stderr}", program.display(), output.status);
    output
}

/// What our command makes of a folder.
#[track_caller]
fn create(ours: &Path, folder: &Path, out: &Path, options: &[&str]) -> Metainfo {
    let fixed = ["create", "-q", "--force", "-l", "32KiB", "-a", "http://tracker.example/announce"];
    let arguments =
        fixed.iter().chain(options).map(OsStr::new).chain(["-o".as_ref(), out.as_os_str(), folder.as_os_str()]);
    run(ours, arguments);
    load(out)
}

#[track_caller]
fn load(path: &Path) -> Metainfo {
    Metainfo::from_bytes(fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn mktorrent_gives_the_same_info_hash() {
    let (Some(mktorrent), Some(ours)) = (tool("mktorrent"), our_command()) else { return };
    let scratch = Scratch::new();
    let (folder, out) = (album(&scratch), scratch.folder("out"));
    let cases: [(&[&str], &[&str]); 4] = [
        (&[], &[]),
        (&["-p"], &["--private"]),
        (&["-s", "HERE", "-p"], &["--source", "HERE", "--private"]),
        (&["-n", "renamed", "-c", "hello"], &["--name", "renamed", "--comment", "hello"]),
    ];
    for (number, (theirs, options)) in cases.into_iter().enumerate() {
        let path = out.join(format!("{number}.torrent"));
        let fixed = ["-l", "15", "-a", "http://tracker.example/announce"];
        let arguments =
            fixed.iter().chain(theirs).map(OsStr::new).chain(["-o".as_ref(), path.as_os_str(), folder.as_os_str()]);
        run(&mktorrent, arguments);
        let made = create(&ours, &folder, &out.join("ours"), &[&["--format", "v1"], options].concat());
        assert_eq!(made.info_hashes(), load(&path).info_hashes(), "{options:?}");
    }
}

#[test]
fn transmission_create_gives_the_same_info_hash() {
    let (Some(transmission), Some(ours)) = (tool("transmission-create"), our_command()) else { return };
    let scratch = Scratch::new();
    let (folder, out) = (album(&scratch), scratch.folder("out"));
    let path = out.join("theirs");
    // Without -p, version 3 writes `private` as 0, which no one else does.
    let fixed = ["-p", "-s", "32", "-t", "http://tracker.example/announce", "-o"].map(OsStr::new);
    run(&transmission, fixed.into_iter().chain([path.as_os_str(), folder.as_os_str()]));
    let made = create(&ours, &folder, &out.join("ours"), &["--format", "v1", "--private"]);
    assert_eq!(made.info_hashes(), load(&path).info_hashes());
}

#[test]
fn libtorrent_gives_the_same_info_hashes() {
    let (Some(python), Some(ours)) = (libtorrent(), our_command()) else { return };
    let scratch = Scratch::new();
    let (folder, out) = (album(&scratch), scratch.folder("out"));
    let path = out.join("theirs");
    for version in ["v1", "v2", "hybrid"] {
        for (private, source, options) in [
            ("", "", &[][..]),
            ("private", "", &["--private"]),
            ("private", "HERE", &["--private", "--source", "HERE"]),
        ] {
            let words = ["-c", LIBTORRENT_CREATE, version, private, source].map(OsStr::new);
            run(&python, words.into_iter().chain([folder.as_os_str(), path.as_os_str()]));
            let made = create(&ours, &folder, &out.join("ours"), &[&["--format", version], options].concat());
            assert_eq!(made.info_hashes(), load(&path).info_hashes(), "{version} {options:?}");
            assert_eq!(made.value("piece layers"), load(&path).value("piece layers"), "{version} {options:?}");
        }
    }
}

#[test]
fn libtorrent_understands_all_that_we_say() {
    let (Some(python), Some(ours)) = (libtorrent(), our_command()) else { return };
    let scratch = Scratch::new();
    let (folder, out) = (album(&scratch), scratch.folder("out"));
    for version in ["v1", "v2", "hybrid"] {
        let path = out.join(version);
        let options = ["-a", "udp://b:1 udp://c:2", "-w", "http://seed.example/", "--private", "--comment", "hello"];
        let made = create(&ours, &folder, &path, &[&["--format", version], &options[..]].concat());
        let expected = format!(
            "{}\nhttp://tracker.example/announce udp://b:1 udp://c:2 [0, 1, 1]\nhttp://seed.example/\nTrue hello\n",
            made.info_hashes()
        );
        let load = |path: &Path| run(&python, ["-c".as_ref(), LIBTORRENT_LOAD.as_ref(), path.as_os_str()]).stdout;
        assert_eq!(String::from_utf8_lossy(&load(&path)), expected);
        // Edited, it is still the same torrent.
        run(&ours, ["edit".as_ref(), "--clear-trackers".as_ref(), "--comment=new".as_ref(), path.as_os_str()]);
        let expected = format!("{}\n []\nhttp://seed.example/\nTrue new\n", made.info_hashes());
        assert_eq!(String::from_utf8_lossy(&load(&path)), expected);
    }
}

#[test]
fn transmission_show_and_aria2_load_v1() {
    let Some(ours) = our_command() else { return };
    let scratch = Scratch::new();
    let (folder, out) = (album(&scratch), scratch.folder("out"));
    let path = out.join("v1");
    let options =
        ["-a", "udp://b:1", "-w", "http://seed.example/", "--node", "router.example:6881", "--align", "--source", "S"];
    let made = create(&ours, &folder, &path, &[&["--format", "v1"], &options[..]].concat());
    let hash = made.info_hashes().to_string();
    for (name, arguments) in [("transmission-show", &[][..]), ("aria2c", &["-S"])] {
        let Some(program) = tool(name) else { continue };
        let shown = run(&program, arguments.iter().map(OsStr::new).chain([path.as_os_str()])).stdout;
        let shown = String::from_utf8_lossy(&shown);
        assert!(shown.contains(&hash) && shown.contains("d.bin"), "{name}: {hash} is not in\n{shown}");
    }
}

/// Neither the aria2 (1.36) nor the Transmission (3.00) that distributions have read the empty keys of a file tree right:
/// aria2 takes hybrids, but under an info hash that nobody else knows; Transmission refuses them, libtorrent's just the same.
#[test]
fn aria2_loads_hybrids() {
    let (Some(aria2), Some(ours)) = (tool("aria2c"), our_command()) else { return };
    let scratch = Scratch::new();
    let (folder, out) = (album(&scratch), scratch.folder("out"));
    create(&ours, &folder, &out.join("hybrid"), &["--format", "hybrid"]);
    let shown = run(&aria2, ["-S".as_ref(), out.join("hybrid").as_os_str()]).stdout;
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("album/c/d.bin") && shown.contains("http://tracker.example/announce"), "{shown}");
}
