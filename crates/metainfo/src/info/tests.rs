use super::*;
use crate::{ErrorKind, Metainfo, SafePath};
use torrent_bencode::Value;

fn value<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::from(entries)
}

fn list(texts: &[&[u8]]) -> Value {
    texts.iter().copied().collect()
}

fn file(length: i64, path: &[&[u8]]) -> Value {
    value([("length", length.into()), ("path", list(path))])
}

/// A v1 torrent of these files in pieces of 16 KiB.
fn v1(files: Vec<Value>, total: usize) -> Vec<u8> {
    let info = value([
        ("files", files.into()),
        ("name", "t".into()),
        ("piece length", 16384.into()),
        ("pieces", vec![7; 20 * total.div_ceil(16384)].into()),
    ]);
    value([("info", info)]).encode()
}

fn parse(bytes: impl Into<Vec<u8>>) -> Result<Metainfo, Error> {
    Metainfo::from_bytes(bytes.into())
}

fn paths(metainfo: &Metainfo) -> Vec<&str> {
    metainfo.info().files().iter().map(|file| file.path().as_str()).collect()
}

const V1: &[u8] =
    b"d4:infod6:lengthi20000e4:name1:f12:piece lengthi16384e6:pieces40:aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbee";

#[test]
fn a_single_file_of_v1() {
    let metainfo = parse(V1).unwrap();
    let info = metainfo.info();
    assert_eq!((info.name(), info.is_folder(), info.piece_count(), info.total_length()), ("f", false, 2, 20000));
    assert_eq!(info.piece_hash(PieceIndex::new(1)), Some(b"bbbbbbbbbbbbbbbbbbbb"));
    assert_eq!(info.piece_hash(PieceIndex::new(2)), None);
    assert_eq!(info.as_bytes(), &V1[7..V1.len() - 1]);
    assert_eq!(info.info_hashes().v1(), Some(hash_v1(&V1[7..V1.len() - 1])));
    assert_eq!(info.info_hashes().v2(), None);
    assert_eq!(info.files()[0].original_path(), [b"f"]);
    assert!(metainfo.warnings().is_empty());
    assert_eq!(Info::from_bytes(info.as_bytes().clone()).as_ref(), Ok(info));
}

#[test]
fn metadata_from_peers_must_have_the_hash_that_was_asked_for() {
    let info = parse(V1).unwrap().info().clone();
    let right = Info::from_peers(&info.info_hashes(), info.as_bytes().clone());
    assert_eq!(right, Some(Ok(info.clone())));
    let wrong = InfoHashes::from(InfoHash::new([1; 20]));
    assert_eq!(Info::from_peers(&wrong, info.as_bytes().clone()), None);
    assert!(Info::from_peers(&hash_v1(b"junk").into(), &b"junk"[..]).unwrap().is_err());
}

#[test]
fn faults_are_named_in_one_line() {
    let info = |rest: &str| format!("d4:infod6:lengthi20000e4:name1:f{rest}ee");
    for (torrent, message) in [
        ("".into(), "empty"),
        ("d".into(), "unexpected end of input (offset 1)"),
        ("le".into(), "expected a dictionary, found a list (offset 0)"),
        ("de".into(), "info: missing (offset 0)"),
        ("d4:infoi1ee".into(), "info: expected a dictionary, found an integer (offset 7)"),
        (info(""), "info.piece length: missing (offset 7)"),
        (info("12:piece lengthi0e"), "info.piece length: 0 is not a possible piece length (offset 47)"),
        (info("12:piece lengthi16384e"), "info.pieces: missing (offset 7)"),
        (info("12:piece lengthi16384e6:pieces3:abc"), "info.pieces: 3 bytes is not a multiple of 20 (offset 62)"),
        (
            info("12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa"),
            "info.pieces: 1 hashes for 2 pieces (offset 62)",
        ),
        (info("12:piece lengthi1e6:pieces0:"), "info.pieces: 0 hashes for 20000 pieces (offset 58)"),
    ] {
        assert_eq!(parse(torrent.clone()).unwrap_err().to_string(), message, "{torrent}");
    }
    let torrent = String::from_utf8_lossy(&v1(vec![file(5, &[b"a"]), file(-5, &[b"b"])], 5)).into_owned();
    assert!(parse(torrent).unwrap_err().to_string().starts_with("info.files[1].length: integer out of range"));
}

