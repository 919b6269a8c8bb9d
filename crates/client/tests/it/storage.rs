//! What is on disk: checked, not trusted; and a disk that refuses.

use std::{
    io::IoSlice,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use torrent_client::{AddTorrent, Encryption, Event, Phase, Storage, StorageError, StorageErrorKind};
use torrent_storage::{Layout, MemoryStorage, Operation, Presence, TorrentStorage};

use crate::fixture::{Fixture, client, complete};

#[tokio::test]
async fn a_second_run_fetches_only_what_is_missing() {
    let fixture = Fixture::single(2_000_000, 1 << 16);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    // What a killed run may leave: good pieces, a piece of zeros, a short file.
    let mut half = fixture.files[0].1[..1_000_000].to_vec();
    half[100_000..200_000].fill(0);
    std::fs::write(folder.path().join("payload.bin"), &half).unwrap();
    let (leech, _) = client(Encryption::Disabled).await;
    let torrent = fixture.download(&leech, folder.path(), &[address]);
    complete(&torrent).await;
    fixture.assert_in(folder.path());
    let downloaded = torrent.stats().downloaded;
    assert!((1_100_000..1_300_000).contains(&downloaded), "{downloaded}");
}

#[tokio::test]
async fn a_complete_file_of_zeros_is_found_out() {
    let fixture = Fixture::single(500_000, 1 << 16);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("payload.bin"), vec![0; 500_000]).unwrap();
    let (client, _) = client(Encryption::Disabled).await;
    let torrent = client.add(AddTorrent::new(fixture.metainfo.clone(), folder.path())).unwrap();
    assert_eq!(torrent.wait_for(|phase| !matches!(phase, Phase::Checking { .. })).await, Phase::Serving);
    assert_eq!(torrent.have().count_ones(), 0);
}

#[tokio::test]
async fn pieces_larger_than_the_memory_arrive_too() {
    let fixture = Fixture::single(5_000_000, 1 << 21);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let config = torrent_client::Config::default()
        .listen(torrent_client::Listen::Nowhere)
        .encryption(Encryption::Disabled)
        .memory(1 << 20);
    let leech = torrent_client::Client::start(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    complete(&fixture.download(&leech, folder.path(), &[address])).await;
    fixture.assert_in(folder.path());
}

/// Memory that is full until somebody makes room.
#[derive(Debug, Default)]
struct Full {
    memory: MemoryStorage,
    full: Arc<AtomicBool>,
}

#[derive(Debug)]
struct FullTorrent(Box<dyn TorrentStorage>, Arc<AtomicBool>);

impl Storage for Full {
    fn open(&self, layout: &Layout) -> Result<Box<dyn TorrentStorage>, StorageError> {
        Ok(Box::new(FullTorrent(self.memory.open(layout)?, Arc::clone(&self.full))))
    }
}

impl TorrentStorage for FullTorrent {
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> Result<(), StorageError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(StorageError::new(StorageErrorKind::Full, Operation::Write, Path::new("payload.bin")));
        }
        self.0.write_at(offset, parts)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.0.read_at(offset, buffer)
    }

    fn presence(&self) -> Result<Presence, StorageError> {
        self.0.presence()
    }
}

#[tokio::test]
async fn a_full_disk_stops_the_download_and_loses_nothing() {
    let fixture = Fixture::single(1_000_000, 1 << 16);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let storage = Full::default();
    let full = Arc::clone(&storage.full);
    full.store(true, Ordering::SeqCst);
    let add = AddTorrent::with_storage(fixture.metainfo.clone(), Arc::new(storage)).peers([address]);
    let torrent = leech.add(add).unwrap();
    let mut events = torrent.events();
    torrent.download_all();
    let error = loop {
        if let Event::StorageFailed(error) = events.recv().await.unwrap() {
            break error;
        }
    };
    assert_eq!(error.kind(), StorageErrorKind::Full);
    assert_eq!(torrent.wait_for(|phase| phase == Phase::StorageFailed).await, Phase::StorageFailed);
    assert_eq!(torrent.have().count_ones(), 0, "nothing counts that was not written");
    // Space returns, and the user says so.
    full.store(false, Ordering::SeqCst);
    torrent.download_all();
    torrent.wait_for(|phase| phase == Phase::Seeding).await;
    assert!(torrent.have().is_full());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_and_several_seeds_of_few_large_pieces() {
    // Pieces that several peers had a part in are lost with the write, and come again from each of them.
    let fixture = Fixture::single(8 << 20, 4 << 20);
    let mut seeds = Vec::new();
    for _ in 0..4 {
        seeds.push(fixture.seed(Encryption::Disabled).await);
    }
    for _ in 0..3 {
        let (leech, _) = client(Encryption::Disabled).await;
        let storage = Full::default();
        let full = Arc::clone(&storage.full);
        full.store(true, Ordering::SeqCst);
        let add = AddTorrent::with_storage(fixture.metainfo.clone(), Arc::new(storage));
        let torrent = leech.add(add.peers(seeds.iter().map(|(_, address)| *address))).unwrap();
        torrent.download_all();
        torrent.wait_for(|phase| phase == Phase::StorageFailed).await;
        full.store(false, Ordering::SeqCst);
        loop {
            torrent.download_all();
            // What was refused before may be reported only now.
            if torrent.wait_for(|phase| matches!(phase, Phase::Seeding | Phase::StorageFailed)).await == Phase::Seeding
            {
                break;
            }
        }
        assert!(torrent.have().is_full());
    }
}

#[tokio::test]
async fn a_stop_waits_for_what_was_accepted() {
    let fixture = Fixture::single(1_000_000, 1 << 16);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = fixture.download(&leech, folder.path(), &[address]);
    while torrent.stats().downloaded == 0 {
        tokio::task::yield_now().await;
    }
    torrent.stop().await;
    let have = torrent.have().count_ones();
    // The next run finds every piece that this one had.
    let again = leech.add(AddTorrent::new(fixture.metainfo.clone(), folder.path())).unwrap();
    again.wait_for(|phase| !matches!(phase, Phase::Checking { .. })).await;
    assert!(again.have().count_ones() >= have, "{} of {have}", again.have().count_ones());
}
