//! Checking what is on disk: right, wrong, short, missing and zero.

use std::{
    fs::{self, OpenOptions},
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use sha1::{Digest as _, Sha1};
use tempfile::tempdir;
use torrent_content::{Check, Sha1Hashes};
use torrent_storage::{
    ErrorKind, FileStorage, Layout, MemoryStorage, Operation, Presence, Storage, StorageError, TorrentStorage,
};
use torrent_types::{Geometry, PieceIndex};

use crate::{layout, write};

fn bytes(length: u64) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

fn hashes(bytes: &[u8], piece_length: u32) -> Vec<[u8; 20]> {
    bytes.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into()).collect()
}

/// The pieces that are right.
fn have(torrent: &dyn TorrentStorage, layout: &Layout, piece_length: u32, bytes: &[u8], threads: usize) -> Vec<u32> {
    let geometry = Geometry::new(layout.total_length(), piece_length).unwrap();
    let hashes = hashes(bytes, piece_length);
    let report = Check::new(torrent, &geometry, &Sha1Hashes::new(hashes))
        .threads(NonZeroUsize::new(threads).unwrap())
        .run()
        .unwrap();
    assert_eq!(report.checked, geometry.piece_count());
    report.have.ones().map(PieceIndex::get).collect()
}

#[test]
fn every_piece_is_found_whatever_its_length() {
    for total in [1, 16_384, 100_000, 2_000_000] {
        let layout = layout(&[total / 3, 0, total - total / 3]);
        let torrent = MemoryStorage::new().open(&layout).unwrap();
        write(&*torrent, 0, &bytes(total));
        for piece_length in [1000, 16_384, 65_536, 1 << 20, 4 << 20] {
            let all: Vec<u32> = (0..total.div_ceil(u64::from(piece_length)) as u32).collect();
            for threads in [1, 3] {
                assert_eq!(have(&*torrent, &layout, piece_length, &bytes(total), threads), all);
            }
        }
    }
}

#[test]
fn wrong_short_and_missing_are_not_had() {
    let root = tempdir().unwrap();
    let layout = layout(&[100, 100, 100, 100]);
    let torrent = FileStorage::new(root.path()).open(&layout).unwrap();
    write(&*torrent, 0, &bytes(400));
    assert_eq!(have(&*torrent, &layout, 50, &bytes(400), 2), [0, 1, 2, 3, 4, 5, 6, 7]);
    write(&*torrent, 60, b"!");
    fs::remove_file(root.path().join("d/1")).unwrap();
    OpenOptions::new().write(true).open(root.path().join("d/2")).unwrap().set_len(99).unwrap();
    let torrent = FileStorage::new(root.path()).open(&layout).unwrap();
    assert_eq!(have(&*torrent, &layout, 50, &bytes(400), 2), [0, 4, 6, 7]);
}

#[test]
fn zeroed_files_are_found_out() {
    let root = tempdir().unwrap();
    let layout = layout(&[1 << 20]);
    let torrent = FileStorage::new(root.path()).open(&layout).unwrap();
    torrent.finish().unwrap();
    assert_eq!(have(&*torrent, &layout, 1 << 18, &bytes(1 << 20), 1), [0; 0], "sparse");
    write(&*torrent, 0, &vec![0; 1 << 20]);
    assert_eq!(have(&*torrent, &layout, 1 << 18, &bytes(1 << 20), 1), [0; 0], "written");
}

#[test]
fn holes_are_had_where_zeros_are_expected() {
    let root = tempdir().unwrap();
    let layout = layout(&[1_000_000]);
    let mut expected = vec![0; 1_000_000];
    expected[500_000] = 1;
    let torrent = FileStorage::new(root.path()).open(&layout).unwrap();
    write(&*torrent, 500_000, &[1]);
    assert_eq!(have(&*torrent, &layout, 131_072, &expected, 2), [0, 1, 2], "the file ends in the fourth piece");
    torrent.finish().unwrap();
    assert_eq!(have(&*torrent, &layout, 131_072, &expected, 2), (0..8).collect::<Vec<_>>());
}

