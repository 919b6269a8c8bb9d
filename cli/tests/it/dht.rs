//! `dht`: nodes and lookups against each other, on loopback.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use super::Folder;

const HASH: &str = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";

/// Ends with the test.
struct Nodes(Vec<Child>);

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Three nodes that know one another, and the address of the first.
fn nodes(folder: &Folder) -> (Nodes, String) {
    let (mut nodes, mut first) = (Nodes(Vec::new()), None::<String>);
    for _ in 0..3 {
        let mut arguments = vec!["dht", "node", "--listen", "127.0.0.1:0", "--no-routers"];
        arguments.extend(first.iter().flat_map(|address| ["--bootstrap", address.as_str()]));
        let mut command = folder.command(&arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        first.get_or_insert(line.split(' ').next().unwrap().to_owned());
        nodes.0.push(child);
    }
    (nodes, first.unwrap())
}

#[test]
fn what_is_announced_and_put_is_found() {
    let folder = Folder::new();
    let (_nodes, router) = nodes(&folder);
    let run = |arguments: &[&str]| {
        let options = ["--listen", "127.0.0.1:0", "--bootstrap", &router];
        folder.run(&[&["dht"], arguments, &options].concat())
    };
    let done = run(&["announce", HASH, "--port", "7001"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("announced to "), "{}", done.stderr);
    let done = run(&["get-peers", HASH]);
    assert_eq!(done.stdout, b"127.0.0.1:7001\n", "{}", done.stderr);
    let done = run(&["get-peers", "--json", "--scrape", HASH]);
    let text = String::from_utf8(done.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["peer"], "127.0.0.1:7001");
    assert_eq!(lines[1]["done"]["peers"], 1);
    let done = run(&["sample"]);
    assert_eq!(done.stdout, format!("{HASH}\n").as_bytes(), "{}", done.stderr);
    let done = run(&["ping", "--json", &router]);
    assert_eq!(done.json()["node"], router.as_str());
    let done = run(&["find-node", HASH]);
    assert!(String::from_utf8(done.stdout).unwrap().lines().count() >= 2, "{}", done.stderr);

    let done = run(&["put", "hello"]);
    let target = String::from_utf8(done.stdout).unwrap();
    assert_eq!(run(&["get", target.trim()]).stdout, b"hello\n");
    let key = folder.path("key");
    let key = key.to_str().unwrap();
    for (value, seq) in [("one", "1"), ("two", "2")] {
        let done = run(&["put", value, "--secret", key, "--json"]);
        assert_eq!(done.json()["seq"].to_string(), seq);
    }
    let public = run(&["put", "three", "--secret", key, "--json"]).json()["key"].as_str().unwrap().to_owned();
    assert_eq!(run(&["get", "--key", &public]).stdout, b"three\n");
    run(&["put", "old", "--secret", key, "--seq", "1"]).fails(10);
    run(&["put", "li1ei2ee", "--bencoded"]);
}

#[test]
fn nobody_and_nothing_have_their_exit_codes() {
    let folder = Folder::new();
    folder.run(&["dht", "get-peers", HASH, "--no-routers", "--listen", "127.0.0.1:0", "--timeout", "1"]).fails(8);
    assert_eq!(folder.run(&["dht", "get-peers", "short"]).code, Some(2));
    let (_nodes, router) = nodes(&folder);
    let state = folder.path("state");
    let state = state.to_str().unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--bootstrap", &router, "--state", state];
    folder.run(&[&["dht", "get", HASH], &arguments[..]].concat()).fails(8);
    // The nodes that it found are enough for the next.
    let arguments = ["--listen", "127.0.0.1:0", "--no-routers", "--state", state];
    let done = folder.run(&[&["dht", "find-node", HASH], &arguments[..]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}
