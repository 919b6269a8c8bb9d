//! What is different when stdout is a terminal. The terminal is a pseudoterminal.
#![cfg(target_os = "linux")]

use std::{ffi::OsStr, fs::File, io::Read, os::unix::ffi::OsStrExt};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

impl Folder {
    /// Runs it with stdout on a terminal. Gives its exit code, what the terminal got and what stderr got.
    fn run_on_terminal(&self, arguments: &[&str], stdin: &str) -> (Option<i32>, String, String) {
        let mut ours = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = File::options().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            // Linux ends with an error when nobody has the other side open any more.
            let _ = ours.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let output = {
            let stdin = File::open(self.path(stdin)).unwrap();
            self.command(arguments).stdin(stdin).stdout(theirs).stderr(Stdio::piped()).output().unwrap()
        };
        (output.status.code(), reader.join().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn binary_goes_to_a_terminal_only_by_force() {
    let folder = Folder::new();
    folder.album();
    folder.write("json", "[1]");
    for arguments in [
        &["create", "-q", "--date", "0", "-o", "-", "album"][..],
        &["edit", "-q", "--comment", "x", "-"],
        &["bencode", "from-json"],
        &["bencode", "get", "info.pieces", "t.torrent"],
        &["bencode", "get", "info", "--raw", "t.torrent"],
    ] {
        let stdin = if arguments[0] == "edit" { "t.torrent" } else { "json" };
        let (code, terminal, stderr) = folder.run_on_terminal(arguments, stdin);
        assert_eq!((code, &*terminal), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains("--force"), "{arguments:?}: {stderr}");
        let forced = [arguments, &["--force"]].concat();
        let (code, terminal, stderr) = folder.run_on_terminal(&forced, stdin);
        assert_eq!(code, Some(0), "{forced:?}: {stderr}");
        assert!(!terminal.is_empty(), "{forced:?}");
    }
}

#[test]
fn tables_are_aligned_on_a_terminal_and_json_is_json() {
    let folder = Folder::new();
    folder.album();
    let (code, terminal, _) = folder.run_on_terminal(&["files", "t.torrent"], "t.torrent");
    assert_eq!(code, Some(0));
    assert!(terminal.contains("album/1.flac") && !terminal.contains('\t'), "{terminal}");
    let (code, terminal, _) = folder.run_on_terminal(&["files", "--json", "t.torrent"], "t.torrent");
    let json: Json = serde_json::from_str(&terminal).unwrap();
    assert_eq!((code, &json["files"][0]["path"]), (Some(0), &"album/1.flac".into()));
}

/// What sets titles and colours, C1, what moves back, turns around, hides or takes no room.
const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{1b}[31m\u{9b}1m\r\u{8}\u{7f}\u{202e}\u{2066}\u{61c}\u{200b}\u{2028}\u{ad}\u{180e}\u{fff9}\u{e0041}";

#[test]
fn no_text_of_a_torrent_reaches_a_terminal_as_it_is() {
    let folder = Folder::new();
    folder.album();
    folder.run(&["edit", "-q", "--comment", HOSTILE, "--created-by", HOSTILE, "t.torrent"]).ok();
    for arguments in [
        &["show", "t.torrent"][..],
        &["show", "--json", "t.torrent"],
        &["bencode", "json", "t.torrent"],
        &["bencode", "json", "-c", "t.torrent"],
        &["bencode", "pretty", "t.torrent"],
        &["bencode", "get", "comment", "t.torrent"],
        &["bencode", "get", "--json", "comment", "t.torrent"],
        &["edit", "--dry-run", "--comment", "x", "t.torrent"],
        &["edit", "--dry-run", "--json", "--comment", "x", "t.torrent"],
        &["metainfo", "t.torrent", "pprint"],
    ] {
        let (code, terminal, stderr) = folder.run_on_terminal(arguments, "t.torrent");
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        let plain = terminal.replace("\r\n", "").replace('\t', "");
        let hostile = plain.chars().find(|char| char.is_control() || HOSTILE.contains(*char) && !char.is_ascii());
        assert_eq!(hostile, None, "{arguments:?}: {terminal:?}");
        let json = arguments.contains(&"--json") || arguments.contains(&"json");
        if json {
            let value: Json = serde_json::from_str(&terminal).unwrap();
            assert!(value.to_string().contains('\u{202e}') || arguments[0] == "metainfo", "it means the same");
        }
    }
    // Errors and notes as well.
    let done = folder.run(&["show", &format!("no{HOSTILE}file")]);
    assert!(done.stderr.trim_end().is_ascii(), "{:?}", done.stderr);
    let done = folder.run(&["edit", "-d", HOSTILE, "t.torrent"]);
    assert!(done.stderr.lines().all(str::is_ascii), "{:?}", done.stderr);
}
