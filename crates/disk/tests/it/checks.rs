//! Checks: queued, and a failed one says nothing.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    sync::{Arc, atomic::Ordering, mpsc},
};

use sha1::{Digest as _, Sha1};
use torrent_content::Sha1Hashes;
use torrent_disk::{Disk, DiskConfig, Event};
use torrent_storage::{ErrorKind, FileEntry, FileStorage, Layout, Storage as _};
use torrent_types::Geometry;

use crate::{Channel, Fixture, content, piece};

#[test]
fn a_check_finds_what_is_there_and_one_that_fails_says_nothing() {
    let fixture = Fixture::new(1 << 20, 64 << 10, DiskConfig::default());
    fixture.fill(piece(3));
    fixture.torrent.write(piece(3));
    while !matches!(fixture.next(), Event::PiecesStored(_)) {}
    fixture.torrent.check();
    match fixture.next() {
        Event::Checked(Ok(checked)) => assert_eq!(checked.have.ones().collect::<Vec<_>>(), [piece(3)]),
        event => panic!("{event:?}"),
    }
    fixture.faulty.presence_fails.store(true, Ordering::Relaxed);
    fixture.torrent.check();
    match fixture.next() {
        Event::Checked(Err(error)) => assert!(error.kind() == ErrorKind::PermissionDenied && error.is_lasting()),
        event => panic!("{event:?}"),
    }
    fixture.stop();
}

/// The file of a torrent is changed, replaced, cut or deleted while it is being downloaded.
#[test]
fn what_others_have_done_to_a_file_meanwhile_is_found_out_at_the_end() {
    type Harm = fn(&std::path::Path);
    let harms: [(Harm, &[u32]); 4] = [
        (|_| {}, &[]),
        (
            |path| {
                let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
                file.seek(SeekFrom::Start(10)).unwrap();
                file.write_all(b"harm").unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            },
            &[0],
        ),
        (|path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(140_000).unwrap(), &[2, 3]),
        (|path| fs::remove_file(path).unwrap(), &[0, 1, 2, 3]),
    ];
    for (harm, lost) in harms {
        let folder = tempfile::tempdir().unwrap();
        let bytes = content(200_000);
        let layout = Layout::new([FileEntry::new("a", 200_000)]).unwrap();
        let geometry = Geometry::new(200_000, 50_000).unwrap();
        let hashes: Vec<[u8; 20]> = bytes.chunks(50_000).map(|piece| Sha1::digest(piece).into()).collect();
        let disk = Disk::start(DiskConfig::default()).unwrap();
        let storage = FileStorage::new(folder.path()).pool(disk.handles()).open(&layout).unwrap();
        let (sender, events) = mpsc::channel();
        let hashes = Arc::new(Sha1Hashes::new(hashes));
        let torrent = disk.open(storage, geometry, hashes, Arc::new(Channel(sender))).unwrap();
        let fetch = |index: u32| {
            let slot = torrent.slot(piece(index));
            for block in 0..geometry.block_count(piece(index)) {
                let block = geometry.nth_block(piece(index), block).unwrap();
                let begin = geometry.block_offset(block) as usize;
                slot.put(block, &bytes[begin..begin + block.length() as usize]).unwrap();
            }
            torrent.write(piece(index));
            while !matches!(events.recv().unwrap(), Event::PiecesStored(_)) {}
        };
        (0..4).for_each(fetch);
        harm(&folder.path().join("a"));
        torrent.finish();
        let mut found = Vec::new();
        loop {
            match events.recv().unwrap() {
                Event::PiecesLost { pieces, error } => {
                    assert_eq!(error.kind(), ErrorKind::Changed);
                    found.extend(pieces.iter().map(|piece| piece.get()));
                }
                Event::Finished(outcome) => break outcome.unwrap(),
                event => panic!("{event:?}"),
            }
        }
        assert_eq!(found, lost);
        // And it can be mended.
        lost.iter().copied().for_each(fetch);
        torrent.finish();
        assert!(matches!(events.recv().unwrap(), Event::Finished(Ok(()))));
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), bytes);
    }
}
