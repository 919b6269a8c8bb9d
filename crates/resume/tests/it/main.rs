//! Records that survive, and damage that is found.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use proptest::prelude::*;
use torrent_metainfo::InfoHashes;
use torrent_resume::{DecodeError, FileState, Folder, LoadError, PartialPiece, Record};
use torrent_types::{Bitfield, InfoHash, InfoHashV2, PieceIndex};

fn record(seed: u8) -> Record {
    let mut record = Record::new(InfoHashes::new(Some(InfoHash::new([seed; 20])), None).unwrap());
    record.have = Bitfield::new(13);
    record.have.set(PieceIndex::new(u32::from(seed) % 13));
    record.files = vec![Some(FileState { length: 5, seconds: 1_700_000_000, nanoseconds: 999_999_999 }), None];
    record.partial = vec![PartialPiece { piece: PieceIndex::new(3), blocks: vec![0xA0] }];
    record.priorities = vec![0, 4];
    record.folder = Some("/data/ü".into());
    record.info = Some(b"d4:name1:ae".to_vec());
    record.trackers = vec![vec!["http://a.test/".into(), "udp://b.test:1".into()], vec![]];
    record.peers = vec!["1.2.3.4:5".parse().unwrap(), "[::1]:6".parse().unwrap()];
    (record.uploaded, record.downloaded) = (u64::from(seed) + 1, 1 << 40);
    (record.added, record.finished, record.paused) = (Some(-1), None, true);
    record
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let mut record = record(7);
    assert_eq!(Record::decode(&record.encode()).unwrap(), record);
    record.info_hashes = InfoHashes::new(None, Some(InfoHashV2::new([3; 32]))).unwrap();
    assert_eq!(Record::decode(&record.encode()).unwrap(), record);
}

proptest! {
    #[test]
    fn any_damage_is_found(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let good = record(7).encode();
        let mut bad = good.clone();
        let at = at.index(bad.len());
        bad[at] ^= 1 << bit;
        prop_assert!(Record::decode(&bad).is_err());
        prop_assert!(Record::decode(&good[..cut.index(good.len())]).is_err());
    }
}

#[test]
fn the_generation_before_is_used_if_the_newest_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(root.path().join("state"));
    let (mut one, other) = (record(1), record(2));
    assert!(folder.load_all().unwrap().is_empty());
    assert_eq!(folder.load(&one.info_hashes).unwrap(), None);
    folder.save(&one).unwrap();
    folder.save(&other).unwrap();
    let first = one.clone();
    one.uploaded = 1000;
    folder.save(&one).unwrap();
    assert_eq!(folder.load(&one.info_hashes).unwrap().unwrap().record, one);

    let path = root.path().join("state").join(format!("{}.resume", one.info_hashes.v1().unwrap()));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let loaded = folder.load(&one.info_hashes).unwrap().unwrap();
    assert_eq!((loaded.record, loaded.damage), (first.clone(), Some(DecodeError::Checksum)));
    // Saving does not put the damaged one in the place of the good one.
    folder.save(&one).unwrap();
    fs::write(&path, b"").unwrap();
    assert_eq!(folder.load(&one.info_hashes).unwrap().unwrap().record, first);
    // One that was lost between two renames.
    fs::remove_file(&path).unwrap();
    assert_eq!(folder.load(&one.info_hashes).unwrap().unwrap().record, first);

    fs::write(path.with_extension("resume.old"), b"torrent-resume 9 ").unwrap();
    assert!(matches!(folder.load(&one.info_hashes), Err(LoadError::Damaged { .. })));
    let all = folder.load_all().unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all.iter().filter(|loaded| loaded.is_ok()).count(), 1, "the other torrent is not touched by it");
    folder.remove(&one.info_hashes).unwrap();
    folder.remove(&one.info_hashes).unwrap();
    assert_eq!(folder.load_all().unwrap().len(), 1);
}