#[test]
fn careless_v1_loads_with_warnings() {
    let torrent = b"d4:infod12:piece lengthi016384e6:pieces20:aaaaaaaaaaaaaaaaaaaa4:name1:f6:lengthi5eee\r\n";
    let metainfo = parse(&torrent[..]).unwrap();
    assert_eq!(metainfo.info().info_hashes().v1(), Some(hash_v1(&torrent[7..torrent.len() - 3])), "of the bytes seen");
    assert!(metainfo.warnings().len() >= 3, "{:?}", metainfo.warnings());
}

#[test]
fn hostile_paths_are_made_safe_and_stay_findable() {
    let torrent = v1(
        vec![
            file(1, &[b"..", b"..", b"etc", b"passwd"]),
            file(1, &[b"/etc/passwd"]),
            file(1, &[b"con"]),
            file(1, &["a\u{202e}b".as_bytes()]),
            file(1, &[b"\xff\xfe"]),
            file(1, &[b"A"]),
            file(1, &[b"a"]),
            file(1, &[b"A", b"x"]),
            file(1, &[]),
        ],
        9,
    );
    let metainfo = parse(torrent).unwrap();
    assert_eq!(
        paths(&metainfo),
        [
            "t/_/_/etc/passwd",
            "t/etcpasswd",
            if cfg!(windows) { "t/_con" } else { "t/con" },
            "t/ab",
            "t/__",
            "t/A.1",
            "t/a.2",
            "t/A/x",
            "t/_.1"
        ]
    );
    let files = metainfo.info().files();
    assert_eq!(files[0].original_path(), [&b".."[..], b"..", b"etc", b"passwd"]);
    assert_eq!(files[6].original_path(), [b"a"]);
    assert!(files[6].is_renamed() && !files[7].is_renamed());
}

