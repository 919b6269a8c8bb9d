//! The `mainline` crate: as an engine, and as a network of its own.

use std::{collections::BTreeSet, net::SocketAddr};

use torrent_bencode::{Encoder, RawValue};
use torrent_dht::{Announce, AnnouncePort, Completeness, Dht, Engine, KeyPair, LookupError, Salt, Urgency};
use torrent_types::{HostPort, InfoHash};

fn announce(port: u16) -> Announce {
    Announce { port: AnnouncePort::Explicit(port), completeness: Completeness::Leech }
}

fn hash(n: u8) -> InfoHash {
    InfoHash::new([n; 20])
}

async fn peers(dht: &Dht, hash: InfoHash) -> BTreeSet<SocketAddr> {
    let mut stream = dht.get_peers(hash);
    let mut found = BTreeSet::new();
    while let Some(peer) = stream.next().await {
        assert!(found.insert(peer), "each peer once");
    }
    found
}

fn routers(testnet: &mainline::Testnet) -> Vec<HostPort> {
    testnet.bootstrap.iter().take(3).map(|node| HostPort::parse_or(node, None).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_node_and_a_network_of_mainline_nodes_find_one_another() {
    let testnet = mainline::Testnet::builder(20).build().unwrap();
    let ours = Dht::builder().bind("127.0.0.1:0".parse().unwrap()).bootstrap(routers(&testnet)).start().await.unwrap();
    ours.ready().await.unwrap();
    assert!(ours.announce(hash(1), announce(7001)).finish().await.unwrap().stored > 0);
    let theirs = mainline::Dht::builder()
        .bootstrap(&testnet.bootstrap[..3])
        .bind_address([127, 0, 0, 1].into())
        .build()
        .unwrap();
    let theirs = Dht::from_mainline(theirs);
    theirs.ready().await.unwrap();
    assert_eq!(peers(&theirs, hash(1)).await, BTreeSet::from(["127.0.0.1:7001".parse().unwrap()]));
    theirs.announce(hash(2), announce(7002)).finish().await.unwrap();
    assert_eq!(peers(&ours, hash(2)).await, BTreeSet::from(["127.0.0.1:7002".parse().unwrap()]));
}

async fn engine_on(testnet: &torrent_dht::Testnet) -> Dht {
    let builder = testnet.join().engine(Engine::Mainline).bind("127.0.0.1:0".parse().unwrap());
    let dht = builder.start().await.unwrap();
    dht.ready().await.unwrap();
    dht
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_finds_announces_puts_and_gets_on_a_network_of_our_nodes() {
    let testnet = Dht::testnet(20).await.unwrap();
    let native = testnet.join().bind("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    native.ready().await.unwrap();
    let engine = engine_on(&testnet).await;
    native.announce(hash(1), announce(7001)).finish().await.unwrap();
    // Announce and lookup of one hash at once, and the same lookup twice: each is right.
    let (announced, found, again) = tokio::join!(
        engine.announce(hash(1), announce(7002)).finish(),
        peers(&engine, hash(1)),
        peers(&engine, hash(1)),
    );
    assert_eq!(announced.unwrap().stored, 1);
    let first: SocketAddr = "127.0.0.1:7001".parse().unwrap();
    assert!(found.contains(&first) && again.contains(&first), "{found:?} {again:?}");
    assert!(peers(&native, hash(1)).await.contains(&"127.0.0.1:7002".parse().unwrap()));

    let value = RawValue::new(&Encoder::to_vec("hello")).unwrap().to_buf();
    let (target, _) = engine.put(value.clone()).await.unwrap();
    assert_eq!(native.get(target).await.unwrap(), Some(value.clone()));
    assert_eq!(engine.get(target).await.unwrap(), Some(value.clone()));
    let (pair, salt) = (KeyPair::from_seed([8; 32]), Salt::new(*b"x").unwrap());
    let item = pair.sign(value, 1, salt.clone()).unwrap();
    native.put_mutable(item.clone(), None).await.unwrap();
    assert_eq!(engine.get_mutable(&pair.public(), &salt).await.unwrap(), Some(item));
    assert_eq!(engine.find_node(target).await, Err(LookupError::Unsupported));
    assert_eq!(engine.scrape(hash(1)).await, Err(LookupError::Unsupported));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_announces_at_once_all_succeed_behind_the_guard() {
    let testnet = Dht::testnet(50).await.unwrap();
    let engine = engine_on(&testnet).await;
    let announces: Vec<_> = (0..100).map(|n| engine.announce(hash(n), announce(7000))).collect();
    let mut announcer = engine.announcer();
    for n in 100..200 {
        announcer.insert(hash(n), announce(7000), Urgency::InTurn).unwrap();
    }
    for announce in announces {
        assert_eq!(announce.finish().await.map(|report| report.stored), Ok(1));
    }
    let mut done = BTreeSet::new();
    while done.len() < 100 {
        if let Some(torrent_dht::Announced::Announced { info_hash, stored: 1 }) = announcer.next().await {
            done.insert(info_hash);
        }
    }
}
