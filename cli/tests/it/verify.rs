//! `torrent verify`.

use super::*;

#[test]
fn good_content_has_nothing_to_say() {
    let folder = Folder::new();
    folder.album();
    let done = folder.run(&["verify", "t.torrent", "."]);
    assert_eq!(done.text(), "");
    assert!(done.stderr.ends_with("album: complete, 87.89 KiB\n"), "{}", done.stderr);
    assert_eq!(folder.run(&["verify", "-q", "t.torrent"]).stderr, "", "the folder is this one by default");
    let json = folder.run(&["verify", "-q", "--json", "t.torrent"]).json();
    assert_eq!((&json["complete"], &json["good_pieces"], &json["pieces"]), (&true.into(), &6.into(), &6.into()));
    assert_eq!(json["files"][1]["status"], "ok");
}

#[test]
fn damage_is_named_by_file_and_range() {
    let folder = Folder::new();
    folder.album();
    let mut second = content(50_000, 2);
    // In the last of the six pieces, which begins at 5 * 16384 - 40000.
    second[45_000] ^= 1;
    folder.write("album/2.flac", second);
    let done = folder.run(&["verify", "-q", "t.torrent", "."]);
    assert_eq!(done.code, Some(4));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "damaged\talbum/2.flac\t41920-50000\n");
    assert_eq!(done.stderr, "torrent: album: 1 file is bad; 5 of 6 pieces are good\n");
    let done = folder.run(&["verify", "-q", "--json", "t.torrent", "."]);
    let json: Json = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((done.code, &json["complete"]), (Some(4), &false.into()));
    assert_eq!(json["files"][1]["bad"], serde_json::json!([[41_920, 50_000]]));
}

#[test]
fn missing_short_and_long_files_are_told_apart() {
    let folder = Folder::new();
    for (number, name) in ["gone", "long", "ok", "short"].into_iter().enumerate() {
        folder.write(&format!("x/{name}"), content(16_384, number));
    }
    folder.run(&words("create -q --format v1 -l 16k -o t x")).ok();
    fs::remove_file(folder.path("x/gone")).unwrap();
    folder.write("x/long", content(16_385, 1));
    folder.write("x/short", content(100, 3));
    let done = folder.run(&["verify", "-q", "t"]);
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "missing\tx/gone\t0-16384\nlong\tx/long\t\nshort\tx/short\t0-16384\n"
    );
    assert_eq!(done.code, Some(4));
}

#[test]
fn the_folder_may_have_another_name() {
    let folder = Folder::new();
    folder.album();
    fs::rename(folder.path("album"), folder.path("renamed")).unwrap();
    assert_eq!(folder.run(&["verify", "-q", "t.torrent", "."]).code, Some(4));
    folder.run(&["verify", "-q", "--in-place", "t.torrent", "renamed"]).ok();
}

#[test]
fn hybrid_and_v2_are_verified_and_padding_is_not_named() {
    for format in ["v2", "hybrid"] {
        let folder = Folder::new();
        folder.album();
        folder.run(&["create", "-q", "--format", format, "-l", "16k", "-o", "u", "album"]).ok();
        folder.run(&["verify", "u"]).ok();
        folder.write("album/1.flac", content(40_000, 9));
        let done = folder.run(&["verify", "-q", "u"]);
        assert_eq!(String::from_utf8_lossy(&done.stdout), "damaged\talbum/1.flac\t0-40000\n");
        assert!(done.stderr.contains(" 1 file is bad"), "{}", done.stderr);
    }
}

#[test]
fn a_folder_that_is_not_there_is_another_failure() {
    let folder = Folder::new();
    folder.album();
    folder.run(&["verify", "-q", "t.torrent", "nowhere"]).fails(5);
    folder.run(&["verify", "-q", "nothing.torrent", "."]).fails(5);
}