#[test]
fn names_that_leave_nothing_fall_back_to_the_info_hash() {
    for name in ["..", "", "/", "\u{200b}"] {
        let torrent = format!("d4:infod6:lengthi0e4:name{}:{name}12:piece lengthi16384e6:pieces0:ee", name.len());
        let metainfo = parse(torrent).unwrap();
        assert_eq!(metainfo.info().name(), metainfo.info_hashes().v1().unwrap().to_string());
        assert_eq!(paths(&metainfo), [metainfo.info().name()]);
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let kind = |files, total| parse(v1(files, total)).unwrap_err().kind().clone();
    assert_eq!(kind(vec![file(i64::MAX, &[b"a"])], 0), ErrorKind::Length);
    assert_eq!(kind(vec![file(1 << 40, &[b"a"]); 2], 0), ErrorKind::TooManyPieces);
    assert_eq!(kind(vec![file((1 << 48) - 1, &[b"a"]); 17000], 0), ErrorKind::Length);
    assert_eq!(kind(vec![], 0), ErrorKind::NoFiles);
    assert_eq!(kind(vec![file(0, &[&b"a"[..]; 10_000])], 0), ErrorKind::PathTooDeep);
}

#[test]
fn encoding_hints_win_over_what_they_stand_beside() {
    let torrent = v1(
        vec![value([("length", 1.into()), ("path", list(&[b"\x93\xfa"])), ("path.utf-8", list(&["日".as_bytes()]))])],
        1,
    );
    assert_eq!(paths(&parse(torrent).unwrap()), ["t/日"]);
}

#[cfg(feature = "encoding")]
#[test]
fn old_encodings_are_understood() {
    let torrent = b"d8:encoding9:Shift_JIS4:infod6:lengthi0e4:name2:\x93\xfa12:piece lengthi16384e6:pieces0:ee";
    assert_eq!(parse(&torrent[..]).unwrap().info().name(), "日");
}

#[test]
fn bep47_attributes_padding_and_symlinks() {
    let link = |target: &[&[u8]], path: &[&[u8]]| {
        value([("attr", "l".into()), ("length", 0.into()), ("path", list(path)), ("symlink path", list(target))])
    };
    let torrent = v1(
        vec![
            value([
                ("attr", "xh".into()),
                ("length", 5.into()),
                ("path", list(&[b"d", b"a"])),
                ("sha1", (&[3; 20]).into()),
            ]),
            value([("attr", "p".into()), ("length", 16379.into())]),
            file(3, &[b"_____padding_file_0_"]),
            link(&[b"d", b"a"], &[b"e", b"link"]),
            link(&[b"..", b"..", b"etc", b"passwd"], &[b"out"]),
            link(&[b"d"], &[b"to folder"]),
            link(&[b"self"], &[b"self"]),
            value([("attr", "l".into()), ("length", 0.into()), ("path", list(&[b"nowhere"]))]),
        ],
        16387,
    );
    let metainfo = parse(torrent).unwrap();
    let files = metainfo.info().files();
    assert!(files[0].attributes().executable && files[0].attributes().hidden);
    assert_eq!(files[0].sha1(), Some(&[3; 20]));
    assert!(files[1].is_pad() && files[2].is_pad());
    assert_eq!(files[1].path().as_str(), "t/.pad/16379");
    assert_eq!(metainfo.info().content_length(), 5);
    let links: Vec<_> = files.iter().map(|file| file.symlink().map(SafePath::as_str)).collect();
    assert_eq!(links, [None, None, None, Some("t/d/a"), None, Some("t/d"), None, None]);
    assert_eq!(files[3].link_text().unwrap(), std::path::Path::new("../d/a"));
    assert_eq!(files[5].link_text().unwrap(), std::path::Path::new("d"));
    assert!(!files[4].attributes().symlink, "one that leads nowhere is an empty file");
}

#[test]
fn slices_leave_out_what_is_empty() {
    let torrent = v1(vec![file(0, &[b"e"]), file(10, &[b"a"]), file(0, &[b"f"]), file(20000, &[b"b"])], 20010);
    let metainfo = parse(torrent).unwrap();
    let info = metainfo.info();
    let slice = |file, offset, length| FileSlice { file, offset, length };
    assert_eq!(info.piece_slices(PieceIndex::new(0)).collect::<Vec<_>>(), [slice(1, 0, 10), slice(3, 0, 16374)]);
    assert_eq!(info.piece_slices(PieceIndex::new(1)).collect::<Vec<_>>(), [slice(3, 16374, 3626)]);
    assert_eq!(info.slices(9, u64::MAX).last(), Some(slice(3, 0, 20000)));
    assert_eq!(info.slices(20010, 5).count(), 0);
    assert_eq!((info.file_at(9), info.file_at(10), info.file_at(20010)), (Some(1), Some(3), None));
}

/// A v2 file entry.
fn leaf(length: i64, root: u8) -> Value {
    value([("", value([("length", length.into()), ("pieces root", (&[root; 32]).into())]))])
}

fn v2(tree: Value, more: Vec<(&str, Value)>) -> Vec<u8> {
    let mut info =
        vec![("file tree", tree), ("meta version", 2.into()), ("name", "t".into()), ("piece length", 16384.into())];
    info.extend(more);
    let info = Value::Dict(info.into_iter().map(|(key, value)| (key.into(), value)).collect());
    value([("info", info)]).encode()
}

#[test]
fn bep52_files_begin_with_a_piece() {
    let tree = value([("a", leaf(5, 1)), ("b", value([("c", leaf(16384, 2)), ("d", leaf(3, 3))]))]);
    let metainfo = parse(v2(tree, vec![])).unwrap();
    let info = metainfo.info();
    assert_eq!(paths(&metainfo), ["t/a", "t/.pad/16379", "t/b/c", "t/b/d"]);
    assert_eq!((info.piece_count(), info.total_length(), info.content_length()), (3, 32771, 16392));
    assert_eq!((info.has_v1(), info.has_v2(), info.piece_hashes().len()), (false, true, 0));
    let piece = info.v2_piece(PieceIndex::new(0)).unwrap();
    assert_eq!((piece.file, piece.root, piece.length, piece.height, piece.is_whole_file), (0, [1; 32], 5, 0, true));
    assert_eq!(info.info_hashes().short(), info.info_hashes().v2().unwrap().truncated());
    assert_eq!(metainfo.piece_hash_v2(PieceIndex::new(2)), Some([3; 32]));
    assert_eq!(metainfo.piece_layers().missing(info).count(), 0);
}

#[test]
fn bep52_without_layers_loads_like_a_magnet() {
    let metainfo = parse(v2(value([("f", leaf(50_000, 1))]), vec![])).unwrap();
    assert_eq!(metainfo.piece_layers().missing(metainfo.info()).collect::<Vec<_>>(), [0]);
    assert_eq!(metainfo.piece_hash_v2(PieceIndex::new(0)), None);
    assert!(!metainfo.info().is_folder());
}

#[test]
fn bep52_layers_must_lead_to_their_root() {
    let nodes: Vec<_> = (0..4).map(|number| merkle::block(&[number])).collect();
    let root = merkle::root(&nodes, 0);
    let entry = value([("", value([("length", 50_000.into()), ("pieces root", (&root).into())]))]);
    let info = parse(v2(value([("f", entry)]), vec![])).unwrap().info().clone();
    let torrent = |root: [u8; 32], layer: &[u8]| {
        let layers = Value::Dict([(root.to_vec(), layer.into())].into());
        let mut bytes = b"d4:info".to_vec();
        bytes.extend_from_slice(info.as_bytes());
        bytes.extend_from_slice(b"12:piece layers");
        bytes.extend(layers.encode());
        bytes.push(b'e');
        parse(bytes)
    };
    let good = nodes.as_flattened();
    let metainfo = torrent(root, good).unwrap();
    assert_eq!(metainfo.piece_hash_v2(PieceIndex::new(3)), Some(nodes[3]));
    assert_eq!(metainfo.piece_layers().missing(&info).count(), 0);
    assert!(metainfo.warnings().is_empty());
    // The info hash does not cover them: what is wrong is left out, and told.
    let missing = "piece layers: none for 1 file that is longer than a piece";
    for (layer, fault) in [
        (&good[1..], "127 bytes is not a multiple of 32"),
        (&good[32..], "3 hashes for 4 pieces"),
        (&[9; 128], "hashes that do not lead to the pieces root"),
    ] {
        let metainfo = torrent(root, layer).unwrap();
        let warnings = [format!("piece layers: that of f is left out: {fault}"), missing.to_owned()];
        assert_eq!(warnings_of(&metainfo), warnings);
        assert_eq!(metainfo.piece_layers().missing(&info).collect::<Vec<_>>(), [0]);
    }
    assert_eq!(warnings_of(&torrent([9; 32], &[9; 128]).unwrap()), [missing], "a layer of no file");
    let no_dict = parse([&b"d4:info"[..], info.as_bytes(), b"12:piece layers1:xe"].concat()).unwrap();
    assert_eq!(warnings_of(&no_dict)[0], "piece layers: ignored: expected a dictionary, found a string");
}

#[test]
fn bep52_trees_that_make_no_sense_are_refused() {
    let kind = |tree| parse(v2(tree, vec![])).unwrap_err().kind().clone();
    let inner = || value([("length", 5.into()), ("pieces root", (&[1; 32]).into())]);
    assert_eq!(kind(value([])), ErrorKind::NoFiles);
    assert_eq!(kind(value([("d", value([]))])), ErrorKind::NoFiles);
    assert_eq!(kind(value([("", inner())])), ErrorKind::FileAndFolder);
    assert_eq!(kind(value([("a", value([("", inner()), ("b", leaf(1, 1))]))])), ErrorKind::FileAndFolder);
    assert_eq!(kind(value([("a", leaf(5, 0))])), ErrorKind::ZeroRoot);
    let missing = value([("a", value([("", value([("length", 5.into())]))]))]);
    assert!(parse(v2(missing, vec![])).unwrap_err().to_string().contains("file tree.a..pieces root: missing"));
    let pad = value([("a", value([("", value([("attr", "p".into()), ("length", 5.into())]))]))]);
    assert_eq!(kind(pad), ErrorKind::PadFile);
    let deep = |depth| (0..depth).fold(leaf(1, 1), |tree, _| value([("d", tree)]));
    assert!(parse(v2(deep(99), vec![])).is_ok());
    assert_eq!(kind(deep(101)), ErrorKind::PathTooDeep);
    assert!(parse(v2(deep(500), vec![])).is_err());
}

#[test]
fn bep52_long_names_of_folders_do_not_multiply() {
    let files: Vec<_> = (0..10_000).map(|number| format!("{number:05}")).collect();
    let leaves = Value::Dict(files.iter().map(|name| (name.clone().into(), leaf(1, 1))).collect());
    let deep = |length: usize| (0..90).fold(leaves.clone(), |tree, _| value([(&*"d".repeat(length), tree)]));
    assert_eq!(parse(v2(deep(250), vec![])).unwrap_err().kind(), &ErrorKind::PathsTooLong);
    assert!(parse(v2(deep(1), vec![])).is_ok());
}

#[test]
fn bep52_is_strict() {
    let sorted = v2(value([("a", leaf(5, 1))]), vec![]);
    let text: Vec<u8> = sorted.clone();
    let at = text.windows(6).position(|window| window == b"i5e11:").unwrap();
    let mut zero = text[..at].to_vec();
    zero.extend_from_slice(b"i05e");
    zero.extend_from_slice(&text[at + 3..]);
    assert!(matches!(parse(zero).unwrap_err().kind(), ErrorKind::Bencode(torrent_bencode::ErrorKind::LeadingZero)));
    let newer = v2(value([]), vec![("meta version", 3.into())]);
    assert_eq!(parse(newer).unwrap_err().kind(), &ErrorKind::Version(3));
    for length in [8192, 16385, 24576] {
        let odd = v2(value([("a", leaf(5, 1))]), vec![("piece length", length.into())]);
        assert_eq!(parse(odd).unwrap_err().kind(), &ErrorKind::PieceLength(length as u64));
    }
}

#[test]
fn hybrids_must_agree_with_themselves() {
    let pad = value([("attr", "p".into()), ("length", 16379.into()), ("path", list(&[b".pad", b"16379"]))]);
    let tree = || value([("a", leaf(5, 1)), ("b", leaf(7, 2))]);
    let hybrid = |files: Vec<Value>, pieces: usize| {
        parse(v2(tree(), vec![("files", files.into()), ("pieces", vec![7; 20 * pieces].into())]))
    };
    let good = hybrid(vec![file(5, &[b"a"]), pad.clone(), file(7, &[b"b"])], 2).unwrap();
    assert!(good.info_hashes().is_hybrid());
    assert_eq!(good.info().files()[2].pieces_root(), Some(&[2; 32]));
    assert_eq!(good.info().v2_piece(PieceIndex::new(1)).unwrap().file, 2);

    let disagrees = |files, pieces, number| {
        assert_eq!(hybrid(files, pieces).unwrap_err().kind(), &ErrorKind::Inconsistent { file: number });
    };
    disagrees(vec![file(5, &[b"a"]), file(7, &[b"b"])], 1, 1);
    disagrees(vec![file(5, &[b"a"]), pad.clone(), file(8, &[b"b"])], 2, 1);
    disagrees(vec![file(5, &[b"x"]), pad.clone(), file(7, &[b"b"])], 2, 0);
    disagrees(vec![file(5, &[b"a"]), pad.clone()], 1, 1);
    disagrees(vec![file(5, &[b"a"]), pad.clone(), file(7, &[b"b"]), file(0, &[b"c"])], 2, 2);

    let without = parse(v2(tree(), vec![("files", vec![file(5, &[b"a"]), pad, file(7, &[b"b"])].into())]));
    assert!(without.unwrap_err().to_string().starts_with("info.pieces: missing"));
}

#[test]
fn what_stands_around_info() {
    let mut torrent = b"d8:announce3:x:113:announce-listll4:a:1 3:b:1el0:el3:c:1e3:d:1e7:comment1:C10:created by1:B\
        13:creation datei9e9:httpseedsl1:he4:info"
        .to_vec();
    torrent.extend_from_slice(parse(V1).unwrap().info().as_bytes());
    torrent.extend_from_slice(b"5:nodesll4:hosti80eel1:xi0eeli1ei1eee8:url-listl1:u1:u0:1:vee");
    let metainfo = parse(torrent).unwrap();
    assert_eq!(metainfo.trackers(), [vec!["a:1", "b:1"], vec!["c:1"], vec!["d:1"]]);
    assert_eq!((metainfo.comment(), metainfo.created_by(), metainfo.creation_date()), (Some("C"), Some("B"), Some(9)));
    assert_eq!((metainfo.web_seeds(), metainfo.http_seeds()), (&["u".into(), "v".into()][..], &["h".into()][..]));
    assert_eq!(metainfo.nodes(), ["host:80".parse().unwrap()]);
    let warnings = ["nodes[1]: not a host and a port, ignored", "nodes[2]: not a host and a port, ignored"];
    assert_eq!(warnings_of(&metainfo), warnings, "port 0, and two integers");
    let magnet = metainfo.magnet();
    assert_eq!(magnet.trackers, ["a:1", "b:1", "c:1", "d:1"]);
    assert_eq!((magnet.name.as_deref(), magnet.length), (Some("f"), Some(20000)));
    assert_eq!(metainfo.value("comment").unwrap(), b"1:C");
}

fn warnings_of(metainfo: &Metainfo) -> Vec<String> {
    metainfo.warnings().iter().map(ToString::to_string).collect()
}

/// A v1 torrent whose `info` has these keys, too, and these around it.
fn with(info: &[(&str, Value)], around: &[(&str, Value)]) -> Metainfo {
    let mut inner = value([
        ("length", 5.into()),
        ("name", "f".into()),
        ("piece length", 16384.into()),
        ("pieces", vec![7; 20].into()),
    ]);
    let put = |dict: &mut Value, entries: &[(&str, Value)]| {
        let Value::Dict(dict) = dict else { unreachable!() };
        dict.extend(entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.clone())));
    };
    put(&mut inner, info);
    let mut outer = value([("info", inner)]);
    put(&mut outer, around);
    parse(outer.encode()).unwrap()
}

