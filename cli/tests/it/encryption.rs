//! `--encryption` of `download` and `seed`: what goes over the wire first, and what is answered.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
};

use super::Folder;

const PLAIN: &[u8; 20] = b"\x13BitTorrent protocol";

/// Ends with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_download_dials_as_it_was_told() {
    let folder = Folder::new();
    folder.album();
    for (options, plain) in [
        (&[][..], false),
        (&["--encryption", "preferred"], false),
        (&["--encryption", "required"], false),
        (&["--encryption=allowed"], true),
        (&["--encryption=disabled"], true),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = format!("--peer={}", listener.local_addr().unwrap());
        let fixed = ["download", "t.torrent", "-o", "out", "-q", "--no-trackers", "--listen=127.0.0.1:0", &peer];
        let mut command = folder.command(&[&fixed, options].concat());
        let _download = Running(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let mut first = [0; 20];
        listener.accept().unwrap().0.read_exact(&mut first).unwrap();
        assert_eq!(first == *PLAIN, plain, "{options:?}: {first:x?}");
    }
}

#[test]
fn a_seed_answers_plain_peers_unless_it_requires_encryption() {
    let folder = Folder::new();
    folder.album();
    let shown = folder.run(&["show", "--json", "t.torrent"]).json();
    let info_hash = shown["info_hash"]["v1"].as_str().unwrap();
    let info_hash = (0..40).step_by(2).map(|at| u8::from_str_radix(&info_hash[at..at + 2], 16).unwrap());
    let hello: Vec<u8> = PLAIN.iter().copied().chain([0; 8]).chain(info_hash).chain(*b"-XX0001-abcdefghijkl").collect();
    for (options, answers) in [
        (&[][..], true),
        (&["--encryption=disabled"], true),
        (&["--encryption=allowed"], true),
        (&["--encryption=preferred"], true),
        (&["--encryption=required"], false),
    ] {
        let fixed = ["seed", "t.torrent", ".", "--no-trackers", "--listen=127.0.0.1:0"];
        let mut command = folder.command(&[&fixed, options].concat());
        let mut seed = Running(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(seed.0.stderr.take().unwrap()).lines().map(Result::unwrap);
        let port = lines.find_map(|line| line.rsplit_once("on port ")?.1.parse::<u16>().ok()).expect("a port");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&hello).unwrap();
        let mut answer = [0; 68];
        // It hangs up, perhaps before it has read everything.
        let answered = stream.read_exact(&mut answer).is_ok();
        assert_eq!(answered, answers, "{options:?}");
        assert!(!answered || answer[28..48] == hello[28..48], "the same torrent");
    }
}

#[test]
fn other_words_are_refused_and_the_help_names_the_default() {
    let folder = Folder::new();
    for command in ["download", "seed"] {
        let done = folder.run(&[command, "--encryption=perhaps", "t.torrent", "."]);
        assert_eq!(done.code, Some(2), "{}", done.stderr);
        let help = String::from_utf8(folder.run(&[command, "--help"]).stdout).unwrap();
        let (_, about) = help.split_once("--encryption").expect("the option");
        assert!(about.contains("[default: preferred]"), "{about}");
    }
}
