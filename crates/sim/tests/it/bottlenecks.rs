//! Queues that several flows share.

use std::{net::SocketAddr, time::Duration};

use torrent_sim::{Bottleneck, Link, World};

use crate::{MS, SECOND, Station};

/// Two senders of 1000-byte datagrams (headers included), one per `pause`, over links of different delay into one queue.
fn two_flows(queue: &Bottleneck, pause: Duration, count: u32) -> (World<Station>, [Vec<Duration>; 2]) {
    let mut world = World::seeded(1);
    let station = || Station { size: 972, ..Station::default() };
    let address = |n: u8| SocketAddr::from(([10, 0, 0, n], 1));
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| world.add(address(n), station()));
    world.one_way(a, c, Link::new().delay(30 * MS).through(queue));
    world.one_way(b, d, Link::new().delay(MS).through(queue));
    let start = world.now();
    for (from, to) in [(a, c), (b, d)] {
        let to = world.address(to);
        world.with(from, |station, now| station.tick = Some((now + pause, pause, to, count)));
    }
    world.run_for(10 * SECOND);
    let times = [c, d].map(|id| world[id].heard.iter().map(|(at, _)| *at - start).collect());
    (world, times)
}

#[test]
fn flows_through_one_queue_share_its_rate_in_the_order_in_which_they_reach_it() {
    // Each flow alone would fit: 500 kB/s of 800. Together they do not.
    let queue = Bottleneck::new(800_000, 20_000);
    let (world, [c, d]) = two_flows(&queue, 2 * MS, 2000);
    let stats = queue.stats(world.now());
    assert_eq!(stats.passed, (c.len() + d.len()) as u64);
    assert_eq!(stats.passed + stats.dropped, 4000);
    assert!((3190..3300).contains(&stats.passed), "{stats:?}");
    // The queue holds 25 ms.
    assert!(stats.max_delay <= 25 * MS && stats.max_delay > 22 * MS, "{stats:?}");
    // Nothing of the flow that is nearer waits for what the other one has sent, but not yet brought to the queue.
    assert_eq!(d[0], 2 * MS + MS + Duration::from_micros(1250));
    assert!((33 * MS..60 * MS).contains(&c[0]), "{:?}", c[0]);
}

#[test]
fn an_idle_queue_has_no_delay_and_its_utilisation_is_the_share_of_its_rate() {
    let queue = Bottleneck::new(4_000_000, 20_000);
    let (world, _) = two_flows(&queue, 2 * MS, 6000);
    let stats = queue.stats(world.now());
    // One of each flow can meet: a quarter of a millisecond.
    assert!(stats.max_delay <= MS / 4, "{stats:?}");
    assert!((0.24..0.26).contains(&stats.utilisation), "{stats:?}");
    queue.restart_stats(world.now());
    assert_eq!(queue.stats(world.now()).passed, 0);
}

#[test]
fn all_traffic_of_a_node_shares_its_uplink_and_its_downlink() {
    for up in [true, false] {
        let mut world = World::seeded(1);
        let edge = Bottleneck::new(100_000, 1 << 20);
        let address = |n: u8| SocketAddr::from(([10, 0, 0, n], 1));
        let [a, b, c] = [1, 2, 3].map(|n| world.add(address(n), Station { size: 972, ..Station::default() }));
        let ways = if up { [(a, b), (a, c)] } else { [(b, a), (c, a)] };
        if up {
            world.uplink(a, &edge)
        } else {
            world.downlink(a, &edge)
        }
        for (from, to) in ways {
            world.one_way(from, to, Link::new().delay(5 * MS));
            let to = address(if to == a {
                1
            } else if to == b {
                2
            } else {
                3
            });
            for _ in 0..10 {
                world.with(from, |station, _| {
                    station.out.push_back(torrent_sim::Transmit { to, parcel: vec![0; 972] });
                });
            }
        }
        let began = world.now();
        world.run_for(SECOND);
        let last = [a, b, c].iter().flat_map(|&id| world[id].heard.iter().map(|heard| heard.0)).max();
        // Twenty times 10 ms at the shared rate, and the delay once.
        assert_eq!(last.map(|at| at - began), Some(205 * MS));
    }
}
