//! `torrent create`.

use super::*;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("album/a.flac", content(40_000, 1));
    folder.write("album/b.flac", content(50_000, 2));
    folder.write("album/sub/notes.nfo", "hello");
    folder
}

fn show(folder: &Folder, file: &str) -> Json {
    folder.run(&["show", "--json", file]).json()
}

#[test]
fn without_output_the_torrent_goes_to_its_name() {
    let folder = folder();
    assert_eq!(folder.run(&["create", "album"]).text(), "");
    assert_eq!(folder.names(), ["album", "album.torrent"]);
    let json = show(&folder, "album.torrent");
    assert_eq!(json["name"], "album");
    assert_eq!(json["version"], "hybrid");
    assert_eq!(json["size"], 90_005);
    assert_eq!(json["trackers"], Json::Array(vec![]), "there are no default trackers");
    assert_eq!(json["created_by"], concat!("torrent/", env!("CARGO_PKG_VERSION")));
    assert!(json["creation_date"].as_i64().unwrap() > 1_700_000_000);
}

#[test]
fn an_existing_file_is_kept_unless_forced() {
    let folder = folder();
    folder.write("album.torrent", "precious");
    let line = folder.run(&["create", "-q", "album"]).fails(10).to_owned();
    assert_eq!(line, "torrent: album.torrent: exists already; say --force to replace it");
    assert_eq!(folder.read("album.torrent"), b"precious");
    folder.run(&["create", "--force", "album"]).ok();
    assert_eq!(show(&folder, "album.torrent")["name"], "album");
    assert_eq!(folder.names(), ["album", "album.torrent"], "nothing else is left");
}

#[test]
fn output_may_be_stdout_or_a_folder() {
    let folder = folder();
    let options = ["create", "--date", "0", "--no-created-by"];
    let stdout = folder.run(&[&options[..], &["-o", "-", "album"]].concat());
    fs::create_dir(folder.path("out")).unwrap();
    folder.run(&[&options[..], &["-o", "out", "album"]].concat()).ok();
    assert_eq!(stdout.ok(), folder.read("out/album.torrent"));
}

#[test]
fn the_same_files_and_options_give_the_same_bytes() {
    let folder = folder();
    let options = ["create", "-q", "--date", "2026-11-21", "--no-created-by", "-o", "-", "album"];
    let first = folder.run(&options);
    let second = folder.run(&[&options[..], &["--threads", "1"]].concat());
    assert_eq!(first.ok(), second.ok());
    let dated = folder.run_with(&["show", "--json", "-"], &first.stdout).json();
    assert_eq!((&dated["creation_date"], &dated["created_by"]), (&Json::from(1_795_219_200), &Json::Null));
    let epoch = folder.command(&["create", "-q", "-o", "-", "album"]).env("SOURCE_DATE_EPOCH", "77").output().unwrap();
    assert_eq!(folder.run_with(&["show", "--json", "-"], &epoch.stdout).json()["creation_date"], 77);
    let bare = folder.run(&words("create -q --date none --no-created-by -o - album"));
    let keys = folder.run_with(&["bencode", "json", "-c"], &bare.stdout).json();
    assert_eq!(keys.as_object().unwrap().keys().collect::<Vec<_>>(), ["info", "piece layers"]);
}

