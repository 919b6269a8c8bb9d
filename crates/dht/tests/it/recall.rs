//! What is announced is found: in networks that churn, lose datagrams, and are under attack.
//!
//! The whole size runs in release builds: `cargo test --release -p torrent-dht --test it -- --ignored --nocapture`.

use std::{collections::BTreeMap, time::Duration};

use crate::network::Network;

struct Plan {
    nodes: usize,
    hashes: usize,
    peers_per_hash: usize,
    lookups: usize,
    churn_per_hour: f64,
    loss: f64,
    hostile: f64,
    settle: Duration,
    /// Between announcing and looking.
    wait: Duration,
}

#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
struct Report {
    recall: f64,
    median_hops: u8,
    median_queries: u32,
    mean_queries: f64,
    median_time: Duration,
    p95_time: Duration,
    stored_mean: f64,
}

fn run(plan: &Plan) -> Report {
    let mut network = Network::new(7, plan.loss);
    network.grow(plan.nodes);
    network.infest(plan.hostile);
    network.live(plan.settle, plan.churn_per_hour);
    let mut announced = BTreeMap::new();
    let mut stored = 0;
    for _ in 0..plan.hashes {
        let hash = network.random_id();
        for _ in 0..plan.peers_per_hash {
            let node = network.random_node();
            let lookup = network.announce(node, hash);
            announced.insert((hash, node), (network.peer(node), lookup));
        }
        network.world.run_for(Duration::from_millis(200));
    }
    network.world.run_for(Duration::from_secs(30));
    for ((_, node), (_, lookup)) in &announced {
        stored += network.honest(*node).finished[lookup].1.stored;
    }
    network.live(plan.wait, plan.churn_per_hour);

    let hashes: Vec<_> = announced.keys().map(|(hash, _)| *hash).collect();
    let mut running = Vec::new();
    for n in 0..plan.lookups {
        let hash = hashes[n * 7919 % hashes.len()];
        let node = network.random_node();
        let started = network.world.now();
        let lookup = network.get_peers(node, hash);
        running.push((hash, node, lookup, started));
        network.world.run_for(Duration::from_millis(50));
    }
    network.world.run_for(Duration::from_secs(60));

    let (mut wanted, mut found) = (0, 0);
    let (mut hops, mut queries, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for (hash, node, lookup, started) in running {
        let honest = network.honest(node);
        let got = honest.found.get(&lookup).cloned().unwrap_or_default();
        let (ended, outcome) = &honest.finished[&lookup];
        hops.push(outcome.hops);
        queries.push(outcome.queries);
        times.push(*ended - started);
        for ((other, _), (peer, _)) in &announced {
            if *other == hash {
                wanted += 1;
                found += usize::from(got.contains(peer));
            }
        }
    }
    hops.sort_unstable();
    queries.sort_unstable();
    times.sort_unstable();
    let middle = hops.len() / 2;
    Report {
        recall: found as f64 / wanted as f64,
        median_hops: hops[middle],
        median_queries: queries[middle],
        mean_queries: f64::from(queries.iter().sum::<u32>()) / queries.len() as f64,
        median_time: times[middle],
        p95_time: times[times.len() * 95 / 100],
        stored_mean: f64::from(stored) / announced.len() as f64,
    }
}

const SMALL: Plan = Plan {
    nodes: 200,
    hashes: 20,
    peers_per_hash: 3,
    lookups: 60,
    churn_per_hour: 0.3,
    loss: 0.01,
    hostile: 0.0,
    settle: Duration::from_secs(120),
    wait: Duration::from_secs(300),
};

#[test]
fn announced_peers_are_found_in_a_lossy_network_that_churns() {
    let report = run(&SMALL);
    println!("{report:?}");
    assert!(report.recall >= 0.99 && report.median_hops <= 6, "{report:?}");
}

#[test]
fn a_fifth_of_hostile_nodes_hides_nothing() {
    let report = run(&Plan { hostile: 0.2, ..SMALL });
    println!("{report:?}");
    assert!(report.recall >= 0.95, "{report:?}");
}

const WHOLE: Plan = Plan {
    nodes: 10_000,
    hashes: 200,
    peers_per_hash: 5,
    lookups: 1000,
    settle: Duration::from_secs(1200),
    wait: Duration::from_secs(900),
    ..SMALL
};

#[test]
#[ignore = "ten thousand nodes: minutes in a release build"]
fn ten_thousand_nodes_find_what_was_announced() {
    let report = run(&WHOLE);
    println!("10,000 nodes, churn 30 %/h, 1 % loss: {report:#?}");
    assert!(report.recall >= 0.99 && report.median_hops <= 6, "{report:?}");
}

#[test]
#[ignore = "ten thousand nodes: minutes in a release build"]
fn a_fifth_of_hostile_nodes_among_ten_thousand_hides_nothing() {
    let report = run(&Plan { nodes: 8_000, hostile: 0.2, ..WHOLE });
    println!("8,000 honest nodes, 2,000 hostile ones, churn 30 %/h, 1 % loss: {report:#?}");
    assert!(report.recall >= 0.95, "{report:?}");
}
