//! Same files, same options, same info hash: our torrents beside those of mktorrent, transmission-create and libtorrent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use torrent_content::{Builder, Version};
use torrent_interop::{installed, libtorrent};
use torrent_metainfo::Metainfo;

const PIECE: usize = 32 * 1024;

fn content(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31).wrapping_add(seed * 7) % 251) as u8).collect()
}

/// Makes files and gives the paths of what to make torrents of.
fn trees(folder: &Path) -> Vec<PathBuf> {
    let sizes = [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE, 5 * PIECE + 16384, 7 * PIECE + 17];
    let write = |path: &str, length: usize, seed: usize| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content(length, seed)).unwrap();
    };
    let mut roots = Vec::new();
    for (number, size) in sizes.into_iter().enumerate() {
        write(&format!("single_{size}.bin"), size, number);
        roots.push(folder.join(format!("single_{size}.bin")));
        // The same size first, last, and beside an empty file.
        write(&format!("pair_{size}/a"), size, number);
        write(&format!("pair_{size}/b"), 5, number);
        write(&format!("pair_{size}/c"), size, number + 1);
        write(&format!("last_empty_{size}/a"), size, number);
        write(&format!("last_empty_{size}/b"), 0, 0);
        write(&format!("first_empty_{size}/a"), 0, 0);
        write(&format!("first_empty_{size}/b"), size, number);
        for kind in ["pair", "last_empty", "first_empty"] {
            roots.push(folder.join(format!("{kind}_{size}")));
        }
        write(&format!("many/{number}.dat"), size, number);
        write(&format!("nested/{number}/deep/er/{size}"), size, number);
        write("one_in_folder/sub/f", 3, 0);
    }
    for number in 0..60 {
        write(&format!("small/{number:03}"), number * 97, number);
    }
    write("unicode/é/日本語.txt", 77, 0);
    write("unicode/Ωmega", PIECE + 9, 1);
    write("unicode/a b", 1, 2);
    write("unicode/Z", 1, 3);
    roots.extend(["many", "nested", "small", "unicode", "one_in_folder"].map(|name| folder.join(name)));
    roots
}

fn ours(version: Version) -> Builder {
    Builder::new().version(version).piece_length(PIECE as u32).hidden(true).litter(true)
}

fn load(path: &Path) -> Metainfo {
    Metainfo::from_bytes(fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn v1_is_the_same_as_mktorrent() {
    let Some(mktorrent) = installed("mktorrent") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut roots = trees(folder.path());
    // No bytes at all. libtorrent has no torrents of nothing, and transmission none with empty files.
    fs::write(folder.path().join("nothing.bin"), b"").unwrap();
    fs::create_dir(folder.path().join("nothing")).unwrap();
    ["a", "b"].iter().for_each(|name| fs::write(folder.path().join("nothing").join(name), b"").unwrap());
    roots.extend(["nothing.bin", "nothing"].map(|name| folder.path().join(name)));
    for (number, root) in roots.into_iter().enumerate() {
        let out = folder.path().join(format!("{number}.torrent"));
        let status =
            Command::new(&mktorrent).args(["-l", "15", "-o"]).arg(&out).arg(&root).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
        let theirs = load(&out);
        let made = ours(Version::V1).build(&root).unwrap();
        assert_eq!(made.info().as_bytes(), theirs.info().as_bytes(), "{}", root.display());
    }
}

#[test]
fn v1_is_the_same_as_transmission() {
    let Some(transmission) = installed("transmission-create") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (number, root) in trees(folder.path()).into_iter().enumerate() {
        // It leaves empty files out and sorts without regard to case.
        let name = root.file_name().unwrap().to_str().unwrap();
        if name.contains("empty") || matches!(name, "small" | "unicode") {
            continue;
        }
        let out = folder.path().join(format!("{number}.torrent"));
        let output = Command::new(&transmission).args(["-s", "32", "-o"]).arg(&out).arg(&root).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let theirs = load(&out);
        let mut builder = ours(Version::V1);
        if let Some(private) = theirs.info().value("private") {
            // Version 3 writes it even when it is not.
            builder = builder.info_value("private", torrent_bencode::Value::decode(&private).unwrap());
        }
        let made = builder.build(&root).unwrap();
        assert_eq!(made.info().as_bytes(), theirs.info().as_bytes(), "{}", root.display());
    }
}

#[test]
fn all_versions_are_the_same_as_libtorrent() {
    let folder = tempfile::tempdir().unwrap();
    let mut roots = trees(folder.path());
    make_executable(&folder.path().join("many/3.dat"));
    make_executable(&folder.path().join("single_1.bin"));
    roots.sort();
    let versions = [("v1", Version::V1), ("v2", Version::V2), ("hybrid", Version::Hybrid)];
    let cases: Vec<_> = roots.iter().flat_map(|root| versions.map(|(mode, version)| (root, mode, version))).collect();
    let out = |number: usize| folder.path().join(format!("{number}.torrent"));
    let lines: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(number, (root, mode, _))| format!("{mode}\t{PIECE}\t{}\t{}\n", root.display(), out(number).display()))
        .collect();
    let Some(()) = libtorrent::make_torrents(&lines.concat()) else { return };
    for (number, (root, mode, version)) in cases.iter().enumerate() {
        let theirs = load(&out(number));
        let made = ours(*version).attributes(true).build(root).unwrap();
        assert_eq!(made.info().as_bytes(), theirs.info().as_bytes(), "{mode} {}", root.display());
        assert_eq!(made.info_hashes(), theirs.info_hashes());
        assert_eq!(made.value("piece layers"), theirs.value("piece layers"), "{mode} {}", root.display());
    }
}

#[cfg(unix)]
#[test]
fn symlinks_are_the_same_as_libtorrent() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("links");
    fs::create_dir_all(root.join("d")).unwrap();
    fs::write(root.join("d/f"), b"x").unwrap();
    fs::write(root.join("one"), b"abc").unwrap();
    for (target, link) in [("../one", "d/up"), ("d", "dl"), ("one", "lnk"), ("d/f", "into")] {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
    }
    let out = folder.path().join("links.torrent");
    let line = format!("links\t{PIECE}\t{}\t{}\n", root.display(), out.display());
    let Some(()) = libtorrent::make_torrents(&line) else { return };
    let made = ours(Version::Hybrid).symlinks(torrent_content::create::Symlinks::Keep).build(&root).unwrap();
    assert_eq!(made.info().as_bytes(), load(&out).info().as_bytes());
}

