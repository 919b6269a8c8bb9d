//! Names on disk and names in the torrent: what `create` has hashed is found again.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::*;

#[test]
fn names_that_windows_reserves_and_twins_of_case_are_found() {
    let folder = Folder::new();
    folder.write("linux/i2c/aux.c", "int aux;");
    folder.write("linux/con", "c");
    folder.write("linux/xt_TCPMSS.h", "up");
    folder.write("linux/xt_tcpmss.h", "low");
    folder.write("linux/what?.txt", "q");
    folder.write("linux/trail. ", "t");
    for format in ["v1", "v2", "hybrid"] {
        let done = folder.run(&["create", "-f", "--format", format, "-o", "t", "linux"]);
        done.ok();
        for note in [
            "i2c/aux.c gets another name on some systems: Windows takes it for a device",
            "xt_tcpmss.h gets another name on some systems: another file differs from it only in case or accents",
            "what?.txt gets another name on some systems: Windows does not allow one of its characters",
            "trail.  gets another name on some systems: Windows cuts off dots and spaces at the end",
        ] {
            assert!(done.stderr.contains(note), "{}", done.stderr);
        }
        folder.run(&["verify", "-q", "t"]).ok();
        fs::rename(folder.path("linux"), folder.path("other")).unwrap();
        folder.run(&["verify", "-q", "--in-place", "t", "other"]).ok();
        fs::rename(folder.path("other"), folder.path("linux")).unwrap();
    }
    // What download would call it comes second.
    fs::rename(folder.path("linux/xt_tcpmss.h"), folder.path("linux/xt_tcpmss.1.h")).unwrap();
    folder.run(&["verify", "-q", "t"]).ok();
}

#[test]
fn long_names_and_names_of_strange_characters_are_found() {
    let folder = Folder::new();
    let long = format!("{}.x", "\u{65e5}".repeat(84));
    for name in [&*long, "a\nb", "zero\u{200b}width", "\u{202e}rtl", "tab\tname", "back\\slash", "-dash", " space "] {
        folder.write(&format!("d/{name}"), name);
        folder.write(name, name);
        for format in ["v1", "hybrid"] {
            let done = folder
                .command(&["create", "-q", "-f", "--format", format, "-o", "one", "--"])
                .arg(name)
                .output()
                .unwrap();
            assert!(done.status.success(), "{name:?}: {}", String::from_utf8_lossy(&done.stderr));
            folder.run(&["verify", "-q", "one"]).ok();
        }
    }
    folder.run(&["create", "-q", "-o", "t", "d"]).ok();
    folder.run(&["verify", "-q", "t"]).ok();
    // A name that is too long with `.torrent` behind it is cut.
    folder.run(&["create", "-q", &long]).ok();
}

#[test]
fn accents_composed_in_another_way_are_found() {
    let folder = Folder::new();
    let torrent = |name: &str| {
        let head = format!(
            "d4:infod5:filesld6:lengthi3e4:pathl{}:{name}eee4:name1:t12:piece lengthi16384e6:pieces20:",
            name.len()
        );
        let sha1 = b"\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d";
        [head.as_bytes(), sha1, b"ee"].concat()
    };
    let (nfc, nfd) = ("Fr\u{e9}d\u{e9}ric.txt", "Fre\u{301}de\u{301}ric.txt");
    for (disk, name) in [(nfc, nfd), (nfd, nfc)] {
        folder.write("x.torrent", torrent(name));
        let file = folder.write(&format!("t/{disk}"), "abc");
        folder.run(&["verify", "-q", "x.torrent"]).ok();
        fs::remove_file(file).unwrap();
        assert_eq!(folder.run(&["verify", "-q", "x.torrent"]).code, Some(4));
    }
}

#[test]
fn bytes_that_are_no_text_are_names_and_keep_their_bytes() {
    let folder = Folder::new();
    let mut torrent = b"d4:infod5:files".to_vec();
    torrent.push(b'l');
    for (length, byte) in [(11_991, 0xe1), (5, 0xe2), (4, 0xe3)] {
        torrent.extend(format!("d6:lengthi{length}e4:pathl5:").bytes());
        torrent.extend([byte, b'.', b't', b'x', b't']);
        torrent.extend(b"ee");
    }
    torrent.extend(b"e4:name3:dir12:piece lengthi16384e6:pieces20:");
    let bytes = [content(11_991, 1), content(5, 2), content(4, 3)];
    fs::create_dir(folder.path("dir")).unwrap();
    for (name, bytes) in [b"\xe1.txt", b"\xe2.txt", b"\xe3.txt"].into_iter().zip(&bytes) {
        fs::write(folder.path("dir").join(OsStr::from_bytes(name)), bytes).unwrap();
    }
    // The hash of all of them, by way of a torrent of one file.
    folder.write("all", bytes.concat());
    folder.run(&words("create -q --format v1 -l 16k -o all.torrent all")).ok();
    let hash = folder.run(&["bencode", "get", "info.pieces", "all.torrent"]);
    torrent.extend(hash.ok());
    torrent.extend(b"ee");
    folder.write("t.torrent", torrent);
    folder.run(&["verify", "-q", "t.torrent"]).ok();
    let files = folder.run(&["files", "--json", "t.torrent"]).json();
    assert_eq!((&files["files"][0]["path"], &files["files"][1]["path"]), (&"dir/_.txt".into(), &"dir/_.1.txt".into()));
    assert_eq!(files["files"][0]["original_path"], "\u{fffd}.txt");
    assert_eq!(files["files"][0]["original_bytes"], serde_json::json!(["hex:e12e747874"]));
    // To make one of such names is refused, with a way out that works.
    let line = folder.run(&["create", "-q", "dir"]).fails(5).to_owned();
    assert!(line.contains("the name is not UTF-8: rename it, or leave it out with --exclude"), "{line}");
    folder.write("dir/plain", "x");
    folder.run(&["create", "-q", "--exclude", "?.txt", "dir"]).ok();
}
