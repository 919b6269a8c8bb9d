//! Whole swarms: everybody gets everything, and the work is shared.

use std::time::Duration;

use torrent_types::Geometry;

use crate::world::{World, sent};

const MIB: u64 = 1 << 20;

#[test]
fn a_leech_gets_everything_at_the_seeds_rate() {
    let mut world = World::new(Geometry::new(40 * MIB + 7, 1 << 20).unwrap(), Duration::from_millis(20));
    let (seed, leech) = (world.seed(4 * MIB), world.leech(MIB));
    world.connect(leech, seed);
    world.run_until_complete(Duration::from_secs(60), [leech]);
    // 10 s at the seed's rate; slow start and the last blocks may cost a second.
    assert!(world.elapsed() < Duration::from_secs(11), "{:?}", world.elapsed());
    assert_eq!(world.nodes[seed].sent, 40 * MIB + 7, "nothing is sent twice");
    assert!(world.nodes[leech].finished.is_some());
}

#[test]
fn a_long_fat_pipe_is_filled() {
    // 20 MiB/s and 200 ms there and back: 4 MiB must be asked for at any time.
    let mut world = World::new(Geometry::new(400 * MIB, 1 << 20).unwrap(), Duration::from_millis(100));
    let (seed, leech) = (world.seed(20 * MIB), world.leech(MIB));
    world.connect(leech, seed);
    world.run_until_complete(Duration::from_secs(60), [leech]);
    assert!(world.elapsed() < Duration::from_secs(23), "{:?}", world.elapsed());
}

#[test]
fn leeches_trade_pieces_and_spare_the_seed() {
    let total = 32 * MIB;
    let mut world = World::new(Geometry::new(total, 1 << 18).unwrap(), Duration::from_millis(20));
    let seed = world.seed(2 * MIB);
    let leeches: Vec<_> = (0..8).map(|_| world.leech(2 * MIB)).collect();
    world.connect_all();
    world.run_until_complete(Duration::from_secs(300), leeches.iter().copied());
    let from_seed = sent(&world, [seed]);
    assert!(from_seed < 3 * total, "the seed sent {from_seed} bytes for 8 copies of {total}");
    let wasted: u64 = leeches.iter().map(|id| world.nodes[*id].swarm.stats().wasted).sum();
    assert!(wasted < 8 * total / 50, "{wasted} bytes were wasted");
}

#[test]
fn memory_for_pieces_in_flight_stays_in_its_budget() {
    let mut world = World::new(Geometry::new(100 * MIB, 1 << 20).unwrap(), Duration::from_millis(50));
    let leech = world.leech(MIB);
    for _ in 0..40 {
        let seed = world.seed(MIB);
        world.connect(leech, seed);
    }
    world.run_until_complete(Duration::from_secs(120), [leech]);
    assert!(world.nodes[leech].peak_memory <= 16 << 20);
    assert!(world.nodes[leech].swarm.stats().wasted < 2 * MIB, "{}", world.nodes[leech].swarm.stats().wasted);
    assert!(world.elapsed() < Duration::from_secs(6), "40 seeds at 1 MiB/s: {:?}", world.elapsed());
}

#[test]
fn pieces_larger_than_the_budget_are_fetched_all_the_same() {
    let mut world = World::new(Geometry::new(96 * MIB, 32 << 20).unwrap(), Duration::from_millis(20));
    let leech = world.leech(MIB);
    for _ in 0..3 {
        let seed = world.seed(8 * MIB);
        world.connect(leech, seed);
    }
    world.run_until_complete(Duration::from_secs(60), [leech]);
    assert_eq!(world.nodes[leech].peak_memory, 0);
}

#[test]
fn the_same_seed_gives_the_same_swarm() {
    let run = || {
        let mut world = World::new(Geometry::new(8 * MIB, 1 << 18).unwrap(), Duration::from_millis(20));
        world.seed(MIB);
        let leeches: Vec<_> = (0..5).map(|_| world.leech(MIB)).collect();
        world.connect_all();
        world.run_until_complete(Duration::from_secs(300), leeches);
        world.nodes.iter().map(|node| (node.sent, node.requests_received)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
