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
    let mut table = String::from("| Mbit/s | RTT ms | loss % | goodput % | mean queue ms | longest ms |\n|--:|--:|--:|--:|--:|--:|\n");
    let mut failures = Vec::new();
    for mbit in RATES {
        for rtt in RTTS {
            for loss in LOSSES {
                let Row { goodput, mean_ms, max_ms } = row(mbit, rtt, loss);
                let line = format!("| {mbit} | {rtt} | {} | {goodput:.0} | {mean_ms:.0} | {max_ms:.0} |", loss * 100.0);
                println!("{line}");
                writeln!(table, "{line}").unwrap();
                if loss == 0.0 && (goodput < 90.0 || max_ms > 120.0) {
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