#[test]
fn every_option_reaches_the_torrent() {
    let folder = folder();
    let done = folder.run(&[
        "create",
        "-q",
        "--format",
        "v1",
        "--piece-length",
        "2^15",
        "-a",
        "http://a/1 http://a/2",
        "-a",
        "udp://b:1",
        "--web-seed",
        "http://w/",
        "--http-seed",
        "http://h/",
        "--node",
        "router.example:6881",
        "--comment",
        "c",
        "--source",
        "s",
        "--private",
        "--name",
        "renamed",
        "--created-by",
        "me",
        "--update-url",
        "http://u/",
        "--date",
        "5",
        "--sort",
        "largest",
        "-o",
        "t",
        "album",
    ]);
    done.ok();
    let json = show(&folder, "t");
    for (key, value) in [
        ("name", "renamed".into()),
        ("version", "v1".into()),
        ("piece_length", 32_768.into()),
        ("trackers", serde_json::json!([["http://a/1", "http://a/2"], ["udp://b:1"]])),
        ("web_seeds", serde_json::json!(["http://w/"])),
        ("http_seeds", serde_json::json!(["http://h/"])),
        ("nodes", serde_json::json!([["router.example", 6881]])),
        ("comment", "c".into()),
        ("source", "s".into()),
        ("private", true.into()),
        ("created_by", "me".into()),
        ("update_url", "http://u/".into()),
        ("creation_date", 5.into()),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!(json["files"][0]["path"], "renamed/b.flac", "the largest first");
}

#[test]
fn files_are_chosen_by_patterns() {
    let folder = folder();
    folder.write("album/.hidden", "x");
    folder.write("album/Thumbs.db", "x");
    let paths = |options: &[&str]| {
        let done = folder.run(&[&["create", "--dry-run"], options, &["album"]].concat());
        let lines = done.text().lines().map(|line| line.split_once('\t').unwrap().1.to_owned());
        lines.collect::<Vec<_>>()
    };
    assert_eq!(paths(&[]), ["album/a.flac", "album/b.flac", "album/sub/notes.nfo"]);
    assert_eq!(paths(&["--exclude", "*.nfo"]), ["album/a.flac", "album/b.flac"]);
    assert_eq!(paths(&["--include", "sub/**"]), ["album/sub/notes.nfo"]);
    assert_eq!(
        paths(&["--hidden", "--litter", "--exclude", "*.flac", "--exclude", "sub/"]),
        ["album/.hidden", "album/Thumbs.db"]
    );
    let noted = folder.run(&["create", "--dry-run", "album"]).stderr;
    assert!(noted.contains(".hidden (hidden; --hidden takes it)"), "{noted}");
}

#[cfg(unix)]
#[test]
fn symlinks_are_followed_kept_or_skipped() {
    let folder = folder();
    std::os::unix::fs::symlink("a.flac", folder.path("album/link")).unwrap();
    let symlink = |how: &str| {
        let torrent = folder.run(&["create", "-q", "-o", "-", "--symlinks", how, "album"]);
        let files = folder.run_with(&["files", "--json", "-"], torrent.ok()).json()["files"].clone();
        let link = files.as_array().unwrap().iter().find(|file| file["path"] == "album/link").cloned();
        link.map(|link| (link["length"].as_u64().unwrap(), link["symlink"].as_str().map(ToOwned::to_owned)))
    };
    assert_eq!(symlink("follow"), Some((40_000, None)));
    assert_eq!(symlink("keep"), Some((0, Some("album/a.flac".into()))));
    assert_eq!(symlink("skip"), None);
}

#[test]
fn a_dry_run_writes_nothing_and_has_json() {
    let folder = folder();
    let json = folder.run(&["create", "--dry-run", "--json", "-l", "16k", "--exclude", "*.nfo", "album"]).json();
    assert_eq!((&json["name"], &json["size"], &json["piece_count"]), (&"album".into(), &90_000.into(), &7.into()));
    assert_eq!(json["left_out"][0]["reason"], "excluded");
    assert_eq!(folder.names(), ["album"]);
}

#[test]
fn json_describes_what_was_made() {
    let folder = folder();
    let made = folder.run(&["create", "-q", "--json", "-o", "t", "album"]).json();
    assert_eq!(made, show(&folder, "t"));
}

#[test]
fn stdin_is_a_file_with_a_name() {
    let folder = folder();
    let options = words("create -q --date none --no-created-by -o - --name a.flac");
    let piped = folder.run_with(&[&options[..], &["-"]].concat(), &content(40_000, 1));
    let direct = folder.run(&[&options[..], &["album/a.flac"]].concat());
    assert_eq!(piped.ok(), direct.ok());
    folder.run(&["create", "-"]).fails(2);
}

#[test]
fn impossible_options_are_usage_errors() {
    let folder = folder();
    for options in [
        "-l 0",
        "-l 5x",
        "-l 300k",
        "--format v3",
        "-a tracker",
        "--sort largest",
        "--name a/b",
        "--json -o -",
        "--exclude [",
    ] {
        let done = folder.run(&[&["create", "-q"], &words(options)[..], &["album"]].concat());
        assert_eq!((done.code, done.stdout.len()), (Some(2), 0), "{options}: {}", done.stderr);
        assert!(!done.stderr.is_empty());
    }
    assert_eq!(folder.names(), ["album"]);
}

#[test]
fn what_cannot_be_read_or_written_has_codes() {
    let folder = folder();
    assert!(folder.run(&["create", "-q", "missing"]).fails(5).contains("missing"));
    assert!(folder.run(&["create", "-q", "-o", "no/such/folder/t", "album"]).fails(5).contains("no/such/folder/t"));
    fs::create_dir(folder.path("empty")).unwrap();
    assert_eq!(folder.run(&["create", "-q", "empty"]).fails(5), "torrent: no files to put into the torrent");
    assert_eq!(folder.names(), ["album", "empty"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_has_a_code_of_its_own() {
    let folder = folder();
    folder.run(&["create", "-q", "-o", "/dev/full", "album"]).fails(6);
    assert!(!fs::metadata("/dev/full").unwrap().is_file(), "a device stays one");
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_no_file_behind() {
    use std::io::{BufRead, BufReader};
    let folder = Folder::new();
    // A hole takes no space, but hours to hash on one thread.
    fs::File::create(folder.path("huge")).unwrap().set_len(1 << 42).unwrap();
    let mut command = folder.command(&words("create --progress plain --threads 1 -l 16m huge"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "hashing 4.00 TiB");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(lines.last().unwrap().unwrap(), "torrent: interrupted");
    assert_eq!(folder.names(), ["huge"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_while_reading_stdin_leaves_nothing_behind() {
    let folder = Folder::new();
    fs::create_dir(folder.path("tmp")).unwrap();
    let mut command = folder.command(&words("create --name x -o x.torrent -"));
    let mut child =
        command.env("TMPDIR", folder.path("tmp")).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than the pipe holds: when this is through, it is reading.
    stdin.write_all(&content(1 << 20, 0)).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(7));
    drop(stdin);
    assert_eq!(fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
    assert_eq!(folder.names(), ["tmp"]);
}
