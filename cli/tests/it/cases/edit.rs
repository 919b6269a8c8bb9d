//! `edit` reaches every copy of a tracker and writes no address that is none.

use super::*;

#[test]
fn a_tracker_beside_the_list_is_removed_and_replaced_too() {
    let folder = Folder::new();
    let torrent = small("8:announce25:http://a.example/announce13:announce-listll25:http://b.example/announceee", "");
    let keys = |options: &[&str]| {
        folder.write("t", &torrent);
        let done = folder.run(&[&["edit"], options, &["t"]].concat());
        done.ok();
        let json = folder.run(&["bencode", "json", "t"]).json();
        assert!(!json.to_string().contains("\"\""), "{json}");
        (json["announce"].clone(), json["announce-list"].clone(), done.stderr)
    };
    let (announce, list, said) = keys(&["-d", "http://a.example/announce"]);
    assert_eq!(
        (announce, list),
        ("http://b.example/announce".into(), serde_json::json!([["http://b.example/announce"]]))
    );
    assert_eq!(said, "t: removed http://a.example/announce\n");
    let (announce, list, _) = keys(&["-r", "a.example", "c.example"]);
    assert_eq!(
        (announce, list),
        ("http://c.example/announce".into(), serde_json::json!([["http://b.example/announce"]]))
    );
    let (announce, list, _) = keys(&["-r", "http://a.example/announce", ""]);
    assert_eq!(
        (announce, list),
        ("http://b.example/announce".into(), serde_json::json!([["http://b.example/announce"]]))
    );
    let (announce, list, said) = keys(&["-d", "http://x.example/announce", "-d", "A.example", "-r", "nowhere", "x"]);
    assert_eq!(
        (&announce, &list),
        (&"http://a.example/announce".into(), &serde_json::json!([["http://b.example/announce"]]))
    );
    assert_eq!(
        said,
        "t: no tracker http://x.example/announce\nt: no tracker A.example; there is http://a.example/announce\n\
         t: no tracker contains nowhere\nt: nothing to change\n"
    );
}

#[test]
fn no_address_is_there_twice() {
    let folder = Folder::new();
    folder.write("t", small("8:announce25:http://a.example/announce", ""));
    let (b, c) = ("http://b.example/x", "http://c.example/x");
    folder.run(&["edit", "-q", "-a", &format!("{b} {b} {c}"), "-a", b, "t"]).ok();
    let list = serde_json::json!([["http://a.example/announce"], [b, c]]);
    assert_eq!(folder.run(&["show", "--json", "t"]).json()["trackers"], list);
    folder.run(&["edit", "-q", "-r", "b.example", "c.example", "t"]).ok();
    assert_eq!(show(&folder, "t")["trackers"], serde_json::json!([["http://a.example/announce"], [c]]));
}

#[test]
fn what_is_no_address_is_refused_by_name() {
    let folder = Folder::new();
    let old = small("8:announce25:http://a.example/announce", "");
    folder.write("t", &old);
    for (options, fault) in [
        (&["-a", "http://c.example/a b"][..], "\"b\": not an address: it has no scheme:// in front"),
        (&["-a", "udp://host"], "a udp address needs a port"),
        (&["-a", "udp://c:0/x"], "port"),
        (&["-a", "udp://c:99999"], "port"),
        (&["-a", "http://[::1/"], "its host is neither a name nor an IP address"),
        (&["-w", "nowhere"], "no scheme://"),
        (
            &["-r", "http://a.example", "nonsense"],
            "--replace-tracker would leave \"nonsense/announce\": not an address",
        ),
    ] {
        let done = folder.run(&[&["edit"], options, &["t"]].concat());
        assert_eq!(done.code, Some(2), "{options:?}: {}", done.stderr);
        assert!(done.stderr.contains(fault), "{}", done.stderr);
        assert_eq!(folder.read("t"), old);
    }
}

#[test]
fn passkeys_come_from_a_file() {
    let folder = Folder::new();
    folder.write("t", small("", ""));
    folder.write(
        "keys",
        "\u{feff}# mine\r\nhttp://a.example/KEY/announce udp://a.example:1\r\n\r\nhttp://b.example/KEY/announce\r\n",
    );
    let tiers =
        serde_json::json!([["http://a.example/KEY/announce", "udp://a.example:1"], ["http://b.example/KEY/announce"]]);
    folder.run(&["edit", "-q", "--add-trackers-from", "keys", "t"]).ok();
    assert_eq!(show(&folder, "t")["trackers"], tiers);
    folder.write("x", "x");
    folder.run(&["create", "-q", "--announce-from", "keys", "-o", "u", "x"]).ok();
    assert_eq!(show(&folder, "u")["trackers"], tiers);
    let link = folder.run(&["magnet", "--announce-from", "keys", HASH]);
    assert!(link.text().contains("tr=http%3A%2F%2Fb.example%2FKEY%2Fannounce"), "{}", link.text());
    folder.write("bad", "http://a.example/\nnonsense\n");
    let line = folder.run(&["create", "-q", "--announce-from", "bad", "x"]).fails(3).to_owned();
    assert!(line.starts_with("torrent: bad, line 2: \"nonsense\": not an address"), "{line}");
}
