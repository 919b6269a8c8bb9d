//! Files that were there before, and files that two torrents want.

use std::{fs, io::IoSlice};

use tempfile::tempdir;
use torrent_storage::{ErrorKind, FileStorage, HandlePool, Owner, Storage as _};

use crate::{layout, write};

#[test]
fn a_file_that_was_there_before_is_not_touched_until_it_is_known_to_be_ours() {
    let root = tempdir().unwrap();
    fs::create_dir(root.path().join("d")).unwrap();
    fs::write(root.path().join("d/0"), b"dear diary").unwrap();
    fs::write(root.path().join("d/2"), b"").unwrap();
    let torrent = FileStorage::new(root.path()).open(&layout(&[4, 4, 4, 0])).unwrap();
    torrent.protect();
    let error = torrent.write_at(0, &[IoSlice::new(b"ours")]).unwrap_err();
    assert_eq!((error.kind(), error.is_lasting()), (ErrorKind::Occupied, true));
    assert_eq!(torrent.finish().unwrap_err().kind(), ErrorKind::Occupied);
    assert_eq!(fs::read(root.path().join("d/0")).unwrap(), b"dear diary");
    // New and empty ones are fine.
    write(&*torrent, 4, b"newempt");
    torrent.set_owner(0, Owner::Torrent);
    write(&*torrent, 0, b"ours");
    torrent.finish().unwrap();
    assert_eq!(fs::read(root.path().join("d/0")).unwrap(), b"ours");
}

#[test]
fn one_file_has_one_writer_also_by_another_name() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let pool = HandlePool::new(4);
    let open = |root: &tempfile::TempDir, pool: &HandlePool| {
        FileStorage::new(root.path()).pool(pool.clone()).open(&layout(&[4])).unwrap()
    };
    let first = open(&one, &pool);
    write(&*first, 0, b"1111");
    fs::create_dir(two.path().join("d")).unwrap();
    fs::hard_link(one.path().join("d/0"), two.path().join("d/0")).unwrap();
    pool.close_all();
    let second = open(&two, &pool);
    assert_eq!(second.write_at(0, &[IoSlice::new(b"2222")]).unwrap_err().kind(), ErrorKind::Occupied);
    // Another client in this or another process.
    write(&*first, 0, b"1111");
    let stranger = open(&one, &HandlePool::new(4));
    assert_eq!(stranger.write_at(0, &[IoSlice::new(b"3333")]).unwrap_err().kind(), ErrorKind::Occupied);
    assert_eq!(fs::read(one.path().join("d/0")).unwrap(), b"1111");
    drop(first);
    write(&*second, 0, b"2222");
    assert_eq!(fs::read(one.path().join("d/0")).unwrap(), b"2222");
}