/// Counts what is read, and can be told to fail from a byte on.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn TorrentStorage>,
    reads: AtomicUsize,
    bytes: AtomicU64,
    bad_from: u64,
}

impl Watched {
    fn new(inner: Box<dyn TorrentStorage>, bad_from: u64) -> Self {
        Self { inner, reads: AtomicUsize::new(0), bytes: AtomicU64::new(0), bad_from }
    }
}

impl TorrentStorage for Watched {
    fn write_at(&self, offset: u64, parts: &[std::io::IoSlice<'_>]) -> Result<(), StorageError> {
        self.inner.write_at(offset, parts)
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        if offset + buffer.len() as u64 > self.bad_from {
            return Err(StorageError::from_io(Operation::Read, "d/0", std::io::Error::from_raw_os_error(5)));
        }
        self.inner.read_at(offset, buffer)
    }
    fn presence(&self) -> Result<Presence, StorageError> {
        self.inner.presence()
    }
}

#[test]
fn small_pieces_are_read_together_and_missing_ones_not_at_all() {
    let root = tempdir().unwrap();
    let layout = layout(&[8 << 20, 8 << 20]);
    let torrent = FileStorage::new(root.path()).open(&layout).unwrap();
    write(&*torrent, 0, &bytes(8 << 20));
    let watched = Watched::new(torrent, u64::MAX);
    let had = have(&watched, &layout, 16_384, &bytes(16 << 20), 2);
    assert_eq!(had, (0..512).collect::<Vec<_>>());
    assert_eq!(watched.bytes.load(Ordering::Relaxed), 8 << 20);
    assert!(watched.reads.load(Ordering::Relaxed) <= 32, "at least 256 KiB each");
}

#[test]
fn a_bad_sector_costs_its_pieces_only() {
    let layout = layout(&[4 << 20]);
    let torrent = MemoryStorage::new().open(&layout).unwrap();
    write(&*torrent, 0, &bytes(4 << 20));
    let watched = Watched::new(torrent, 3 << 20);
    let geometry = Geometry::new(4 << 20, 1 << 20).unwrap();
    let hashes = hashes(&bytes(4 << 20), 1 << 20);
    let report = Check::new(&watched, &geometry, &Sha1Hashes::new(hashes)).run().unwrap();
    assert_eq!(report.have.count_ones(), 3);
    assert_eq!(report.error.unwrap().kind(), ErrorKind::Io);
}

#[test]
fn each_piece_is_told_once() {
    let layout = layout(&[1 << 20]);
    let torrent = MemoryStorage::new().open(&layout).unwrap();
    write(&*torrent, 0, &bytes(1 << 19));
    let geometry = Geometry::new(1 << 20, 1 << 14).unwrap();
    let hashes = hashes(&bytes(1 << 20), 1 << 14);
    let told = Mutex::new(Vec::new());
    Check::new(&*torrent, &geometry, &Sha1Hashes::new(hashes))
        .on_piece(&|piece, right| told.lock().unwrap().push((piece.get(), right)))
        .run()
        .unwrap();
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    assert_eq!(told, (0..64).map(|piece| (piece, piece < 32)).collect::<Vec<_>>());
}

#[test]
fn a_cancelled_check_ends_early_and_says_so() {
    let layout = layout(&[4 << 20]);
    let torrent = MemoryStorage::new().open(&layout).unwrap();
    write(&*torrent, 0, &bytes(4 << 20));
    let geometry = Geometry::new(4 << 20, 1 << 18).unwrap();
    let hashes = hashes(&bytes(4 << 20), 1 << 18);
    let cancel = AtomicBool::new(false);
    let report = Check::new(&*torrent, &geometry, &Sha1Hashes::new(hashes))
        .threads(NonZeroUsize::MIN)
        .on_piece(&|piece, _| cancel.store(piece.get() == 2, Ordering::Relaxed))
        .cancel(&cancel)
        .run()
        .unwrap();
    assert_eq!(report.checked, 3);
    assert_eq!(report.have.count_ones(), 3);
}
