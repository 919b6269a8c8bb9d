//! Many nodes for a long time: the world itself costs little.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use torrent_sim::{Mesh, Node, Transmit, World};

use crate::{MS, SECOND};

/// Asks another node every minute, and answers. Puts its deadline off with every answer, as cores with many timers do.
struct Pinger {
    number: u32,
    of: u32,
    round: u32,
    next: Instant,
    out: Vec<Transmit<Vec<u8>>>,
    answers: u32,
}

fn address(number: u32) -> SocketAddr {
    (Ipv4Addr::from(0x0a00_0000 + number), 6881).into()
}

impl Node for Pinger {
    type Parcel = Vec<u8>;

    fn handle_parcel(&mut self, now: Instant, from: SocketAddr, payload: Vec<u8>) {
        if payload[0] == 0 {
            self.out.push(Transmit { to: from, parcel: vec![1; 80] });
        } else {
            self.answers += 1;
            self.next = now + 60 * SECOND;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.round += 1;
        self.next = now + 61 * SECOND;
        let other = (self.number.wrapping_mul(2_654_435_761).wrapping_add(self.round * 7919)) % self.of;
        self.out.push(Transmit { to: address(other), parcel: vec![0; 100] });
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit<Vec<u8>>> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "prints how long it took")]
fn ten_thousand_nodes_talk_for_ten_minutes() {
    let mut world = World::seeded(1);
    world.mesh(Mesh::new().delay(10 * MS, 200 * MS).loss(0.01));
    for number in 0..10_000 {
        let next = world.now() + Duration::from_millis(u64::from(number) * 6);
        world.add(address(number), Pinger { number, of: 10_000, round: 0, next, out: Vec::new(), answers: 0 });
    }
    let began = Instant::now();
    world.run_for(600 * SECOND);
    println!("600 s of virtual time took {:?}", began.elapsed());
    let answers: u64 = world.nodes().map(|(_, node)| u64::from(node.answers)).sum();
    let counts = world.counts();
    // Nine or ten rounds each; one in fifty questions stays without an answer.
    assert!((93_000..98_500).contains(&answers), "{answers} {counts:?}");
    let in_flight = counts.sent - counts.delivered - counts.dropped;
    assert!(in_flight < 100 && counts.unreachable == 0, "{counts:?}");
}
