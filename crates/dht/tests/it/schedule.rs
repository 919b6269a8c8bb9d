//! Thousands of torrents are kept announced, at a bounded rate, and nobody waits behind them.

use std::time::Duration;

use torrent_dht::{Announce, AnnouncePort, Completeness, Config, Event, Family, Id, Limits, Urgency};

use crate::network::Network;

const SEED: Announce = Announce { port: AnnouncePort::Explicit(6882), completeness: Completeness::Seed };

#[test]
fn ten_thousand_torrents_are_announced_at_a_bounded_rate_and_a_download_does_not_wait() {
    let mut network = Network::new(31, 0.01);
    network.grow(60);
    network.world.run_for(Duration::from_secs(60));
    // What a session of 10,000 torrents starts with, and a node that stores as much as it is given.
    let limits = Limits::default();
    let (interval, most) = (limits.announce_interval, limits.background_per_second);
    let address = "77.7.7.7:6881".parse().unwrap();
    let config = Config { external: Some("77.7.7.7".parse().unwrap()), limits, ..Config::new(Family::V4) };
    let id = network.join_as(address, config);
    network.world.run_for(Duration::from_secs(30));
    let hashes: Vec<Id> = (0..10_000).map(|_| network.random_id()).collect();
    network.act(id, |node, now| {
        for hash in &hashes {
            node.handle_schedule(now, *hash, SEED, Urgency::InTurn).unwrap();
        }
    });
    let sent = |network: &mut Network| network.honest(id).node.stats(network.world.now()).queries_out;
    let (mut last, mut worst, mut slowest) = (sent(&mut network), 0, Duration::ZERO);
    let mut total = 0;
    for second in 0..interval.as_secs() + 120 {
        network.world.run_for(Duration::from_secs(1));
        let now = sent(&mut network);
        worst = worst.max(now - last);
        total += now - last;
        last = now;
        if second % 200 == 100 {
            // A download begins in the middle of it.
            let (started, hash) = (network.world.elapsed(), network.random_id());
            let lookup = network.announce(id, hash);
            while !network.honest(id).finished.contains_key(&lookup) {
                network.world.run_for(Duration::from_millis(20));
            }
            slowest = slowest.max(network.world.elapsed() - started);
            last = sent(&mut network);
        }
    }
    let stats = network.honest(id).node.stats(network.world.now());
    println!(
        "{worst} queries in the worst second, {} on average; slowest download {slowest:?}",
        total / (interval.as_secs() + 120)
    );
    assert!(stats.announces_stored >= 10_000, "{} of 10,000 announced in {interval:?}", stats.announces_stored);
    assert!(worst <= most as u64 + 100 + 20, "{worst} queries in one second");
    assert!(slowest < Duration::from_secs(5), "a download waited {slowest:?}");
}

#[test]
fn torrents_are_announced_again_before_nodes_forget_them_and_not_after_they_were_removed() {
    let mut network = Network::new(33, 0.0);
    network.grow(40);
    network.world.run_for(Duration::from_secs(30));
    let (id, other, hash) = (network.alive[3], network.alive[20], network.random_id());
    network.act(id, |node, now| node.handle_schedule(now, hash, SEED, Urgency::Now).unwrap());
    let peer = network.peer(id);
    for _ in 0..8 {
        network.world.run_for(Duration::from_secs(600));
        let lookup = network.get_peers(other, hash);
        network.outcome(other, lookup);
        assert_eq!(network.honest(other).found[&lookup], [peer]);
    }
    let announced =
        network.honest(id).events.iter().filter(|event| matches!(event, Event::Announced { stored: 8, .. })).count();
    assert!((5..=7).contains(&announced), "{announced} announces in 80 minutes");
    network.act(id, |node, now| node.handle_unschedule(now, &hash));
    network.world.run_for(Duration::from_secs(2400));
    let lookup = network.get_peers(other, hash);
    network.outcome(other, lookup);
    assert!(!network.honest(other).found.contains_key(&lookup), "nodes have forgotten it");
}

#[test]
fn scheduled_torrents_bring_peers_and_urgent_ones_come_first() {
    let mut network = Network::new(35, 0.0);
    network.grow(40);
    network.world.run_for(Duration::from_secs(30));
    let (id, other, hash) = (network.alive[3], network.alive[20], network.random_id());
    let lookup = network.announce(other, hash);
    network.outcome(other, lookup);
    let others: Vec<Id> = (0..2000).map(|_| network.random_id()).collect();
    network.act(id, |node, now| {
        for hash in &others {
            node.handle_schedule(now, *hash, SEED, Urgency::InTurn).unwrap();
        }
        node.handle_schedule(now, hash, SEED, Urgency::Now).unwrap();
    });
    network.world.run_for(Duration::from_secs(5));
    let peer = network.peer(other);
    let events = &network.honest(id).events;
    assert!(events.contains(&Event::ScheduledPeers { info_hash: hash, peers: vec![peer] }));
    assert!(events.contains(&Event::Announced { info_hash: hash, stored: 8 }));
}
