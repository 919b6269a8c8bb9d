//! What we do for others: slots, queues, refusals, and what a peer cannot make us do.

use std::time::Duration;

use torrent_swarm::{Command, Config, Fact, Limits, PeerKey};
use torrent_types::Block;

use crate::desk::Desk;

fn seed() -> Desk {
    Desk::seed(16, 64, &Limits::default(), Config::default().request_queue(10).max_peers(60))
}

fn rejected(told: &[Command]) -> Vec<Block> {
    let refusal = |command: &Command| match command {
        Command::Reject(block) => Some(*block),
        _ => None,
    };
    told.iter().filter_map(refusal).collect()
}

fn unchoked(desk: &Desk) -> Vec<PeerKey> {
    desk.swarm.peers(desk.now).filter(|peer| !peer.am_choking).map(|peer| peer.key).collect()
}

#[test]
fn more_requests_than_we_keep_are_rejected() {
    let mut desk = seed();
    let key = desk.peer(true);
    let facts = std::iter::once(Fact::Interested).chain((0..15).map(|index| Fact::Requested(desk.block(0, index))));
    let facts: Vec<_> = facts.collect();
    desk.swarm.handle_facts(desk.now, key, facts, &mut Vec::new());
    desk.drain();
    assert_eq!(rejected(&desk.told(key)), (10..15).map(|index| desk.block(0, index)).collect::<Vec<_>>());
}

#[test]
fn requests_of_choked_peers_and_long_ones_are_rejected_not_punished() {
    let mut desk = seed();
    let key = desk.peer(true);
    let block = desk.block(0, 0);
    desk.swarm.handle_facts(desk.now, key, [Fact::Requested(block)], &mut Vec::new());
    desk.drain();
    assert_eq!(rejected(&desk.told(key)), [block], "choked");
    let long = desk.geometry.block(0, 0, 32 * 1024).unwrap();
    desk.swarm.handle_facts(desk.now, key, [Fact::Interested, Fact::Requested(long)], &mut Vec::new());
    desk.drain();
    assert_eq!(rejected(&desk.told(key)), [long]);
    assert!(!desk.parted(key));
}

#[test]
fn a_peer_that_is_refused_again_and_again_is_parted_with() {
    let mut desk = seed();
    let key = desk.peer(true);
    let block = desk.block(0, 0);
    for _ in 0..30 {
        let flood: Vec<_> = (0..100).map(|_| Fact::Requested(block)).collect();
        desk.swarm.handle_facts(desk.now, key, flood, &mut Vec::new());
        desk.drain();
    }
    assert!(desk.parted(key));
    assert!(rejected(&desk.told(key)).len() <= 2000);
}

#[test]
fn a_cancelled_block_is_not_sent() {
    let mut desk = seed();
    let key = desk.peer(true);
    let (one, other) = (desk.block(0, 0), desk.block(0, 1));
    desk.facts(key, [Fact::Interested, Fact::Requested(one), Fact::Requested(other), Fact::Cancelled(one)]);
    let mut blocks = Vec::new();
    assert_eq!(desk.swarm.take_uploads(key, u32::MAX, &mut blocks), 0);
    assert_eq!(blocks, [other]);
}

#[test]
fn interest_that_comes_and_goes_costs_no_messages_and_no_other_peer_its_slot() {
    let mut desk = seed();
    let others: Vec<_> = (0..4).map(|_| desk.peer(true)).collect();
    for key in &others {
        desk.facts(*key, [Fact::Interested]);
    }
    let key = desk.peer(true);
    desk.told(key);
    let toggles: Vec<_> = (0..1000).flat_map(|_| [Fact::Interested, Fact::NotInterested]).collect();
    desk.facts(key, toggles.clone());
    desk.swarm.handle_facts(desk.now, key, toggles, &mut Vec::new());
    desk.drain();
    assert!(desk.told(key).len() <= 2);
    assert!(others.iter().all(|key| unchoked(&desk).contains(key)));
}

#[test]
fn nothing_is_unchoked_while_we_have_nothing() {
    let mut desk = Desk::new(4, 1);
    let key = desk.peer(true);
    desk.facts(key, [Fact::Interested]);
    desk.seconds(60);
    assert_eq!(unchoked(&desk), []);
    let seed = desk.proven_seed();
    desk.told(seed);
    desk.seconds(2);
    assert_eq!(unchoked(&desk), [key], "the first piece changes that");
}

/// An honest leech comes, asks, reads, and gets what it wants. How long until its first block?
fn first_block(desk: &mut Desk, within: Duration) -> Duration {
    let began = desk.now;
    let key = desk.peer(true);
    desk.facts(key, [Fact::HaveNone, Fact::Interested]);
    while desk.now - began < within {
        if unchoked(desk).contains(&key) {
            let block = desk.block(0, 0);
            desk.facts(key, [Fact::Requested(block)]);
            let mut blocks = Vec::new();
            desk.swarm.take_uploads(key, 1, &mut blocks);
            assert_eq!(blocks, [block]);
            return desk.now - began;
        }
        desk.pass(Duration::from_millis(100));
    }
    panic!("nothing in {within:?}");
}

