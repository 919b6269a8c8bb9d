//! Files that are wanted and files that are not; reading while the rest is on its way.

use std::io::SeekFrom;

use tokio::io::{AsyncReadExt, AsyncSeekExt};
use torrent_client::{AddTorrent, Encryption, Phase, Priority, ReadError};

use crate::fixture::{Fixture, client, complete};

#[tokio::test]
async fn a_file_that_is_skipped_is_not_fetched_and_does_not_appear() {
    let fixture = Fixture::folder(1 << 15);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = leech.add(AddTorrent::new(fixture.metainfo.clone(), folder.path()).peers([address])).unwrap();
    torrent.wait_for(|phase| !matches!(phase, Phase::Checking { .. })).await;
    let files = torrent.files();
    let wanted = |path: &str| path.ends_with("piece+1");
    let skip = files.iter().filter(|file| !wanted(&file.path())).map(|file| (file.index(), Priority::Skip));
    torrent.set_priorities(skip).await.unwrap();
    torrent.download_all();
    assert_eq!(torrent.wait_for(Phase::is_finished).await, Phase::Finished);
    for (path, bytes) in &fixture.files {
        let there = folder.path().join(path);
        if wanted(&path.to_string_lossy()) {
            assert!(std::fs::read(there).unwrap() == *bytes);
        } else {
            assert!(!there.exists(), "{}", path.display());
        }
    }
    let file = files.iter().find(|file| wanted(&file.path())).unwrap();
    assert_eq!((file.verified(), file.priority()), (file.length(), Priority::Normal));
    // The others are wanted after all.
    torrent.set_priorities(files.iter().map(|file| (file.index(), Priority::Low))).await.unwrap();
    torrent.wait_for(|phase| phase == Phase::Seeding).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn a_reader_gets_what_it_reads_though_nothing_else_is_wanted() {
    let fixture = Fixture::single(3_000_000, 1 << 16);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = leech.add(AddTorrent::new(fixture.metainfo.clone(), folder.path()).peers([address])).unwrap();
    let content = &fixture.files[0].1;
    let mut reader = torrent.files()[0].reader();
    assert_eq!(reader.length(), 3_000_000);
    // The end, as players do it.
    let mut tail = Vec::new();
    reader.seek(SeekFrom::End(-1000)).await.unwrap();
    reader.read_to_end(&mut tail).await.unwrap();
    assert!(tail == content[2_999_000..]);
    assert_eq!(reader.stream_position().await.unwrap(), 3_000_000);
    // Two places at once, and then one that is here already.
    let read = async |offset: u64| {
        let mut bytes = vec![0; 5_000];
        assert_eq!(reader.read_at(offset, &mut bytes).await.unwrap(), 5_000);
        assert!(bytes == content[offset as usize..offset as usize + 5_000]);
    };
    tokio::join!(read(1_500_000), read(700_000));
    read(2_990_000).await;
    assert!(torrent.have().count_ones() < 46, "{} pieces", torrent.have().count_ones());
    drop(reader);
    assert_eq!(torrent.phase(), Phase::Serving);
    torrent.download_all();
    complete(&torrent).await;
    let mut all = Vec::new();
    torrent.reader().unwrap().read_to_end(&mut all).await.unwrap();
    assert!(all == *content);
}

#[tokio::test]
async fn a_reader_that_waits_is_told_why_it_waits_in_vain() {
    let fixture = Fixture::single(100_000, 1 << 15);
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = leech.add(AddTorrent::new(fixture.metainfo.clone(), folder.path())).unwrap();
    torrent.wait_for(|phase| !matches!(phase, Phase::Checking { .. })).await;
    let mut reader = torrent.reader().unwrap();
    let mut waiting = Box::pin(async move {
        let mut bytes = [0; 10];
        (reader.read_exact(&mut bytes).await.unwrap_err(), reader)
    });
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("nobody has it"),
        () = tokio::task::yield_now() => {}
    }
    torrent.pause();
    let (error, mut reader) = waiting.await;
    let kind = |error: &std::io::Error| error.get_ref().and_then(|error| error.downcast_ref::<ReadError>().cloned());
    assert!(matches!(kind(&error), Some(ReadError::Paused)), "{error:?}");
    torrent.stop().await;
    let error = reader.read_exact(&mut [0; 10]).await.unwrap_err();
    assert!(matches!(kind(&error), Some(ReadError::Stopped)), "{error:?}");
}
