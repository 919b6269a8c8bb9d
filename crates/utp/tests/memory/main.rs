//! What connections that rest cost. A binary of its own, as it counts all memory.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use peak_alloc::PeakAlloc;
use torrent_utp::{Config, Endpoint, Event, Key, Read};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const CONNECTIONS: usize = 5_000;
const EACH: usize = 4096;

struct Net {
    now: Instant,
    ends: [(SocketAddr, Endpoint); 2],
    keys: Vec<Key>,
    datagrams: usize,
}

impl Net {
    fn exchange(&mut self) {
        let mut buffer = Vec::new();
        loop {
            let mut any = false;
            for from in [0, 1] {
                while let Some(transmit) = self.ends[from].1.poll_transmit(self.now, 64, &mut buffer) {
                    any = true;
                    let address = self.ends[from].0;
                    for datagram in buffer.chunks(transmit.segment) {
                        self.datagrams += 1;
                        self.ends[1 - from].1.handle_datagram(self.now, address, datagram);
                    }
                }
                while let Some(event) = self.ends[from].1.poll_event() {
                    if let Event::Incoming { key, .. } = event {
                        self.ends[from].1.accept(key);
                        self.keys.push(key);
                    }
                }
            }
            if !any {
                return;
            }
        }
    }

    /// Returns how often a deadline came.
    fn wait(&mut self, time: Duration) -> usize {
        let end = self.now + time;
        let mut wakes = 0;
        while let Some(at) = self.ends.iter().filter_map(|(_, end)| end.poll_timeout()).min().filter(|&at| at <= end) {
            self.now = at;
            wakes += 1;
            for (_, end) in &mut self.ends {
                end.handle_timeout(at);
            }
            self.exchange();
        }
        self.now = end;
        wakes
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "time has to begin somewhen")]
fn five_thousand_connections_that_rest_cost_little() {
    let now = Instant::now();
    let end = |n: u8| (SocketAddr::from(([10, 0, 0, n], 1)), Endpoint::new(now, [n; 32], Config::default()));
    let mut net = Net { now, ends: [end(1), end(2)], keys: Vec::new(), datagrams: 0 };
    let before = MEMORY.current_usage();
    let to = net.ends[1].0;
    let mut out = vec![0; 1 << 16];
    for _ in 0..CONNECTIONS {
        let key = net.ends[0].1.connect(net.now, to).expect("there is room");
        net.exchange();
        // They have been used in both directions.
        net.ends[0].1.write(net.now, key, &[1; 30_000]).expect("it is open");
        net.exchange();
        net.wait(Duration::from_millis(5));
        let other = *net.keys.last().expect("it was accepted");
        net.ends[1].1.write(net.now, other, &[1; 3_000]).expect("it is open");
        net.exchange();
        while let Ok(Read::Bytes(_)) = net.ends[1].1.read(net.now, other, &mut out) {}
        while let Ok(Read::Bytes(_)) = net.ends[0].1.read(net.now, key, &mut out) {}
    }
    net.wait(Duration::from_secs(10));
    let used = MEMORY.current_usage() - before;
    let each = used / (2 * CONNECTIONS);
    println!("{each} bytes for an end of a connection");
    assert!(each < EACH, "{each} bytes");
    net.datagrams = 0;
    let wakes = net.wait(Duration::from_secs(290));
    assert!(net.datagrams <= 2 * CONNECTIONS * 11, "only keep-alives: {}", net.datagrams);
    assert!(wakes <= 4 * CONNECTIONS * 11, "{wakes}");
}
