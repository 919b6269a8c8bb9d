//! `verify`: what cannot be read is not bad, and what was meant is found.

use super::*;

#[test]
fn a_file_or_the_folder_itself_as_place_is_understood_or_hinted_at() {
    let folder = Folder::new();
    folder.album();
    folder.write("x.iso", content(20_000, 1));
    folder.run(&words("create -q -o x.iso.torrent x.iso")).ok();
    folder.run(&["verify", "-q", "x.iso.torrent", "x.iso"]).ok();
    fs::rename(folder.path("x.iso"), folder.path("other.iso")).unwrap();
    folder.run(&["verify", "-q", "x.iso.torrent", "other.iso"]).ok();
    let done = folder.run(&["verify", "-q", "x.iso.torrent"]);
    assert_eq!(done.code, Some(4));
    assert!(done.stderr.contains("there is no x.iso in ."), "{}", done.stderr);
    let done = folder.run(&["verify", "-q", "t.torrent", "album"]);
    assert_eq!(done.code, Some(4));
    assert!(done.stderr.contains("if album is the folder of the torrent itself, say --in-place"), "{}", done.stderr);
    folder.run(&["verify", "-q", "--in-place", "t.torrent", "album"]).ok();
    let line = folder.run(&["verify", "-q", "t.torrent", "other.iso"]).fails(2).to_owned();
    assert!(line.contains("other.iso: a file, and t.torrent is about a folder"), "{line}");
    let line = folder.run(&["verify", "-q", "other.iso", "x.iso.torrent"]).fails(3).to_owned();
    assert!(line.contains("other.iso: not a torrent, but x.iso.torrent is one; the torrent comes first"), "{line}");
}

#[test]
fn several_torrents_are_verified_at_once() {
    let folder = Folder::new();
    folder.album();
    folder.write("f", "abc");
    folder.write("f.torrent", small("", ""));
    folder.run(&["verify", "-q", "t.torrent", "f.torrent"]).ok();
    folder.run(&["verify", "-q", "t.torrent", "f.torrent", "."]).ok();
    folder.write("f", "abd");
    let done = folder.run(&["verify", "-q", "t.torrent", "f.torrent", "missing.torrent"]);
    assert_eq!(done.code, Some(4));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "damaged\tf\t0-3\tf.torrent\n");
    assert!(
        done.stderr.contains("torrent: f: 1 file is bad") && done.stderr.contains("torrent: missing.torrent: "),
        "{}",
        done.stderr
    );
    let done = folder.run(&["verify", "-q", "--json", "f.torrent", "t.torrent"]);
    let json: Json = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&json["torrents"][0]["complete"], &json["torrents"][1]["file"]), (&false.into(), &"t.torrent".into()));
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_not_called_damaged() {
    let folder = Folder::new();
    folder.write("a/1", content(20_000, 1));
    folder.write("a/2", content(20_000, 2));
    folder.write("a/3", content(20_000, 3));
    for format in ["v1", "v2"] {
        folder.run(&["create", "-q", "-f", "--format", format, "-l", "16k", "-o", "t", "a"]).ok();
        // A link that leads to itself cannot be read by anybody, root included.
        fs::rename(folder.path("a/2"), folder.path("kept")).unwrap();
        std::os::unix::fs::symlink("2", folder.path("a/2")).unwrap();
        let done = folder.run(&["verify", "-q", "t"]);
        assert_eq!(done.code, Some(5), "{}", done.stderr);
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            text.contains("unreadable\ta/2\t0-20000\n") && !text.contains("damaged") && !text.contains("missing"),
            "{text}"
        );
        assert_eq!(text.contains("unknown\ta/1\t16384-20000\n"), format == "v1", "{text}");
        assert!(done.stderr.contains("cannot be read: ./a/2: "), "{}", done.stderr);
        let json: Json = serde_json::from_slice(&folder.run(&["verify", "-q", "--json", "t"]).stdout).unwrap();
        assert_eq!(
            (&json["files"][0]["status"], json["unknown_pieces"].as_u64().unwrap() > 0),
            (&if format == "v1" { "unknown" } else { "ok" }.into(), true)
        );
        // What is known to be bad decides.
        folder.write("a/3", content(20_000, 9));
        assert_eq!(folder.run(&["verify", "-q", "t"]).code, Some(4));
        folder.write("a/3", content(20_000, 3));
        fs::remove_file(folder.path("a/2")).unwrap();
        fs::rename(folder.path("kept"), folder.path("a/2")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_does_not_hang() {
    let folder = Folder::new();
    folder.write("a/1", content(20_000, 1));
    folder.write("a/2", content(20_000, 2));
    folder.run(&words("create -q -o t a")).ok();
    fs::remove_file(folder.path("a/1")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path("a/1")).status().unwrap().success());
    let done = folder.run(&["verify", "-q", "t"]);
    assert_eq!(done.code, Some(4));
    assert!(
        String::from_utf8_lossy(&done.stdout).starts_with("not a file\ta/1\t"),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
    fs::remove_file(folder.path("a/1")).unwrap();
    fs::create_dir(folder.path("a/1")).unwrap();
    let done = folder.run(&["verify", "-q", "t"]);
    assert!(
        String::from_utf8_lossy(&done.stdout).starts_with("not a file\ta/1\t"),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
}

#[test]
fn lenient_lets_pass_what_leaves_all_pieces_good() {
    let folder = Folder::new();
    folder.write("a/1", content(20_000, 1));
    folder.write("a/empty", "");
    folder.run(&words("create -q -o t a")).ok();
    folder.write("a/1", content(20_001, 1));
    fs::remove_file(folder.path("a/empty")).unwrap();
    assert_eq!(folder.run(&["verify", "-q", "t"]).code, Some(4));
    folder.run(&["verify", "-q", "--lenient", "t"]).ok();
    folder.write("a/1", content(20_000, 2));
    assert_eq!(folder.run(&["verify", "-q", "--lenient", "t"]).code, Some(4));
}
