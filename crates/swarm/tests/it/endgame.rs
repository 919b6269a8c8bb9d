//! Nobody may keep a piece to himself, and the last blocks come soon.

use std::time::Duration;

use torrent_types::Geometry;

use crate::world::World;

const MIB: u64 = 1 << 20;

#[test]
fn a_slow_peer_cannot_hold_the_last_piece() {
    let mut world = World::new(Geometry::new(8 * MIB, 1 << 20).unwrap(), Duration::from_millis(20));
    let (fast, slow) = (world.seed(4 * MIB), world.seed(2 * 1024));
    let leech = world.leech(MIB);
    world.connect(leech, slow);
    world.connect(leech, fast);
    world.run_until_complete(Duration::from_secs(60), [leech]);
    assert!(world.elapsed() < Duration::from_secs(6), "{:?}", world.elapsed());
    assert!(world.nodes[slow].cancels_received > 0, "what came from elsewhere is cancelled");
}

#[test]
fn a_peer_that_answers_nothing_costs_little() {
    let mut world = World::new(Geometry::new(8 * MIB, 1 << 20).unwrap(), Duration::from_millis(20));
    let (good, silent) = (world.seed(MIB), world.seed(MIB));
    world.nodes[silent].habits.silent = true;
    let leech = world.leech(MIB);
    world.connect(leech, silent);
    world.connect(leech, good);
    world.run_until_complete(Duration::from_secs(60), [leech]);
    assert!(world.elapsed() < Duration::from_secs(12), "{:?}", world.elapsed());
}

#[test]
fn blocks_of_a_peer_that_leaves_are_fetched_from_another() {
    let mut world = World::new(Geometry::new(16 * MIB, 1 << 20).unwrap(), Duration::from_millis(20));
    let (one, other) = (world.seed(2 * MIB), world.seed(2 * MIB));
    let leech = world.leech(MIB);
    world.connect(leech, one);
    world.connect(leech, other);
    world.run_until(Duration::from_secs(20), |world| world.nodes[leech].swarm.stats().downloaded > 4 * MIB);
    let key = world.key(leech, one).unwrap();
    world.disconnect(leech, key);
    world.run_until_complete(Duration::from_secs(20), [leech]);
}
