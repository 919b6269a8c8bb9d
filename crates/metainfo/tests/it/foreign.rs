//! Torrents that other programs have made of one folder: `testdata/metainfo`.

use torrent_metainfo::Metainfo;

fn read(name: &str) -> Metainfo {
    let path = format!("{}/../../testdata/metainfo/{name}.torrent", env!("CARGO_MANIFEST_DIR"));
    Metainfo::from_bytes(std::fs::read(&path).expect(&path)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The hashes that libtorrent 2.1.1 gives.
#[test]
fn info_hashes_are_those_that_libtorrent_sees() {
    for (name, v1, v2) in [
        (
            "libtorrent-hybrid-single",
            "41e3f9764156cee43bc3b2e190bda1c9d550b627",
            "19668c46b29a835caa989646cceafa5b3daa741800319541d18ff1a533bba2ae",
        ),
        (
            "libtorrent-hybrid",
            "6f15ad5415ed66301b2ddb55c121a1a39e280139",
            "ac2fd41ea6288038ef88e5405c4a0eee546862729ed06a292b4dee393935ea89",
        ),
        ("libtorrent-v1", "30894b5204447e29f8fbab76cc11f847edef342c", ""),
        ("libtorrent-v2", "", "2c54584fb4ad571d8256875f74e945dcc925f031e4f1f3ed37e6ca3b38253b5b"),
        ("mktorrent", "1d0afe3959f123aa48b36817962dd31134be03f8", ""),
        ("transmission", "4f5addb1bca1627304645e822e3e92282cb68f7b", ""),
    ] {
        let torrent = read(name);
        assert!(torrent.warnings().is_empty(), "{name}: {:?}", torrent.warnings());
        assert_eq!(torrent.info_hashes().v1().map(|hash| hash.to_string()).unwrap_or_default(), v1, "{name}");
        assert_eq!(torrent.info_hashes().v2().map(|hash| hash.to_string()).unwrap_or_default(), v2, "{name}");
        assert_eq!(torrent.piece_layers().missing(torrent.info()).count(), 0, "{name}");
    }
}

#[test]
fn both_versions_of_libtorrent_name_the_same_files() {
    let names = ["cd 1/01.flac", "cd 1/02.flac", "cover.jpg", "empty", "first", "é/notes.txt"];
    for name in ["libtorrent-v1", "libtorrent-v2", "libtorrent-hybrid"] {
        let torrent = read(name);
        let files: Vec<_> = torrent.info().files().iter().filter(|file| !file.is_pad()).collect();
        let paths: Vec<_> = files.iter().map(|file| file.path().as_str().strip_prefix("album/").unwrap()).collect();
        assert_eq!(paths, names, "{name}");
        assert!(files[2].attributes().executable, "{name}");
        assert_eq!(files[4].symlink().map(|path| path.as_str()), Some("album/cd 1/01.flac"), "{name}");
        assert_eq!(torrent.info().content_length(), 70000 + 16384 + 5000 + 33, "{name}");
        assert_eq!(torrent.trackers(), [["http://t.example/a"], ["udp://u.example:1"]], "{name}");
        assert_eq!(torrent.web_seeds(), ["http://w.example/"], "{name}");
        assert_eq!(torrent.creation_date(), Some(1_700_000_000), "{name}");
    }
}
