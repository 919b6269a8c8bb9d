//! Worlds with simple nodes: what links do to datagrams.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to panic")]

mod bottlenecks;
mod reliable;
mod scale;
mod streams;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_sim::{Link, Mesh, Node, NodeId, Transmit, World};

/// Sends numbered datagrams at a steady pace and notes what arrives when.
#[derive(Default)]
pub(crate) struct Station {
    pub(crate) out: VecDeque<Transmit<Vec<u8>>>,
    pub(crate) heard: Vec<(Instant, Vec<u8>)>,
    pub(crate) tick: Option<(Instant, Duration, SocketAddr, u32)>,
    pub(crate) sent: u32,
    pub(crate) size: usize,
}

impl Node for Station {
    type Parcel = Vec<u8>;

    fn handle_parcel(&mut self, now: Instant, _from: SocketAddr, payload: Vec<u8>) {
        self.heard.push((now, payload));
    }

    fn handle_timeout(&mut self, now: Instant) {
        let Some((at, every, to, left)) = self.tick.take() else { return };
        assert_eq!(at, now);
        let mut payload = self.sent.to_be_bytes().to_vec();
        payload.resize(self.size.max(4), 0);
        self.out.push_back(Transmit { to, parcel: payload });
        self.sent += 1;
        self.tick = (left > 1).then(|| (at + every, every, to, left - 1));
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit<Vec<u8>>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.tick.map(|tick| tick.0)
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

/// Sends `count` datagrams, one a millisecond, over the link; gives their arrival times and numbers.
fn run(seed: u64, count: u32, size: usize, link: impl Fn() -> Link) -> Vec<(Duration, u32)> {
    let mut world = World::seeded(seed);
    let a = world.add("10.0.0.1:1".parse().unwrap(), Station { size, ..Station::default() });
    let b = world.add("[fd00::2]:1".parse().unwrap(), Station::default());
    world.link(a, b, link);
    let (start, to) = (world.now(), world.address(b));
    world.with(a, |station, now| station.tick = Some((now + MS, MS, to, count)));
    world.run_for(60 * SECOND);
    assert_eq!(world.elapsed(), 60 * SECOND);
    let heard = &world[b].heard;
    heard.iter().map(|(at, payload)| (*at - start, u32::from_be_bytes(*payload.first_chunk().unwrap()))).collect()
}

fn numbers(arrivals: &[(Duration, u32)]) -> Vec<u32> {
    arrivals.iter().map(|arrival| arrival.1).collect()
}

#[test]
fn a_perfect_link_delivers_at_once_and_in_order() {
    let arrivals = run(1, 100, 4, Link::new);
    assert_eq!(arrivals, (0..100).map(|n| ((n + 1) * MS, n)).collect::<Vec<_>>());
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_seed_another() {
    let link = || Link::new().drop(0.3).jitter(5 * MS).duplicate(0.2).reorder(0.2, 20 * MS);
    if std::env::var_os("TORRENT_SIM_SEED").is_none() {
        assert_eq!(run(3, 200, 4, link), run(3, 200, 4, link));
        assert_ne!(run(3, 200, 4, link), run(4, 200, 4, link));
    }
}

#[test]
fn delay_and_jitter_keep_the_order() {
    let arrivals = run(1, 200, 4, || Link::new().delay(40 * MS).jitter(30 * MS));
    assert_eq!(numbers(&arrivals), (0..200).collect::<Vec<_>>());
    assert!(arrivals.iter().all(|&(at, n)| at >= (41 + n) * MS && at <= (71 + n) * MS));
}

#[test]
fn losses_and_duplicates_come_as_often_as_asked() {
    let lost = 2000 - run(1, 2000, 4, || Link::new().drop(0.25)).len();
    assert!((400..600).contains(&lost), "{lost}");
    let doubled = run(1, 2000, 4, || Link::new().duplicate(0.25)).len() - 2000;
    assert!((400..600).contains(&doubled), "{doubled}");
    // A fifth of the time bad: 0.05 / (0.05 + 0.2), in runs of five.
    let kept = numbers(&run(1, 2000, 4, || Link::new().burst(0.05, 0.2)));
    assert!((1400..1800).contains(&kept.len()), "{}", kept.len());
    assert!(kept.windows(2).any(|pair| pair[1] - pair[0] > 5));
}

#[test]
fn reordering_reorders_and_loses_nothing() {
    let mut order = numbers(&run(1, 200, 4, || Link::new().reorder(0.2, 20 * MS)));
    assert!(!order.is_sorted());
    order.sort_unstable();
    assert_eq!(order, (0..200).collect::<Vec<_>>());
}

#[test]
fn a_rate_spaces_datagrams_and_its_queue_overflows() {
    // 1000 bytes a millisecond offered, 500 taken: half is lost, the rest waits for at most the queue's 10 ms.
    let arrivals = run(1, 1000, 972, || Link::new().rate(500_000, 5000));
    assert!((500..520).contains(&arrivals.len()), "{}", arrivals.len());
    assert!(arrivals.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 2 * MS));
    assert!(arrivals.iter().all(|&(at, n)| at <= (n + 1 + 12) * MS));
}

#[test]
fn an_mtu_loses_what_is_longer() {
    assert_eq!(run(1, 5, 1400, || Link::new().mtu(1400)).len(), 5);
    assert_eq!(run(1, 5, 1401, || Link::new().mtu(1400)).len(), 0);
}

#[test]
fn an_address_without_a_node_is_counted_and_a_move_is_followed() {
    let mut world = World::seeded(1);
    let (old, new) = ("10.0.0.2:1".parse().unwrap(), "10.0.0.3:1".parse().unwrap());
    let a = world.add("10.0.0.1:1".parse().unwrap(), Station::default());
    let b: NodeId = world.add(old, Station::default());
    world.move_to(b, new);
    for to in [old, new] {
        world.with(a, |station, _| station.out.push_back(Transmit { to, parcel: vec![1] }));
    }
    world.inject(old, new, vec![2]);
    world.run_for(SECOND);
    assert_eq!((world.counts().sent, world.counts().unreachable, world.counts().delivered), (2, 1, 2));
    assert_eq!(world[b].heard.len(), 2);
}

#[test]
fn a_mesh_gives_each_pair_a_latency_of_its_own_that_stays() {
    let mut world = World::seeded(1);
    world.mesh(Mesh::new().delay(10 * MS, 100 * MS));
    let address = |n: u8| SocketAddr::from(([10, 0, 0, n], 1));
    let nodes: Vec<_> = (1..=20).map(|n| world.add(address(n), Station::default())).collect();
    let start = world.now();
    for to in 2..=20 {
        world.with(nodes[0], |station, _| station.out.push_back(Transmit { to: address(to), parcel: vec![to] }));
        world.with(nodes[usize::from(to) - 1], |station, _| {
            station.out.push_back(Transmit { to: address(1), parcel: vec![to] });
        });
    }
    world.run_for(SECOND);
    let mut back: Vec<_> = world[nodes[0]].heard.iter().map(|(at, n)| (n[0], *at - start)).collect();
    back.sort_unstable();
    let there: Vec<_> = (2..=20).map(|n| (n, world[nodes[usize::from(n) - 1]].heard[0].0 - start)).collect();
    assert_eq!(there, back, "the way back takes as long as the way there");
    assert!(there.iter().all(|&(_, took)| (10 * MS..=100 * MS).contains(&took)));
    assert!(there.windows(2).any(|pair| pair[0].1.abs_diff(pair[1].1) > 10 * MS));
}

#[test]
fn a_node_answers_from_its_address_of_the_same_family_and_a_removed_one_not_at_all() {
    let mut world = World::seeded(1);
    let (v4, v6) = ("10.0.0.2:1".parse().unwrap(), "[fd00::2]:1".parse().unwrap());
    let a = world.add("[fd00::1]:1".parse().unwrap(), Station::default());
    let b = world.add(v4, Station::default());
    world.also_at(b, v6);
    assert_eq!(world.node_at(v6), Some(b));
    world.with(a, |station, _| station.out.push_back(Transmit { to: v6, parcel: vec![1] }));
    world.run_for(SECOND);
    assert_eq!(world.remove(b).heard.len(), 1);
    world.with(a, |station, _| station.out.push_back(Transmit { to: v6, parcel: vec![1] }));
    assert_eq!((world.counts().unreachable, world.nodes().count()), (1, 1));
}
