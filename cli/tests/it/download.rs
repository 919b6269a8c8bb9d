//! `torrent download`, as far as it goes without peers.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use super::Folder;

const HASH: &str = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";

#[test]
fn a_link_that_asks_for_some_files_only_gets_a_warning() {
    let folder = Folder::new();
    let stderr = |link: &str| {
        let mut command = folder.command(&["download", "--no-trackers", "--listen", "127.0.0.1:0", link]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        // It says that last, and then waits for peers for ever.
        let mut asking = false;
        let before = lines.take_while(|line| {
            asking = line.contains("asking peers");
            !asking
        });
        let before = before.collect::<Vec<_>>().join("\n");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(asking, "{before}");
        before
    };
    let warning = stderr(&format!("magnet:?xt=urn:btih:{HASH}&dn=album&so=0,2-4"));
    assert!(warning.contains("album: the link asks for files 0,2-4 only"), "{warning}");
    assert!(!stderr(&format!("magnet:?xt=urn:btih:{HASH}")).contains("asks for"));
}
