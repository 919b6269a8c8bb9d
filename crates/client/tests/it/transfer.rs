//! Honest peers: everything arrives, whatever the shape of the torrent and the encryption.

use torrent_client::{AddTorrent, Encryption, Error, Event, Phase};

use crate::fixture::{Fixture, client, complete};

#[tokio::test]
async fn a_file_arrives() {
    let fixture = Fixture::single(3_000_000, 1 << 18);
    let (_seed, address) = fixture.seed(Encryption::Preferred).await;
    let (leech, _) = client(Encryption::Preferred).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = fixture.download(&leech, folder.path(), &[address]);
    complete(&torrent).await;
    fixture.assert_in(folder.path());
    let stats = torrent.stats();
    assert_eq!((stats.verified, stats.downloaded, stats.wasted), (3_000_000, 3_000_000, 0));
}

#[tokio::test]
async fn a_folder_arrives_with_its_empty_files() {
    for piece_length in [1 << 14, 1 << 15, 50_000] {
        let fixture = Fixture::folder(piece_length);
        let (_seed, address) = fixture.seed(Encryption::Allowed).await;
        let (leech, _) = client(Encryption::Allowed).await;
        let folder = tempfile::tempdir().unwrap();
        complete(&fixture.download(&leech, folder.path(), &[address])).await;
        fixture.assert_in(folder.path());
    }
}

#[tokio::test]
async fn every_pair_of_compatible_policies_connects() {
    use Encryption::{Allowed, Disabled, Preferred, Required};
    let fixture = Fixture::single(100_000, 1 << 15);
    for (seeding, leeching) in [
        (Disabled, Disabled),
        (Disabled, Preferred),
        (Preferred, Disabled),
        (Allowed, Required),
        (Required, Allowed),
        (Required, Required),
    ] {
        let (_seed, address) = fixture.seed(seeding).await;
        let (leech, _) = client(leeching).await;
        let folder = tempfile::tempdir().unwrap();
        complete(&fixture.download(&leech, folder.path(), &[address])).await;
        fixture.assert_in(folder.path());
    }
}

#[tokio::test]
async fn leeches_give_each_other_what_they_have() {
    let fixture = Fixture::single(4_000_000, 1 << 16);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (one, one_address) = client(Encryption::Disabled).await;
    let (two, _) = client(Encryption::Disabled).await;
    let (folder_one, folder_two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The second knows only the first, which has nothing at first.
    let second = fixture.download(&two, folder_two.path(), &[one_address]);
    let first = fixture.download(&one, folder_one.path(), &[address]);
    complete(&first).await;
    complete(&second).await;
    fixture.assert_in(folder_two.path());
    // The second one may have heard of the seed meanwhile.
    while first.stats().uploaded == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn adding_fetches_nothing_until_it_is_wanted() {
    let fixture = Fixture::single(100_000, 1 << 15);
    let (seed, _) = fixture.seed(Encryption::Disabled).await;
    let (leech, address) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = leech.add(AddTorrent::new(fixture.metainfo.clone(), folder.path())).unwrap();
    let mut events = torrent.events();
    seed.torrents()[0].add_peer(address);
    while !matches!(events.recv().await.unwrap(), Event::PeerConnected(_)) {}
    assert_eq!(torrent.stats().downloaded, 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    torrent.download_all();
    complete(&torrent).await;
}

#[tokio::test]
async fn stopping_says_so_and_frees_the_name() {
    let fixture = Fixture::single(100_000, 1 << 15);
    let (client, _) = client(Encryption::Disabled).await;
    let add = || AddTorrent::new(fixture.metainfo.clone(), fixture.path());
    let torrent = client.add(add()).unwrap();
    assert!(matches!(client.add(add()), Err(Error::Duplicate(_))));
    torrent.stop().await;
    assert_eq!(torrent.phase(), Phase::Stopped);
    client.add(add()).unwrap();
    client.stop().await;
}

#[tokio::test]
async fn an_empty_torrent_is_complete_at_once() {
    let fixture = Fixture::single(0, 1 << 15);
    let (client, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    complete(&fixture.download(&client, folder.path(), &[])).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn peers_tell_each_other_of_peers() {
    let fixture = Fixture::single(500_000, 1 << 15);
    let (seed, _) = fixture.seed(Encryption::Disabled).await;
    let (middle, middle_address) = client(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let (folder_middle, folder_leech) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The one in the middle knows the seed, and fetches nothing itself.
    let between = middle.add(AddTorrent::new(fixture.metainfo.clone(), folder_middle.path())).unwrap();
    let mut events = between.events();
    seed.torrents()[0].add_peer(middle_address);
    while !matches!(events.recv().await.unwrap(), Event::PeerConnected(_)) {}
    let torrent = fixture.download(&leech, folder_leech.path(), &[middle_address]);
    complete(&torrent).await;
    fixture.assert_in(folder_leech.path());
    assert_eq!(between.stats().downloaded, 0);
}
