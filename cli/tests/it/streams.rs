//! Streams, usage, help: what holds for every command.

use super::*;

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let folder = Folder::new();
    folder.album();
    for arguments in
        [&["show", "t.torrent"][..], &["bencode", "json", "t.torrent"], &["create", "-q", "-o", "-", "album"], &["man"]]
    {
        // Nobody reads.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = folder.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_is_said() {
    let folder = Folder::new();
    folder.album();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = folder.command(&["show", "t.torrent"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("torrent: stdout: "));
}

#[test]
fn wrong_usage_has_a_code() {
    let folder = Folder::new();
    for arguments in [&[][..], &["nonsense"], &["show"], &["show", "--nonsense", "x"], &["metainfo", "x"], &["bencode"]]
    {
        let done = folder.run(arguments);
        assert_eq!((done.code, done.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(done.stderr.contains("Usage"), "{}", done.stderr);
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    let folder = Folder::new();
    assert!(folder.run(&["--help"]).text().contains("3    bad torrent, magnet link or bencode"));
    for command in ["create", "show", "files", "edit", "verify", "magnet", "metainfo", "bencode", "completions", "man"]
    {
        let help = folder.run(&[command, "--help"]);
        assert!(help.text().contains("Examples:\n"), "{command}");
    }
    assert!(folder.run(&["bencode", "json", "--help"]).text().contains("\"hex:\""));
}

#[test]
fn shells_and_man_are_served() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(folder.run(&["completions", shell]).text().contains("torrent"), "{shell}");
    }
    assert!(folder.run(&["man"]).text().contains(".TH torrent 1"));
    // On a fresh account there is no such folder yet.
    folder.run(&["man", "--dir", "share/man/man1"]).ok();
    let pages: Vec<_> = fs::read_dir(folder.path("share/man/man1")).unwrap().map(|page| page.unwrap().path()).collect();
    assert!(pages.len() > 20);
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.contains(".TH ") && !text.contains(".SH EXTRA"), "{}", page.display());
        // Lines of examples stay as they are.
        if let Some((_, examples)) = text.split_once(".SH EXAMPLES\n") {
            assert!(examples.starts_with(".nf\n  torrent "), "{}", page.display());
        }
    }
    let create = fs::read_to_string(folder.path("share/man/man1/torrent-create.1")).unwrap();
    assert!(
        create.contains(".SH EXAMPLES\n.nf\n  torrent create \\-a https://tracker.example/announce album/\n"),
        "{create}"
    );
    assert!(fs::read_to_string(folder.path("share/man/man1/torrent.1")).unwrap().contains(".SH EXIT STATUS\n.nf\n"));
    folder.write("file", "");
    folder.run(&["man", "--dir", "file/man1"]).fails(5);
}

#[test]
fn input_has_a_limit() {
    let folder = Folder::new();
    fs::File::create(folder.path("huge")).unwrap().set_len((256 << 20) + 1).unwrap();
    let message = "torrent: huge: 256.00 MiB, and no more than 256.00 MiB are read: --max-torrent-size 257MiB reads it";
    assert_eq!(folder.run(&["show", "huge"]).fails(3), message);
    folder.album();
    let line = folder.run(&["show", "--max-torrent-size", "100", "t.torrent"]).fails(3).to_owned();
    assert!(line.contains("--max-torrent-size 1MiB reads it"), "{line}");
    let line = folder.run(&["files", "--max-torrent-values", "10", "t.torrent"]).fails(3).to_owned();
    assert!(line.contains("more than the 10 values that are read: --max-torrent-values N reads more"), "{line}");
    let line = folder.run_with(&["bencode", "check", "-", "--max-torrent-values", "3"], b"llee").fails(3).to_owned();
    assert!(line.contains("--max-torrent-values"), "{line}");
    let path = folder.path("huge");
    assert_eq!(folder.run(&["bencode", "check", str_of(&path)]).code, Some(3));
}
