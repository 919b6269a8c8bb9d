//! `torrent show`, `files`, `magnet`, `metainfo`.

use super::*;

const HASH: &str = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";

/// An ISO as the Debian project publishes it, but with pieces that nobody knows.
fn iso() -> Vec<u8> {
    let (tracker, seed) = ("http://bttracker.debian.org:6969/announce", "https://cdimage.debian.org/a b.iso");
    format!(
        "d8:announce{}:{tracker}4:infod6:lengthi100000e4:name31:debian-10.8.0-amd64-netinst.iso12:piece lengthi65536e\
         6:pieces40:{}e8:url-listl{}:{seed}ee",
        tracker.len(),
        "x".repeat(40),
        seed.len()
    )
    .into_bytes()
}

#[test]
fn magnet_links_have_the_form_of_the_original() {
    let folder = Folder::new();
    folder.write("iso.torrent", iso());
    let hash = folder.run(&["show", "--json", "iso.torrent"]).json()["info_hash"]["v1"].as_str().unwrap().to_owned();
    let expected = format!(
        "magnet:?xt=urn:btih:{hash}&dn=debian-10.8.0-amd64-netinst.iso\
         &tr=http%3A%2F%2Fbttracker.debian.org%3A6969%2Fannounce&ws=https%3A%2F%2Fcdimage.debian.org%2Fa%20b.iso\n"
    );
    assert_eq!(folder.run(&["metainfo", "iso.torrent", "magnet"]).text(), expected);
    assert_eq!(folder.run(&["magnet", "iso.torrent"]).text(), expected);
    assert_eq!(folder.run_with(&["magnet", "-"], &iso()).text(), expected);
    let with =
        folder.run(&words("magnet --length --select 0,2-3 --peer 192.0.2.7:5 --no-trackers -a udp://x:1 iso.torrent"));
    for part in ["&xl=100000&", "&so=0,2-3&", "&x.pe=192.0.2.7:5", "&tr=udp%3A%2F%2Fx%3A1&"] {
        assert!(with.text().contains(part), "{part}: {}", with.text());
    }
    assert!(!with.text().contains("debian.org%3A6969"));
}

#[test]
fn pprint_has_the_keys_of_the_original() {
    let folder = Folder::new();
    folder.album();
    let json = folder.run(&words("metainfo t.torrent pprint --files --piece-hashes")).json();
    for (key, value) in [
        ("Name", "album".into()),
        ("NumPieces", 6.into()),
        ("PieceLength", 16_384.into()),
        ("NumFiles", 2.into()),
        ("TotalLength", 90_000.into()),
        ("Announce", "http://tracker.example/announce".into()),
        ("AnnounceList", Json::Null),
        (
            "Files",
            serde_json::json!([{ "Length": 40_000, "Path": ["1.flac"] }, { "Length": 50_000, "Path": ["2.flac"] }]),
        ),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!((json["InfoHash"].as_str().unwrap().len(), json["PieceHashes"].as_array().unwrap().len()), (40, 6));
    let plain = folder.run(&["metainfo", "t.torrent", "pprint"]);
    assert!(plain.text().starts_with("{\n  \"Announce\"") && plain.json().get("Files").is_none());
    assert_eq!(folder.run(&words("metainfo t.torrent pprint --just-name")).text(), "album\n");
}

#[test]
fn magnet_links_are_arguments_too() {
    let folder = Folder::new();
    let link = format!("magnet:?dn=a+b&xt=urn:btih:{}&tr=udp://t:1&xl=5", HASH.to_uppercase());
    let plain = format!("magnet:?xt=urn:btih:{HASH}&dn=a%20b&xl=5&tr=udp%3A%2F%2Ft%3A1");
    assert_eq!(folder.run(&["magnet", &link]).text(), format!("{plain}\n"));
    assert_eq!(folder.run_with(&["magnet", "-"], format!("{link}\n").as_bytes()).text(), format!("{plain}\n"));
    let json = folder.run(&["magnet", "--json", &link]).json();
    assert_eq!((&json["magnet"], &json["name"], &json["size"]), (&plain.into(), &"a b".into(), &5.into()));
    assert_eq!((&json["info_hash"]["v1"], &json["trackers"][0]), (&HASH.into(), &"udp://t:1".into()));
    assert_eq!(folder.run(&["show", "--json", &link]).json(), json);
    let shown = folder.run(&["show", &link]).text().to_owned();
    assert_eq!(shown, format!("name\ta b\nversion\tv1\ninfo hash\t{HASH}\nsize\t5\ntracker\tudp://t:1\n"));
    let odd = folder.run(&["magnet", &format!("magnet:?xt=urn:btih:{HASH}&x.odd=\u{1b}[2J a")]);
    assert_eq!(odd.text(), format!("magnet:?xt=urn:btih:{HASH}&x.odd=%1B[2J%20a\n"));
    for bad in ["magnet:", "magnet:?dn=x", "magnet:?xt=urn:btih:00"] {
        folder.run(&["magnet", bad]).fails(3);
        folder.run(&["show", bad]).fails(3);
    }
}

#[test]
fn show_is_a_table_with_tabs_off_a_terminal() {
    let folder = Folder::new();
    folder.album();
    let shown = folder.run(&["show", "t.torrent"]);
    let hash = folder.run(&["show", "--json", "t.torrent"]).json()["info_hash"]["v1"].as_str().unwrap().to_owned();
    let expected = format!(
        "name\talbum\nversion\tv1\ninfo hash\t{hash}\nsize\t90000\nfiles\t2\npiece length\t16384\npieces\t6\nprivate\tno\n\
         comment\told\ncreated\t0\ntracker\t1 http://tracker.example/announce\n"
    );
    assert_eq!(shown.text(), expected);
    assert_eq!(folder.run_with(&["show", "-"], &folder.read("t.torrent")).text(), expected);
}

#[test]
fn show_escapes_what_would_control_a_terminal() {
    let folder = Folder::new();
    folder.album();
    folder.run(&["edit", "--comment", "a\tb\n\u{1b}[2Jc", "t.torrent"]).ok();
    assert!(folder.run(&["show", "t.torrent"]).text().contains("comment\ta\\tb\\n\\u{1b}[2Jc\n"));
    assert_eq!(folder.run(&["show", "--json", "t.torrent"]).json()["comment"], "a\tb\n\u{1b}[2Jc");
}

#[test]
fn files_have_numbers_sizes_and_paths() {
    let folder = Folder::new();
    folder.album();
    assert_eq!(folder.run(&["files", "t.torrent"]).text(), "0\t40000\talbum/1.flac\n1\t50000\talbum/2.flac\n");
    // In a hybrid, padding has a number of its own.
    folder.run(&words("create -q -l 16k -o u album")).ok();
    assert_eq!(folder.run(&["files", "u"]).text(), "0\t40000\talbum/1.flac\n2\t50000\talbum/2.flac\n");
    assert_eq!(folder.run(&["files", "--pads", "u"]).text().lines().count(), 4);
    let json = folder.run(&["files", "--json", "u"]).json();
    assert_eq!(
        (&json["schema"], &json["files"][1]["index"], &json["files"][1]["offset"]),
        (&1.into(), &2.into(), &49_152.into())
    );
    assert_eq!(json["files"][1]["pieces_root"].as_str().unwrap().len(), 64);
}

#[test]
fn hostile_names_are_changed_and_told() {
    let folder = Folder::new();
    let torrent = "d4:infod5:filesld6:lengthi1e4:pathl2:..6:passwdeee4:name4:/etc12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
    let json = folder.run_with(&["files", "--json", "-"], torrent.as_bytes()).json();
    let path = json["files"][0]["path"].as_str().unwrap();
    assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path}");
    assert!(json["files"][0]["original_path"].as_str().unwrap().contains(".."));
}

