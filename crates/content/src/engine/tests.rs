use std::fs;

use proptest::prelude::*;
use sha1::{Digest, Sha1};

use super::*;
use torrent_hash::merkle;

/// What became of each piece: its hashes, or the number of the extent at fault.
type Found = Vec<Result<([u8; 20], merkle::Node), usize>>;

fn content(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(at).wrapping_add(seed) % 251) as u8).collect()
}

/// All versions and some numbers of threads see the same, and each piece once.
fn found(extents: &[Extent], piece_length: u32, v2: bool) -> Found {
    let total = extents.last().map_or(0, Extent::end);
    let geometry = Geometry::new(total, piece_length).unwrap();
    let mut all = Vec::new();
    for threads in [1, 2, 5] {
        for (v1, v2) in [(true, false), (v2, v2), (false, v2)].into_iter().filter(|(v1, v2)| *v1 || *v2) {
            let mut pieces: Vec<Option<Result<PieceDigest, usize>>> = vec![None; geometry.piece_count() as usize];
            let mut bytes = 0;
            let flow = hash_pieces(Job { extents, geometry, v1, v2, threads }, |outcome| {
                let result = outcome.result.map_err(|fault| fault.extent);
                assert!(pieces[outcome.piece.as_usize()].replace(result).is_none(), "twice: {}", outcome.piece);
                bytes += outcome.content;
                ControlFlow::Continue(())
            });
            assert!(flow.is_continue());
            let files = extents.iter().filter(|extent| extent.path.is_some());
            assert_eq!(bytes, files.map(|extent| extent.length).sum::<u64>());
            let pieces: Vec<_> = pieces.into_iter().map(|piece| piece.expect("each piece")).collect();
            assert!(pieces.iter().flatten().all(|digests| digests.v1.is_some() == v1 && (v2 || digests.v2.is_none())));
            all.push((v1, v2, pieces));
        }
    }
    let (_, _, first) = all[0].clone();
    let second = all.iter().find(|(_, v2, _)| *v2).map_or_else(|| first.clone(), |(_, _, pieces)| pieces.clone());
    for (v1, v2, pieces) in &all {
        for ((piece, first), second) in pieces.iter().zip(&first).zip(&second) {
            match (piece, first, second) {
                (Ok(piece), Ok(first), Ok(second)) => {
                    assert!(!v1 || piece.v1 == first.v1);
                    assert!(!v2 || piece.v2 == second.v2);
                }
                (Err(piece), Err(first), Err(second)) => assert_eq!((piece, piece), (first, second)),
                _ => panic!("{piece:?}, {first:?}, {second:?}"),
            }
        }
    }
    let both = first.into_iter().zip(second);
    both.map(|(first, second)| Ok((first?.v1.unwrap(), second?.v2.unwrap_or_default()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pieces_are_hashed_as_one_would_by_hand(
        // Length, and whether it is a file; in v2 there is padding after it.
        parts in prop::collection::vec((prop_oneof![1usize..200, 1usize..300_000, Just(65536)], any::<bool>()), 1..8),
        doublings in 0u32..6,
        odd in 0u32..100,
        v2: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let piece_length = (16384 << doublings) + if v2 { 0 } else { odd };
        let (mut extents, mut bytes) = (Vec::new(), Vec::new());
        let mut nodes = Vec::new();
        for (number, (length, is_file)) in parts.into_iter().enumerate() {
            let data = if is_file { content(length, number) } else { vec![0; length] };
            let path = is_file.then(|| folder.path().join(number.to_string()));
            if let Some(path) = &path {
                fs::write(path, &data).unwrap();
            }
            extents.push(Extent { offset: bytes.len() as u64, length: length as u64, path: path.clone() });
            bytes.extend_from_slice(&data);
            if v2 {
                let top = merkle::height((length as u64).min(piece_length.into()));
                nodes.extend(data.chunks(piece_length as usize).map(|piece| {
                    let leaves: Vec<_> = piece.chunks(16384).map(merkle::block).collect();
                    if is_file { merkle::root_at(&leaves, 0, top) } else { [0; 32] }
                }));
                let missing = bytes.len().next_multiple_of(piece_length as usize) - bytes.len();
                extents.push(Extent { offset: bytes.len() as u64, length: missing as u64, path: None });
                bytes.resize(bytes.len() + missing, 0);
            }
        }
        let found = found(&extents, piece_length, v2);
        prop_assert_eq!(found.len(), bytes.len().div_ceil(piece_length as usize));
        for (number, (piece, found)) in bytes.chunks(piece_length as usize).zip(found).enumerate() {
            let (v1, node) = found.unwrap();
            prop_assert_eq!(v1, <[u8; 20]>::from(Sha1::digest(piece)));
            prop_assert_eq!(node, nodes.get(number).copied().unwrap_or_default());
        }
    }

    #[test]
    fn pieces_are_at_fault_where_bytes_are_missing_and_nowhere_else(
        lengths in prop::collection::vec(1usize..300_000, 1..6),
        short: prop::sample::Index,
        by: prop::sample::Index,
        piece_length in prop::sample::select(vec![16384u32, 20_000, 65536, 1 << 20]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut extents, mut bytes) = (Vec::new(), Vec::new());
        for (number, length) in lengths.iter().enumerate() {
            let path = folder.path().join(number.to_string());
            fs::write(&path, content(*length, number)).unwrap();
            extents.push(Extent { offset: bytes.len() as u64, length: *length as u64, path: Some(path) });
            bytes.extend(content(*length, number));
        }
        let short = short.index(lengths.len());
        let left = by.index(lengths[short]);
        fs::OpenOptions::new().write(true).open(folder.path().join(short.to_string())).unwrap().set_len(left as u64).unwrap();
        let begin = extents[short].offset as usize;
        let missing = begin + left..begin + lengths[short];
        for (number, (piece, found)) in bytes.chunks(piece_length as usize).zip(found(&extents, piece_length, false)).enumerate() {
            let begin = number * piece_length as usize;
            if begin < missing.end && missing.start < begin + piece.len() {
                prop_assert_eq!(found, Err(short));
            } else {
                prop_assert_eq!(found.unwrap().0, <[u8; 20]>::from(Sha1::digest(piece)));
            }
        }
    }
}

#[test]
fn the_work_ends_when_nobody_wants_more() {
    let extents = [Extent { offset: 0, length: 1 << 40, path: None }];
    let geometry = Geometry::new(1 << 40, 1 << 22).unwrap();
    for (v1, v2) in [(true, false), (true, true)] {
        let mut count = 0;
        // A terabyte of zeros would take minutes.
        let flow = hash_pieces(Job { extents: &extents, geometry, v1, v2, threads: 2 }, |_| {
            count += 1;
            ControlFlow::Break(())
        });
        assert!(flow.is_break());
        assert_eq!(count, 1);
    }
}
