//! Pieces of every size from blocks to storage.

use std::sync::{Arc, Mutex, mpsc};

use sha1::{Digest as _, Sha1};
use torrent_content::{Builder, Hashes, Version};
use torrent_disk::{Disk, DiskConfig, EXTENT, Event, Listener, PutError, Verdict};
use torrent_storage::{ErrorKind, FileEntry, FileStorage, Layout, Storage as _};
use torrent_types::PieceIndex;

use crate::{Fixture, content, piece};

const MIB: u32 = 1 << 20;

#[test]
fn a_small_piece_is_written_once_it_may_be_and_only_then() {
    let fixture = Fixture::new(100_000, 40_000, DiskConfig::default());
    fixture.fill(piece(1));
    assert!(matches!(fixture.next(), Event::PieceHashed { verdict: Verdict::Good, .. }));
    assert_eq!(fixture.faulty.writes.lock().unwrap().len(), 0);
    fixture.torrent.write(piece(1));
    fixture.torrent.write(piece(1));
    assert!(matches!(fixture.next(), Event::PiecesStored(pieces) if pieces == [piece(1)]));
    assert_eq!(fixture.faulty.peek(40_000, 40_000), fixture.bytes(piece(1)));
    assert_eq!(fixture.disk.memory_used(), 0);
    assert!(fixture.events.try_recv().is_err());
    fixture.stop();
}

#[test]
fn a_bad_piece_is_not_written_whatever_the_caller_says() {
    let fixture = Fixture::new(50_000, 50_000, DiskConfig::default());
    let slot = fixture.torrent.slot(piece(0));
    for index in 0..3 {
        fixture.put(&slot, index);
    }
    fixture.torrent.write(piece(0));
    let block = fixture.geometry.nth_block(piece(0), 3).unwrap();
    slot.put(block, &[1; 50_000 - 3 * 16_384]).unwrap();
    assert!(matches!(fixture.next(), Event::PieceHashed { verdict: Verdict::Bad, .. }));
    fixture.torrent.write(piece(0));
    let evidence = fixture.torrent.evidence(piece(0));
    assert_eq!(evidence.len(), 4);
    for (number, digest) in evidence {
        let right = Sha1::digest(fixture.bytes(piece(0)).chunks(16_384).nth(number as usize).unwrap());
        assert_eq!(digest == *right, number != 3);
    }
    fixture.torrent.forget(piece(0));
    assert_eq!(fixture.disk.memory_used(), 0);
    assert_eq!(fixture.faulty.writes.lock().unwrap().len(), 0);
    fixture.stop();
}

#[test]
fn a_block_for_a_copy_that_has_ended_is_an_error_and_does_not_get_into_the_next_one() {
    let fixture = Fixture::new(50_000, 50_000, DiskConfig::default());
    let old = fixture.torrent.slot(piece(0));
    fixture.put(&old, 0);
    fixture.torrent.forget(piece(0));
    let block = fixture.geometry.nth_block(piece(0), 1).unwrap();
    assert_eq!(old.put(block, &[9; 16_384]), Err(PutError::Late));
    let new = fixture.fill(piece(0));
    assert!(matches!(fixture.next(), Event::PieceHashed { verdict: Verdict::Good, .. }));
    fixture.torrent.write(piece(0));
    assert!(matches!(fixture.next(), Event::PiecesStored(_)));
    assert_eq!(new.put(block, &[9; 16_384]), Err(PutError::Late));
    assert_eq!(new.put(fixture.geometry.nth_block(piece(0), 3).unwrap(), &[9; 5]), Err(PutError::Outside));
    fixture.stop();
}

