//! Making torrents: what goes in, in what order, and what is refused.

use std::{fs, ops::ControlFlow};

use torrent_content::{
    Builder, CreateError, Version,
    create::{FileOrder, SkipReason, Symlinks},
};
use torrent_metainfo::Metainfo;

use crate::tree::{Tree, content};

const PIECE: usize = 16384;

fn v1() -> Builder {
    Builder::new().version(Version::V1).piece_length(PIECE as u32)
}

fn paths(torrent: &Metainfo) -> Vec<&str> {
    let files = torrent.info().files().iter().filter(|file| !file.is_pad());
    files.map(|file| file.path().as_str().strip_prefix("t/").unwrap()).collect()
}

#[test]
fn exact_multiples_have_no_hash_of_nothing() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        for pieces in 1..4 {
            let tree = Tree::new([("a", content(pieces * PIECE, 0)), ("b", vec![])]);
            let torrent = Builder::new().version(version).piece_length(PIECE as u32).build(tree.root()).unwrap();
            assert_eq!(torrent.info().piece_count() as usize, pieces);
            tree.assert_is(torrent.info());
        }
    }
}

#[test]
fn nothing_but_empty_files_makes_a_torrent_without_pieces() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let tree = Tree::new([("a", vec![]), ("b/c", vec![])]);
        let torrent = Builder::new().version(version).build(tree.root()).unwrap();
        assert_eq!((torrent.info().piece_count(), torrent.info().total_length()), (0, 0));
        tree.assert_is(torrent.info());
    }
}

#[test]
fn fifteen_thousand_files_are_no_trouble() {
    let tree = Tree::new((0..15_000).map(|number| (format!("{}/{number}", number % 10), content(number % 7, number))));
    let torrent = v1().build(tree.root()).unwrap();
    tree.assert_is(torrent.info());
}

#[test]
fn a_single_file_has_no_folder() {
    let tree = Tree::new([("a", content(20_000, 0))]);
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let torrent = Builder::new().version(version).name("other").build(tree.root().join("a")).unwrap();
        assert_eq!((torrent.info().name(), torrent.info().is_folder()), ("other", false));
        assert_eq!(torrent.info().files().len(), 1);
        assert_eq!(torrent.info().files()[0].path().as_str(), "other");
    }
}

#[test]
fn what_comes_through_a_pipe_makes_the_same_torrent() {
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 4 * PIECE, 5 * PIECE, 9 * PIECE + 5] {
            let tree = Tree::new([("a", content(length, 0))]);
            let builder = Builder::new().version(version).piece_length(2 * PIECE as u32).name("a");
            let file = builder.clone().build(tree.root().join("a")).unwrap();
            let pipe = builder.read(&tree.files["a"][..]).unwrap();
            assert_eq!(pipe.as_bytes(), file.as_bytes(), "{version:?} {length}");
        }
    }
    assert!(matches!(Builder::new().read(&b"x"[..]), Err(CreateError::Name)));
}

#[test]
fn info_from_peers_becomes_a_torrent_file() {
    let tree = Tree::new([("a", content(5 * PIECE, 0)), ("b", content(7, 0))]);
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let torrent = Builder::new().version(version).piece_length(PIECE as u32).build(tree.root()).unwrap();
        assert_eq!(Metainfo::from_info(torrent.info(), torrent.piece_layers()), Ok(torrent));
    }
}

#[test]
fn v1_is_ordered_by_bytes_and_v2_by_tree() {
    let tree = Tree::new(["a/x", "a-b/x", "a.txt", "B"].map(|path| (path, vec![1])));
    let hybrid = Builder::new().build(tree.root()).unwrap();
    assert_eq!(paths(&v1().build(tree.root()).unwrap()), ["B", "a-b/x", "a.txt", "a/x"]);
    assert_eq!(paths(&hybrid), ["B", "a/x", "a-b/x", "a.txt"]);
    assert_eq!(paths(&v1().order(FileOrder::Tree).build(tree.root()).unwrap()), ["B", "a/x", "a-b/x", "a.txt"]);

    let tree = Tree::new([("a", vec![0; 5]), ("b", vec![0; 9]), ("c", vec![0; 1])]);
    assert_eq!(paths(&v1().order(FileOrder::Largest).build(tree.root()).unwrap()), ["b", "a", "c"]);
    assert_eq!(paths(&v1().order(FileOrder::Smallest).build(tree.root()).unwrap()), ["c", "a", "b"]);
    let refused = Builder::new().order(FileOrder::Largest).build(tree.root());
    assert!(matches!(refused, Err(CreateError::Order)));
}

