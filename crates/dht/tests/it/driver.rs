//! The handle, over loopback.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use torrent_bencode::{Encoder, RawValue};
use torrent_dht::{
    Announce, AnnouncePort, Announced, Completeness, Dht, Id, KeyPair, LookupError, PutError, QueryError, Salt,
    Snapshot, Testnet, Urgency,
};
use torrent_types::InfoHash;

fn announce(port: u16) -> Announce {
    Announce { port: AnnouncePort::Explicit(port), completeness: Completeness::Leech }
}

fn hash(n: u32) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    InfoHash::new(bytes)
}

async fn loopback(testnet: &Testnet) -> Dht {
    let dht = testnet.join().bind("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
    dht.ready().await.unwrap();
    dht
}

async fn peers(dht: &Dht, hash: InfoHash) -> BTreeSet<SocketAddr> {
    let mut stream = dht.get_peers(hash);
    let mut found = BTreeSet::new();
    while let Some(peer) = stream.next().await {
        assert!(found.insert(peer), "each peer once");
    }
    found
}

#[tokio::test]
async fn what_one_announces_another_finds() {
    let testnet = Dht::testnet(30).await.unwrap();
    let (a, b) = (loopback(&testnet).await, loopback(&testnet).await);
    let report = a.announce(hash(1), announce(7001)).finish().await.unwrap();
    assert_eq!(report.stored, 8);
    assert_eq!(peers(&b, hash(1)).await, BTreeSet::from(["127.0.0.1:7001".parse().unwrap()]));
    // Both at once on one hash, by one handle: neither disturbs the other.
    let (announced, found) =
        tokio::join!(a.announce(hash(2), announce(7002)).finish(), async { peers(&a, hash(1)).await });
    assert_eq!(announced.unwrap().stored, 8);
    assert_eq!(found.len(), 1);
    let scrape = b.scrape(hash(2)).await.unwrap();
    assert!((scrape.leeches.estimate() - 1.0).abs() < 0.1 && scrape.seeds.estimate() < 0.1);
}

#[tokio::test]
async fn a_thousand_announces_at_once_all_succeed() {
    let testnet = Dht::testnet(100).await.unwrap();
    let dht = loopback(&testnet).await;
    let announces: Vec<_> = (0..1000).map(|n| dht.announce(hash(n), announce(7000))).collect();
    for announce in announces {
        assert!(announce.finish().await.unwrap().stored > 0);
    }
    let other = loopback(&testnet).await;
    for n in (0..1000).step_by(97) {
        assert_eq!(peers(&other, hash(n)).await.len(), 1, "torrent {n}");
    }
}

#[tokio::test]
async fn ipv6_and_ipv4_are_two_networks_of_one_handle() {
    let (v4, v6) = (Dht::testnet(20).await.unwrap(), Testnet::start_v6(20).await.unwrap());
    let routers = v4.routers().into_iter().chain(v6.routers());
    let bound = |port: u16| {
        let both = [SocketAddr::from(([127, 0, 0, 1], 0)), "[::1]:0".parse().unwrap()];
        let _ = port;
        both.into_iter().fold(v4.join(), |builder, address| builder.bind(address)).bootstrap(routers.clone())
    };
    let (a, b) = (bound(1).start().await.unwrap(), bound(2).start().await.unwrap());
    a.ready().await.unwrap();
    b.ready().await.unwrap();
    let report = a.announce(hash(1), announce(7001)).finish().await.unwrap();
    assert_eq!(report.stored, 16);
    let expected = BTreeSet::from(["127.0.0.1:7001".parse().unwrap(), "[::1]:7001".parse().unwrap()]);
    assert_eq!(peers(&b, hash(1)).await, expected);
    let snapshot = a.snapshot();
    assert_eq!(snapshot.nodes.len(), 2);
    assert!(snapshot.nodes.iter().all(|node| node.contacts.len() >= 8));
    assert_eq!(Snapshot::from_bytes(&snapshot.to_bytes()).unwrap(), snapshot);
}

#[tokio::test]
async fn several_addresses_are_several_nodes_and_each_announces_itself() {
    let testnet = Dht::testnet(20).await.unwrap();
    let builder = testnet.join().bind("127.0.0.2:0".parse().unwrap()).bind("127.0.0.3:0".parse().unwrap());
    let dht = builder.start().await.unwrap();
    dht.ready().await.unwrap();
    let nodes = dht.nodes();
    assert!(nodes.len() == 2 && nodes[0].id.common_prefix(&nodes[1].id) < 20);
    assert_eq!(dht.announce(hash(1), announce(7001)).finish().await.unwrap().stored, 16);
    let found = peers(&loopback(&testnet).await, hash(1)).await;
    assert_eq!(found, BTreeSet::from(["127.0.0.2:7001".parse().unwrap(), "127.0.0.3:7001".parse().unwrap()]));
}

#[tokio::test]
async fn values_are_put_got_and_followed() {
    let testnet = Dht::testnet(20).await.unwrap();
    let (a, b) = (loopback(&testnet).await, loopback(&testnet).await);
    let value = RawValue::new(b"li1e3:twoe").unwrap().to_buf();
    let (target, report) = a.put(value.clone()).await.unwrap();
    assert_eq!(report.stored, 8);
    assert_eq!(b.get(target).await.unwrap(), Some(value));
    assert_eq!(b.get(Id::new([1; 20])).await.unwrap(), None);

    let (pair, salt) = (KeyPair::from_seed([8; 32]), Salt::new(*b"x").unwrap());
    let mut follow = b.follow(pair.public(), salt.clone()).interval(Duration::ZERO);
    a.put_mutable(pair.sign_torrent(hash(1), 1, salt.clone()).unwrap(), None).await.unwrap();
    assert_eq!(follow.next().await.unwrap().info_hash, hash(1));
    let newer = pair.sign_torrent(hash(2), 2, salt.clone()).unwrap();
    a.put_mutable(newer.clone(), Some(1)).await.unwrap();
    assert_eq!(b.get_mutable(&pair.public(), &salt).await.unwrap(), Some(newer));
    let third = pair.sign(RawValue::new(b"i3e").unwrap().to_buf(), 3, salt.clone()).unwrap();
    assert_eq!(a.put_mutable(third, Some(1)).await, Err(PutError::CasFailed));
    let old = pair.sign(RawValue::new(b"i0e").unwrap().to_buf(), 0, salt).unwrap();
    assert_eq!(a.put_mutable(old, None).await, Err(PutError::SeqTooLow));
    let long = Encoder::to_vec(&vec![b'x'; 1001].as_slice());
    assert!(matches!(a.put(RawValue::new(&long).unwrap().to_buf()).await, Err(PutError::Item(_))));
}

#[tokio::test]
async fn nodes_are_pinged_and_sampled() {
    let testnet = Dht::testnet(10).await.unwrap();
    let dht = loopback(&testnet).await;
    dht.announce(hash(1), announce(7001)).finish().await.unwrap();
    let mut sampled = BTreeSet::new();
    for node in testnet.nodes() {
        let address = node.local_addrs()[0];
        let pong = dht.ping(address).await.unwrap();
        assert_eq!(pong.id, node.nodes()[0].id);
        assert_eq!(pong.observed, Some(dht.local_addrs()[0]));
        let sample = dht.sample_infohashes(address, pong.id).await.unwrap();
        sampled.extend(sample.samples.unwrap());
        assert!(!sample.nodes.is_empty());
    }
    assert_eq!(sampled, BTreeSet::from([Id::from(hash(1))]));
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(dht.ping(nobody).await, Err(QueryError::TimedOut));
    assert_eq!(dht.ping("[::1]:7".parse().unwrap()).await, Err(QueryError::Refused), "no node of that family");
}

#[tokio::test]
async fn an_announcer_keeps_torrents_announced_and_brings_peers() {
    let testnet = Dht::testnet(20).await.unwrap();
    let (a, b) = (loopback(&testnet).await, loopback(&testnet).await);
    a.announce(hash(1), announce(7001)).finish().await.unwrap();
    let mut announcer = b.announcer();
    announcer.insert(hash(1), announce(7002), Urgency::Now).unwrap();
    announcer.insert(hash(2), announce(7002), Urgency::InTurn).unwrap();
    let (mut found, mut announced) = (BTreeSet::new(), BTreeSet::new());
    while announced.len() < 2 {
        match announcer.next().await.unwrap() {
            Announced::Peers { info_hash, peers } => found.extend(peers.into_iter().map(|peer| (info_hash, peer))),
            Announced::Announced { info_hash, stored } => {
                assert_eq!(stored, 8);
                announced.insert(info_hash);
            }
            _ => {}
        }
    }
    assert!(found.contains(&(hash(1), "127.0.0.1:7001".parse().unwrap())));
    assert_eq!(peers(&a, hash(2)).await, BTreeSet::from(["127.0.0.1:7002".parse().unwrap()]));
    announcer.remove(hash(1));
    assert_eq!(b.nodes()[0].stats.scheduled, 1);
    drop(announcer);
    assert_eq!(b.nodes()[0].stats.scheduled, 0);
}

#[tokio::test]
async fn dropping_the_stream_ends_the_lookup_and_dropping_the_handle_the_dht() {
    let testnet = Dht::testnet(30).await.unwrap();
    let dht = loopback(&testnet).await;
    let stream = dht.get_peers(hash(1));
    drop(stream);
    assert_eq!(dht.nodes()[0].stats.lookups, 0);
    let address = dht.local_addrs()[0];
    let stream = dht.get_peers(hash(1));
    dht.shutdown();
    assert_eq!(stream.finish().await, Err(LookupError::Closed));
    assert_eq!(dht.find_node(Id::new([1; 20])).await, Err(LookupError::Closed));
    drop(dht);
    // The socket is free as soon as the task has seen it.
    while std::net::UdpSocket::bind(address).is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_anybody_a_lookup_says_so() {
    let dht = Dht::builder().bind("127.0.0.1:0".parse().unwrap()).bootstrap([]).start().await.unwrap();
    assert_eq!(dht.get_peers(hash(1)).finish().await, Err(LookupError::NoNodes));
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    dht.add_node(nobody);
    assert_eq!(dht.get_peers(hash(1)).finish().await, Err(LookupError::NoNodes));
}