#[test]
fn every_optional_key_of_the_wrong_kind_gives_a_warning() {
    let int = || Value::from(7);
    for key in ["announce", "announce-list", "comment", "created by", "encoding", "httpseeds", "similar", "collections"]
    {
        for key in [key.to_owned(), format!("{key}.utf-8")] {
            if key.ends_with(".utf-8") && !matches!(&*key, "comment.utf-8" | "created by.utf-8") {
                continue;
            }
            let warnings = warnings_of(&with(&[], &[(&key, int())]));
            assert_eq!(warnings.len(), 1, "{key}: {warnings:?}");
            assert!(warnings[0].starts_with(&format!("{key}: ignored: expected a")), "{warnings:?}");
        }
    }
    for key in ["url-list", "nodes", "creation date"] {
        let warnings = warnings_of(&with(&[], &[(key, value([]))]));
        assert!(warnings[0].starts_with(&format!("{key}: ignored: expected a")), "{warnings:?}");
    }
    for (key, wrong) in [
        ("attr", int()),
        ("collections", int()),
        ("meta version", "2".into()),
        ("mtime", "now".into()),
        ("name.utf-8", int()),
        ("private", value([])),
        ("sha1", "short".into()),
        ("similar", int()),
        ("source", int()),
        ("source.utf-8", int()),
        ("update-url", int()),
    ] {
        let warnings = warnings_of(&with(&[(key, wrong)], &[]));
        assert!(warnings[0].starts_with(&format!("info.{key}: ignored: expected ")), "{key}: {warnings:?}");
    }
    for (key, list) in [("announce-list", "announce-list[0]"), ("url-list", "url-list[0]"), ("similar", "similar[0]")] {
        let warnings = warnings_of(&with(&[], &[(key, vec![int()].into())]));
        assert!(warnings[0].starts_with(&format!("{list}: ignored")), "{warnings:?}");
    }
    let path = value([("length", 5.into()), ("path", list(&[b"a"])), ("path.utf-8", "a".into())]);
    let metainfo = parse(v1(vec![path], 5)).unwrap();
    assert_eq!(paths(&metainfo), ["t/a"]);
    assert_eq!(warnings_of(&metainfo), ["info.files[0].path.utf-8: ignored: expected a list, found a string"]);
}

