//! `tracker`, `announce`, `scrape`: against each other.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use super::Folder;

const HASH: &str = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A tracker at a free port, and its two URLs.
fn tracker(folder: &Folder) -> (Running, [String; 2]) {
    let mut command = folder.command(&["tracker", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let urls = [lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()];
    (Running(child), urls)
}

#[test]
fn announced_peers_are_printed_and_counted() {
    let folder = Folder::new();
    let (_tracker, urls) = tracker(&folder);
    for url in &urls {
        let done = folder.run(&["announce", url, HASH, "--port", "1001", "--left", "0", "--event", "started"]);
        assert_eq!((done.code, done.stdout.as_slice()), (Some(0), &b""[..]), "{}", done.stderr);
        let done = folder.run(&["announce", url, HASH, "--port", "1002"]);
        assert_eq!((done.code, done.stdout.as_slice()), (Some(0), &b"127.0.0.1:1001\n"[..]), "{}", done.stderr);
        assert!(done.stderr.contains("1 seeders, 1 leechers"), "{}", done.stderr);
        let done = folder.run(&["announce", "--json", url, HASH, "--port", "1002"]);
        assert_eq!(done.json()["peers"][0], "127.0.0.1:1001");
        let done = folder.run(&["scrape", url, HASH]);
        assert_eq!(done.stdout, format!("{HASH}\t1\t1\t0\n").as_bytes(), "{}", done.stderr);
        let done = folder.run(&["scrape", "--json", url, HASH]);
        assert_eq!(done.json()["torrents"][0]["seeders"], 1);
        for port in ["1001", "1002"] {
            assert_eq!(folder.run(&["announce", url, HASH, "--port", port, "--event", "stopped"]).code, Some(0));
        }
    }
}

#[test]
fn what_goes_wrong_has_its_exit_code() {
    let folder = Folder::new();
    let (_tracker, [http, _]) = tracker(&folder);
    folder.run(&["announce", "gopher://x/", HASH]).fails(2);
    assert_eq!(folder.run(&["announce", &http, "short"]).code, Some(2));
    folder.run(&["announce", &http.replace("announce", "nothing"), HASH]).fails(9);
    folder.run(&["scrape", "http://127.0.0.1:1/announce", HASH]).fails(8);
    let unknown = format!("http://{}.example/announce", "a".repeat(64));
    let done = folder.run(&["announce", "--json", &unknown, HASH]);
    assert_eq!((done.code, done.stdout.as_slice()), (Some(8), &b""[..]));
    assert_eq!(done.stderr, "torrent: the tracker's host name has no address\n");
    folder.run(&["announce", &http.replace("//", "//me:pw@"), HASH]).fails(2);
    folder.run(&["scrape", &http.replace("announce", "x"), HASH]).fails(2);
    assert_eq!(folder.run(&["tracker", "--listen", "nowhere"]).code, Some(2));
    folder.run(&["tracker", "--listen", http.trim_start_matches("http://").trim_end_matches("/announce")]).fails(8);
}

#[test]
fn bep52_a_hash_of_v2_is_truncated() {
    let folder = Folder::new();
    let (_tracker, urls) = tracker(&folder);
    let (long, short) = ("ab".repeat(32), "ab".repeat(20));
    for (url, port) in urls.iter().zip(["1001", "1002"]) {
        assert_eq!(folder.run(&["announce", url, &long, "--port", port]).code, Some(0));
    }
    for url in &urls {
        assert_eq!(
            folder.run(&["scrape", url, &long, &short]).stdout,
            format!("{short}\t0\t2\t0\n").repeat(2).as_bytes()
        );
    }
}
