//! Random layouts and random operations, beside a vector of bytes and one of what was written.

use std::io::IoSlice;

use proptest::prelude::*;
use tempfile::tempdir;
use torrent_storage::{Extent, FileEntry, FileStorage, HandlePool, Layout, MemoryStorage, Storage};

#[derive(Clone, Debug)]
struct Operation {
    offset: u64,
    length: usize,
    cut: usize,
    write: bool,
}

fn files() -> impl Strategy<Value = Vec<FileEntry>> {
    let length = prop_oneof![Just(0), Just(1), 2u64..40, 1000u64..5000];
    let file = (length, any::<bool>(), 0u32..3);
    proptest::collection::vec(file, 0..12).prop_map(|files| {
        let entry = |(index, (length, pad, folder)): (usize, (u64, bool, u32))| {
            if pad && index % 3 == 1 {
                FileEntry::pad(length)
            } else {
                FileEntry::new(format!("f{folder}/{index}"), length)
            }
        };
        files.into_iter().enumerate().map(entry).collect()
    })
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = (any::<prop::sample::Index>(), 0usize..6000, 1usize..3000, any::<bool>())
        .prop_map(|(offset, length, cut, write)| Operation { offset: offset.index(20_000) as u64, length, cut, write });
    proptest::collection::vec(operation, 1..25)
}

fn agrees(storage: &dyn Storage, files: Vec<FileEntry>, operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let layout = Layout::new(files).unwrap();
    let total = layout.total_length();
    let mut bytes = vec![0; total as usize];
    let mut there: Vec<bool> = Vec::new();
    for file in layout.files() {
        there.extend(std::iter::repeat_n(file.is_pad(), file.length() as usize));
    }
    let pads = there.clone();
    let mut torrent = storage.open(&layout).unwrap();
    for (step, operation) in operations.into_iter().enumerate() {
        let start = operation.offset.min(total) as usize;
        let range = start..(start + operation.length).min(total as usize);
        if operation.write {
            let data: Vec<u8> = range.clone().map(|at| (at * 31 + step * 7) as u8).collect();
            let parts: Vec<_> = data.chunks(operation.cut).map(IoSlice::new).collect();
            torrent.write_at(range.start as u64, &parts).unwrap();
            for at in range.clone().filter(|at| !pads[*at]) {
                bytes[at] = data[at - range.start];
                there[at] = true;
            }
        }
        let mut buffer = vec![0xEE; range.len()];
        let read = torrent.read_at(range.start as u64, &mut buffer).unwrap();
        prop_assert_eq!(&buffer[..read], &bytes[range.start..range.start + read]);
        let written = range.clone().take_while(|at| there[*at]).count();
        // Files have holes, which read as zeros; memory has none.
        prop_assert!(read >= written, "read {} of {} written", read, written);
        if step % 8 == 7 {
            torrent = storage.open(&layout).unwrap();
        }
    }
    let presence = torrent.presence().unwrap();
    for at in (0..total).step_by(13) {
        let extent = presence.of(at..at + 1);
        prop_assert!(extent != Extent::Missing || !there[at as usize], "byte {} is denied", at);
        prop_assert!(extent != Extent::Zeros || bytes[at as usize] == 0, "byte {} is no zero", at);
    }
    torrent.finish().unwrap();
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn files_agree_with_a_vector(files in files(), operations in operations()) {
        let root = tempdir().unwrap();
        let storage = FileStorage::new(root.path()).pool(HandlePool::new(2));
        agrees(&storage, files.clone(), operations)?;
        for file in files.iter().filter(|file| !file.is_pad()) {
            prop_assert_eq!(root.path().join(file.path()).metadata().unwrap().len(), file.length());
        }
    }

    #[test]
    fn memory_agrees_with_a_vector(files in files(), operations in operations()) {
        agrees(&MemoryStorage::new(), files, operations)?;
    }
}
