//! What we do for others: slots, queues, refusals.

use std::time::Duration;

use torrent_swarm::{Action, Command, Config, Fact};
use torrent_types::{Bitfield, Block, Geometry, PieceIndex};

use crate::world::World;

const MIB: u64 = 1 << 20;

fn seed_and_leech() -> (World, Geometry, torrent_swarm::PeerKey) {
    let geometry = Geometry::new(16 * MIB, 1 << 20).unwrap();
    let mut world = World::new(geometry, Duration::from_millis(20));
    let seed = world.node(MIB, Bitfield::full(16), Config::default().request_queue(10));
    let leech = world.leech(MIB);
    world.nodes[leech].habits.silent = true;
    world.connect(leech, seed);
    let key = world.key(seed, leech).unwrap();
    (world, geometry, key)
}

fn rejected(actions: &[Action]) -> Vec<Block> {
    let refusal = |action: &Action| match action {
        Action::Send(_, Command::Reject(block)) => Some(*block),
        _ => None,
    };
    actions.iter().filter_map(refusal).collect()
}

#[test]
fn more_requests_than_we_keep_are_rejected() {
    let (mut world, geometry, key) = seed_and_leech();
    let block = |index| geometry.nth_block(PieceIndex::new(0), index).unwrap();
    let facts = std::iter::once(Fact::Interested).chain((0..15).map(|index| Fact::Requested(block(index))));
    let actions = world.actions(0, key, facts);
    assert_eq!(rejected(&actions), (10..15).map(block).collect::<Vec<_>>());
}

#[test]
fn requests_of_choked_peers_and_long_ones_are_rejected_not_punished() {
    let (mut world, geometry, key) = seed_and_leech();
    let block = geometry.nth_block(PieceIndex::new(0), 0).unwrap();
    assert_eq!(rejected(&world.actions(0, key, [Fact::Requested(block)])), [block], "choked");
    let long = geometry.block(0, 0, 32 * 1024).unwrap();
    let actions = world.actions(0, key, [Fact::Interested, Fact::Requested(long)]);
    assert_eq!(rejected(&actions), [long]);
    assert!(!actions.iter().any(|action| matches!(action, Action::Disconnect(..))));
}

#[test]
fn a_cancelled_block_is_not_sent() {
    let (mut world, geometry, key) = seed_and_leech();
    let block = |index| geometry.nth_block(PieceIndex::new(0), index).unwrap();
    world.actions(
        0,
        key,
        [Fact::Interested, Fact::Requested(block(0)), Fact::Requested(block(1)), Fact::Cancelled(block(0))],
    );
    let mut blocks = Vec::new();
    world.nodes[0].swarm.take_uploads(key, u32::MAX, &mut blocks);
    assert_eq!(blocks, [block(1)]);
}

#[test]
fn slots_are_bounded_and_change_hands() {
    let geometry = Geometry::new(512 * MIB, 1 << 20).unwrap();
    let mut world = World::new(geometry, Duration::from_millis(20));
    let seed = world.node(MIB, Bitfield::full(512), Config::default().upload_slots(3));
    let leeches: Vec<_> = (0..10).map(|_| world.leech(1024)).collect();
    leeches.iter().for_each(|leech| world.connect(*leech, seed));
    let mut served = std::collections::BTreeSet::new();
    for second in 1..=500 {
        world.run_until(Duration::from_secs(501), |world| world.elapsed() >= Duration::from_secs(second));
        let unchoked: Vec<_> =
            world.nodes[seed].swarm.peers().filter(|peer| !peer.am_choking).map(|peer| peer.address).collect();
        assert!(unchoked.len() <= 3);
        served.extend(unchoked);
    }
    assert_eq!(served.len(), 10, "everybody has had a turn");
}
