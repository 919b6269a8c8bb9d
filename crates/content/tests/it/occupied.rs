//! Whose the files are that a download finds.

use std::fs;

use tempfile::tempdir;
use torrent_content::{Foreign, find_occupied};
use torrent_storage::{ErrorKind, FileStorage, Storage as _};
use torrent_types::{Bitfield, Geometry, PieceIndex};

use crate::layout;

#[test]
fn only_files_with_something_right_in_them_are_ours() {
    let root = tempdir().unwrap();
    let path = |name: &str| root.path().join("d").join(name);
    fs::create_dir(root.path().join("d")).unwrap();
    fs::write(path("0"), vec![1; 100]).unwrap();
    fs::write(path("1"), vec![1; 300]).unwrap();
    fs::write(path("2"), vec![0; 100]).unwrap();
    fs::write(path("3"), vec![1; 50]).unwrap();
    fs::write(path("4"), vec![1; 100]).unwrap();
    fs::hard_link(path("4"), root.path().join("elsewhere")).unwrap();
    let layout = layout(&[100, 100, 100, 100, 100, 100]);
    let torrent = FileStorage::new(root.path()).open(&layout).unwrap();
    torrent.protect();
    let geometry = Geometry::new(600, 50).unwrap();
    let mut have = Bitfield::new(12);
    for piece in [1, 2, 8] {
        have.set(PieceIndex::new(piece));
    }
    let found: Vec<_> = find_occupied(&*torrent, &geometry, &have).unwrap();
    let found: Vec<_> = found.into_iter().map(|occupied| (occupied.file, occupied.why)).collect();
    let mut expected = vec![(1, Foreign::Longer), (3, Foreign::NothingRight)];
    if cfg!(unix) {
        expected.push((4, Foreign::Linked));
    }
    assert_eq!(found, expected);
    for file in 0..6 {
        let written = torrent.write_at(file * 100, &[std::io::IoSlice::new(b"x")]).map_err(|error| error.kind());
        let is_foreign = expected.iter().any(|(foreign, _)| *foreign as u64 == file);
        assert_eq!(written, if is_foreign { Err(ErrorKind::Occupied) } else { Ok(()) }, "{file}");
    }
}
