//! Bodies of the fuzz targets: what must hold for any bytes. Replayed over the committed corpora by `cargo test`.

/// Records of our own.
pub mod record {
    use crate::Record;

    /// Reads without panic, as they are and with the checksum that they should have; what it reads is written the same.
    pub fn target(data: &[u8]) {
        let _any = Record::decode(data);
        if let Ok(record) = Record::decode(&crate::codec::seal(data)) {
            assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }
}

/// Resume data of other clients.
pub mod import {
    use torrent_metainfo::Metainfo;

    /// A torrent of five pieces of 32 KiB and one of 1 KiB.
    fn torrent() -> Metainfo {
        let hashes = [b'h'; 120];
        let head = b"d4:infod6:lengthi164864e4:name1:a12:piece lengthi32768e6:pieces120:";
        Metainfo::from_bytes([&head[..], &hashes, b"ee"].concat()).expect("a torrent")
    }

    /// Reads without panic; what it reads fits the torrent.
    pub fn target(data: &[u8]) {
        let torrent = torrent();
        let Ok(imported) = crate::import(&torrent, data) else { return };
        let record = imported.record;
        assert_eq!(record.have.len(), torrent.info().piece_count());
        assert_eq!(record.info_hashes, torrent.info_hashes());
        assert_eq!(crate::Record::decode(&record.encode()), Ok(record));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    fn replay(corpus: &str, target: fn(&[u8])) {
        let folder = format!("{}/../../fuzz/corpus/resume_{corpus}", env!("CARGO_MANIFEST_DIR"));
        let mut files = 0;
        for entry in fs::read_dir(&folder).expect(&folder) {
            target(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 10, "{folder} has only {files} files");
    }

    #[test]
    fn the_corpora_are_no_trouble() {
        replay("record", super::record::target);
        replay("import", super::import::target);
    }
}
