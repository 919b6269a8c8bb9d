//! Any small tree of files survives being made into a torrent and read back: 256 trees, or ten thousand in a minute:
//! `PROPTEST_CASES=10000 cargo test --release -p torrent-content --test it random_trees`

use std::{collections::BTreeMap, fs};

use proptest::prelude::*;
use torrent_bencode::Value;
use torrent_content::{Builder, Verifier, Version};
use torrent_metainfo::{Magnet, Metainfo};

use crate::tree::{Tree, content};

fn files() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let name = "[a-cé -]{0,2}[.x~]?[a-c]";
    let path = prop::collection::vec(name, 1..4).prop_map(|elements| elements.join("/"));
    let length = prop_oneof![Just(0), Just(1), 1usize..500, 16383usize..=16385, 32767usize..=32769, 1usize..140_000];
    prop::collection::vec((path, length), 1..9).prop_map(|files| {
        let mut tree = BTreeMap::new();
        for (number, (path, length)) in files.into_iter().enumerate() {
            let is_below =
                |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if !tree.keys().any(|other: &String| is_below(other, &path) || is_below(&path, other)) {
                tree.insert(path, content(length, number));
            }
        }
        tree
    })
}

proptest! {
    #[test]
    fn create_then_parse_is_identity(
        files in files(),
        version in prop::sample::select(vec![Version::V1, Version::V2, Version::Hybrid]),
        doublings in 0u32..4,
        align: bool,
        threads in 1usize..4,
        damage: prop::sample::Index,
    ) {
        let tree = Tree::new(files);
        let builder = Builder::new().version(version).piece_length(16384 << doublings).align(align).threads(threads).hidden(true);
        let made = builder.clone().build(tree.root()).unwrap();
        let read = Metainfo::from_bytes(made.as_bytes().clone()).unwrap();
        prop_assert_eq!(&read, &made);
        prop_assert!(made.warnings().is_empty());
        prop_assert_eq!(Value::decode(made.as_bytes()).unwrap().encode(), &made.as_bytes()[..], "canonical");
        // A folder of one file cannot be told from a file in v2.
        prop_assume!(made.info().is_folder());
        tree.assert_is(made.info());
        prop_assert_eq!(made.piece_layers().missing(made.info()).count(), 0);
        let again = builder.threads(1).build(tree.root()).unwrap();
        prop_assert_eq!(again.as_bytes(), made.as_bytes(), "reproducible");

        let magnet: Magnet = made.magnet().to_string().parse().unwrap();
        prop_assert_eq!(magnet, made.magnet());
        prop_assert!(Verifier::new(&made).run(tree.above()).unwrap().is_complete());

        // One changed byte is found where it is.
        let changeable: Vec<_> = tree.files.iter().filter(|(_, content)| !content.is_empty()).collect();
        prop_assume!(!changeable.is_empty());
        let (path, bytes) = changeable[damage.index(changeable.len())];
        let at = damage.index(bytes.len());
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        fs::write(tree.root().join(path), bad).unwrap();
        let report = Verifier::new(&made).threads(threads).run(tree.above()).unwrap();
        let index = made.info().files().iter().position(|file| file.path().without_root().unwrap().as_str() == path).unwrap();
        prop_assert!(report.files[index].bad.iter().any(|range| range.contains(&(at as u64))));
        let place = made.info().files()[index].offset() + at as u64;
        let piece = (place / u64::from(made.info().piece_length())) as u32;
        for other in made.info().geometry().pieces() {
            prop_assert_eq!(report.good.get(other), other.get() != piece);
        }
    }
}
