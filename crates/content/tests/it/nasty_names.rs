//! Folders whose names no two systems agree about: what is made of them is found again, whatever the names are.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use tempfile::TempDir;
use torrent_content::{Builder, Check, CreateError, Hashes, Verifier, Version, layout};
use torrent_metainfo::Metainfo;
use torrent_storage::{FileStorage, Storage};

use crate::tree::content;

/// Twins of case and of composition, devices, what other systems forbid, what cannot be seen, what is as long as can be.
fn element() -> impl Strategy<Value = Vec<u8>> {
    let nasty = prop::sample::select(vec![
        "a".to_owned(),
        "A".to_owned(),
        "aux.c".to_owned(),
        "CON".to_owned(),
        "com1".to_owned(),
        "trail.".to_owned(),
        "trail ".to_owned(),
        "e\u{301}".to_owned(),
        "\u{e9}".to_owned(),
        "\u{c9}".to_owned(),
        "\u{212a}".to_owned(),
        "k".to_owned(),
        "\u{df}".to_owned(),
        "ss".to_owned(),
        "a\nb".to_owned(),
        "a\u{200b}b".to_owned(),
        "ab".to_owned(),
        "\u{202e}x".to_owned(),
        "back\\slash".to_owned(),
        "what?*:|".to_owned(),
        "a.1".to_owned(),
        "_".to_owned(),
        "__".to_owned(),
        "x".repeat(255),
        format!("{}.ext", "y".repeat(251)),
        "\u{65e5}".repeat(85),
        ".pad".to_owned(),
        "~".to_owned(),
        "-rf".to_owned(),
    ]);
    prop_oneof![4 => nasty.prop_map(String::into_bytes), 1 => "[\\PC&&[^/]]{1,20}".prop_map(String::into_bytes)]
}

/// Paths that can lie beside each other.
fn tree(depth: usize) -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    prop::collection::vec(prop::collection::vec(element(), 1..depth), 1..8).prop_map(|paths| {
        let mut kept: Vec<Vec<Vec<u8>>> = Vec::new();
        for path in paths {
            let is_name = |name: &Vec<u8>| {
                !matches!(&**name, b"" | b"." | b"..")
                    && name.len() <= 255
                    && !name.contains(&b'/')
                    && !name.contains(&0)
            };
            let clashes = kept.iter().any(|other| other.starts_with(&path) || path.starts_with(other));
            if !clashes && path.iter().all(is_name) {
                kept.push(path);
            }
        }
        kept
    })
}

fn path_of(path: &[Vec<u8>]) -> PathBuf {
    path.iter().map(|element| OsStr::from_bytes(element)).collect()
}

fn on_disk(paths: &[Vec<Vec<u8>>]) -> TempDir {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    fs::create_dir(folder.path().join("t")).unwrap();
    for (number, path) in paths.iter().enumerate() {
        let path = folder.path().join("t").join(path_of(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content(100 + number * 20_000, number)).unwrap();
    }
    folder
}

/// Verify, and the check of a storage, which is what a client serves from, find every piece.
fn assert_found(torrent: &Metainfo, folder: &Path) {
    let report = Verifier::new(torrent).run(folder).unwrap();
    assert!(report.is_complete(), "{:?}", report.bad_files().collect::<Vec<_>>());
    let storage = FileStorage::new(folder).open(&layout(torrent.info()).unwrap()).unwrap();
    let geometry = torrent.info().geometry();
    let hashes = Hashes::new(torrent.info().clone(), torrent.piece_layers().clone());
    let check = Check::new(&*storage, &geometry, &hashes).run().unwrap();
    assert!(check.have.is_full());
}

proptest! {
    #[test]
    fn what_create_has_hashed_is_found_again(
        paths in tree(4),
        version in prop::sample::select(vec![Version::V1, Version::V2, Version::Hybrid]),
    ) {
        prop_assume!(!paths.is_empty());
        let folder = on_disk(&paths);
        let builder = Builder::new().version(version).piece_length(16384).hidden(true).litter(true);
        let torrent = builder.build(folder.path().join("t")).unwrap();
        prop_assert_eq!(torrent.info().files().iter().filter(|file| !file.is_pad()).count(), paths.len());
        assert_found(&torrent, folder.path());
        // The folder under another name.
        fs::rename(folder.path().join("t"), folder.path().join("other")).unwrap();
        let report = Verifier::new(&torrent).in_place(true).run(folder.path().join("other")).unwrap();
        prop_assert!(report.is_complete());
    }

    #[test]
    fn bytes_that_are_no_text_are_found_and_never_by_two_files(
        paths in prop::collection::vec(prop::collection::vec(prop::collection::vec(
            prop::sample::select(vec![0xff, 0xfe, b'a', b'A', 0xc3, 0xa9, b'_', b'.', b'1']), 1..4), 1..3), 1..8),
    ) {
        let mut kept: Vec<Vec<Vec<u8>>> = Vec::new();
        for path in paths {
            let clashes = kept.iter().any(|other| other.starts_with(&path) || path.starts_with(other));
            if !clashes && path.iter().all(|name| !matches!(&**name, b"." | b"..")) {
                kept.push(path);
            }
        }
        prop_assume!(!kept.is_empty());
        let folder = on_disk(&kept);
        // As a program writes it that does not ask what names are.
        let files = kept.iter().enumerate().map(|(number, path)| {
            let mut entry = format!("d6:lengthi{}e4:pathl", 100 + number * 20_000).into_bytes();
            for name in path {
                entry.extend(format!("{}:", name.len()).into_bytes());
                entry.extend(name);
            }
            entry.extend(b"ee");
            entry
        });
        let bytes: Vec<u8> = (0..kept.len()).flat_map(|number| content(100 + number * 20_000, number)).collect();
        let pieces: Vec<u8> = bytes.chunks(16384).flat_map(|piece| <sha1::Sha1 as sha1::Digest>::digest(piece).to_vec()).collect();
        let mut torrent = b"d4:infod5:filesl".to_vec();
        torrent.extend(files.flatten());
        torrent.extend(format!("e4:name1:t12:piece lengthi16384e6:pieces{}:", pieces.len()).into_bytes());
        torrent.extend(&pieces);
        torrent.extend(b"ee");
        let torrent = Metainfo::from_bytes(torrent).unwrap();
        assert_found(&torrent, folder.path());
        let layout = layout(torrent.info()).unwrap();
        let paths: BTreeSet<_> = layout.files().iter().map(|file| file.path().to_owned()).collect();
        prop_assert_eq!(paths.len(), kept.len());
        // Where the exact names are gone, the safe ones are looked for.
        let safe = tempfile::tempdir().unwrap();
        for (file, path) in torrent.info().files().iter().zip(&kept) {
            let to = file.path().under(safe.path());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(folder.path().join("t").join(path_of(path)), to).unwrap();
        }
        assert_found(&torrent, safe.path());
    }
}

#[test]
fn a_name_that_is_not_utf8_is_refused_unless_it_is_excluded() {
    let folder = on_disk(&[vec![b"caf\xe9.txt".to_vec()], vec![b"plain".to_vec()]]);
    let root = folder.path().join("t");
    assert!(matches!(Builder::new().build(&root), Err(CreateError::NotUtf8 { .. })));
    let torrent = Builder::new().exclude("caf*".parse().unwrap()).build(&root).unwrap();
    assert_eq!(torrent.info().files().len(), 1);
}