#[test]
fn what_is_hidden_or_litter_or_excluded_stays_out() {
    let names =
        ["a.mkv", "a.nfo", ".git/config", ".hidden", "Thumbs.db", "Sample/s.mkv", "sub/b.mkv", "sub/desktop.ini"];
    let tree = Tree::new(names.map(|path| (path, vec![1])));
    let plan = v1().exclude("Sample".parse().unwrap()).include("*.mkv".parse().unwrap()).plan(tree.root()).unwrap();
    let reason = |name: &str| plan.skipped().iter().find(|skipped| skipped.path.ends_with(name)).unwrap().reason;
    assert_eq!(reason("Sample"), SkipReason::Excluded);
    assert_eq!(reason("a.nfo"), SkipReason::NotIncluded);
    assert_eq!(reason(".git"), SkipReason::Hidden);
    assert_eq!(reason("Thumbs.db"), SkipReason::Litter);
    assert_eq!(plan.files().iter().map(|file| file.elements().join("/")).collect::<Vec<_>>(), ["a.mkv", "sub/b.mkv"]);
    assert_eq!(v1().hidden(true).litter(true).plan(tree.root()).unwrap().files().len(), names.len());
}

#[test]
fn everything_that_is_said_can_be_read_again() {
    let tree = Tree::new([("a", vec![1])]);
    let torrent = v1()
        .tier(["http://a", "http://b"])
        .tracker("udp://c:1")
        .web_seed("http://w/")
        .http_seed("http://h/")
        .node("router.example:6881".parse().unwrap())
        .comment("C")
        .created_by("B")
        .creation_date(7)
        .private(true)
        .source("S")
        .collection("all")
        .similar([3; 20].into())
        .info_value("x_cross_seed", "salt")
        .value("publisher", "P")
        .build(tree.root())
        .unwrap();
    assert_eq!(torrent.trackers(), [vec!["http://a", "http://b"], vec!["udp://c:1"]]);
    assert_eq!((torrent.web_seeds(), torrent.http_seeds()), (&["http://w/".into()][..], &["http://h/".into()][..]));
    assert_eq!(torrent.nodes(), ["router.example:6881".parse().unwrap()]);
    assert_eq!((torrent.comment(), torrent.created_by(), torrent.creation_date()), (Some("C"), Some("B"), Some(7)));
    assert_eq!((torrent.info().is_private(), torrent.info().source()), (true, Some("S")));
    assert_eq!(torrent.collections().collect::<Vec<_>>(), ["all"]);
    assert_eq!(torrent.similar().collect::<Vec<_>>(), [[3; 20].into()]);
    assert_eq!(torrent.info().value("x_cross_seed").unwrap(), b"4:salt");
    assert_eq!(torrent.value("publisher").unwrap(), b"1:P");
}

#[test]
fn nothing_is_said_unasked() {
    let tree = Tree::new([("a", vec![1])]);
    let torrent = Builder::new().build(tree.root()).unwrap();
    for key in ["announce", "announce-list", "comment", "created by", "creation date", "encoding", "url-list", "nodes"]
    {
        assert_eq!(torrent.value(key), None, "{key}");
    }
}

#[test]
fn impossible_wishes_are_refused() {
    let tree = Tree::new([("a", vec![1])]);
    let refused = |builder: Builder| builder.build(tree.root()).unwrap_err();
    for length in [0, 8192, 16385, 1 << 30] {
        assert!(matches!(refused(Builder::new().piece_length(length)), CreateError::PieceLength(_)), "{length}");
    }
    assert!(v1().piece_length(10_000).build(tree.root()).is_ok(), "v1 takes any length");
    for name in ["", ".", "..", "a/b"] {
        assert!(matches!(refused(Builder::new().name(name)), CreateError::Name), "{name}");
    }
    assert!(matches!(refused(Builder::new().exclude("*".parse().unwrap())), CreateError::NoFiles { left_out: 1.. }));
    assert!(matches!(Builder::new().build(tree.root().join("nowhere")), Err(CreateError::Io { .. })));
    assert!(matches!(refused(v1().info_value("pieces", 5)), CreateError::Invalid(_)));
    let sparse = fs::File::create(tree.root().join("big")).unwrap();
    sparse.set_len((1 << 21) + 1).unwrap();
    assert!(matches!(refused(v1().piece_length(1)), CreateError::TooManyPieces));
}

#[test]
fn progress_is_told_and_may_stop_the_work() {
    let tree = Tree::new([("a", content(10 * PIECE, 0)), ("b", content(5, 0))]);
    let mut last = 0;
    let torrent = Builder::new().piece_length(PIECE as u32).plan(tree.root()).unwrap().hash(|progress| {
        assert!(progress.done > last && progress.done <= progress.total);
        last = progress.done;
        ControlFlow::Continue(())
    });
    assert!(torrent.is_ok());
    assert_eq!(last, 10 * PIECE as u64 + 5);

    let mut calls = 0;
    let stopped = v1().plan(tree.root()).unwrap().hash(|_| {
        calls += 1;
        ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(CreateError::Cancelled)));
    assert_eq!(calls, 1);
}

