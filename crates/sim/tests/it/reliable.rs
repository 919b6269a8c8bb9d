//! Messages: parcels that the network may delay but not lose.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use torrent_sim::{Delivery, Link, Node, Parcel, Transmit, World};

use crate::{MS, SECOND};

#[derive(Clone, Debug, PartialEq)]
struct Message(u32);

impl Parcel for Message {
    const DELIVERY: Delivery = Delivery::Reliable;
    const HEADERS: usize = 0;

    fn size(&self) -> usize {
        1000
    }
}

#[derive(Default)]
struct Talker {
    out: VecDeque<Transmit<Message>>,
    heard: Vec<(Instant, u32)>,
}

impl Node for Talker {
    type Parcel = Message;

    fn handle_parcel(&mut self, now: Instant, _from: SocketAddr, message: Message) {
        self.heard.push((now, message.0));
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit<Message>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// Says 0 to 499 at once; gives when the last one was heard. They have to come in order, each once.
fn say(link: impl Fn() -> Link) -> Option<Duration> {
    let mut world = World::seeded(5);
    let (a, b) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
    let from = world.add(a, Talker::default());
    let to = world.add(b, Talker::default());
    world.link(from, to, link);
    let start = world.now();
    world.with(from, |talker, _| talker.out.extend((0..500).map(|n| Transmit { to: b, parcel: Message(n) })));
    world.run_for(60 * SECOND);
    let heard = &world[to].heard;
    assert!(heard.iter().map(|heard| heard.1).eq(0..u32::try_from(heard.len()).unwrap()), "{heard:?}");
    heard.last().filter(|last| last.1 == 499).map(|last| last.0 - start)
}

#[test]
fn messages_come_once_and_in_order_whatever_the_link_does() {
    assert_eq!(say(|| Link::new().delay(40 * MS)), Some(40 * MS));
    let took = say(|| {
        let link = Link::new().delay(40 * MS).reorder(0.3, 50 * MS).duplicate(0.3);
        link.drop(0.1).burst(0.05, 0.3).jitter(20 * MS).mtu(100)
    });
    assert!(took.is_some_and(|took| took > 240 * MS), "{took:?}");
}

#[test]
fn a_full_queue_makes_messages_wait_instead_of_losing_them() {
    assert_eq!(say(|| Link::new().rate(100_000, 2000)), Some(5 * SECOND));
}

#[test]
fn a_dead_link_delivers_nothing_and_the_world_goes_on() {
    assert_eq!(say(|| Link::new().drop(1.0)), None);
}
