//! Magnet links and info hashes as people paste them.

use super::*;

#[test]
fn links_that_pages_and_mails_have_changed_are_read() {
    let folder = Folder::new();
    let tracker = "udp://tracker.example:6969";
    for (number, (rest, name)) in [
        (format!("&dn=Some Show #1 Pilot&tr={tracker}"), "Some Show #1 Pilot"),
        (format!("&dn=Owl&#039;s+Nest&tr={tracker}"), "Owl's Nest"),
        (format!("&amp;dn=Foo&amp;tr={tracker}"), "Foo"),
        (format!("&DN=Foo&TR={tracker}"), "Foo"),
        (format!("\r\n &dn=F\r\noo&tr={tracker}"), "Foo"),
    ]
    .into_iter()
    .enumerate()
    {
        let link = format!("magnet:?xt=urn:btih:{HASH}{rest}");
        let file = format!("{number}.txt");
        for text in [link.clone(), format!("\u{feff}{link}\n"), format!("\u{a0}\"{link}\" ")] {
            folder.write(&file, &text);
            for json in [
                show(&folder, &file),
                show(&folder, &text),
                folder.run_with(&["show", "--json", "-"], text.as_bytes()).json(),
            ] {
                assert_eq!((&json["name"], &json["trackers"][0]), (&name.into(), &tracker.into()), "{text}");
                assert_eq!(json["info_hash"]["v1"], HASH);
            }
        }
    }
    let two =
        format!("magnet:?xt=urn:btih:{HASH}&tr=udp%3A%2F%2Fa.example%3A1337%2Fannounce%2Cudp%3A%2F%2Fb.example%3A6969");
    assert_eq!(
        show(&folder, &two)["trackers"],
        serde_json::json!(["udp://a.example:1337/announce", "udp://b.example:6969"])
    );
}

#[test]
fn a_list_of_links_is_shown_one_by_one_and_refused_where_one_is_meant() {
    let folder = Folder::new();
    folder.write(
        "list",
        format!("magnet:?xt=urn:btih:{HASH}&dn=one\nmagnet:?xt=urn:btih:{}&dn=two\n{V2}\n", "0".repeat(40)),
    );
    let json = show(&folder, "list");
    let names: Vec<_> = json["torrents"].as_array().unwrap().iter().map(|link| link["name"].clone()).collect();
    assert_eq!(names, ["one".into(), "two".into(), Json::Null]);
    assert_eq!(folder.run(&["magnet", "list"]).fails(3), "torrent: list: 3 links, and one is expected");
}

#[test]
fn a_bare_info_hash_is_taken_where_a_torrent_is() {
    let folder = Folder::new();
    let base32 = "ICIMHQVDSSSJS5G7XPZM46WQ3M6N5XOX";
    for text in [HASH, &HASH.to_uppercase(), base32, &format!("urn:btih:{HASH}"), &format!("  {HASH}\n")] {
        assert_eq!(show(&folder, text)["info_hash"]["v1"], HASH, "{text}");
        assert_eq!(folder.run(&["magnet", text]).text(), format!("magnet:?xt=urn:btih:{HASH}\n"));
        folder.write("hash.txt", text);
        assert_eq!(show(&folder, "hash.txt")["info_hash"]["v1"], HASH);
    }
    for text in [V2, &format!("1220{V2}"), &format!("urn:btmh:1220{V2}")] {
        assert_eq!(show(&folder, text)["info_hash"]["v2"], V2, "{text}");
    }
    // A file of that name is the file.
    folder.write(HASH, small("", ""));
    assert_eq!(show(&folder, HASH)["name"], "f");
}

#[test]
fn wrong_hashes_are_counted_and_the_wrong_digit_is_named() {
    let folder = Folder::new();
    for (text, fault) in [
        (HASH[1..].to_owned(), "no such file, and not an info hash: 39 digits; an info hash has 40"),
        (format!("{HASH}0"), "41 digits"),
        (HASH.replace('9', "g"), "'g', number 3, is not a hexadecimal digit"),
        (format!("magnet:?xt=urn:btih:{}", &HASH[1..]), "xt number 1: not an info hash: 39 digits"),
        (format!("magnet:?xt=urn:btih:{V2}"), "urn:btmh:1220"),
        (format!("magnet:?xt=urn:btmh:{V2}"), "1220 and 64 hexadecimal digits"),
        ("magnet:?xt=urn:btih:0CIMHQVDSSSJS5G7XPZM46WQ3M6N5XOX".into(), "'0', number 1, is not a base32 digit"),
    ] {
        for command in ["show", "magnet"] {
            let line = folder.run(&[command, &text]).fails(3).to_owned();
            assert!(line.contains(fault), "{line}");
        }
    }
}

#[test]
fn what_needs_the_torrent_itself_says_so_of_a_link() {
    let folder = Folder::new();
    let link = format!("magnet:?xt=urn:btih:{HASH}&dn=x");
    folder.write("link.txt", &link);
    for what in [&*link, HASH, "link.txt"] {
        for command in
            [&["files", what][..], &["verify", what], &["edit", "--comment", "x", what], &["metainfo", what, "magnet"]]
        {
            let line = folder.run(command).fails(3).to_owned();
            assert!(line.contains("does not say which files there are"), "{line}");
        }
    }
    for address in ["https://x.example/a.torrent", "HTTP://x.example/a.torrent"] {
        let line = folder.run(&["show", address]).fails(2).to_owned();
        assert!(line.contains("addresses are not fetched") && line.contains("curl"), "{line}");
    }
    folder.write("a b.torrent", small("", ""));
    let local = format!("file://{}", str_of(&folder.path("a b.torrent")).replace(' ', "%20"));
    assert_eq!(show(&folder, &local)["name"], "f");
}

#[test]
fn lists_that_windows_programs_save_are_read() {
    let folder = Folder::new();
    let text = format!("\u{feff}magnet:?xt=urn:btih:{HASH}&dn=\u{e9}\r\n");
    for (name, bytes) in [
        ("le", text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        ("be", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ] {
        folder.write(name, bytes);
        assert_eq!(show(&folder, name)["name"], "\u{e9}");
    }
}
