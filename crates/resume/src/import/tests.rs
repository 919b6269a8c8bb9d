use torrent_bencode::Value;

use super::*;

/// A torrent of five pieces of 32 KiB and one of 1 KiB.
fn torrent() -> Metainfo {
    let length = 5 * 32_768 + 1024;
    let info: Value = [
        ("length", Value::from(length)),
        ("name", "a".into()),
        ("piece length", 32_768.into()),
        ("pieces", vec![7; 6 * 20].into()),
    ]
    .into();
    Metainfo::from_bytes(Value::from([("info", info)]).encode()).unwrap()
}

fn had(imported: &Imported) -> Vec<u32> {
    imported.record.have.ones().map(PieceIndex::get).collect()
}

#[test]
fn libtorrents_and_qbittorrents_is_read() {
    let torrent = torrent();
    let hash = torrent.info_hashes().v1().unwrap();
    let value: Value = [
        ("file-format", Value::from("libtorrent resume file")),
        ("info-hash", hash.as_bytes().into()),
        ("pieces", vec![1, 0, 3, 0, 0, 1].into()),
        ("qBt-savePath", "/data/x".into()),
        ("total_uploaded", 77.into()),
        ("trackers", Value::List(vec![Value::List(vec!["http://t.test/a".into()])])),
        ("peers", vec![1, 2, 3, 4, 0x1A, 0xE1].into()),
        ("unfinished", Value::List(vec![[("piece", Value::from(1)), ("bitmask", vec![1].into())].into()])),
    ]
    .into();
    let found = import(&torrent, &value.encode()).unwrap();
    assert_eq!((found.from, had(&found)), ("libtorrent", vec![0, 2, 5]));
    assert_eq!(found.record.uploaded, 77);
    assert_eq!(found.record.folder, Some("/data/x".into()));
    assert_eq!(found.record.trackers, [["http://t.test/a"]]);
    assert_eq!(found.record.peers, ["1.2.3.4:6881".parse().unwrap()]);
    assert_eq!(found.record.partial, [PartialPiece { piece: PieceIndex::new(1), blocks: vec![0x80] }]);
    let mut other = value;
    if let Value::Dict(dict) = &mut other {
        dict.insert(b"info-hash".to_vec(), vec![9; 20].into());
    }
    assert_eq!(import(&torrent, &other.encode()), Err(ImportError::OtherTorrent));
}

#[test]
fn transmissions_is_read() {
    let torrent = torrent();
    // Eleven blocks: those of pieces 0 and 2, one of piece 3, and the last.
    let progress: Value =
        [("blocks", Value::from(vec![0b1100_1110, 0b0010_0000])), ("mtimes", Value::List(vec![1234.into()]))].into();
    let value: Value = [("progress", progress), ("destination", "/data".into()), ("done-date", 99.into())].into();
    let found = import(&torrent, &value.encode()).unwrap();
    assert_eq!((found.from, had(&found)), ("Transmission", vec![0, 2, 5]));
    let state = FileState { length: 5 * 32_768 + 1024, seconds: 1234, nanoseconds: 0 };
    assert_eq!(found.record.files, [Some(state)]);
    assert_eq!(found.record.finished, Some(99));
    let progress: Value = [("blocks", "all")].into();
    let found = import(&torrent, &Value::from([("progress", progress)]).encode()).unwrap();
    assert!(found.record.have.is_full());
    let progress: Value = [("blocks", vec![0])].into();
    let wrong = import(&torrent, &Value::from([("progress", progress)]).encode());
    assert_eq!(wrong, Err(ImportError::Mismatch("blocks")));
}

#[test]
fn rtorrents_is_read() {
    let torrent = torrent();
    let value: Value =
        [("bitfield", Value::from(vec![0b1010_0100])), ("uncertain_pieces", vec![0, 0, 0, 2].into())].into();
    let found = import(&torrent, &value.encode()).unwrap();
    assert_eq!((found.from, had(&found)), ("rtorrent", vec![0, 5]));
    assert!(import(&torrent, &Value::from([("bitfield", 6)]).encode()).unwrap().record.have.is_full());
    assert_eq!(had(&import(&torrent, &Value::from([("bitfield", 0)]).encode()).unwrap()), []);
    assert_eq!(import(&torrent, b"d1:ai1ee"), Err(ImportError::Unknown));
    assert!(matches!(import(&torrent, b"<html>"), Err(ImportError::NotBencode(_))));
}