#[test]
fn what_can_be_understood_is_taken_all_the_same() {
    let url = "http://t.example/announce";
    let metainfo = with(&[], &[("announce", list(&[url.as_bytes()]))]);
    assert_eq!(metainfo.trackers(), [[url]]);
    assert_eq!(warnings_of(&metainfo), ["announce: a list, taken as a list of trackers"]);
    let metainfo = with(&[], &[("announce-list", url.into())]);
    assert_eq!(metainfo.trackers(), [[url]]);
    let metainfo = with(&[], &[("announce", "udp://a:1,udp://b:2".into())]);
    assert_eq!(metainfo.trackers(), [["udp://a:1", "udp://b:2"]]);
    let metainfo = with(&[("private", "1".into())], &[]);
    assert!(metainfo.info().is_private());
    assert_eq!(warnings_of(&metainfo), ["info.private: a string, taken as 1"]);
    assert!(!with(&[("private", "0".into())], &[]).info().is_private());
    let bytes = [b"\xef\xbb\xbf\r\n", V1].concat();
    let metainfo = parse(bytes).unwrap();
    assert_eq!(metainfo.info(), parse(V1).unwrap().info());
    assert_eq!(warnings_of(&metainfo), ["5 bytes in front of the torrent, which were passed over"]);
}