#[test]
fn files_that_change_meanwhile_are_noticed() {
    let tree = Tree::new([("a", content(3 * PIECE, 0))]);
    for length in [10, 4 * PIECE] {
        fs::write(tree.root().join("a"), content(3 * PIECE, 0)).unwrap();
        let plan = v1().plan(tree.root()).unwrap();
        fs::write(tree.root().join("a"), content(length, 0)).unwrap();
        assert!(matches!(plan.hash(|_| ControlFlow::Continue(())), Err(CreateError::Changed { .. })));
    }
    fs::write(tree.root().join("a"), content(3 * PIECE, 0)).unwrap();
    let plan = v1().threads(1).plan(tree.root()).unwrap();
    let grown = plan.hash(|_| {
        fs::write(tree.root().join("a"), content(5 * PIECE, 0)).unwrap();
        ControlFlow::Continue(())
    });
    assert!(matches!(grown, Err(CreateError::Changed { .. })));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn symlinks_are_followed_kept_or_skipped() {
        let tree = Tree::new([("d/f", vec![1, 2, 3]), ("one", vec![1])]);
        let outside = Tree::new([("o", vec![9; 5])]);
        symlink("../one", tree.root().join("d/up")).unwrap();
        symlink("d", tree.root().join("dl")).unwrap();
        let kept = v1().symlinks(Symlinks::Keep).build(tree.root()).unwrap();
        let links: Vec<_> = kept.info().files().iter().filter_map(|file| file.symlink()).collect();
        assert_eq!(links.iter().map(|link| link.as_str()).collect::<Vec<_>>(), ["t/one", "t/d"]);
        assert_eq!(paths(&kept), ["d/f", "d/up", "dl", "one"]);
        assert_eq!(paths(&v1().build(tree.root()).unwrap()), ["d/f", "d/up", "dl/f", "dl/up", "one"]);
        assert_eq!(paths(&v1().symlinks(Symlinks::Skip).build(tree.root()).unwrap()), ["d/f", "one"]);

        symlink(outside.root().join("o"), tree.root().join("out")).unwrap();
        assert!(matches!(v1().symlinks(Symlinks::Keep).build(tree.root()), Err(CreateError::Symlink { .. })));
        assert!(paths(&v1().build(tree.root()).unwrap()).contains(&"out"));
        assert!(v1().build(tree.root().join("out")).is_ok(), "the path itself may be one");
    }

    #[test]
    fn folders_within_themselves_end() {
        let tree = Tree::new([("d/f", vec![1])]);
        symlink("..", tree.root().join("d/up")).unwrap();
        symlink("../d", tree.root().join("d/again")).unwrap();
        assert!(matches!(v1().build(tree.root()), Err(CreateError::TooDeep { .. })));
    }

    #[test]
    fn programs_are_noted_for_v2_and_on_request() {
        let tree = Tree::new([("run", vec![1]), ("text", vec![1])]);
        fs::set_permissions(tree.root().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        let noted = |builder: Builder| {
            let torrent = builder.build(tree.root()).unwrap();
            let files = torrent.info().files().iter().filter(|file| !file.is_pad());
            files.map(|file| file.attributes().executable).collect::<Vec<_>>()
        };
        assert_eq!(noted(v1()), [false, false]);
        assert_eq!(noted(v1().attributes(true)), [true, false]);
        assert_eq!(noted(Builder::new()), [true, false]);
        assert_eq!(noted(Builder::new().attributes(false)), [false, false]);
    }

    #[test]
    fn names_that_are_no_text_are_refused() {
        use std::os::unix::ffi::OsStrExt;
        let tree = Tree::new([("a", vec![1])]);
        if fs::write(tree.root().join(std::ffi::OsStr::from_bytes(b"\xff")), b"x").is_ok() {
            assert!(matches!(v1().build(tree.root()), Err(CreateError::NotUtf8 { .. })));
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_an_error() {
    type Change = fn(&std::path::Path);
    let changes: [(&str, Change); 4] = [
        ("a later time", |path| {
            let later = fs::metadata(path).unwrap().modified().unwrap() + std::time::Duration::from_secs(5);
            fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
        }),
        ("longer", |path| fs::write(path, vec![1; 100_001]).unwrap()),
        ("shorter", |path| fs::write(path, vec![1; 99_999]).unwrap()),
        ("another file", |path| {
            let modified = fs::metadata(path).unwrap().modified().unwrap();
            fs::remove_file(path).unwrap();
            // So that the number is not given out again.
            fs::write(path.with_extension("other"), "x").unwrap();
            fs::write(path, vec![1; 100_000]).unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        }),
    ];
    for (what, change) in changes {
        let tree = Tree::new([("a", vec![1; 100_000]), ("b", vec![2; 100_000])]);
        let path = tree.root().join("a");
        let plan = Builder::new().piece_length(16_384).plan(tree.root()).unwrap();
        let mut changed = false;
        let result = plan.hash(|_| {
            if !std::mem::replace(&mut changed, true) {
                change(&path);
            }
            ControlFlow::Continue(())
        });
        let is_told = matches!(&result, Err(CreateError::Changed { path: told }) if *told == path);
        assert!(is_told || (cfg!(not(unix)) && what == "another file"), "{what}: {result:?}");
    }
}
