//! `create`: no silent wrong result, no loss, no hang.

use super::*;

#[cfg(unix)]
#[test]
fn a_pipe_is_read_and_a_device_refused() {
    let folder = Folder::new();
    let script = |script: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).current_dir(folder.path("")).env("T", env!("CARGO_BIN_EXE_torrent"));
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let create = "\"$T\" create -q --format v1 -n seq.txt -o p.torrent";
    let show = "\"$T\" show p.torrent | grep ^size";
    for source in [
        format!("seq 1 1000 | {create} /dev/stdin"),
        format!("mkfifo fifo; seq 1 1000 > fifo & {create} fifo; rm fifo"),
    ] {
        assert_eq!(script(&format!("{source} && {show}; rm -f p.torrent")).1, "size\t3893\n", "{source}");
    }
    let (code, _, stderr) = script("seq 1 1000 | \"$T\" create -q /dev/stdin");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("a pipe has no name for the torrent: say --name"), "{stderr}");
    for device in ["/dev/zero", "/dev/null"] {
        let line = folder.run(&["create", "-q", "-n", "x", device]).fails(2).to_owned();
        assert!(line.contains("a device, not a file"), "{line}");
    }
    #[cfg(target_os = "linux")]
    {
        let line = folder.run(&["create", "-q", "-o", "x.torrent", "/proc/self/status"]).fails(5).to_owned();
        assert!(line.contains("says that it has no bytes, but has some"), "{line}");
    }
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn the_torrent_itself_is_no_part_of_it() {
    let folder = Folder::new();
    folder.write("a/1", "one");
    let create = words("create -f --format v1 --date none -o a/a.torrent a");
    folder.run(&create).ok();
    let first = folder.read("a/a.torrent");
    let second = folder.run(&create);
    second.ok();
    assert!(second.stderr.contains("left out: a/a.torrent (it is the torrent)"), "{}", second.stderr);
    assert_eq!(folder.read("a/a.torrent"), first);
    folder.run(&["verify", "-q", "a/a.torrent"]).ok();
    // Without -o, from within.
    for _ in 0..2 {
        let mut command = folder.command(&words("create -q -f --format v1 --date none ."));
        assert!(command.current_dir(folder.path("a")).status().unwrap().success());
    }
    assert!(folder.path("a/a.torrent").exists());
    assert_eq!(show(&folder, "a/a.torrent")["files"].as_array().unwrap().len(), 1);
    // By way of the shell, or of a link.
    #[cfg(unix)]
    {
        let out = fs::File::create(folder.path("a/out.torrent")).unwrap();
        let status =
            folder.command(&words("create -q --format v1 -o - a --exclude a.torrent")).stdout(out).status().unwrap();
        assert!(status.success());
        assert_eq!(show(&folder, "a/out.torrent")["files"].as_array().unwrap().len(), 1);
        fs::remove_file(folder.path("a/out.torrent")).unwrap();
        std::os::unix::fs::symlink("a/a.torrent", folder.path("link")).unwrap();
        folder.run(&words("create -q -f --format v1 --date none -o link a")).ok();
        assert_eq!(show(&folder, "a/a.torrent")["files"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn the_torrent_never_takes_the_place_of_content() {
    let folder = Folder::new();
    folder.write("album/1.flac", "precious");
    for arguments in [["album/1.flac", "album/1.flac"], ["album/1.flac", "album"], ["./album/../album/1.flac", "album"]]
    {
        let line = folder.run(&["create", "-q", "--force", "-o", arguments[0], arguments[1]]).fails(10).to_owned();
        assert!(line.contains("part of the content"), "{line}");
        assert_eq!(folder.read("album/1.flac"), b"precious");
    }
    #[cfg(unix)]
    {
        fs::hard_link(folder.path("album/1.flac"), folder.path("hard")).unwrap();
        folder.run(&["create", "-q", "--force", "-o", "hard", "album"]).fails(10);
        assert_eq!(folder.read("album/1.flac"), b"precious");
    }
}

#[cfg(unix)]
#[test]
fn a_dangling_symlink_is_called_one() {
    let folder = Folder::new();
    folder.write("d/x", "x");
    std::os::unix::fs::symlink("nowhere", folder.path("d/dangling")).unwrap();
    let line = folder.run(&["create", "-q", "d"]).fails(5).to_owned();
    assert_eq!(line, "torrent: d/dangling: a symlink to nowhere, where nothing is; --symlinks skip leaves it out");
    folder.run(&["create", "-q", "--symlinks", "skip", "d"]).ok();
    folder.run(&["create", "-q", "-f", "--exclude", "dangling", "d"]).ok();
}

#[test]
fn an_epoch_that_is_no_number_is_an_error() {
    let folder = Folder::new();
    folder.write("x", "x");
    for epoch in ["abc", "", "1.5"] {
        for arguments in [&["create", "-q", "x"][..], &["create", "-q", "--date", "now", "-o", "-", "x"]] {
            let output = folder.command(arguments).env("SOURCE_DATE_EPOCH", epoch).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{epoch}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("SOURCE_DATE_EPOCH is "));
        }
        let output =
            folder.command(&["create", "-q", "--date", "5", "-o", "-", "x"]).env("SOURCE_DATE_EPOCH", epoch).output();
        assert!(output.unwrap().status.success(), "nobody asks for it");
    }
    assert_eq!(folder.names(), ["x"]);
}

#[test]
fn pieces_are_chosen_by_count_and_longest_length() {
    let folder = Folder::new();
    folder.write("x", content(1_000_000, 1));
    let length = |options: &str| {
        folder.run(&[&words("create -q -f -o t"), &words(options)[..], &["x"]].concat()).ok();
        show(&folder, "t")["piece_length"].as_u64().unwrap()
    };
    assert_eq!(length(""), 16_384);
    assert_eq!(length("--piece-count 20"), 65_536);
    assert_eq!(length("--piece-count 1"), 1 << 20);
    assert_eq!(length("--piece-count 1 --max-piece-length 128KiB"), 131_072);
    for (options, hint) in [
        ("--piece-length 18", "2^18 or 256KiB"),
        ("--piece-length 3000", "v2 and hybrid torrents have pieces of 16 KiB, 32 KiB and so on, doubling, to 512 MiB"),
        ("--piece-length 1GiB", "v1 torrents of 1 byte to 512MiB"),
        ("--piece-length 256KB", "KiB"),
        ("--piece-count 0", "0"),
        ("--piece-count 5 --piece-length 16KiB", "cannot be used with"),
    ] {
        let done = folder.run(&[&words("create -q -f -o t"), &words(options)[..], &["x"]].concat());
        assert_eq!(done.code, Some(2), "{options}");
        assert!(done.stderr.contains(hint), "{options}: {}", done.stderr);
    }
    folder.run(&words("create -q -f --format v1 -l 3000 -o t x")).ok();
}

#[test]
fn what_is_missing_and_what_matched_nothing_is_told() {
    let folder = Folder::new();
    folder.write("d/x", "x");
    let line = folder.run(&words("create -q -o new/ d/x")).fails(5).to_owned();
    assert_eq!(line, "torrent: new/: no such folder");
    let line = folder.run(&["create", "-q", "--include", "*.mp3", "d"]).fails(5).to_owned();
    assert!(line.contains("all 1 are left out; nothing matches --include *.mp3"), "{line}");
}

#[test]
fn a_torrent_that_nobody_could_read_is_refused_before_the_work() {
    let folder = Folder::new();
    for number in 0..100 {
        folder.write(&format!("d/{number}"), "x");
    }
    for format in ["v1", "v2", "hybrid"] {
        folder.write("d/0", "is read");
        let line = folder
            .run(&["create", "-q", "-f", "--format", format, "--max-torrent-values", "700", "d"])
            .fails(2)
            .to_owned();
        assert!(line.contains("--max-torrent-values"), "{line}");
        folder.run(&["create", "-q", "-f", "--format", format, "d"]).ok();
    }
}
