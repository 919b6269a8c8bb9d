//! Peers that lie, and what becomes of them and of those who do not.

use std::time::Duration;

use torrent_swarm::{Direction, Fact, Refused, Verdict};
use torrent_types::{Geometry, PeerId, PieceIndex};

use crate::world::{World, connected};

const MIB: u64 = 1 << 20;

#[test]
fn the_liar_is_banned_and_the_innocent_is_not() {
    let mut world = World::new(Geometry::new(16 * MIB, 1 << 20).unwrap(), Duration::from_millis(20));
    let honest: Vec<_> = (0..3).map(|_| world.seed(MIB)).collect();
    let liar = world.seed(MIB);
    world.nodes[liar].habits.corrupts = Some(5);
    let leech = world.leech(MIB);
    (0..4).for_each(|id| world.connect(leech, id));
    world.run_until(Duration::from_secs(120), |world| {
        world.key(leech, liar).is_none() || world.nodes[leech].swarm.is_complete()
    });
    assert!(world.key(leech, liar).is_none(), "the liar is still there");
    let still = connected(&world, leech);
    assert!(honest.iter().all(|id| still.contains(&World::address(*id))), "{still:?}");
    world.run_until_complete(Duration::from_secs(120), [leech]);
    let now = world.now();
    let again =
        world.nodes[leech].swarm.connected(now, World::address(liar), PeerId::new([1; 20]), Direction::Incoming, true);
    assert_eq!(again, Err(Refused::Banned));
}

#[test]
fn blocks_that_nobody_asked_for_are_discarded() {
    let geometry = Geometry::new(MIB, 1 << 18).unwrap();
    let mut world = World::new(geometry, Duration::from_millis(20));
    let (seed, leech) = (world.seed(MIB), world.leech(MIB));
    world.nodes[seed].habits.silent = true;
    world.connect(leech, seed);
    let key = world.key(leech, seed).unwrap();
    let block = geometry.nth_block(PieceIndex::new(0), 0).unwrap();
    assert_eq!(world.facts(leech, key, [Fact::Received(block)]), [Verdict::Discard]);
    assert_eq!(world.nodes[leech].swarm.stats().wasted, u64::from(block.length()));
}

#[test]
fn after_choke_and_unchoke_the_blocks_are_asked_for_again() {
    for fast in [true, false] {
        let geometry = Geometry::new(MIB, 1 << 18).unwrap();
        let mut world = World::new(geometry, Duration::from_millis(20));
        let (seed, leech) = (world.seed(MIB), world.leech(MIB));
        world.nodes[seed].habits.silent = true;
        let now = world.now();
        let key = world.nodes[leech]
            .swarm
            .connected(now, World::address(seed), PeerId::new([9; 20]), Direction::Outgoing, fast)
            .unwrap();
        world.facts(leech, key, [Fact::HaveAll]);
        let first = world.requests(leech, key, [Fact::Unchoked]);
        assert!(!first.is_empty());
        // A fast peer says which requests it drops; the others drop all.
        let rejects = first.iter().filter(|_| fast).map(|block| Fact::Rejected(*block));
        let choked = world.requests(leech, key, std::iter::once(Fact::Choked).chain(rejects));
        assert_eq!(choked, [], "nothing is asked for while choked");
        let mut second = world.requests(leech, key, [Fact::Unchoked]);
        second.sort();
        let mut first = first;
        first.sort();
        assert_eq!(first, second, "fast: {fast}");
    }
}

#[test]
fn a_peer_that_takes_back_a_piece_is_not_asked_for_it() {
    let geometry = Geometry::new(1 << 19, 1 << 18).unwrap();
    let mut world = World::new(geometry, Duration::from_millis(20));
    let leech = world.leech(MIB);
    let now = world.now();
    let key = world.nodes[leech]
        .swarm
        .connected(now, World::address(7), PeerId::new([9; 20]), Direction::Outgoing, true)
        .unwrap();
    let facts = [Fact::HaveAll, Fact::DontHave(PieceIndex::new(0)), Fact::RequestQueue(1000), Fact::Unchoked];
    let requests = world.requests(leech, key, facts);
    assert!(!requests.is_empty() && requests.iter().all(|block| block.piece() == PieceIndex::new(1)));
}

#[test]
fn connections_that_make_no_sense_are_refused() {
    let mut world = World::new(Geometry::new(MIB, 1 << 18).unwrap(), Duration::from_millis(20));
    let leech = world.leech(MIB);
    let now = world.now();
    let swarm = &mut world.nodes[leech].swarm;
    let mut connect = |id, direction| swarm.connected(now, World::address(5), id, direction, true);
    assert_eq!(connect(World::peer_id(leech), Direction::Outgoing), Err(Refused::Ourselves));
    // The address turned out to be our own: it is not dialled again.
    assert_eq!(connect(PeerId::new([1; 20]), Direction::Outgoing), Err(Refused::Banned));
}

#[test]
fn of_two_connections_to_one_peer_both_ends_keep_the_same() {
    let mut world = World::new(Geometry::new(MIB, 1 << 18).unwrap(), Duration::from_millis(20));
    let leech = world.leech(MIB);
    let now = world.now();
    let swarm = &mut world.nodes[leech].swarm;
    let mut connect =
        |id: [u8; 20], direction| swarm.connected(now, World::address(5), PeerId::new(id), direction, true);
    // Ours is less than theirs: their connection to us survives.
    connect([200; 20], Direction::Outgoing).unwrap();
    connect([200; 20], Direction::Incoming).unwrap();
    // Ours is greater: ours survives.
    connect([1; 20], Direction::Outgoing).unwrap();
    assert_eq!(connect([1; 20], Direction::Incoming), Err(Refused::Duplicate));
    assert_eq!(connect([1; 20], Direction::Outgoing), Err(Refused::Duplicate));
}