#[test]
fn a_million_oddities_cost_no_more_than_64() {
    let list = vec![Value::from(1); 1_000_000];
    let metainfo = with(&[], &[("url-list", list.into())]);
    assert_eq!(metainfo.warnings().len(), 65);
    assert_eq!(metainfo.warnings()[64].to_string(), "and 999936 more like these");
}

#[test]
fn limits_are_above_what_exists_and_can_be_set() {
    // Three checksums for each of very many files, as some sites have them.
    let (md5, sha1) = ("2".repeat(32), "3".repeat(20));
    let mut text = "d4:infod5:filesl".to_owned();
    for number in 0..300_000 {
        text += &format!("d5:crc328:112233446:lengthi0e6:md5sum32:{md5}4:pathl6:folder6:{number:06}e4:sha120:{sha1}e");
    }
    text += "e4:name1:t12:piece lengthi16384e6:pieces0:ee";
    let bytes: Bytes = text.into_bytes().into();
    let metainfo = Metainfo::from_bytes(bytes.clone()).unwrap();
    assert_eq!(metainfo.info().files().len(), 300_000);
    let few = Metainfo::from_bytes_within(bytes.clone(), &Limits::default().max_values(3_000_000)).unwrap_err();
    assert_eq!(few.kind(), &ErrorKind::TooManyValues { limit: 3_000_000 });
    assert_eq!(few.to_string(), "more values than the 3000000 that are read");
    let short = Metainfo::from_bytes_within(bytes.clone(), &Limits::default().max_bytes(1000)).unwrap_err();
    assert_eq!(short.kind(), &ErrorKind::TooLong { found: bytes.len(), limit: 1000 });
    assert!(metainfo.value("info").is_some(), "limits are for what comes from outside");
}

