//! What is no torrent is named, and what is odd about one.

use super::*;

#[test]
fn what_is_saved_in_place_of_torrents_is_named() {
    let folder = Folder::new();
    for (bytes, what) in [
        (&b"<!DOCTYPE html><html><head><title>Login</title></head></html>"[..], "a web page, not a torrent"),
        (b"{\"error\":\"not found\"}", "JSON, not a torrent"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip, not a torrent; unpack it first"),
        (b"PK\x03\x04", "a zip archive, not a torrent"),
        (b"single file content\n", "text, not a torrent"),
        (b"\x1a\x45\xdf\xa3\x01\x00", "not a torrent; perhaps the content of one"),
        (b"ZDg6YW5ub3VuY2UzOmFiY2U=", "base64 of a torrent"),
        (b"d14:failure reason4:nopee", "the answer of a tracker, not a torrent"),
        (b"", "empty"),
    ] {
        folder.write("x.torrent", bytes);
        for command in [&["show", "x.torrent"][..], &["files", "x.torrent"], &["edit", "--comment", "x", "x.torrent"]] {
            let line = folder.run(command).fails(3).to_owned();
            assert!(line.starts_with("torrent: x.torrent: ") && line.contains(what), "{line}");
        }
    }
    fs::create_dir(folder.path("folder")).unwrap();
    assert_eq!(folder.run(&["show", "folder"]).fails(5), "torrent: folder: a folder, and a file is expected");
}

#[test]
fn fields_of_the_wrong_kind_are_taken_or_told() {
    let folder = Folder::new();
    folder.write("list.torrent", small("8:announcel25:http://t.example/announcee", ""));
    let json = show(&folder, "list.torrent");
    assert_eq!(json["trackers"], serde_json::json!([["http://t.example/announce"]]));
    assert_eq!(json["warnings"], serde_json::json!(["announce: a list, taken as a list of trackers"]));
    folder.write("int.torrent", small("8:announcei1e13:announce-listi2e7:commenti3e", "8:url-listi4e"));
    let json = show(&folder, "int.torrent");
    assert_eq!(json["warnings"].as_array().unwrap().len(), 4, "{}", json["warnings"]);
    let shown = folder.run(&["show", "int.torrent"]);
    assert!(
        shown.text().contains("warning\tannounce: ignored: expected a string, found an integer\n"),
        "{}",
        shown.text()
    );
    let private = small("", "");
    let at = private.windows(2).rposition(|end| end == b"ee").unwrap();
    let private = [&private[..at], b"7:private1:1", &private[at..]].concat();
    folder.write("private.torrent", private);
    let json = show(&folder, "private.torrent");
    assert_eq!((&json["private"], &json["warnings"][0]), (&true.into(), &"info.private: a string, taken as 1".into()));
}

#[test]
fn several_torrents_are_shown_and_one_that_is_bad_does_not_stop_the_others() {
    let folder = Folder::new();
    folder.album();
    folder.write("f.torrent", small("", ""));
    folder.write("bad.torrent", "<html>");
    let json = folder.run(&["show", "--json", "t.torrent", "f.torrent"]).json();
    assert_eq!((&json["torrents"][0]["name"], &json["torrents"][1]["file"]), (&"album".into(), &"f.torrent".into()));
    let done = folder.run(&["show", "t.torrent", "bad.torrent", "f.torrent"]);
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        text.starts_with("file\tt.torrent\nname\talbum\n") && text.contains("\n\nfile\tf.torrent\nname\tf\n"),
        "{text}"
    );
    assert_eq!(done.code, Some(3));
    assert!(done.stderr.starts_with("torrent: bad.torrent: a web page"), "{}", done.stderr);
    let done = folder.run(&["files", "t.torrent", "bad.torrent", "f.torrent"]);
    assert_eq!(done.code, Some(3));
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "0\t40000\talbum/1.flac\tt.torrent\n1\t50000\talbum/2.flac\tt.torrent\n0\t3\tf\tf.torrent\n"
    );
    let json = folder.run(&["files", "--json", "t.torrent", "f.torrent"]).json();
    assert_eq!(json["torrents"][1]["files"][0]["path"], "f");
}

#[test]
fn piece_layers_that_do_not_match_are_told_and_left_out_on_request() {
    let folder = Folder::new();
    folder.album();
    folder.run(&words("create -q --format v2 -l 16k -o u album")).ok();
    let mut bytes = folder.read("u");
    // The last byte of the last layer.
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    folder.write("u", bytes);
    let warnings = show(&folder, "u")["warnings"].to_string();
    assert!(warnings.contains("hashes that do not lead to the pieces root"), "{warnings}");
    let line = folder.run(&["verify", "u"]).fails(3).to_owned();
    assert!(line.contains("--lenient checks without it"), "{line}");
    folder.run(&["verify", "-q", "--lenient", "u"]).ok();
    folder.write("album/1.flac", content(40_000, 9));
    assert_eq!(folder.run(&["verify", "-q", "--lenient", "u"]).code, Some(4));
}

#[test]
fn announce_and_scrape_take_torrents_links_and_hashes() {
    let folder = Folder::new();
    folder.album();
    folder.write("f.torrent", small("", ""));
    // Nobody listens there: it was asked.
    let dead = "http://127.0.0.1:1/announce";
    folder.run(&["edit", "-q", "--clear-trackers", "-a", dead, "t.torrent"]).ok();
    let link = format!("magnet:?xt=urn:btih:{HASH}&tr=http%3A%2F%2F127.0.0.1%3A1%2Fannounce");
    for command in ["announce", "scrape"] {
        for arguments in
            [&["t.torrent"][..], &[&link], &[dead, "t.torrent"], &[dead, HASH], &[dead, V2], &[dead, "f.torrent"]]
        {
            assert_eq!(folder.run(&[&[command], arguments].concat()).code, Some(8), "{arguments:?}");
        }
        let line = folder.run(&[command, "f.torrent"]).fails(2).to_owned();
        assert!(line.contains("it names no tracker"), "{line}");
        let line = folder.run(&[command, dead]).fails(2).to_owned();
        assert!(line.contains("which torrent?"), "{line}");
        let line = folder.run(&[command, dead, &HASH[1..]]).fails(3).to_owned();
        assert!(line.contains("39 digits"), "{line}");
    }
}
