//! `torrent edit`.

use super::*;

fn show(folder: &Folder, file: &str) -> Json {
    folder.run(&["show", "--json", file]).json()
}

#[test]
fn edits_beside_info_keep_the_info_hash() {
    let folder = Folder::new();
    folder.album();
    let old = show(&folder, "t.torrent");
    folder
        .run(&[
            "edit",
            "--add-tracker",
            "udp://a:1,udp://b:2",
            "--comment",
            "new",
            "--add-web-seed",
            "http://w/",
            "--add-node",
            "n:5",
            "--date",
            "9",
            "--created-by",
            "me",
            "t.torrent",
        ])
        .ok();
    let new = show(&folder, "t.torrent");
    assert_eq!(new["info_hash"], old["info_hash"]);
    assert_eq!(new["trackers"], serde_json::json!([["http://tracker.example/announce"], ["udp://a:1", "udp://b:2"]]));
    assert_eq!((&new["comment"], &new["created_by"], &new["creation_date"]), (&"new".into(), &"me".into(), &9.into()));
    assert_eq!((&new["web_seeds"][0], &new["nodes"][0][1]), (&"http://w/".into(), &5.into()));
    assert_eq!(folder.names(), ["album", "t.torrent"]);
}

#[test]
fn trackers_are_removed_replaced_and_cleared() {
    let folder = Folder::new();
    folder.album();
    let trackers = |options: &[&str]| {
        let done = folder.run(&[&["edit", "-o", "-"], options, &["t.torrent"]].concat());
        folder.run_with(&["show", "--json", "-"], done.ok()).json()["trackers"].clone()
    };
    let none = serde_json::json!([]);
    assert_eq!(trackers(&["--clear-trackers"]), none);
    assert_eq!(trackers(&["--remove-tracker", "http://tracker.example/announce"]), none);
    assert_eq!(trackers(&["--clear-trackers", "-a", "http://x/"]), serde_json::json!([["http://x/"]]));
    assert_eq!(
        trackers(&["--replace-tracker", "http://tracker.example", "https://t2.example"]),
        serde_json::json!([["https://t2.example/announce"]])
    );
    let same = serde_json::json!([["http://tracker.example/announce"]]);
    assert_eq!(trackers(&["-a", "http://tracker.example/announce"]), same, "none is there twice");
}

#[test]
fn the_info_hash_changes_only_when_allowed() {
    let folder = Folder::new();
    folder.album();
    let old = folder.read("t.torrent");
    for change in [["--source", "s"], ["--private", "yes"], ["--name", "n"]] {
        let line = folder.run(&[&["edit"], &change[..], &["t.torrent"]].concat()).fails(2).to_owned();
        assert!(line.contains("--allow-info-change"), "{line}");
    }
    assert_eq!(folder.read("t.torrent"), old);
    // It is no change to make public what is public.
    folder.run(&["edit", "--private", "no", "t.torrent"]).ok();
    assert_eq!(folder.read("t.torrent"), old);
    folder.run(&["edit", "--source", "s", "--private", "yes", "--allow-info-change", "t.torrent"]).ok();
    let new = show(&folder, "t.torrent");
    assert_eq!((&new["source"], &new["private"]), (&"s".into(), &true.into()));
    folder.run(&["verify", "t.torrent", "."]).ok();
}

#[test]
fn a_dry_run_shows_the_difference_and_writes_nothing() {
    let folder = Folder::new();
    folder.album();
    let old = folder.read("t.torrent");
    let done = folder.run(&["edit", "--dry-run", "--comment", "new", "--date", "none", "t.torrent"]);
    assert_eq!(done.text(), "- comment: \"old\"\n+ comment: \"new\"\n- creation date: 0\n");
    let changing = ["edit", "--dry-run", "--source", "s", "--allow-info-change", "t.torrent"];
    let text = folder.run(&changing).text().to_owned();
    assert!(text.starts_with("+ info.source: \"s\"\n- info hash: "), "{text}");
    let json = folder.run(&["edit", "--dry-run", "--json", "--comment", "new", "t.torrent"]).json();
    let expected = serde_json::json!([{ "key": "comment", "old": "old", "new": "new" }]);
    assert_eq!(json["torrents"][0]["changes"], expected);
    assert_eq!(folder.read("t.torrent"), old);
}

#[test]
fn many_torrents_are_edited_together_or_not_at_all() {
    let folder = Folder::new();
    folder.album();
    folder.write("u.torrent", folder.read("t.torrent"));
    folder.write("bad.torrent", "nonsense");
    let old = folder.read("t.torrent");
    folder.run(&["edit", "--comment", "new", "t.torrent", "bad.torrent", "u.torrent"]).fails(3);
    assert_eq!(folder.read("t.torrent"), old);
    folder.run(&["edit", "--comment", "new", "t.torrent", "u.torrent"]).ok();
    assert_eq!(folder.read("t.torrent"), folder.read("u.torrent"));
    assert_ne!(folder.read("t.torrent"), old);
    folder.run(&["edit", "--comment", "x", "-o", "y", "t.torrent", "u.torrent"]).fails(2);
}

#[test]
fn stdin_goes_to_stdout_and_files_are_not_overwritten() {
    let folder = Folder::new();
    folder.album();
    let torrent = folder.read("t.torrent");
    let piped = folder.run_with(&["edit", "--comment", "new", "-"], &torrent);
    folder.run(&["edit", "--comment", "new", "-o", "u.torrent", "t.torrent"]).ok();
    assert_eq!(piped.ok(), folder.read("u.torrent"));
    folder.run(&["edit", "--comment", "2", "-o", "u.torrent", "t.torrent"]).fails(10);
    assert_eq!(piped.ok(), folder.read("u.torrent"));
    folder.run(&["edit", "--comment", "2", "-f", "-o", "u.torrent", "t.torrent"]).ok();
    assert_eq!(show(&folder, "u.torrent")["comment"], "2");
}

#[test]
fn no_change_at_all_is_a_usage_error() {
    let folder = Folder::new();
    folder.album();
    assert_eq!(folder.run(&["edit", "t.torrent"]).code, Some(2));
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.album();
    fs::set_permissions(folder.path("t.torrent"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("t.torrent", folder.path("link")).unwrap();
    folder.run(&["edit", "--comment", "new", "link"]).ok();
    assert!(fs::symlink_metadata(folder.path("link")).unwrap().is_symlink());
    assert_eq!(show(&folder, "t.torrent")["comment"], "new");
    assert_eq!(fs::metadata(folder.path("t.torrent")).unwrap().permissions().mode() & 0o777, 0o640);
}