/// libtorrent 2.1.1 sorts the v1 view of a hybrid by path bytes (`a-b/x` before `a/x`), which is not the order of its file
/// tree, and then refuses to load what it made. Ours has the order of the tree, and loads.
#[test]
fn hybrids_load_where_byte_order_and_tree_order_differ() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("order");
    for name in ["a/x", "a-b/x", "a.txt", "B/3", "empty"] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name.repeat(if name == "empty" { 0 } else { 10_000 })).unwrap();
    }
    let torrents = [Version::V1, Version::V2, Version::Hybrid].map(|version| ours(version).build(&root).unwrap());
    assert_libtorrent_agrees(folder.path(), &torrents);
}

/// Every torrent that we make of any tree: libtorrent sees the same files, sizes, places, roots and info hashes.
#[test]
fn libtorrent_sees_in_ours_what_we_see() {
    let folder = tempfile::tempdir().unwrap();
    let versions = [Version::V1, Version::V2, Version::Hybrid];
    let roots = trees(folder.path());
    let torrents = roots.iter().flat_map(|root| versions.map(|version| ours(version).build(root).unwrap()));
    let aligned = roots.iter().map(|root| ours(Version::V1).align(true).build(root).unwrap());
    let torrents: Vec<_> = torrents.chain(aligned).collect();
    assert_libtorrent_agrees(folder.path(), &torrents);
}

#[track_caller]
fn assert_libtorrent_agrees(folder: &Path, torrents: &[Metainfo]) {
    let (mut paths, mut expected) = (String::new(), String::new());
    for (number, torrent) in torrents.iter().enumerate() {
        let path = folder.join(format!("ours-{number}"));
        fs::write(&path, torrent.as_bytes()).unwrap();
        writeln!(paths, "{}", path.display()).unwrap();
        let (info, hashes) = (torrent.info(), torrent.info_hashes());
        let v1 = hashes.v1().map_or_else(|| "-".to_owned(), |hash| hash.to_string());
        let v2 = hashes.v2().map_or_else(|| "-".to_owned(), |hash| hash.to_string());
        writeln!(expected, "{v1} {v2} {} {}", info.piece_count(), info.piece_length()).unwrap();
        for file in info.files().iter().filter(|file| !file.is_pad()) {
            let root = file.pieces_root().copied().unwrap_or_default();
            let root: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
            let root = if info.has_v2() { &*root } else { "-" };
            // Where nothing lies is a matter of taste.
            let offset = if file.length() == 0 { "-".to_owned() } else { file.offset().to_string() };
            writeln!(expected, "{} {} {offset} {root}", file.path(), file.length()).unwrap();
        }
    }
    let Some(found) = libtorrent::describe(&paths) else { return };
    found.lines().zip(expected.lines()).for_each(|(found, expected)| assert_eq!(found, expected));
    assert_eq!(found.lines().count(), expected.lines().count());
}

fn make_executable(path: &Path) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    #[cfg(not(unix))]
    let _ = path;
}
