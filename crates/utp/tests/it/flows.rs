//! Flows beside each other, and paths that are not kind.

use std::time::Duration;

use torrent_sim::{Link, World};
use torrent_utp::Config;

use crate::net::{self, Net, bottleneck, forever, pair, pair_with, tcp, through};

const SECOND: Duration = Duration::from_secs(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Shares of two flows over `measured` after `warm`, the second starting `late`.
fn two_utp(mbit: f64, rtt: u64, late: u64, warm: u64, measured: u64) -> (f64, f64) {
    let mut net: Net = World::seeded(5);
    let queue = bottleneck(mbit, 300);
    let (there, back) = through(&queue, ms(rtt));
    let first = pair(&mut net, 0, there, back, forever());
    net.run_for(SECOND * late as u32);
    let (there, back) = through(&queue, ms(rtt));
    let second = pair(&mut net, 1, there, back, forever());
    net.run_for(SECOND * warm as u32);
    let before = [first.receiver, second.receiver].map(|id| net[id].received());
    queue.restart_stats(net.now());
    net.run_for(SECOND * measured as u32);
    let after = [first.receiver, second.receiver].map(|id| net[id].received());
    let [a, b] =
        [after[0] - before[0], after[1] - before[1]].map(|bytes| bytes as f64 * 8.0 / 1e6 / measured as f64 / mbit);
    println!("two uTP flows at {mbit} Mbit/s, {rtt} ms, {late} s late: {a:.2} {b:.2}, {:?}", queue.stats(net.now()));
    (a, b)
}

/// What uTP and a TCP-like flow get of 40 Mbit/s with a queue of 300 ms.
fn beside_tcp(utp_after: u64, tcp_after: u64) -> (f64, f64) {
    let mut net: Net = World::seeded(5);
    let queue = bottleneck(40.0, 300);
    let mut utp_pair = None;
    let mut tcp_pair = None;
    for second in 0..=utp_after.max(tcp_after) {
        if second == utp_after {
            let (there, back) = through(&queue, ms(20));
            utp_pair = Some(pair(&mut net, 0, there, back, forever()));
        }
        if second == tcp_after {
            let (there, back) = through(&queue, ms(20));
            tcp_pair = Some(tcp(&mut net, 1, there, back));
        }
        if second < utp_after.max(tcp_after) {
            net.run_for(SECOND);
        }
    }
    net.run_for(5 * SECOND);
    let ids = [utp_pair.unwrap().receiver, tcp_pair.unwrap().receiver];
    let before = ids.map(|id| net[id].received());
    net.run_for(60 * SECOND);
    let rates = ids.map(|id| net[id].received()).map(|bytes| bytes as f64);
    let [utp, tcp] = [rates[0] - before[0] as f64, rates[1] - before[1] as f64];
    let (utp, tcp) = (utp / (utp + tcp), tcp / (utp + tcp));
    println!("uTP from {utp_after} s, TCP from {tcp_after} s: {utp:.3} {tcp:.3}");
    (utp, tcp)
}

#[test]
fn beside_tcp_we_take_little() {
    assert!(beside_tcp(0, 5).0 <= 0.2);
    assert!(beside_tcp(0, 0).0 <= 0.2);
}

#[test]
fn a_late_comer_that_finds_the_queue_of_tcp_takes_little() {
    assert!(beside_tcp(10, 0).0 <= 0.2);
}

#[test]
fn two_flows_share() {
    let (a, b) = two_utp(10.0, 20, 0, 20, 60);
    assert!(a.max(b) / (a + b) <= 0.6);
    let (a, b) = two_utp(40.0, 80, 0, 30, 60);
    assert!(a.max(b) / (a + b) <= 0.6);
}

#[test]
fn the_advantage_of_a_late_comer_is_bounded() {
    let (a, b) = two_utp(10.0, 20, 30, 40, 60);
    assert!(a.max(b) / (a + b) <= 0.6, "after a minute they share");
    let (a, b) = two_utp(40.0, 80, 30, 40, 60);
    assert!(a.max(b) / (a + b) <= 0.7);
}

/// Runs a transfer over a path and says how long it took.
fn transfer(bytes: u64, there: Link, back: Link, most: u64) -> (Net, net::Pair, Duration) {
    let mut net: Net = World::seeded(9);
    let pair = pair(&mut net, 0, there, back, bytes);
    net.with(pair.sender, |node, now| {
        node.utp().finish = true;
        node.utp().write(now);
    });
    let receiver = pair.receiver;
    let done = net.run_until(SECOND * most as u32, |net| match &net[receiver] {
        net::Node::Utp(peer) => peer.ended && peer.received == bytes,
        net::Node::Tcp(_) => false,
    });
    assert!(done, "{} of {bytes} bytes after {most} s", net[receiver].received());
    let took = net.elapsed();
    (net, pair, took)
}

#[test]
fn reordering_and_duplicates_cost_no_throughput() {
    let queue = bottleneck(20.0, 300);
    let path = || Link::new().through(&queue).delay(ms(20)).reorder(0.1, ms(15)).duplicate(0.05);
    let (mut net, pair, took) = transfer(20_000_000, path(), Link::new().delay(ms(20)).reorder(0.1, ms(15)), 60);
    let stats = net.with(pair.sender, |node, _| node.utp().stats());
    println!("{took:?} {stats:?}");
    assert!(took < SECOND * 12, "{took:?}");
}

#[test]
fn a_lossy_long_path_moves_data() {
    let path = || Link::new().delay(ms(100)).drop(0.05).rate(1_250_000, 400_000);
    let (_, _, took) = transfer(3_000_000, path(), path(), 120);
    println!("{took:?}");
}

#[test]
fn losses_in_bursts_are_survived() {
    let path = || Link::new().delay(ms(30)).burst(0.002, 0.1).rate(1_250_000, 400_000);
    transfer(5_000_000, path(), path(), 120);
}

#[test]
fn a_path_with_a_small_mtu_is_found_and_used() {
    for mtu in [548, 700, 1000, 1300, 1471] {
        let path = || Link::new().delay(ms(20)).rate(1_250_000, 400_000).mtu(mtu);
        let (mut net, pair, _) = transfer(1_000_000, path(), path(), 30);
        let stats = net.with(pair.sender, |node, _| node.utp().stats());
        assert!(usize::from(stats.datagram) <= mtu && usize::from(stats.datagram) + 24 > mtu, "{mtu}: {stats:?}");
    }
}

#[test]
fn a_path_whose_mtu_shrinks_is_survived() {
    let mut net: Net = World::seeded(3);
    let path = |mtu| Link::new().delay(ms(20)).rate(1_250_000, 400_000).mtu(mtu);
    let bytes = 8_000_000;
    let pair = pair(&mut net, 0, path(1472), path(1472), bytes);
    net.with(pair.sender, |node, _| node.utp().cut_at = Some(900));
    net.run_for(3 * SECOND);
    assert_eq!(net.with(pair.sender, |node, _| node.utp().stats().datagram), 1472);
    net.one_way(pair.sender, pair.receiver, path(900));
    let done = net.run_until(120 * SECOND, |net| net[pair.receiver].received() == bytes);
    assert!(done, "{}", net[pair.receiver].received());
}

#[test]
fn a_clock_that_drifts_costs_no_throughput() {
    for drift in [300, -300] {
        let mut net: Net = World::seeded(3);
        let queue = bottleneck(10.0, 300);
        let (there, back) = through(&queue, ms(40));
        let pair = pair(&mut net, 0, there, back, 0);
        net.with(pair.receiver, |node, _| node.utp().drift = drift);
        net.with(pair.sender, |node, now| {
            node.utp().to_send = forever();
            node.utp().write(now);
        });
        net.run_for(300 * SECOND);
        let before = net[pair.receiver].received();
        queue.restart_stats(net.now());
        net.run_for(60 * SECOND);
        let goodput = (net[pair.receiver].received() - before) as f64 * 8.0 / 60e6;
        let stats = queue.stats(net.now());
        println!("drift {drift}: {goodput:.2} of 10, {stats:?}");
        assert!(goodput > 8.5 && stats.max_delay < ms(140), "{goodput} {stats:?}");
    }
}

#[test]
fn a_receiver_that_stops_reading_stops_the_sender_and_starts_it_again() {
    let mut net: Net = World::seeded(3);
    let path = || Link::new().delay(ms(10)).rate(12_500_000, 400_000);
    let bytes = 20_000_000;
    let pair = pair(&mut net, 0, path(), path(), bytes);
    net.run_for(SECOND);
    net.with(pair.receiver, |node, _| node.utp().reading = false);
    net.run_for(300 * SECOND);
    let (read, written) = (net[pair.receiver].received(), net.with(pair.sender, |node, _| node.utp().written));
    net.run_for(600 * SECOND);
    assert_eq!(net.with(pair.sender, |node, _| node.utp().written), written, "what is written is bounded");
    assert_eq!(net.with(pair.sender, |node, _| node.utp().fault), None, "a closed window is no death");
    assert!(read < bytes);
    let sent = net.counts().sent;
    net.run_for(600 * SECOND);
    assert!(net.counts().sent - sent < 200, "probes are rare: {}", net.counts().sent - sent);
    net.with(pair.receiver, |node, now| {
        node.utp().reading = true;
        node.utp().read(now);
    });
    assert!(net.run_until(net.elapsed() + 60 * SECOND, |net| net[pair.receiver].received() == bytes));
}

#[test]
fn windows_tune_themselves_past_a_megabyte() {
    // 200 Mbit/s and 200 ms need five megabytes in flight.
    let path = || Link::new().delay(ms(100)).rate(25_000_000, 8_000_000);
    let mut net: Net = World::seeded(3);
    let pair = pair_with(&mut net, 0, path(), path(), forever(), &Config::default());
    net.run_for(6 * SECOND);
    let before = net[pair.receiver].received();
    net.run_for(4 * SECOND);
    let rate = (net[pair.receiver].received() - before) as f64 / 4.0;
    assert!(rate > 0.85 * 25_000_000.0, "{rate}");
}
