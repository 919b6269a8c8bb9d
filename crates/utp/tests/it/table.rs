//! Throughput and queueing delay over rates, round trips and losses, as a committed table.

use std::{fmt::Write as _, time::Duration};

use torrent_sim::World;

use crate::net::{self, Net};

const RATES: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
const RTTS: [u64; 4] = [1, 20, 100, 300];
const LOSSES: [f64; 4] = [0.0, 0.001, 0.01, 0.05];
/// What the bottleneck's queue holds.
const QUEUE_MS: u64 = 300;
/// Payload of a full packet, and the bytes it takes on the link.
const EFFICIENCY: f64 = 1452.0 / 1500.0;

pub(crate) struct Row {
    pub(crate) goodput: f64,
    pub(crate) mean_ms: f64,
    pub(crate) max_ms: f64,
}

pub(crate) fn row(mbit: f64, rtt_ms: u64, loss: f64) -> Row {
    let mut net: Net = World::seeded(1);
    let queue = net::bottleneck(mbit, QUEUE_MS);
    let (there, back) = net::through(&queue, Duration::from_millis(rtt_ms));
    let (there, back) = if loss > 0.0 { (there.drop(loss), back.drop(loss)) } else { (there, back) };
    let pair = net::pair(&mut net, 0, there, back, net::forever());
    // A gigabit is simulated for less long: it is a million packets in twelve seconds.
    let (warm, measured) = if mbit >= 1000.0 { (8, 8) } else { (10, 30) };
    net.run_for(Duration::from_secs(warm));
    let before = net[pair.receiver].received();
    queue.restart_stats(net.now());
    net.run_for(Duration::from_secs(measured));
    let bytes = net[pair.receiver].received() - before;
    let stats = queue.stats(net.now());
    Row {
        goodput: bytes as f64 * 8.0 / 1e6 / measured as f64 / (mbit * EFFICIENCY) * 100.0,
        mean_ms: stats.mean_delay.as_secs_f64() * 1e3,
        max_ms: stats.max_delay.as_secs_f64() * 1e3,
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "a minute of work: cargo test --release -p torrent-utp")]
fn the_committed_table_of_throughput_and_delay_holds() {
    let mut table = String::from(
        "| Mbit/s | RTT ms | loss % | goodput % | mean queue ms | longest ms |\n|--:|--:|--:|--:|--:|--:|\n",
    );
    let mut failures = Vec::new();
    for mbit in RATES {
        for rtt in RTTS {
            for loss in LOSSES {
                let Row { goodput, mean_ms, max_ms } = row(mbit, rtt, loss);
                let line = format!("| {mbit} | {rtt} | {} | {goodput:.0} | {mean_ms:.0} | {max_ms:.0} |", loss * 100.0);
                println!("{line}");
                writeln!(table, "{line}").unwrap();
                // A packet takes 12 ms at 1 Mbit/s: there the longest queue is a few of them longer than the mean.
                let longest = 120.0 + if mbit <= 1.0 { 24.0 } else { 0.0 };
                if loss == 0.0 && (goodput < 90.0 || mean_ms > 120.0 || max_ms > longest) {
                    failures.push(line);
                }
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/table.md");
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert!(failures.is_empty(), "without loss the link is filled and the queue is short: {failures:#?}");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(table == committed, "the table has changed; UPDATE_TABLE=1 writes it anew:\n{table}");
}

#[test]
#[ignore = "prints how one row comes about: ROW=1000,300,0 cargo test --release -p torrent-utp trace -- --ignored --nocapture"]
fn trace_of_a_row() {
    let row = std::env::var("ROW").unwrap_or_else(|_| "1000,300,0".into());
    let numbers: Vec<f64> = row.split(',').map(|number| number.parse().unwrap()).collect();
    let mut net: Net = World::seeded(1);
    let queue = net::bottleneck(numbers[0], QUEUE_MS);
    let (there, back) = net::through(&queue, Duration::from_millis(numbers[1] as u64));
    let pair = net::pair(&mut net, 0, there.drop(numbers[2]), back.drop(numbers[2]), net::forever());
    let mut before = 0;
    for n in 0..50 {
        queue.restart_stats(net.now());
        net.run_for(Duration::from_millis(300));
        let received = net[pair.receiver].received();
        let rate = (received - before) as f64 * 8.0 / 1e6 / 0.3;
        before = received;
        let theirs = net.with(pair.receiver, |node, _| node.utp().key.map(|_| node.utp().stats().receive_window));
        println!(
            "{:.1} s: {rate:.0} Mbit/s, {:?}, {theirs:?}, {:?}",
            f64::from(n) * 0.3,
            queue.stats(net.now()).max_delay,
            net.with(pair.sender, |node, _| node.utp().stats())
        );
    }
}
