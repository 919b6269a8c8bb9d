//! Peers from the DHT, on a network of loopback nodes.

use std::net::Ipv4Addr;

use torrent_client::{AddTorrent, Client, Config, Event, Listen, Phase};
use torrent_dht::{Dht, Limits, Testnet};

use crate::fixture::{Fixture, complete};

async fn client(testnet: &Testnet) -> Client {
    let config = Config::default().listen(Listen::At((Ipv4Addr::LOCALHOST, 0).into()));
    let dht = Dht::builder().bootstrap(testnet.routers()).limits(Limits::unpaced());
    let client = Client::builder().config(config).dht(dht).build().await.unwrap();
    client.dht().unwrap().ready().await.unwrap();
    client
}

#[tokio::test]
async fn a_bare_link_finds_its_peers_in_the_dht() {
    let testnet = Dht::testnet(10).await.unwrap();
    let fixture = Fixture::single(300_000, 1 << 15);
    let seed = client(&testnet).await;
    // One port for everything.
    assert_eq!(seed.dht().unwrap().local_addrs()[0].port(), seed.port());
    let seeding = seed.add(AddTorrent::new(fixture.metainfo.clone(), fixture.path())).unwrap();
    assert_eq!(seeding.wait_for(|phase| phase == Phase::Seeding).await, Phase::Seeding);

    let leech = client(&testnet).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = leech.add(AddTorrent::magnet(fixture.metainfo.magnet(), folder.path())).unwrap();
    let mut events = torrent.events();
    torrent.download_all();
    complete(&torrent).await;
    fixture.assert_in(folder.path());
    let mut connected = false;
    while let Ok(event) = events.try_recv() {
        connected |= matches!(event, Event::PeerConnected(_));
    }
    assert!(connected);
    seed.stop().await;
    assert_eq!(seed.dht().unwrap().nodes()[0].stats.scheduled, 0, "what is stopped is not announced any more");
}

#[tokio::test]
async fn private_torrents_do_not_touch_the_dht() {
    let testnet = Dht::testnet(10).await.unwrap();
    let fixture = Fixture::private(100_000, 1 << 15);
    let seed = client(&testnet).await;
    let seeding = seed.add(AddTorrent::new(fixture.metainfo.clone(), fixture.path())).unwrap();
    assert_eq!(seeding.wait_for(|phase| phase == Phase::Seeding).await, Phase::Seeding);
    let public = Fixture::single(100_000, 1 << 15);
    let other = seed.add(AddTorrent::new(public.metainfo.clone(), public.path())).unwrap();
    assert_eq!(other.wait_for(|phase| phase == Phase::Seeding).await, Phase::Seeding);
    // The second was added later: when it is known there, the first would be.
    let found = |hash| {
        let node = testnet.nodes()[3].clone();
        async move { node.get_peers(hash).next().await }
    };
    while found(public.metainfo.info_hashes().short()).await.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(found(fixture.metainfo.info_hashes().short()).await, None);
    assert_eq!(seed.dht().unwrap().nodes()[0].stats.scheduled, 1);
}