#[test]
fn idle_strangers_do_not_shut_out_a_leech() {
    let config = Config::default();
    let mut desk = Desk::seed(16, 64, &Limits::default(), config);
    // 60 come, each from an address of its own, and say nothing; they come again when they are parted with.
    for id in 0..60 {
        let _ = desk.connect(Desk::address(2000 + id), torrent_swarm::Via::Accepted, 2000 + id, true);
    }
    desk.seconds(30);
    assert!(first_block(&mut desk, Duration::from_secs(60)) <= Duration::from_secs(2));
}

#[test]
fn one_address_has_two_connections_at_most() {
    let mut desk = seed();
    let stranger = Desk::address(999);
    let results: Vec<_> =
        (0..60).map(|id| desk.connect(stranger, torrent_swarm::Via::Accepted, 5000 + id, true).is_ok()).collect();
    assert_eq!(results.iter().filter(|admitted| **admitted).count(), 2);
    assert!(first_block(&mut desk, Duration::from_secs(60)) <= Duration::from_secs(1));
}

#[test]
fn a_slot_that_is_not_used_goes_on_within_seconds() {
    let mut desk = seed();
    for _ in 0..45 {
        let key = desk.peer(true);
        desk.facts(key, [Fact::HaveNone, Fact::Interested]);
    }
    let time = first_block(&mut desk, Duration::from_secs(60));
    assert!(time <= Duration::from_secs(15), "{time:?}");
}

#[test]
fn a_peer_that_does_not_read_loses_its_slot() {
    for number in [8, 40] {
        let mut desk = seed();
        for _ in 0..number {
            let key = desk.peer(true);
            desk.facts(key, [Fact::HaveNone, Fact::Interested]);
        }
        let mut unread = Vec::new();
        // Each asks for all it can as soon as it may, and its socket takes a little and no more.
        for _ in 0..20 {
            for key in unchoked(&desk) {
                if !unread.contains(&key) {
                    unread.push(key);
                    let facts: Vec<_> = (0..10).map(|index| Fact::Requested(desk.block(1, index))).collect();
                    desk.facts(key, facts);
                    desk.swarm.take_uploads(key, 1 << 19, &mut Vec::new());
                }
            }
            desk.pass(Duration::from_millis(500));
        }
        let time = first_block(&mut desk, Duration::from_secs(100));
        assert!(time <= Duration::from_secs(15), "{number}: {time:?}");
    }
}

#[test]
fn slots_are_bounded_and_change_hands() {
    let mut desk = Desk::seed(512, 1, &Limits::default(), Config::default().upload_slots(3));
    let leeches: Vec<_> = (0..10).map(|_| desk.peer(true)).collect();
    for key in &leeches {
        desk.facts(*key, [Fact::HaveNone, Fact::Interested]);
    }
    let mut served = std::collections::BTreeSet::new();
    for second in 0..500u32 {
        for key in unchoked(&desk) {
            let block = desk.block(second % 512, 0);
            desk.facts(key, [Fact::Requested(block)]);
            let mut blocks = Vec::new();
            desk.swarm.take_uploads(key, 1, &mut blocks);
            desk.swarm.handle_uploaded(desk.now, key, 16 * 1024);
        }
        desk.seconds(1);
        let unchoked = unchoked(&desk);
        assert!(unchoked.len() <= 3);
        served.extend(unchoked);
    }
    assert_eq!(served.len(), 10, "everybody has had a turn");
}

#[test]
fn torrents_share_the_slots_of_the_client() {
    let limits = Limits { upload_slots: 4, ..Limits::default() };
    let shared = torrent_swarm::Shared::new(&limits);
    let geometry = torrent_types::Geometry::new(1 << 20, 1 << 14).unwrap();
    let mut desks: Vec<_> = (0..2)
        .map(|_| {
            let mut desk = Desk::raw(geometry, shared.clone(), Config::default());
            desk.begin(torrent_types::Bitfield::full(64));
            desk
        })
        .collect();
    for desk in &mut desks {
        let keys: Vec<_> = (0..6).map(|_| desk.peer(true)).collect();
        for key in keys {
            desk.facts(key, [Fact::HaveNone, Fact::Interested]);
        }
    }
    assert!(shared.upload_slots_used() <= 4);
    for _ in 0..30 {
        for desk in &mut desks {
            for key in unchoked(desk) {
                let block = desk.block(0, 0);
                desk.facts(key, [Fact::Requested(block)]);
                desk.swarm.take_uploads(key, 1 << 20, &mut Vec::new());
                desk.swarm.handle_uploaded(desk.now, key, 16 * 1024);
            }
            desk.seconds(1);
        }
        assert!(shared.upload_slots_used() <= 4);
    }
    assert!(desks.iter().all(|desk| !unchoked(desk).is_empty()), "each has its share");
}

#[test]
fn a_peer_that_used_its_slot_gets_a_free_one_at_once_when_it_wants_more() {
    let mut desk = seed();
    let key = desk.peer(true);
    for _ in 0..20 {
        let block = desk.block(0, 0);
        desk.facts(key, [Fact::Interested]);
        assert!(unchoked(&desk).contains(&key));
        desk.facts(key, [Fact::Requested(block)]);
        desk.swarm.take_uploads(key, 1, &mut Vec::new());
        desk.swarm.handle_uploaded(desk.now, key, 16 * 1024);
        desk.facts(key, [Fact::NotInterested]);
        desk.seconds(1);
    }
}
