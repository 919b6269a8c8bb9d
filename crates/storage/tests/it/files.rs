//! What shows in the folder.

use std::{collections::BTreeSet, fs, path::Path};

use tempfile::tempdir;
use torrent_storage::{ErrorKind, FileEntry, FileStorage, HandlePool, Layout, Storage};

use crate::{layout, read, write};

/// Every file below `root`, hidden ones included.
fn listing(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found
}

#[test]
fn nothing_is_made_before_something_is_written() {
    let root = tempdir().unwrap();
    let storage = FileStorage::new(root.path().join("new"));
    let torrent = storage.open(&layout(&[10, 0, 10])).unwrap();
    assert_eq!(read(&*torrent, 0, 20), b"");
    torrent.presence().unwrap();
    assert_eq!(torrent.stat().unwrap(), [None, None, None]);
    torrent.flush().unwrap();
    assert!(!root.path().join("new").exists());
    write(&*torrent, 12, b"x");
    assert_eq!(listing(root.path()), ["new/d/2".to_owned()].into());
}

#[test]
fn finishing_makes_empty_files_and_exact_lengths() {
    let root = tempdir().unwrap();
    fs::create_dir_all(root.path().join("d")).unwrap();
    fs::write(root.path().join("d/2"), [9; 100]).unwrap();
    let torrent = FileStorage::new(root.path()).open(&layout(&[0, 10, 10, 0])).unwrap();
    write(&*torrent, 0, &[1; 20]);
    torrent.finish().unwrap();
    let lengths: Vec<_> = torrent.stat().unwrap().into_iter().map(|stat| stat.unwrap().length).collect();
    assert_eq!(lengths, [0, 10, 10, 0]);
    assert_eq!(fs::read(root.path().join("d/2")).unwrap(), [1; 10]);
}

#[test]
fn pads_never_show() {
    let root = tempdir().unwrap();
    let files = [FileEntry::new("a", 3), FileEntry::pad(5), FileEntry::new("b", 1), FileEntry::pad(7)];
    let torrent = FileStorage::new(root.path()).open(&Layout::new(files).unwrap()).unwrap();
    write(&*torrent, 0, &[1; 16]);
    torrent.finish().unwrap();
    assert_eq!(listing(root.path()), ["a".to_owned(), "b".to_owned()].into());
}

#[test]
fn files_that_are_not_wanted_do_not_appear_until_they_are() {
    let root = tempdir().unwrap();
    let torrent = FileStorage::new(root.path()).open(&layout(&[10, 10, 0, 10])).unwrap();
    for file in [0, 2, 3] {
        torrent.set_wanted(file, false).unwrap();
    }
    write(&*torrent, 8, &[1; 14]);
    torrent.finish().unwrap();
    let shown = |root| listing(root).into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(shown(root.path()), ["d/1"]);
    assert_eq!(read(&*torrent, 8, 14), [1; 14], "their edges are kept all the same");

    // The next session finds the edges, too.
    let torrent = FileStorage::new(root.path()).open(&layout(&[10, 10, 0, 10])).unwrap();
    assert_eq!(read(&*torrent, 8, 14), [1; 14]);
    torrent.set_wanted(0, false).unwrap();
    torrent.set_wanted(0, true).unwrap();
    assert_eq!(shown(root.path()), ["d/0", "d/1"]);
    assert_eq!(fs::read(root.path().join("d/0")).unwrap()[8..], [1, 1]);
    torrent.remove().unwrap();
    assert_eq!(listing(root.path()), BTreeSet::new(), "the part file goes with the rest");
}

#[test]
fn fifteen_thousand_files_need_few_handles() {
    let root = tempdir().unwrap();
    let pool = HandlePool::new(16);
    let torrent = FileStorage::new(root.path()).pool(pool.clone()).open(&layout(&[3; 15_000])).unwrap();
    let bytes: Vec<u8> = (0..45_000_u32).map(|at| at as u8).collect();
    for (index, piece) in bytes.chunks(4096).enumerate() {
        write(&*torrent, index as u64 * 4096, piece);
    }
    assert_eq!(read(&*torrent, 0, 45_000), bytes);
    assert!(pool.len() <= 16);
    assert_eq!(torrent.stat().unwrap().into_iter().flatten().count(), 15_000);
    torrent.remove().unwrap();
    assert!(!root.path().join("d").exists());
}

#[test]
fn moving_takes_everything_along_and_leaves_nothing() {
    let (old, new) = (tempdir().unwrap(), tempdir().unwrap());
    let torrent = FileStorage::new(old.path().join("a")).open(&layout(&[10, 10, 10])).unwrap();
    torrent.set_wanted(2, false).unwrap();
    write(&*torrent, 0, &[5; 23]);
    torrent.move_to(&new.path().join("b/c")).unwrap();
    assert_eq!(read(&*torrent, 0, 23), [5; 23]);
    write(&*torrent, 3, &[6; 4]);
    assert_eq!(fs::read(new.path().join("b/c/d/0")).unwrap(), [5, 5, 5, 6, 6, 6, 6, 5, 5, 5]);
    assert_eq!(listing(old.path()), BTreeSet::new());
    assert!(!old.path().join("a/d").exists());
}

#[test]
fn moving_replaces_nothing() {
    let (old, new) = (tempdir().unwrap(), tempdir().unwrap());
    fs::create_dir_all(new.path().join("d")).unwrap();
    fs::write(new.path().join("d/1"), "mine").unwrap();
    let torrent = FileStorage::new(old.path()).open(&layout(&[10, 10])).unwrap();
    write(&*torrent, 0, &[5; 20]);
    assert_eq!(torrent.move_to(new.path()).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(new.path().join("d/1")).unwrap(), b"mine");
    assert_eq!(read(&*torrent, 0, 20), [5; 20], "it stays where it was");
}

#[test]
fn removing_leaves_what_is_not_of_the_torrent() {
    let root = tempdir().unwrap();
    let torrent = FileStorage::new(root.path()).open(&layout(&[10])).unwrap();
    write(&*torrent, 0, &[5; 10]);
    fs::write(root.path().join("d/mine"), "mine").unwrap();
    torrent.remove().unwrap();
    assert_eq!(listing(root.path()), ["d/mine".to_owned()].into());
}

#[cfg(target_os = "linux")]
#[test]
fn moving_to_another_file_system_keeps_holes_and_times() {
    use std::os::unix::fs::MetadataExt as _;

    let old = tempdir().unwrap();
    // The one place that is another file system nearly everywhere.
    let Ok(new) = tempfile::tempdir_in("/dev/shm") else { return eprintln!("skipped: no /dev/shm here") };
    if old.path().metadata().unwrap().dev() == new.path().metadata().unwrap().dev() {
        return eprintln!("skipped: /dev/shm is no other file system here");
    }
    let torrent = FileStorage::new(old.path()).open(&layout(&[10 << 20, 5])).unwrap();
    write(&*torrent, (10 << 20) - 3, &[5; 8]);
    let lengths_and_times = || {
        let stats = torrent.stat().unwrap().into_iter().flatten();
        stats.map(|stat| (stat.length, stat.modified)).collect::<Vec<_>>()
    };
    let before = lengths_and_times();
    torrent.move_to(new.path()).unwrap();
    assert_eq!(lengths_and_times(), before);
    assert_eq!(read(&*torrent, (10 << 20) - 3, 8), [5; 8]);
    assert!(new.path().join("d/0").metadata().unwrap().blocks() < 1000, "the hole is still a hole");
    assert_eq!(listing(old.path()), BTreeSet::new());
}