#[test]
fn large_pieces_are_written_as_they_fill_and_hashed_without_reading() {
    let fixture = Fixture::new(9 << 20, 9 * MIB, DiskConfig::default());
    let slot = fixture.torrent.slot(piece(0));
    let blocks = EXTENT / 16_384;
    for extent in 0..9 {
        for index in 0..blocks {
            fixture.put(&slot, extent * blocks + index);
        }
        let event = fixture.events.recv().unwrap();
        assert!(matches!(event, Event::ExtentStored { extent: stored, .. } if stored == extent) || extent == 8);
        // One extent may be on its way back.
        assert!(fixture.disk.memory_used() <= EXTENT as usize, "{}", fixture.disk.memory_used());
    }
    fixture.torrent.write(piece(0));
    assert!(matches!(fixture.next(), Event::PieceHashed { verdict: Verdict::Good, .. } | Event::PiecesStored(_)));
    assert_eq!(fixture.faulty.reads.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(fixture.faulty.peek(0, 9 << 20), fixture.content);
    let longest = fixture.faulty.writes.lock().unwrap().iter().map(|(_, length)| *length).max();
    assert_eq!(longest, Some(128 << 10));
    fixture.stop();
}

#[test]
fn a_large_piece_that_comes_backwards_is_read_back_within_the_bound() {
    for read_back in [0, 2 << 20, 64 << 20] {
        let fixture = Fixture::new(6 << 20, 6 * MIB, DiskConfig::default().read_back(read_back));
        let slot = fixture.torrent.slot(piece(0));
        for index in (0..fixture.geometry.block_count(piece(0))).rev() {
            fixture.put(&slot, index);
        }
        assert!(matches!(fixture.next(), Event::PieceHashed { verdict: Verdict::Good, .. }));
        fixture.torrent.write(piece(0));
        assert!(matches!(fixture.next(), Event::PiecesStored(_)));
        let reads = fixture.faulty.reads.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(reads == 0, read_back == 64 << 20, "{reads} reads");
        assert_eq!(fixture.faulty.peek(0, 6 << 20), fixture.content);
        fixture.stop();
    }
}

#[test]
fn neighbours_are_written_in_one_call() {
    let fixture = Fixture::new(64 * 16_384, 16_384, DiskConfig::default());
    let gate = fixture.faulty.gate.lock().unwrap();
    for index in (0..64).rev() {
        fixture.fill(piece(index));
        fixture.torrent.write(piece(index));
    }
    drop(gate);
    let mut stored = 0;
    while stored < 64 {
        if let Event::PiecesStored(pieces) = fixture.next() {
            stored += pieces.len();
        }
    }
    // The first write may have begun before the others came.
    let writes = fixture.faulty.writes.lock().unwrap().len();
    assert!(writes <= 64 / 8 + 1, "{writes}");
    fixture.stop();
}

#[test]
fn good_pieces_that_storage_refuses_are_kept_and_written_later() {
    let fixture = Fixture::new(8 << 20, 256 << 10, DiskConfig::default().memory(8 << 20));
    fixture.faulty.refuse(Some(ErrorKind::Full));
    for index in 0..32 {
        fixture.fill(piece(index));
        fixture.torrent.write(piece(index));
    }
    let (mut failures, mut lost) = (0, Vec::new());
    let (done, barrier) = mpsc::channel();
    // A check comes after what is queued now only by chance: count the pieces instead.
    loop {
        match fixture.next() {
            Event::PieceHashed { verdict, .. } => assert_eq!(verdict, Verdict::Good),
            Event::Failed(error) => {
                assert_eq!((error.kind(), error.is_lasting()), (ErrorKind::Full, false));
                failures += 1;
            }
            Event::PiecesLost { pieces, .. } => {
                lost.extend(pieces);
                // A quarter of the memory is kept: 8 pieces.
                if lost.len() == 24 {
                    done.send(()).unwrap();
                    break;
                }
            }
            event => panic!("{event:?}"),
        }
    }
    barrier.recv().unwrap();
    assert_eq!(failures, 1, "said once");
    assert_eq!(fixture.disk.memory_used(), 2 << 20);
    fixture.faulty.refuse(None);
    fixture.torrent.retry();
    let mut stored = Vec::new();
    while stored.len() < 8 {
        match fixture.next() {
            Event::PiecesStored(pieces) => stored.extend(pieces),
            event => panic!("{event:?}"),
        }
    }
    for piece in stored {
        let offset = fixture.geometry.piece_offset(piece);
        assert_eq!(fixture.faulty.peek(offset, 256 << 10), fixture.bytes(piece));
        assert!(!lost.contains(&piece));
    }
    fixture.stop();
}

#[test]
fn stopping_writes_what_was_accepted() {
    let fixture = Fixture::new(2 << 20, 64 << 10, DiskConfig::default());
    let gate = fixture.faulty.gate.lock().unwrap();
    for index in 0..32 {
        fixture.fill(piece(index));
        fixture.torrent.write(piece(index));
    }
    let half = fixture.torrent.slot(piece(31));
    let (done, stopped) = mpsc::channel();
    fixture.torrent.stop(move || done.send(()).unwrap());
    assert!(stopped.try_recv().is_err(), "it waits");
    drop(gate);
    stopped.recv().unwrap();
    assert_eq!(fixture.faulty.peek(0, 2 << 20), fixture.content);
    assert_eq!(fixture.disk.memory_used(), 0);
    assert!(half.is_closed());
    let block = fixture.geometry.nth_block(piece(31), 0).unwrap();
    assert_eq!(fixture.torrent.slot(piece(31)).put(block, &[0; 16_384]), Err(PutError::Late));
}

#[test]
fn a_slow_device_does_not_hold_up_another_torrent() {
    let slow = Fixture::new(100_000, 100_000, DiskConfig::default());
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new([FileEntry::new("b", 100_000)]).unwrap();
    // Files are on a device, memory is on none in particular.
    let storage = FileStorage::new(folder.path()).pool(slow.disk.handles()).open(&layout).unwrap();
    let (sender, events) = mpsc::channel();
    let bytes = content(100_000);
    let hashes = Arc::new(torrent_content::Sha1Hashes::new(vec![Sha1::digest(&bytes).into()]));
    let fast = slow.disk.open(storage, slow.geometry, hashes, Arc::new(crate::Channel(sender))).unwrap();

    let gate = slow.faulty.gate.lock().unwrap();
    slow.fill(piece(0));
    slow.torrent.write(piece(0));
    let slot = fast.slot(piece(0));
    for index in 0..slow.geometry.block_count(piece(0)) {
        slow.put(&slot, index);
    }
    fast.write(piece(0));
    assert!(matches!(events.recv().unwrap(), Event::PieceHashed { .. }));
    assert!(matches!(events.recv().unwrap(), Event::PiecesStored(_)));
    drop(gate);
    slow.stop();
}

/// Writes what is good, from within the events.
struct Obedient {
    torrent: Mutex<Option<torrent_disk::TorrentDisk>>,
    stored: mpsc::Sender<Vec<PieceIndex>>,
}

impl Listener for Obedient {
    fn handle_disk_event(&self, event: Event) {
        match event {
            Event::PieceHashed { slot, verdict: Verdict::Good } => {
                self.torrent.lock().unwrap().as_ref().unwrap().write(slot.piece());
            }
            Event::PiecesStored(pieces) => self.stored.send(pieces).unwrap(),
            Event::ExtentStored { .. } => {}
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn many_threads_put_blocks_of_v1_v2_and_hybrid_torrents() {
    let bytes = content((5 << 20) + 70_000);
    let source = tempfile::tempdir().unwrap();
    std::fs::create_dir(source.path().join("t")).unwrap();
    std::fs::write(source.path().join("t/a"), &bytes[..3 << 20]).unwrap();
    std::fs::write(source.path().join("t/b"), &bytes[3 << 20..]).unwrap();
    for (version, piece_length) in [
        (Version::V1, 100_000),
        (Version::V1, 3 << 20),
        (Version::V2, 64 << 10),
        (Version::V2, 2 << 20),
        (Version::Hybrid, 32 << 10),
        (Version::Hybrid, 4 << 20),
    ] {
        let torrent =
            Builder::new().version(version).piece_length(piece_length).build(source.path().join("t")).unwrap();
        let info = torrent.info();
        let entry = |file: &torrent_metainfo::File| match file.is_pad() {
            true => FileEntry::pad(file.length()),
            false => FileEntry::new(file.path().as_str(), file.length()),
        };
        let layout = Layout::new(info.files().iter().map(entry)).unwrap();
        let mut whole = vec![0; info.total_length() as usize];
        FileStorage::new(source.path()).open(&layout).unwrap().read_at(0, &mut whole).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::start(DiskConfig::default()).unwrap();
        let storage = FileStorage::new(folder.path()).pool(disk.handles()).open(&layout).unwrap();
        let hashes = Arc::new(Hashes::new(info.clone(), torrent.piece_layers().clone()));
        let (sender, stored) = mpsc::channel();
        let listener = Arc::new(Obedient { torrent: Mutex::default(), stored: sender });
        let geometry = info.geometry();
        let on_disk = disk.open(storage, geometry, hashes, Arc::clone(&listener) as _).unwrap();
        *listener.torrent.lock().unwrap() = Some(on_disk.clone());

        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (on_disk, whole) = (&on_disk, &whole);
                scope.spawn(move || {
                    for piece in geometry.pieces() {
                        let slot = on_disk.slot(piece);
                        for index in (0..geometry.block_count(piece)).filter(|index| index % 4 == thread) {
                            let block = geometry.nth_block(piece, index).unwrap();
                            let begin = geometry.block_offset(block) as usize;
                            slot.put(block, &whole[begin..begin + block.length() as usize]).unwrap();
                        }
                    }
                });
            }
        });
        let mut left = geometry.piece_count() as usize;
        while left > 0 {
            left -= stored.recv().unwrap().len();
        }
        assert_eq!(std::fs::read(folder.path().join("t/a")).unwrap(), &bytes[..3 << 20]);
        assert_eq!(std::fs::read(folder.path().join("t/b")).unwrap(), &bytes[3 << 20..]);
        assert_eq!(disk.memory_used(), 0);
        *listener.torrent.lock().unwrap() = None;
    }
}
