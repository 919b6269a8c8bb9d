//! Files against torrents: what is wrong is found, and where.
#![expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]

use std::{fs, ops::ControlFlow};

use torrent_content::{Builder, Verifier, Version};
use torrent_metainfo::{Info, Metainfo, PieceLayers};

use crate::tree::{Tree, content};

const PIECE: u64 = 16384;

fn tree() -> Tree {
    Tree::new([("a", content(40_000, 1)), ("b", content(10, 2)), ("c", content(50_000, 3)), ("e", vec![])])
}

fn torrent(tree: &Tree, version: Version) -> Metainfo {
    Builder::new().version(version).piece_length(PIECE as u32).build(tree.root()).unwrap()
}

#[test]
fn missing_short_and_long_files_are_told_apart() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let tree = tree();
        let torrent = torrent(&tree, version);
        let report = || Verifier::new(&torrent).run(tree.above()).unwrap();
        let index =
            |name: &str| torrent.info().files().iter().position(|file| file.path().file_name() == name).unwrap();
        assert!(report().is_complete() && report().bad_files().next().is_none());

        fs::write(tree.root().join("a"), content(39_999, 1)).unwrap();
        let short = report();
        let a = &short.files[index("a")];
        assert_eq!((a.found, a.expected, &*a.bad), (Some(39_999), 40_000, &[2 * PIECE..40_000][..]));

        fs::write(tree.root().join("a"), content(40_001, 1)).unwrap();
        let long = report();
        assert!(long.good.is_full() && !long.is_complete());
        assert!(!long.files[index("a")].is_good() && long.files[index("a")].bad.is_empty());
        fs::write(tree.root().join("a"), content(40_000, 1)).unwrap();

        fs::remove_file(tree.root().join("e")).unwrap();
        let missing = report();
        assert!(missing.good.is_full() && !missing.is_complete() && missing.files[index("e")].is_missing());
        fs::write(tree.root().join("e"), b"").unwrap();

        fs::remove_file(tree.root().join("c")).unwrap();
        fs::create_dir(tree.root().join("c")).unwrap();
        let folder = report();
        assert!(folder.files[index("c")].is_missing());
        assert_eq!(folder.files[index("c")].bad, [0..50_000]);
    }
}

#[test]
fn a_v1_piece_puts_all_its_files_under_suspicion_and_v2_does_not() {
    let tree = tree();
    fs::write(tree.root().join("b"), content(10, 9)).ok();
    let bad = |version| {
        fs::write(tree.root().join("b"), content(10, 2)).unwrap();
        let torrent = torrent(&tree, version);
        fs::write(tree.root().join("b"), content(10, 9)).unwrap();
        let report = Verifier::new(&torrent).run(tree.above()).unwrap();
        report
            .bad_files()
            .map(|(index, _)| torrent.info().files()[index].path().file_name().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(bad(Version::V1), ["a", "b", "c"]);
    assert_eq!(bad(Version::V2), ["b"]);
}

#[test]
fn either_view_of_a_hybrid_is_enough_on_request() {
    let tree = tree();
    let torrent = torrent(&tree, Version::Hybrid);
    for verifier in [Verifier::new(&torrent).v1_only(), Verifier::new(&torrent).v2_only(), Verifier::new(&torrent)] {
        assert!(verifier.clone().run(tree.above()).unwrap().is_complete());
        fs::write(tree.root().join("c"), content(50_000, 4)).unwrap();
        assert_eq!(verifier.run(tree.above()).unwrap().bad_files().count(), 1);
        fs::write(tree.root().join("c"), content(50_000, 3)).unwrap();
    }
}

#[test]
fn without_layers_long_files_are_good_or_bad_as_a_whole() {
    let tree = tree();
    let torrent = torrent(&tree, Version::V2);
    let info = Info::from_bytes(torrent.info().as_bytes().clone()).unwrap();
    let none = PieceLayers::default();
    assert!(Verifier::with_layers(&info, &none).run(tree.above()).unwrap().is_complete());
    let mut bytes = content(50_000, 3);
    bytes[20_000] ^= 1;
    fs::write(tree.root().join("c"), bytes).unwrap();
    let report = Verifier::with_layers(&info, &none).run(tree.above()).unwrap();
    let bad: Vec<_> = report.bad_files().map(|(_, file)| file.bad.clone()).collect();
    assert_eq!(bad, [[0..50_000]]);
}

#[test]
fn the_folder_may_have_another_name() {
    let tree = tree();
    let torrent = torrent(&tree, Version::Hybrid);
    fs::rename(tree.root(), tree.above().join("other")).unwrap();
    assert!(!Verifier::new(&torrent).run(tree.above()).unwrap().is_complete());
    assert!(Verifier::new(&torrent).in_place(true).run(tree.above().join("other")).unwrap().is_complete());
    let single = Builder::new().name("x").build(tree.above().join("other/a")).unwrap();
    assert!(Verifier::new(&single).in_place(true).run(tree.above().join("other/a")).unwrap().is_complete());
    assert!(Verifier::new(&torrent).run(tree.above().join("nowhere")).is_err());
}

#[test]
fn a_check_can_be_stopped() {
    let tree = tree();
    let torrent = torrent(&tree, Version::V1);
    assert_eq!(Verifier::new(&torrent).run_with(tree.above(), |_| ControlFlow::Break(())).unwrap(), None);
}
