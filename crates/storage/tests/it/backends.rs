use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::tempdir;
use torrent_storage::{Allocation, FileStorage, HandlePool, MemoryStorage, conformance};

#[test]
fn files_conform() {
    let root = tempdir().unwrap();
    let next = AtomicU32::new(0);
    conformance::run(|| FileStorage::new(root.path().join(next.fetch_add(1, Ordering::Relaxed).to_string())));
}

#[test]
fn files_conform_with_a_single_handle_and_full_allocation() {
    let root = tempdir().unwrap();
    let next = AtomicU32::new(0);
    let pool = HandlePool::new(1);
    conformance::run(|| {
        FileStorage::new(root.path().join(next.fetch_add(1, Ordering::Relaxed).to_string()))
            .pool(pool.clone())
            .allocation(Allocation::Full)
    });
    assert_eq!(pool.len(), 0, "a torrent that is gone holds no handle");
}

#[test]
fn memory_conforms() {
    conformance::run(MemoryStorage::new);
}

#[test]
#[should_panic(expected = "what was written is read")]
fn a_backend_that_forgets_does_not_conform() {
    use std::io::IoSlice;
    use torrent_storage::{Layout, Presence, Storage, StorageError, TorrentStorage};

    #[derive(Debug)]
    struct Forgetful;
    impl Storage for Forgetful {
        fn open(&self, _: &Layout) -> Result<Box<dyn TorrentStorage>, StorageError> {
            Ok(Box::new(Self))
        }
    }
    impl TorrentStorage for Forgetful {
        fn write_at(&self, _: u64, _: &[IoSlice<'_>]) -> Result<(), StorageError> {
            Ok(())
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> Result<usize, StorageError> {
            Ok(0)
        }
        fn presence(&self) -> Result<Presence, StorageError> {
            Ok(Presence::new())
        }
    }
    conformance::run(|| Forgetful);
}
