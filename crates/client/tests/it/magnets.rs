//! A magnet link is a torrent from the beginning: connections of all kinds give the metadata, and go on into the download.

use std::net::SocketAddr;

use torrent_client::{AddTorrent, Client, Encryption, Event, Magnet, PeerAddress, Phase, Torrent};
use torrent_types::HostPort;
use torrent_wire::Reserved;

use crate::{
    fake,
    fixture::{Fixture, client, complete},
};

/// Begins a download of a link.
fn download(client: &Client, magnet: Magnet, folder: &std::path::Path, peers: &[SocketAddr]) -> Torrent {
    let torrent = client.add(AddTorrent::magnet(magnet, folder).peers(peers.iter().copied())).unwrap();
    torrent.download_all();
    torrent
}

#[tokio::test]
async fn a_link_and_a_peer_are_enough() {
    let fixture = Fixture::folder(1 << 15);
    for encryption in [Encryption::Disabled, Encryption::Required] {
        let (_seed, address) = fixture.seed(encryption).await;
        let (leech, _) = client(encryption).await;
        let folder = tempfile::tempdir().unwrap();
        let torrent = download(&leech, fixture.metainfo.magnet(), folder.path(), &[address]);
        assert_eq!(torrent.phase(), Phase::Metadata);
        complete(&torrent).await;
        fixture.assert_in(folder.path());
        let metainfo = torrent.metainfo().unwrap();
        assert_eq!(metainfo.info().as_bytes(), fixture.metainfo.info().as_bytes());
        assert_eq!(torrent.name(), fixture.metainfo.info().name());
    }
}

#[tokio::test]
async fn a_peer_that_dials_us_gives_the_metadata_too() {
    let fixture = Fixture::single(500_000, 1 << 15);
    let (leech, address) = client(Encryption::Preferred).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = download(&leech, fixture.metainfo.magnet(), folder.path(), &[]);
    // As if it were behind a NAT: nobody can dial it.
    let config = torrent_client::Config::default().listen(torrent_client::Listen::Nowhere);
    let seed = Client::start(config).await.unwrap();
    let seeding = seed.add(AddTorrent::new(fixture.metainfo.clone(), fixture.path()).peers([address])).unwrap();
    complete(&torrent).await;
    fixture.assert_in(folder.path());
    assert_eq!(seeding.phase(), Phase::Seeding);
}

#[tokio::test]
async fn one_connection_gives_the_metadata_and_the_content() {
    let fixture = Fixture::single(500_000, 1 << 15);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let add = AddTorrent::magnet(fixture.metainfo.magnet(), folder.path());
    let torrent = leech.add(add).unwrap();
    let mut events = torrent.events();
    torrent.add_peer(address);
    torrent.download_all();
    complete(&torrent).await;
    let mut connections = 0;
    while let Ok(event) = events.try_recv() {
        connections += usize::from(matches!(event, Event::PeerConnected(_)));
    }
    assert_eq!(connections, 1);
}

#[tokio::test]
async fn links_are_resolved_side_by_side() {
    let fixture = Fixture::single(100_000, 1 << 15);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let (dead_folder, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dead = Magnet::new(torrent_types::InfoHash::new([9; 20]));
    let dead = download(&leech, dead, dead_folder.path(), &[address]);
    let torrent = download(&leech, fixture.metainfo.magnet(), folder.path(), &[address]);
    complete(&torrent).await;
    fixture.assert_in(folder.path());
    assert_eq!(dead.phase(), Phase::Metadata);
    leech.stop().await;
    assert_eq!(dead.phase(), Phase::Stopped);
}

#[tokio::test]
async fn peers_that_say_nothing_keep_no_link_from_being_resolved() {
    let fixture = Fixture::single(100_000, 1 << 15);
    let info_hash = fixture.metainfo.info_hashes().short();
    let mut peers = Vec::new();
    for _ in 0..60 {
        peers.push(
            fake::listener(info_hash, Reserved::EXTENSION_PROTOCOL, |mut fake| async move {
                fake.listen().await;
            })
            .await,
        );
    }
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    peers.push(address);
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = download(&leech, fixture.metainfo.magnet(), folder.path(), &peers);
    complete(&torrent).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn large_metadata_comes_too() {
    let mut fixture = Fixture::single(10_000, 1 << 14);
    fixture.metainfo = fixture.metainfo.edit().source(&"x".repeat(5 << 20)).apply().unwrap();
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = download(&leech, fixture.metainfo.magnet(), folder.path(), &[address]);
    complete(&torrent).await;
    assert_eq!(torrent.metainfo().unwrap().info_hashes(), fixture.metainfo.info_hashes());
}

#[tokio::test]
async fn metadata_that_is_no_torrent_is_an_error_and_not_a_wait() {
    const INFO: &[u8] = b"d4:name1:xe";
    let hash = torrent_types::InfoHash::new(sha1_of(INFO));
    let address = fake::listener(hash, Reserved::EXTENSION_PROTOCOL, |mut fake| async move {
        let hello = format!("d1:md11:ut_metadatai7ee13:metadata_sizei{}ee", INFO.len());
        fake.say(&torrent_wire::Message::Extended { id: 0, payload: hello.as_bytes() });
        while let Some(said) = fake.next().await {
            if let fake::Said::Extended(7, _) = said {
                let mut payload = vec![];
                payload.extend_from_slice(format!("d8:msg_typei1e5:piecei0e10:total_sizei{}ee", INFO.len()).as_bytes());
                payload.extend_from_slice(INFO);
                // Our id for the extension, as the client's handshake gave it: ids of the standard set are fixed.
                fake.say(&torrent_wire::Message::Extended { id: 1, payload: &payload });
            }
        }
    })
    .await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = download(&leech, Magnet::new(hash), folder.path(), &[address]);
    assert_eq!(torrent.wait_for(|phase| phase == Phase::Stopped).await, Phase::Stopped);
    assert!(torrent.failure().is_some());
}

fn sha1_of(bytes: &[u8]) -> [u8; 20] {
    use sha1::Digest;
    sha1::Sha1::digest(bytes).into()
}

#[tokio::test]
async fn names_that_nobody_knows_hold_up_nothing() {
    let fixture = Fixture::single(100_000, 1 << 15);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let unknown = (0..20).map(|number| HostPort::new(&format!("host-{number}.invalid"), 6881).unwrap());
    let peers = unknown.map(PeerAddress::from).chain([address.into()]);
    let torrent = leech.add(AddTorrent::magnet(fixture.metainfo.magnet(), folder.path()).peers(peers)).unwrap();
    let mut events = torrent.events();
    torrent.download_all();
    complete(&torrent).await;
    fixture.assert_in(folder.path());
    let said = async { while !matches!(events.recv().await.unwrap(), Event::NameUnknown { .. }) {} };
    said.await;
}

#[tokio::test]
async fn a_link_names_no_address_of_our_own_network() {
    let fixture = Fixture::single(100_000, 1 << 15);
    let (_seed, address) = fixture.seed(Encryption::Disabled).await;
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let mut magnet = fixture.metainfo.magnet();
    magnet.peers.push(address.try_into().unwrap());
    let torrent = leech.add(AddTorrent::magnet(magnet, folder.path())).unwrap();
    assert_eq!(torrent.stats().known, 0, "what the user did not say himself is not believed of the local network");
    torrent.add_peer(address);
    torrent.download_all();
    complete(&torrent).await;
}