#[test]
fn names_in_old_encodings_are_read() {
    let folder = Folder::new();
    let gbk = b"d8:encoding3:GBK4:infod6:lengthi5e4:name8:\xd6\xd0\xce\xc4.txt12:piece lengthi16384e6:pieces20:01234567890123456789ee";
    folder.write("old.torrent", gbk);
    assert_eq!(folder.run(&["show", "--json", "old.torrent"]).json()["name"], "中文.txt");
    assert!(folder.run(&["files", "old.torrent"]).text().ends_with("中文.txt\n"));
}

#[test]
fn damaged_torrents_give_one_line_with_file_and_fault() {
    let folder = Folder::new();
    let whole = iso();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for (name, bytes, fault) in [
        ("empty", Vec::new(), "empty"),
        ("truncated", whole[..100].to_vec(), "offset"),
        ("text", b"<html>404</html>".to_vec(), "a web page, not a torrent"),
        ("no-info", b"d8:announce3:urle".to_vec(), "info: missing (offset 0)"),
        (
            "pieces",
            text(&whole).replace("6:pieces40:x", "6:pieces39:").into_bytes(),
            "info.pieces: 39 bytes is not a multiple of 20",
        ),
        ("count", text(&whole).replace("i100000e", "i200000e").into_bytes(), "info.pieces: 2 hashes for 4 pieces"),
    ] {
        folder.write(name, bytes);
        for command in [&["show"][..], &["files"], &["magnet"], &["verify", "-q"], &["edit", "--comment", "x"]] {
            let line = folder.run(&[command, &[name]].concat()).fails(3).to_owned();
            assert!(line.starts_with(&format!("torrent: {name}: ")) && line.contains(fault), "{line}");
        }
        folder.run(&["metainfo", name, "magnet"]).fails(3);
    }
    let line = folder.run(&["show", "missing"]).fails(5).to_owned();
    assert!(line.starts_with("torrent: missing: "), "{line}");
    assert!(folder.run_with(&["show", "-"], b"x").fails(3).starts_with("torrent: stdin: "));
}

#[cfg(unix)]
#[test]
fn names_of_files_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let name = std::ffi::OsStr::from_bytes(b"\xff.torrent");
    fs::write(folder.0.path().join(name), iso()).unwrap();
    assert!(folder.command(&["show"]).arg(name).output().unwrap().status.success());
}