#[cfg(unix)]
#[test]
fn a_file_keeps_the_exact_path_that_the_torrent_gives_it() {
    use std::{os::unix::ffi::OsStrExt, path::Path};
    let long = [b'x'; 255];
    let torrent = v1(
        [&b"a"[..], b"A", b"\xff", b"\xfe", b"a\nb", &long, b"..", b"e\xcc\x81", b"\xc3\xa9", b"x/y"]
            .map(|name| file(1, &[name]))
            .to_vec(),
        10,
    );
    let metainfo = parse(torrent).unwrap();
    let info = metainfo.info();
    let exact: Vec<_> = info.files().iter().map(|file| info.exact_path(file)).collect();
    let is = |bytes: &[u8]| Some(Path::new(std::ffi::OsStr::from_bytes(bytes)).to_owned());
    let expected =
        [None, is(b"t/A"), is(b"t/\xff"), is(b"t/\xfe"), is(b"t/a\nb"), None, None, None, is(b"t/\xc3\xa9"), None];
    assert_eq!(exact, expected);
    assert_eq!(info.files()[5].path().file_name().len(), 255, "it fits as it is");
    let named = parse(b"d4:infod6:lengthi0e4:name3:\xff:b12:piece lengthi16384e6:pieces0:ee".to_vec()).unwrap();
    assert_eq!((named.info().name(), named.info().original_name()), ("_:b", &b"\xff:b"[..]));
    assert_eq!(named.info().exact_path(&named.info().files()[0]), is(b"\xff:b"));
}
