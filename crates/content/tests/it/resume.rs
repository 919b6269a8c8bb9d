//! Records that are believed as far as they deserve it.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use sha1::{Digest as _, Sha1};
use tempfile::{TempDir, tempdir};
use torrent_content::{Check, Checked, Recorded, Sha1Hashes, Thoroughness, resume};
use torrent_storage::{ErrorKind, FileStorage, Layout, Storage as _, StorageError, TorrentStorage};
use torrent_types::{Bitfield, Geometry, PieceIndex};

use crate::{layout, write};

const PIECE: u64 = 1000;

struct Case {
    folder: TempDir,
    layout: Layout,
    geometry: Geometry,
    hashes: Sha1Hashes,
    recorded: Recorded,
}

impl Case {
    /// Three files of 100 pieces each; the last one is half there.
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let layout = layout(&[100 * PIECE, 100 * PIECE, 100 * PIECE]);
        let geometry = Geometry::new(300 * PIECE, PIECE as u32).unwrap();
        let bytes: Vec<u8> = (0..300 * PIECE).map(|at| (at % 251 + at / 7919) as u8).collect();
        let hashes: Vec<[u8; 20]> = bytes.chunks(PIECE as usize).map(|piece| Sha1::digest(piece).into()).collect();
        let torrent = FileStorage::new(folder.path()).open(&layout).unwrap();
        write(&*torrent, 0, &bytes[..250 * PIECE as usize]);
        let mut have = Bitfield::new(300);
        for piece in 0..250 {
            have.set(PieceIndex::new(piece));
        }
        let recorded = Recorded { have, files: torrent.stat().unwrap() };
        Self { folder, layout, geometry, hashes: Sha1Hashes::new(hashes), recorded }
    }

    fn path(&self, file: u32) -> std::path::PathBuf {
        self.folder.path().join("d").join(file.to_string())
    }

    /// What is had, and how many pieces were hashed for it.
    fn resume(&self, thoroughness: Thoroughness) -> (Result<Checked, StorageError>, u32) {
        let torrent: Box<dyn TorrentStorage> = FileStorage::new(self.folder.path()).open(&self.layout).unwrap();
        let read = AtomicU32::new(0);
        let on_piece = |_, _| {
            read.fetch_add(1, Ordering::Relaxed);
        };
        let check = Check::new(&*torrent, &self.geometry, &self.hashes).on_piece(&on_piece);
        let checked = resume(check, &self.recorded, thoroughness, 7);
        (checked, read.load(Ordering::Relaxed))
    }
}

/// Changes a byte and leaves length and, if wanted, the time as they were.
fn damage(path: &Path, at: u64, keep_time: bool) {
    let before = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= 1;
    fs::write(path, bytes).unwrap();
    let time = if keep_time { before } else { UNIX_EPOCH + Duration::from_secs(1) };
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn what_agrees_costs_a_sample() {
    let case = Case::new();
    let (checked, read) = case.resume(Thoroughness::Automatic);
    assert_eq!(checked.unwrap().have, case.recorded.have);
    assert!((2..=16).contains(&read), "{read}");
    let (checked, read) = case.resume(Thoroughness::Trust);
    assert_eq!((checked.unwrap().have, read), (case.recorded.have.clone(), 0));
    let (checked, read) = case.resume(Thoroughness::Full);
    assert_eq!((checked.unwrap().have, read), (case.recorded.have.clone(), 300));
}

#[test]
fn a_file_whose_time_has_changed_is_checked_and_only_that() {
    let case = Case::new();
    damage(&case.path(1), 50 * PIECE, false);
    let (checked, read) = case.resume(Thoroughness::Automatic);
    let mut expected = case.recorded.have.clone();
    expected.clear(PieceIndex::new(150));
    assert_eq!(checked.unwrap().have, expected);
    assert!(read <= 100 + 16, "{read}");
}

#[test]
fn a_change_that_hides_is_found_where_it_is_sampled_and_by_a_full_check_always() {
    let case = Case::new();
    // The first piece that is had is always sampled.
    damage(&case.path(0), 10, true);
    damage(&case.path(1), 10, true);
    let (checked, read) = case.resume(Thoroughness::Automatic);
    let mut expected = case.recorded.have.clone();
    expected.clear(PieceIndex::new(0));
    expected.clear(PieceIndex::new(100));
    assert_eq!(checked.unwrap().have, expected);
    assert!(read >= 300, "the sample was wrong, so all is checked: {read}");
    assert_eq!(case.resume(Thoroughness::Full).0.unwrap().have, expected);
}

#[test]
fn data_that_has_vanished_as_a_whole_is_a_question() {
    let case = Case::new();
    fs::remove_file(case.path(1)).unwrap();
    let have = case.resume(Thoroughness::Automatic).0.unwrap().have;
    assert_eq!(have.count_ones(), 150, "one file of three is only missing");
    fs::remove_dir_all(case.folder.path().join("d")).unwrap();
    for thoroughness in [Thoroughness::Automatic, Thoroughness::Trust] {
        assert_eq!(case.resume(thoroughness).0.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(case.resume(Thoroughness::Full).0.unwrap().have.count_ones(), 0);
}

#[test]
fn a_record_of_another_torrent_costs_a_check() {
    let mut case = Case::new();
    case.recorded.have = Bitfield::full(7);
    let (checked, read) = case.resume(Thoroughness::Automatic);
    assert_eq!((checked.unwrap().have.count_ones(), read), (250, 300));
}
